import assert from "node:assert/strict";
import type { Relay } from "../../../services/uplink/relay";
import { Suspicion } from "../../../services/uplink/suspicion";

/** Only told apart here, never asked. */
const [a, b, c] = ["a", "b", "c"].map((name) => ({ name }) as Relay) as [Relay, Relay, Relay];

describe("Suspicion", () => {
    it("blames nobody as long as no other relay has sent the right bytes", () => {
        const suspicion = new Suspicion(false);
        suspicion.contributed(a);
        assert.deepEqual(suspicion.wrong(), [a]);
        assert.deepEqual([...suspicion.wrongAlone], [a]);
        suspicion.contributed(b);
        assert.deepEqual(suspicion.wrong(), [b]);
        assert.deepEqual([...suspicion.wrongAlone], [a, b]);
    });

    it("blames the one that sent a wrong round alone, when another sent the right one", () => {
        const suspicion = new Suspicion(false);
        suspicion.contributed(a);
        suspicion.wrong();
        suspicion.contributed(b);
        assert.deepEqual(suspicion.right(), [a]);
    });

    it("does not know whose bytes of before a restart were, and asks the same relay again", () => {
        const suspicion = new Suspicion(true);
        suspicion.contributed(a);
        assert.deepEqual(suspicion.wrong(), [a]);
        assert.deepEqual([...suspicion.wrongAlone], []);
        suspicion.contributed(a);
        suspicion.wrong();
        assert.deepEqual([...suspicion.wrongAlone], [a]);
    });

    it("keeps to one relay while there are suspects, and clears it when the digest is right", () => {
        const suspicion = new Suspicion(false);
        suspicion.chosen(a);
        assert.equal(suspicion.sole, undefined);
        suspicion.contributed(a);
        suspicion.contributed(b);
        assert.deepEqual(suspicion.wrong(), [a, b]);
        suspicion.chosen(b);
        assert.equal(suspicion.sole, b);
        suspicion.contributed(b);
        assert.deepEqual(suspicion.right(), [a]);
    });

    it("accuses nobody else once it is clear who it was", () => {
        const suspicion = new Suspicion(false);
        suspicion.contributed(a);
        suspicion.contributed(b);
        suspicion.wrong();
        suspicion.contributed(b);
        suspicion.wrong();
        suspicion.contributed(c);
        assert.deepEqual(suspicion.right(), [b]);
    });
});
