/** The table at the end of a start: as wide as a terminal, with what is longer below it. */
import assert from "node:assert/strict";
import type { Step } from "../../rehearsal/proof/step";
import { proofTable } from "../../rehearsal/table";

const PULL: Step = {
    name: "a cold pull",
    ok: true,
    relay: "vm",
    linkBytes: 18e6,
    imageBytes: 20.5e6,
    linkRequests: 12,
    seconds: 4.25,
};

describe("proofTable", () => {
    it("has a row for each step, and how many hold", () => {
        assert.deepEqual(proofTable([PULL, { name: "nothing leaked", ok: false }]), [
            "         step            relay  link MB  image MB  requests  seconds",
            "ok    1  a cold pull     vm       18.00     20.50        12      4.3",
            "FAIL  2  nothing leaked",
            "",
            "1 of 2 steps hold",
        ]);
    });

    it("has the notes below, by the number of the step", () => {
        const noted = [
            PULL,
            { ...PULL, note: "64 clients at once" },
            { name: "x", ok: false, note: "it broke\n    at y.ts:3" },
        ];
        const lines = proofTable(noted);
        assert.deepEqual(lines.slice(4), [
            "",
            "notes, by step",
            "   2  64 clients at once",
            "   3  it broke",
            "",
            "2 of 3 steps hold",
        ]);
    });

    const long: Record<string, Partial<Step>> = {
        "a long name": { name: "every relay stopped, ".repeat(8) },
        "a name of one word": { name: "x".repeat(300) },
        "a long note": { note: "the relay vm.example.com, and ".repeat(20) },
        "a note of one word": { note: "sha256:".repeat(60) },
        "a failure of many lines": { ok: false, note: `${"expected ".repeat(40)}\n${"x".repeat(200)}` },
        "large numbers": {
            linkBytes: 123_456_789_012,
            imageBytes: 123_456_789_012,
            linkRequests: 1e9,
            seconds: 36_000,
        },
    };
    for (const [what, change] of Object.entries(long)) {
        it(`fits 100 columns with ${what}, and leaves nothing out`, () => {
            const step = { ...PULL, ...change };
            const lines = proofTable([...Array(12).fill(PULL), step]);
            for (const line of lines) assert.ok(line.length <= 100, `${line.length}: ${line}`);
            const text = lines.join("").replace(/\s+/g, "");
            for (const part of [step.name, step.ok ? (step.note ?? "") : (step.note ?? "").split("\n")[0]]) {
                const words = (part ?? "").trim().split(/\s+/);
                for (const word of words) assert.ok(text.includes(word.slice(0, 40)), word);
            }
        });
    }
});
