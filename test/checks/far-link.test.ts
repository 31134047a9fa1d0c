/** That the checks reach what the uplink reaches: over the lab's far link, by a name with an address that has no route. */
import assert from "node:assert/strict";
import { FAKE_KEY, FakeContent } from "../support/fake-relay";
import { A, FarUplink, NO_ROUTE } from "../support/far-uplink";

describe("The checks, over a far link", function () {
    this.timeout(120_000);

    it("find a relay well, and get the answers of a service, whichever address of its name works", async () => {
        const far = await FarUplink.start(new FakeContent(), {
            names: [[A[0], NO_ROUTE]],
            quality: { roundTripMs: 300 },
        });
        try {
            const { states, status } = JSON.parse(await far.runChecks(FAKE_KEY));
            assert.deepEqual(
                states.map(([state]: [string]) => state),
                ["ok", "ok"],
                JSON.stringify(states),
            );
            assert.equal(status, 200);
        } finally {
            await far.stop();
        }
    });
});
