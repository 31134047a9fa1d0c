/** What the Hub double cannot be made to send. The rest of the Worker is tested in test/relays. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { parsePath } from "../../../services/registry/names";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { passBack } from "../../../services/worker/answers";

const WANTED = parsePath("/v2/library/node/manifests/20", undefined, selectUpstreams(["docker.io"]));

describe("An answer that the Worker hands back", () => {
    it("has no length when the upstream compressed it all the same, because fetch unpacks it", () => {
        const body = gzipSync("{}");
        const headers = { "content-encoding": "gzip", "content-length": String(body.length), etag: '"x"' };
        assert.ok("request" in WANTED);
        const handed = passBack(WANTED.request, new Response(body, { headers }));
        assert.deepEqual(Object.fromEntries(handed.headers), {
            "x-relay-answer": "upstream",
        });
    });
});
