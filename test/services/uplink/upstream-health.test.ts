import assert from "node:assert/strict";
import { UpstreamHealth } from "../../../services/uplink/upstream-health";

const TIMES = { restMs: 1000, restMaxMs: 8000, forgiveMs: 60_000 };

describe("UpstreamHealth", () => {
    it("rests after several different images, not after one however often", () => {
        const health = new UpstreamHealth(TIMES);
        for (let count = 0; count < 10; count++) assert.equal(health.failed(100, "one"), false);
        assert.equal(health.condition(100), "well");
        assert.equal(health.failed(100, "two"), false);
        assert.equal(health.failed(100, "three"), true);
        assert.equal(health.condition(1099), "resting");
        assert.equal(health.condition(1100), "well");
    });

    it("forgets images when another one was good", () => {
        const health = new UpstreamHealth(TIMES);
        health.failed(100, "one");
        health.failed(100, "two");
        health.good();
        assert.equal(health.failed(100, "three"), false);
    });

    it("rests longer each time, up to a limit", () => {
        const health = new UpstreamHealth(TIMES);
        const rests = [0, 1, 2, 3, 4].map((now) => {
            health.hang(now);
            return health.restLeft(now);
        });
        assert.deepEqual(rests, [1000, 2000, 4000, 8000, 8000]);
    });

    it("hangs until it answers, however long its rest was over", () => {
        const health = new UpstreamHealth(TIMES);
        health.hang(0);
        assert.equal(health.condition(1_000_000), "hanging");
        assert.equal(health.answered(1_000_000), true);
        assert.equal(health.condition(1_000_000), "well");
        assert.equal(health.answered(1_000_000), false);
    });

    it("is silent since the first request that nothing was answered to, nor to a later one", () => {
        const health = new UpstreamHealth(TIMES);
        assert.equal(health.silentSince(), undefined);
        const first = health.waits(100);
        const second = health.waits(200);
        assert.equal(health.silentSince(), 100);
        first();
        assert.equal(health.silentSince(), 200);
        health.unanswered(100);
        second();
        assert.equal(health.silentSince(), 100);
        health.answered(300);
        assert.equal(health.silentSince(), undefined);
        // It ended before the upstream answered something else.
        health.unanswered(250);
        assert.equal(health.silentSince(), undefined);
    });
});
