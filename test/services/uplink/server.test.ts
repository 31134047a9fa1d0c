/** The surface that a cache engine sees. */
import assert from "node:assert/strict";
import { digestOf, FakeContent, randomBytes } from "../../support/fake-relay";
import { REFUSED } from "../../support/refused-requests";
import { Bench } from "./started-uplink";

const blob = randomBytes(300_000, "blob");
const BLOB = `/v2/library/app/blobs/${digestOf(blob)}`;

describe("Uplink, server", () => {
    let bench: Bench;

    beforeEach(async () => {
        const content = new FakeContent();
        content.image("library/app", "1.0", [blob]);
        content.image("ghcr.io/owner/app", "1.0", [randomBytes(10, "other")]);
        bench = await Bench.start(content);
    });
    afterEach(() => bench.stop());

    const errorCode = (body: Buffer) => JSON.parse(body.toString()).errors[0].code;

    it("answers /v2/ itself, and for each upstream", async () => {
        for (const path of ["/v2/", "/v2", "/ghcr.io/v2/", "/docker.io/v2/"]) {
            const { status, headers, body } = await bench.get(path);
            assert.equal(status, 200, path);
            assert.equal(headers["docker-distribution-api-version"], "registry/2.0");
            assert.equal(body.toString(), "{}");
        }
        assert.deepEqual(bench.first.requests, []);
    });

    it("takes one repository by prefix, by ?ns= and by the upstream's own endpoint", async () => {
        for (const path of ["/v2/ghcr.io/owner/app", "/ghcr.io/v2/owner/app"]) {
            assert.equal((await bench.get(`${path}/manifests/1.0`)).status, 200, path);
        }
        assert.equal((await bench.get("/v2/owner/app/manifests/1.0?ns=ghcr.io")).status, 200);
        assert.deepEqual(
            bench.first.asked().map(({ path }) => path),
            ["/v2/ghcr.io/owner/app/manifests/1.0"],
        );
    });

    it("adds library/ to a name of one segment on docker.io", async () => {
        assert.equal((await bench.get("/v2/app/manifests/1.0")).status, 200);
        assert.equal((await bench.get("/docker.io/v2/app/manifests/1.0")).status, 200);
    });

    for (const [path, status, code] of [
        ["/v2/example.com/app/manifests/1.0", 404, "NAME_UNKNOWN"],
        ["/ghcr.io/v2/docker.io/library/app/manifests/1.0", 404, "NAME_UNKNOWN"],
        ["/v2/library/app/manifests/1.0?ns=127.0.0.1", 404, "NAME_UNKNOWN"],
        ["/v2/library/app/blobs/sha256:abc", 404, "NAME_INVALID"],
        ["/v2/library/app/referrers/sha256:abc", 404, "NAME_INVALID"],
        ["/v2/library/../app/manifests/1.0", 404, "NAME_INVALID"],
        ["//v2/library/app/manifests/1.0", 404, "NAME_INVALID"],
        ["/v2/library%2fapp/manifests/1.0", 404, "NAME_INVALID"],
        ["/v2/_catalog", 404, "NAME_INVALID"],
        ["/", 404, "NAME_INVALID"],
    ] as const) {
        it(`answers ${status} ${code} to ${path}`, async () => {
            const answer = await bench.get(path);
            assert.equal(answer.status, status);
            assert.equal(errorCode(answer.body), code);
        });
    }

    for (const [path, [status, code]] of Object.entries(REFUSED)) {
        // It serves no page of its own outside of the API.
        if (status === 414) continue;
        it(`refuses ${path.slice(0, 80)} as relays do: ${status}`, async () => {
            for (const method of ["GET", "HEAD"]) {
                const answer = await bench.get(path, {}, method);
                assert.equal(answer.status, status);
                if (method === "GET") assert.equal(errorCode(answer.body), code ?? "NAME_INVALID");
            }
            assert.deepEqual(bench.first.requests, []);
        });
    }

    it("refuses to write", async () => {
        for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
            const answer = await bench.get("/v2/library/app/blobs/uploads/", {}, method);
            assert.equal(answer.status, 405);
            assert.equal(errorCode(answer.body), "UNSUPPORTED");
        }
    });

    for (const [range, status, contentRange, from, to] of [
        ["bytes=0-99", 206, "bytes 0-99/300000", 0, 100],
        ["bytes=299000-", 206, "bytes 299000-299999/300000", 299_000, 300_000],
        ["bytes=-10", 206, "bytes 299990-299999/300000", 299_990, 300_000],
        ["bytes=100-999999", 206, "bytes 100-299999/300000", 100, 300_000],
        ["bytes=5-1", 200, undefined, 0, 300_000],
        ["bytes=0-1,5-6", 200, undefined, 0, 300_000],
        ["lines=1-2", 200, undefined, 0, 300_000],
        ["bytes=300000-", 416, "bytes */300000", 0, 0],
        ["bytes=-0", 416, "bytes */300000", 0, 0],
    ] as const) {
        it(`answers ${status} to Range: ${range}`, async () => {
            const answer = await bench.get(BLOB, { range });
            assert.equal(answer.status, status);
            assert.equal(answer.headers["content-range"], contentRange);
            assert.equal(answer.headers["content-length"], String(to - from));
            assert.ok(answer.body.equals(blob.subarray(from, to)));
        });
    }

    it("honours a Range only with the right If-Range", async () => {
        const range = "bytes=0-9";
        assert.equal((await bench.get(BLOB, { range, "if-range": `"${digestOf(blob)}"` })).status, 206);
        assert.equal((await bench.get(BLOB, { range, "if-range": '"other"' })).status, 200);
    });

    it("sends no blob to who has it (If-None-Match)", async () => {
        assert.equal((await bench.get(BLOB, { "if-none-match": `"${digestOf(blob)}"` })).status, 304);
    });

    it("passes tag lists through with n and last, and keeps the link to the next page on its own path", async () => {
        const answer = await bench.get("/v2/owner/app/tags/list?n=2&last=a&other=1&ns=ghcr.io");
        assert.equal(JSON.parse(answer.body.toString()).search, "?n=2&last=a");
        assert.equal(bench.first.asked()[0]?.path, "/v2/ghcr.io/owner/app/tags/list?n=2&last=a");
        assert.equal(answer.headers.link, '</v2/owner/app/tags/list?n=2&last=b&ns=ghcr.io>; rel="next"');
        const own = await bench.get("/ghcr.io/v2/owner/app/tags/list?n=2");
        assert.equal(own.headers.link, '</ghcr.io/v2/owner/app/tags/list?n=2&last=b>; rel="next"');
    });

    it("writes one line a request", async () => {
        await bench.get(BLOB);
        await bench.get("/v2/library/app/manifests/1.0");
        await bench.get("/healthz");
        const lines = bench
            .logged("request")
            .map(({ kind, name, status, bytes, from }) => [kind, name, status, bytes, from]);
        assert.deepEqual(lines[0], ["blobs", "library/app", 200, blob.length, "link"]);
        assert.deepEqual(lines[1]?.slice(0, 3), ["manifests", "library/app", 200]);
        assert.equal(lines.length, 2);
    });
});
