/** Findings: how a check becomes rows, and rows a table. */
import assert from "node:assert/strict";
import { type Check, Failure, type Finding, leftOut, look, lookAll, once, Remark } from "../../checks/finding";
import { table } from "../../checks/report";

const saying =
    (note: string): (() => Promise<string>) =>
    async () =>
        note;
const failing =
    (error: Error): (() => Promise<string>) =>
    async () => {
        throw error;
    };

/** Without the time that it took. */
async function found(check: Check): Promise<Finding[]> {
    return (await look(check)).map(({ seconds: _, ...rest }) => rest);
}

describe("A check", () => {
    it("is ok with what it saw", async () => {
        assert.deepEqual(await found({ what: "a", where: "there", ask: saying("seen"), todo: "nothing" }), [
            { what: "a", where: "there", state: "ok", note: "seen" },
        ]);
    });

    it("fails with its error, and says what to do", async () => {
        assert.deepEqual(
            await found({ what: "a", where: "there", ask: failing(new Error("broken")), todo: "mend it" }),
            [{ what: "a", where: "there", state: "failed", note: "broken", todo: "mend it" }],
        );
    });

    it("has its own word for what is no failure", async () => {
        const ask = failing(new Remark("warning", "odd", "look closer"));
        assert.deepEqual(await found({ what: "a", where: "there", ask, todo: "mend it" }), [
            { what: "a", where: "there", state: "warning", note: "odd", todo: "look closer" },
        ]);
    });

    it("skips what could only fail with it, down to the last", async () => {
        const last = { what: "c", where: "there", ask: saying("seen") };
        const next = { what: "b", where: "there", ask: saying("seen"), next: [last] };
        const rows = await found({ what: "a", where: "there", ask: failing(new Error("broken")), next: [next] });
        assert.deepEqual(
            rows.map(({ what, state, note }) => [what, state, note]),
            [
                ["a", "failed", "broken"],
                ["b", "skipped", "a: failed"],
                ["c", "skipped", "a: failed"],
            ],
        );
    });

    it("skips what follows from something that could not be looked at", async () => {
        const next = [{ what: "b", where: "there", ask: failing(new Error("never asked")) }];
        const rows = await found({ what: "a", where: "there", ask: failing(new Remark("skipped", "no way")), next });
        assert.deepEqual(
            rows.map(({ state, note }) => [state, note]),
            [
                ["skipped", "no way"],
                ["skipped", "a: skipped"],
            ],
        );
    });

    it("goes on after a warning", async () => {
        const next = [{ what: "b", where: "there", ask: saying("seen") }];
        const rows = await found({ what: "a", where: "there", ask: failing(new Remark("warning", "odd")), next });
        assert.deepEqual(
            rows.map(({ state }) => state),
            ["warning", "ok"],
        );
    });

    it("is a warning with all that follows where nobody has asked for it", async () => {
        const next = [{ what: "b", where: "there", ask: failing(new Error("broken too")) }];
        const rows = await found({ what: "a", where: "there", ask: saying("seen"), next, isAdvice: true });
        assert.deepEqual(
            rows.map(({ state }) => state),
            ["ok", "warning"],
        );
        const first = { what: "a", where: "there", ask: failing(new Error("broken")), next, isAdvice: true };
        assert.deepEqual(
            (await found(first)).map(({ state }) => state),
            ["warning", "skipped"],
        );
    });

    it("takes advice from the error before its own", async () => {
        const ask = failing(new Failure("broken", "mend this"));
        const [row] = await found({ what: "a", where: "there", ask, todo: "mend it" });
        assert.equal(row?.todo, "mend this");
    });

    it("is told of as it ends, with what is left out because of it", async () => {
        const seen: string[] = [];
        let end = () => {};
        const waits = new Promise<void>((resolve) => {
            end = resolve;
        });
        const slow = { what: "slow", where: "there", ask: () => waits.then(() => "seen") };
        const next = [{ what: "next", where: "there", ask: saying("") }];
        const broken = { what: "broken", where: "there", ask: failing(new Error("x")), next };
        const rows = await lookAll([slow, broken], ({ what, state }) => {
            seen.push(`${what} ${state}`);
            if (what === "next") end();
        });
        assert.deepEqual(seen, ["broken failed", "next skipped", "slow ok"]);
        assert.deepEqual(
            rows.map(({ what }) => what),
            ["slow", "broken", "next"],
        );
    });

    it("can be left out with a reason", () => {
        assert.deepEqual(leftOut({ what: "a", where: "there", ask: saying("") }, "no time"), [
            { what: "a", where: "there", state: "skipped", note: "no time" },
        ]);
    });

    it("asks once for what several need", async () => {
        let times = 0;
        const value = once(async () => {
            times += 1;
            return times;
        });
        assert.deepEqual(await Promise.all([value(), value()]), [1, 1]);
    });
});

describe("The table", () => {
    it("has a row a finding, and below it what to do", () => {
        const text = table([
            { what: "one", where: "here", state: "ok", note: "fine", todo: "never shown", seconds: 0.04 },
            {
                what: "the other",
                where: "there",
                state: "failed",
                note: "broken\n  in two",
                todo: "mend it",
                seconds: 12,
            },
            { what: "rest", where: "-", state: "skipped", note: "no time" },
            { what: "odd", where: "here", state: "warning", note: "odd" },
        ]);
        assert.deepEqual(text.split("\n"), [
            "      what       where  seconds",
            "ok    one        here   0.0      fine",
            "FAIL  the other  there  12.0     broken in two",
            "      → mend it",
            "-     rest       -               skipped: no time",
            "warn  odd        here            odd",
            "",
            "1 ok, 1 failed, 1 to be known, 1 skipped",
        ]);
    });

    it("says once what several rows have in common", () => {
        const row = { where: "there", state: "failed", note: "gone", todo: "mend it" } as const;
        const lines = table([
            { what: "one", ...row },
            { what: "two", ...row },
        ]).split("\n");
        assert.deepEqual(
            lines.filter((line) => line.includes("mend it")),
            ["      → mend it"],
        );
        assert.equal(lines[3], "      → mend it");
    });
});
