/** The release that a machine says it has. */
import assert from "node:assert/strict";
import { ownSuite } from "../../rehearsal/debian";

describe("ownSuite", () => {
    it("is what os-release calls it", () => {
        assert.equal(ownSuite('ID=debian\nVERSION_CODENAME=trixie\nVERSION_ID="13"\n'), "trixie");
        assert.equal(ownSuite('VERSION_CODENAME="bookworm"\n'), "bookworm");
    });

    it("is asked for by name where there is none", () => {
        assert.throws(() => ownSuite("ID=alpine\n"), /no VERSION_CODENAME/);
    });
});
