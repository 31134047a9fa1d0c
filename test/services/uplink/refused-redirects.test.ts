import assert from "node:assert/strict";
import { Metrics } from "../../../services/uplink/metrics";
import { RefusedRedirects } from "../../../services/uplink/refused-redirects";

describe("RefusedRedirects", () => {
    it("tell hosts apart until an upstream makes up one for each answer: /metrics and /status stay readable", async () => {
        const metrics = new Metrics([]);
        const redirects = new RefusedRedirects(() => undefined, metrics);
        for (let index = 0; index < 100; index++) {
            // A person is told the host itself.
            assert.match(redirects.note("docker.io", `cdn${index}.example.com`), new RegExp(` cdn${index}\\.example`));
        }
        redirects.note("docker.io", "cdn0.example.com");
        redirects.note("ghcr.io", "cdn99.example.com");
        const seen = redirects.state().map(({ upstream, host, times }) => [upstream, host, times]);
        assert.equal(seen.length, 22);
        assert.deepEqual(seen[0], ["docker.io", "cdn0.example.com", 2]);
        assert.deepEqual(seen.slice(-2), [
            ["docker.io", "other", 80],
            ["ghcr.io", "cdn99.example.com", 1],
        ]);
        assert.equal((await metrics.refusedRedirects.get()).values.length, seen.length);
    });
});
