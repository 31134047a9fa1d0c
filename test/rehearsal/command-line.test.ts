import assert from "node:assert/strict";
import { readCommandLine, UsageShown } from "../../rehearsal/command-line";

const OPTIONS = { stack: { type: "string" }, json: { type: "string" }, list: { type: "boolean" } } as const;
const read = (...args: string[]) => readCommandLine(args, "USAGE", OPTIONS);

describe("readCommandLine", () => {
    it("reads flags with their values, before or behind each other, and with =", () => {
        assert.deepEqual({ ...read("--list", "--stack", "x", "--json=f") }, { list: true, stack: "x", json: "f" });
        assert.deepEqual({ ...read() }, {});
        assert.deepEqual({ ...read("--stack=--x") }, { stack: "--x" });
    });

    for (const help of [["--help"], ["-h"], ["--list", "--wrong", "--help"]]) {
        it(`shows the usage alone for ${help.join(" ")}`, () => {
            assert.throws(
                () => read(...help),
                (error) => error instanceof UsageShown && error.problem === undefined && error.message === "USAGE",
            );
        });
    }

    const stray = (word: string) =>
        `"${word}" belongs to no flag: npm passes flags on only after --, as in npm run NAME -- --flag value`;
    const refusals: Record<string, readonly string[]> = {
        "--stak x": [`Unknown option '--stak'; did you mean "--stack"?`, stray("x")],
        "--toString": ["Unknown option '--toString'"],
        "-s": ["Unknown option '-s'"],
        "--no-list": [`Unknown option '--no-list'; did you mean "--list"?`],
        "--stack": ["--stack must have a value"],
        "--stack=": ["--stack must have a value"],
        "--stack --json": ["--stack must have a value"],
        "--list=yes": [`--list takes no value, got "yes"`],
        "--stack a --stack b": ["--stack must not be there twice"],
        a: [stray("a")],
        "-- a": [stray("a")],
        "--list=1 --jsn b": [
            '--list takes no value, got "1"',
            `Unknown option '--jsn'; did you mean "--json"?`,
            stray("b"),
        ],
    };
    for (const [line, problems] of Object.entries(refusals)) {
        it(`refuses ${line}, every problem at once, with the usage`, () => {
            assert.throws(() => read(...line.split(" ")), { message: `${problems.join("\n")}\n\nUSAGE` });
        });
    }
});
