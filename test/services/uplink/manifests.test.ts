/** What is known is not asked: manifests, tags and the sizes of blobs. */
import assert from "node:assert/strict";
import { digestOf, FakeContent, type FakeImage, INDEX, MANIFEST, randomBytes } from "../../support/fake-relay";
import { Bench } from "./started-uplink";

const layer = randomBytes(100_000, "layer");
const TAG = "/v2/library/app/manifests/1.0";

describe("Uplink, manifests", () => {
    let bench: Bench;
    let content: FakeContent;
    let image: FakeImage;

    beforeEach(() => {
        content = new FakeContent();
        image = content.image("library/app", "1.0", [layer]);
    });
    afterEach(() => bench.stop());

    const start = async (tagSeconds = 60): Promise<void> => {
        bench = await Bench.start(content, { config: { tagSeconds } });
    };
    const byDigest = () => `/v2/library/app/manifests/${image.digest}`;

    it("come with type, length, digest and ETag, by GET and by HEAD", async () => {
        await start();
        for (const method of ["HEAD", "GET"]) {
            for (const path of [TAG, byDigest()]) {
                const { status, headers, body } = await bench.get(path, {}, method);
                assert.equal(status, 200);
                assert.equal(headers["content-type"], MANIFEST);
                assert.equal(headers["docker-content-digest"], image.digest);
                assert.equal(headers.etag, `"${image.digest}"`);
                assert.equal(headers["content-length"], String(content.blobs.get(image.digest)?.length));
                if (method === "GET") assert.equal(digestOf(body), image.digest);
            }
        }
    });

    it("are asked for once by digest, also after a restart and with every relay dead", async () => {
        await start();
        await bench.get(byDigest());
        await bench.restart();
        for (const relay of bench.relays) await relay.refuse();
        const answer = await bench.get(byDigest());
        assert.equal(answer.digest, image.digest);
        assert.equal(answer.headers["content-type"], MANIFEST);
        assert.equal(bench.first.asked().length, 1);
    });

    it("cost one HEAD for 64 who ask for a tag at once, and for who asks a moment later", async () => {
        await start();
        await Promise.all(Array.from({ length: 64 }, () => bench.get(TAG, {}, "HEAD")));
        await bench.get(TAG, {}, "HEAD");
        assert.deepEqual(
            bench.first.asked().map(({ method }) => method),
            ["HEAD"],
        );
    });

    it("are asked about again when the time for sharing is over: a moved tag has its new digest", async () => {
        await start(0);
        await bench.get(TAG, {}, "HEAD");
        const moved = content.image("library/app", "1.0", [layer, layer]);
        const answer = await bench.get(TAG, {}, "HEAD");
        assert.equal(answer.headers["docker-content-digest"], moved.digest);
    });

    it("are asked for again where the upstream failed a moment ago", async () => {
        bench = await Bench.start(content, { config: { tagSeconds: 60 }, marks: true });
        for (const relay of bench.relays) {
            relay.faults.push({ times: 1, fault: { do: "status", status: 503, answer: "upstream" } });
        }
        assert.equal((await bench.get(TAG)).status, 503);
        assert.equal((await bench.get(TAG)).digest, image.digest);
    });

    it("by tag have one GET after the HEAD, of the digest that the HEAD told", async () => {
        await start();
        await bench.get(TAG, {}, "HEAD");
        assert.equal((await bench.get(TAG)).digest, image.digest);
        assert.deepEqual(
            bench.first.asked().map(({ method, path }) => [method, path]),
            [
                ["HEAD", TAG],
                ["GET", byDigest()],
            ],
        );
    });

    it("are not mixed up between callers that accept different types", async () => {
        await start();
        await bench.get(TAG, { accept: MANIFEST }, "HEAD");
        await bench.get(TAG, { accept: INDEX }, "HEAD");
        assert.equal(bench.first.asked().length, 2);
    });

    it("with a wrong digest are not given out, and the relay is named", async () => {
        await start();
        bench.first.faults.push({ fault: { do: "lie" } });
        assert.equal((await bench.get(byDigest())).digest, image.digest);
        assert.equal(bench.logged("relay hands out wrong bytes")[0]?.relay, "first");
        assert.equal((await bench.get(TAG)).digest, image.digest);
    });

    it("that passed answer HEADs of their blobs, also after a restart", async () => {
        await start();
        await bench.get(byDigest());
        await bench.restart();
        const answer = await bench.get(`/v2/library/app/blobs/${image.layers[0]}`, {}, "HEAD");
        assert.equal(answer.status, 200);
        assert.equal(answer.headers["content-length"], String(layer.length));
        assert.equal(answer.headers["docker-content-digest"], image.layers[0]);
        assert.equal(bench.first.asked().length, 1);
    });

    it("leave HEADs of blobs that none of them named to the link", async () => {
        await start();
        const answer = await bench.get(`/v2/library/app/blobs/${image.layers[0]}`, {}, "HEAD");
        assert.equal(answer.headers["content-length"], String(layer.length));
        assert.deepEqual(
            bench.first.asked().map(({ method }) => method),
            ["HEAD"],
        );
    });

    it("are not sent again to who has them (If-None-Match)", async () => {
        await start();
        for (const path of [TAG, byDigest()]) {
            const answer = await bench.get(path, { "if-none-match": `"${image.digest}"` });
            assert.equal(answer.status, 304);
            assert.equal(answer.body.length, 0);
        }
    });
});
