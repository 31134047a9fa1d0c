/** The release that a machine says it has, and what follows from it. */
import assert from "node:assert/strict";
import { dockerPackages, ownSuite } from "../../rehearsal/debian";
import { nodePackages } from "../../rehearsal/images";

describe("ownSuite", () => {
    it("is what os-release calls it", () => {
        assert.equal(ownSuite('ID=debian\nVERSION_CODENAME=trixie\nVERSION_ID="13"\n'), "trixie");
        assert.equal(ownSuite('VERSION_CODENAME="bookworm"\n'), "bookworm");
    });

    it("is asked for by name where there is none", () => {
        assert.throws(() => ownSuite("ID=alpine\n"), /no VERSION_CODENAME/);
    });
});

describe("dockerPackages", () => {
    it("have the client, which Debian 13 has in a package of its own", () => {
        assert.deepEqual(dockerPackages("VERSION_CODENAME=bookworm\n"), ["docker.io"]);
        assert.deepEqual(dockerPackages("VERSION_CODENAME=trixie\n"), ["docker.io", "docker-cli"]);
    });
});

describe("nodePackages", () => {
    it("have the library of Debian's own node, and nothing for others", () => {
        assert.deepEqual(nodePackages("\tlibnode.so.115 => /lib/x86_64-linux-gnu/libnode.so.115 (0x00007f)\n"), [
            "libnode115",
        ]);
        assert.deepEqual(nodePackages("\tlibstdc++.so.6 => /lib/x86_64-linux-gnu/libstdc++.so.6 (0x00007f)\n"), []);
    });
});
