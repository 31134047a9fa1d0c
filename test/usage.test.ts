/** Every program of package.json's scripts, and the pipelines': a wrong use is refused with the usage, and its code is 2. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { scripts } from "../package.json";
import { attempt } from "../rehearsal/run";

const ROOT = join(__dirname, "..");
/** Tools of others, and the same program once more. */
const LEFT_OUT = ["lint", "test:heavy"];

/** By what a user types, without the part of a script that only looks whether packages are installed. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = Object.fromEntries([
    ...Object.entries(scripts)
        .filter(([name]) => !LEFT_OUT.includes(name))
        .map(([name, script]) => {
            const command = ["start", "test"].includes(name) ? `npm ${name}` : `npm run ${name}`;
            return [command, [process.execPath, "--require", "tsx/cjs", ...script.split(" ").slice(2)]];
        }),
    [".ci/run", ["bash", ".ci/run"]],
    [".ci/stacks", ["bash", ".ci/stacks"]],
]);

describe("The use of a program", function () {
    this.timeout(120_000);

    for (const [command, [program = "", ...args]] of Object.entries(PROGRAMS)) {
        const run = (...more: string[]) => attempt(program, [...args, ...more], { cwd: ROOT });
        const usage = new RegExp(`^${command.replaceAll(".", "\\.")}\\b`, "m");

        it(`is shown by ${command} --help; a wrong one is refused with 2, every mistake at once`, async () => {
            const help = await run("--help");
            assert.deepEqual([help.code, help.stderr], [0, ""], help.stderr);
            assert.match(help.stdout, usage);

            // Of the flags that the program has by its own word: one that takes a value, and any other.
            const [, valued] = /(--[a-z-]+) [A-Z]+\b/.exec(help.stdout) ?? [];
            const [, plain] = /^ {2}(--[a-z-]+) {2,}/m.exec(help.stdout) ?? [];
            const mistakes: readonly (readonly [said: string, args: readonly string[]])[] = [
                ["--no-such-flag", ["--no-such-flag"]],
                ['"stray"', ["stray", "stray"]],
                ...(plain ? [[`${plain} must not be there twice`, [plain, plain]] as const] : []),
                ...(valued ? [[`${valued} must have a value`, [valued]] as const] : []),
            ];
            const { code, stdout, stderr } = await run(...mistakes.flatMap(([, wrong]) => wrong));
            assert.deepEqual([code, stdout], [2, ""], stderr);
            for (const [said] of mistakes) assert.ok(stderr.includes(said), `${said} is not in: ${stderr}`);
            assert.match(stderr, usage);
            assert.doesNotMatch(stderr, /^ +at /m, "a stack trace");
        });
    }
});
