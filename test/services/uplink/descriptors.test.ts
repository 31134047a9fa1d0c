import assert from "node:assert/strict";
import { Descriptors } from "../../../services/uplink/descriptors";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const numbered = (index: number) => `sha256:${index.toString(16).padStart(64, "0")}`;
const EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const manifest = (...layers: [digest: string, size: unknown][]) =>
    Buffer.from(JSON.stringify({ layers: layers.map(([digest, size]) => ({ digest, size })) }));

describe("Descriptors", () => {
    it("are a repository's own", () => {
        const descriptors = new Descriptors();
        descriptors.learn("docker.io/joe/broken", manifest([digest("a"), 123]));
        assert.equal(descriptors.get("docker.io/joe/broken", digest("a"))?.size, 123);
        assert.equal(descriptors.get("docker.io/library/good", digest("a")), undefined);
        assert.equal(descriptors.get("ghcr.io/joe/broken", digest("a")), undefined);
    });

    it("know no size where two manifests differ, and the layers of the one that passed last", () => {
        const descriptors = new Descriptors();
        descriptors.learn("r", manifest([digest("a"), 123]));
        descriptors.learn("r", manifest([digest("a"), 123]));
        assert.equal(descriptors.get("r", digest("a"))?.size, 123);
        descriptors.learn("r", manifest([digest("a"), 456], [digest("b"), 1]));
        descriptors.learn("r", manifest([digest("a"), 123], [digest("b"), 1]));
        assert.equal(descriptors.get("r", digest("a"))?.size, undefined);
        assert.equal(descriptors.get("r", digest("a"))?.layers.length, 2);
        assert.equal(descriptors.get("r", digest("b"))?.size, 1);
    });

    it("believe in no bytes for the one blob that has none, and in that alone", () => {
        const descriptors = new Descriptors();
        descriptors.learn("r", manifest([digest("a"), 0], [EMPTY, 0]));
        assert.equal(descriptors.get("r", digest("a"))?.size, undefined);
        assert.equal(descriptors.get("r", EMPTY)?.size, 0);
        descriptors.learn("r", manifest([digest("a"), 5], [EMPTY, 7]));
        assert.equal(descriptors.get("r", digest("a"))?.size, 5);
        assert.equal(descriptors.get("r", EMPTY)?.size, 0);
    });

    it("are given up when there are too many: those that no manifest has named for longest", () => {
        const descriptors = new Descriptors();
        descriptors.learn("r", manifest([digest("a"), 1]));
        descriptors.learn("r", manifest([digest("b"), 2]));
        descriptors.learn("r", manifest([digest("a"), 1]));
        const others = Array.from({ length: 49_999 }, (_, index) => [numbered(index), 3] as [string, number]);
        descriptors.learn("r", manifest(...others));
        const known = [digest("a"), digest("b"), numbered(0), numbered(49_998)];
        const sizes = known.map((each) => descriptors.get("r", each)?.size);
        assert.deepEqual(sizes, [1, undefined, 3, 3]);
    });

    it("learn nothing from sizes that are none, nor from what is no manifest", () => {
        const descriptors = new Descriptors();
        for (const size of [-1, 1.5, "5", null, 2 ** 60]) descriptors.learn("r", manifest([digest("a"), size]));
        for (const text of ["", "[]", "null", '{"layers":5}', '{"layers":[null]}']) {
            descriptors.learn("r", Buffer.from(text));
        }
        assert.equal(descriptors.get("r", digest("a")), undefined);
    });
});
