import assert from "node:assert/strict";
import { algorithmOf, readSaidDigest } from "../../../services/registry/said-digest";

const A = `sha256:${"a".repeat(64)}`;
const B = `sha256:${"b".repeat(64)}`;
const LONG = `sha512:${"c".repeat(128)}`;

describe("Docker-Content-Digest", () => {
    const rows: Record<string, [header: string | undefined, digest: string]> = {
        "is missing": [undefined, ""],
        "is empty": [" , ,", ""],
        "says it once": [A, A],
        "says it twice": [`${A}, ${A}`, A],
        "says it in capitals too": [`${A.toUpperCase()},${A}`, A],
        "says it beside what is no digest": [`unknown, ${A}`, A],
        "is no digest": ["unknown", ""],
        "is cut off": [A.slice(0, -1), ""],
        "is by another algorithm": [LONG, LONG],
        "is by two algorithms, of which one is usual": [`${LONG}, ${A}`, A],
        "is by an algorithm of several words": ["multihash+base58:QmRZ", "multihash+base58:QmRZ"],
    };
    for (const [what, [header, digest]] of Object.entries(rows)) {
        it(`${what}: ${digest.slice(0, 20) || "none"}`, () => {
            assert.deepEqual(readSaidDigest(header), { digest, contradiction: "" });
        });
    }

    it("contradicts itself where two of one algorithm differ", () => {
        for (const header of [`${A}, ${B}`, `${A},${A.toUpperCase()},${B}`, `${A}, ${LONG}, ${B}`]) {
            assert.equal(readSaidDigest(header).contradiction, `${A}, ${B}`);
        }
    });

    it("is by the algorithm before its colon", () => {
        assert.deepEqual([A, LONG, "", "none"].map(algorithmOf), ["sha256", "sha512", "", ""]);
    });
});
