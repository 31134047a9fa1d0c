/** The loop that takes the steps of a proof; the steps themselves are seen in a rehearsal. */
import assert from "node:assert/strict";
import { type Need, type StepOf, take } from "../../../rehearsal/proof/step";

describe("take", () => {
    const steps: Record<string, StepOf> = {
        first: async () => ({ seconds: 1 }),
        "without a VM": { needs: ["a VM", "two relays"], step: async () => assert.fail("it was taken") },
        second: { needs: ["an on-prem site"], step: async () => Promise.reject(new Error("it does not hold")) },
        third: async () => ({ note: "seen" }),
    };

    it("says of each step which one it is of those that are taken, before and after it", async () => {
        const said: string[] = [];
        const has = new Set<Need>(["an on-prem site", "two relays"]);
        const rows = await take(steps, has, {
            begun: (name, { number, total }) => said.push(`begun ${number}/${total} ${name}`),
            row: ({ name, ok }, { number, total }) => said.push(`${ok} ${number}/${total} ${name}`),
            leftOut: (name, needs) => said.push(`left out ${name}: ${needs}`),
        });
        assert.deepEqual(said, [
            "begun 1/3 first",
            "true 1/3 first",
            "left out without a VM: a VM",
            "begun 2/3 second",
            "false 2/3 second",
            "begun 3/3 third",
            "true 3/3 third",
        ]);
        assert.deepEqual(rows, [
            { name: "first", ok: true, seconds: 1 },
            { name: "second", ok: false, note: "it does not hold" },
            { name: "third", ok: true, note: "seen" },
        ]);
    });
});
