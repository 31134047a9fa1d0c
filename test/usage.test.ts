/** Every program of package.json's scripts: a wrong use is told with the usage, and its code is 2. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { scripts } from "../package.json";
import { attempt } from "../rehearsal/run";

const ROOT = join(__dirname, "..");
/** Two programs of which each writes a release once, the bench, and a tool of others. */
const LEFT_OUT = ["record", "bench", "lint"];

describe("A program with a flag that it does not have", function () {
    this.timeout(120_000);

    for (const [name, script] of Object.entries(scripts).filter(([name]) => !LEFT_OUT.includes(name))) {
        it(`exits with 2 and shows the usage, as ${name}`, async () => {
            const [, , program = "", ...flags] = script.split(" ");
            const args = ["--require", "tsx/cjs", program, ...flags, "--no-such-flag"];
            const { code, stdout, stderr } = await attempt(process.execPath, args, { cwd: ROOT });
            assert.deepEqual([code, stdout], [2, ""], stderr);
            assert.match(stderr, /--no-such-flag/);
            assert.match(stderr, /^npm (run|start|test)\b/m);
            assert.doesNotMatch(stderr, /^ +at /m, "a stack trace");
        });
    }
});
