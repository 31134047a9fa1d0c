/** How often the cache is made to ask, and when no more. That a real one then keeps the blob: registry.test.ts. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type RegistryRequest, relayPath } from "../../../services/registry/names";
import { selectUpstreams } from "../../../services/registry/upstreams";
import type { BlobRequest, BlobSource, Blobs } from "../../../services/uplink/blobs";
import { Handover } from "../../../services/uplink/handover";
import { Metrics } from "../../../services/uplink/metrics";
import { eventually } from "../../support/eventually";

const HOUR_MS = 3_600_000;

const [upstream] = selectUpstreams(["docker.io"]);
const blob = (digit: string): BlobRequest => {
    const reference = `sha256:${digit.repeat(64)}`;
    return { upstream, repository: "library/app", kind: "blobs", reference } as RegistryRequest & { kind: "blobs" };
};

describe("Handover", () => {
    let cache: Server;
    let handover: Handover;
    let asked: string[];
    let opened: number;
    /** After so many questions the cache keeps the blob. */
    let keepsAfter: number;

    beforeEach(async () => {
        [asked, opened, keepsAfter] = [[], 0, 1];
        cache = createServer(({ url = "" }, response) => {
            asked.push(url);
            response.end("the blob");
        });
        await new Promise<void>((resolve) => cache.listen(0, "127.0.0.1", resolve));
        const source: BlobSource = {
            from: "spool",
            size: 8,
            read: async () => 0,
            releasedAfter: async () => 8,
            close: async () => {
                opened -= 1;
            },
        };
        const blobs: Pick<Blobs, "canSpool" | "open" | "isStored"> = {
            canSpool: async () => true,
            open: async () => {
                opened += 1;
                return source;
            },
            isStored: async () => asked.length >= keepsAfter,
        };
        const origin = `http://127.0.0.1:${(cache.address() as AddressInfo).port}`;
        const times = { silentMs: HOUR_MS, keptMs: 0, restMs: HOUR_MS };
        handover = new Handover(origin, blobs as Blobs, () => undefined, new Metrics([]), times);
    });
    afterEach(async () => {
        await handover.stop();
        cache.close();
    });

    const ended = () => eventually("nothing is under way", () => (handover.underWay === 0 ? true : undefined));

    it("has the cache ask once for a blob that many clients want at a time", async () => {
        for (let client = 0; client < 10; client++) handover.offer(blob("a"));
        assert.equal(handover.underWay, 1);
        await ended();
        assert.deepEqual(asked, [relayPath(blob("a"))]);
        assert.equal(opened, 0);
    });

    it("has it ask again where it did not keep the blob the first time", async () => {
        keepsAfter = 3;
        handover.offer(blob("a"));
        await ended();
        assert.equal(asked.length, 3);
        handover.offer(blob("b"));
        await ended();
        assert.equal(asked.at(-1), relayPath(blob("b")));
    });

    it("gives up a cache that keeps nothing, and leaves it alone for a while", async () => {
        keepsAfter = Number.POSITIVE_INFINITY;
        handover.offer(blob("a"));
        await ended();
        const before = asked.length;
        assert.ok(before < 10, `${before} questions`);
        handover.offer(blob("b"));
        assert.equal(handover.underWay, 0);
        assert.equal(opened, 0);
    });
});
