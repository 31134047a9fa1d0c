import assert from "node:assert/strict";
import type { Relay } from "../../../services/uplink/relay";
import { Suspicion } from "../../../services/uplink/suspicion";

/** Only told apart here, never asked. */
const [a, b, c] = ["a", "b", "c"].map((name) => ({ name }) as Relay) as [Relay, Relay, Relay];

describe("Suspicion", () => {
    it("knows the liar when one relay sent everything", () => {
        const suspicion = new Suspicion(false);
        suspicion.contributed(a);
        assert.deepEqual(suspicion.wrong(), { liar: a });
        assert.deepEqual([...suspicion.liars], [a]);
    });

    it("knows no liar when bytes of before a restart took part, and knows the next time", () => {
        const suspicion = new Suspicion(true);
        suspicion.contributed(a);
        assert.deepEqual(suspicion.wrong(), { suspects: [a] });
        suspicion.contributed(a);
        assert.deepEqual(suspicion.wrong(), { liar: a });
    });

    it("keeps to one relay while there are suspects, and clears it when the digest is right", () => {
        const suspicion = new Suspicion(false);
        suspicion.chosen(a);
        assert.equal(suspicion.sole, undefined);
        suspicion.contributed(a);
        suspicion.contributed(b);
        assert.deepEqual(suspicion.wrong(), { suspects: [a, b] });
        suspicion.chosen(b);
        assert.equal(suspicion.sole, b);
        suspicion.contributed(b);
        assert.deepEqual(suspicion.right(), [a]);
    });

    it("accuses nobody else once the liar is found", () => {
        const suspicion = new Suspicion(false);
        suspicion.contributed(a);
        suspicion.contributed(b);
        suspicion.wrong();
        suspicion.contributed(b);
        assert.deepEqual(suspicion.wrong(), { liar: b });
        suspicion.contributed(c);
        assert.deepEqual(suspicion.right(), []);
    });
});
