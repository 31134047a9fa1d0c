import assert from "node:assert/strict";
import { keyIdOf, keySettings } from "../../../rehearsal/proof/keys";

describe("The setting of relay keys", () => {
    it("is read from their ids: each name once, with its current generation", () => {
        const keys = keySettings(["shanghai.9", "shanghai.10", "chengdu.1", "north-sea.2", "north-sea.1"]);
        assert.deepEqual(keys, [
            { name: "shanghai", generation: 10 },
            { name: "chengdu", generation: 1 },
            { name: "north-sea", generation: 2 },
        ]);
        assert.deepEqual(keys.map(keyIdOf), ["shanghai.10", "chengdu.1", "north-sea.2"]);
        assert.equal(keyIdOf(undefined), "");
    });
});
