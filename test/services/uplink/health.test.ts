import assert from "node:assert/strict";
import { Health } from "../../../services/uplink/health";

const TIMES = { restMs: 1000, restMaxMs: 8000, forgiveMs: 60_000 };

describe("Health", () => {
    it("is well until something fails", () => {
        assert.equal(new Health(TIMES).condition(0), "well");
    });

    it("rests after an incident once the relay answers, and is well when the rest is over", () => {
        const health = new Health(TIMES);
        assert.ok(health.incident(100, 50, "unknown"));
        assert.equal(health.condition(100), "suspect");
        health.answered();
        assert.equal(health.condition(1099), "resting");
        assert.equal(health.condition(1100), "well");
    });

    it("is down until the relay answers, however long that takes", () => {
        const health = new Health(TIMES);
        health.incident(100, 50, "no");
        assert.equal(health.condition(1_000_000), "down");
        health.answered();
        assert.equal(health.condition(1_000_000), "well");
    });

    it("is down when a probe fails that began before the incident, which stays one", () => {
        const health = new Health(TIMES);
        health.incident(100, 50, "unknown");
        health.unanswered(110, 60);
        assert.equal(health.condition(110), "down");
        assert.equal(health.restLeft(100), 1000);
    });

    it("rests twice as long each time, up to a limit", () => {
        const health = new Health(TIMES);
        const rests = [100, 200, 300, 400, 500].map((now) => {
            health.incident(now, now, "unknown");
            return health.restLeft(now);
        });
        assert.deepEqual(rests, [1000, 2000, 4000, 8000, 8000]);
    });

    it("takes what was under way at an incident for the same one", () => {
        const health = new Health(TIMES);
        assert.ok(health.incident(100, 50, "unknown"));
        assert.ok(!health.incident(101, 60, "unknown"));
        assert.equal(health.restLeft(100), 1000);
    });

    it("forgets after a quiet time", () => {
        const health = new Health(TIMES);
        health.incident(100, 50, "unknown");
        health.incident(200, 150, "unknown");
        health.incident(100_000, 99_000, "unknown");
        assert.equal(health.restLeft(100_000), 1000);
    });

    it("counts a weighty incident for several", () => {
        const health = new Health(TIMES);
        health.incident(100, 50, "unknown", 3);
        assert.equal(health.restLeft(100), 4000);
    });

    it("remembers a throttle for one scope, and never a shorter one over a longer", () => {
        const health = new Health(TIMES);
        health.throttle("docker.io manifests", 5000);
        health.throttle("docker.io manifests", 2000);
        assert.equal(health.throttleLeft("docker.io manifests", 1000), 4000);
        assert.equal(health.throttleLeft("docker.io blobs", 1000), 0);
        assert.equal(health.throttleLeft("ghcr.io manifests", 1000), 0);
        assert.deepEqual([...health.throttles(1000)], [["docker.io manifests", 4000]]);
        assert.deepEqual([...health.throttles(5000)], []);
        assert.equal(health.condition(1000), "well");
    });

    it("takes a limit of its own for one about everything", () => {
        const health = new Health(TIMES);
        health.limit(5000);
        health.throttle("docker.io tags", 3000);
        for (const scope of ["docker.io manifests", "ghcr.io blobs", "docker.io tags"] as const) {
            assert.equal(health.throttleLeft(scope, 1000), 4000);
        }
        assert.deepEqual(Object.fromEntries(health.throttles(1000)), { everything: 4000, "docker.io tags": 2000 });
        assert.equal(health.condition(1000), "well");
    });
});
