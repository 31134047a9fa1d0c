import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { eventually } from "./support/eventually";

const ROOT = join(__dirname, "..");
/** Leaves a folder and a file behind, in the way of a test that fails. */
const TEST = `
require("./test/support/own-temporary-folder.ts");
const folder = require("node:fs").mkdtempSync(require("node:path").join(require("node:os").tmpdir(), "dockermirror-left-"));
require("node:fs").writeFileSync(folder + "/file", "");
console.log(folder);
setInterval(() => {}, 1e6);
`;

describe("What tests leave in the temporary folder", () => {
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
        it(`is removed after ${signal}`, async () => {
            // As a run that nobody has made a folder for.
            const { DOCKERMIRROR_TEST_TMPDIR: _, ...env } = process.env;
            const args = ["--require", "tsx/cjs", "--eval", TEST];
            const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "inherit"] });
            const ended = once(child, "exit");
            const [line] = await once(child.stdout, "data");
            const left = String(line).trim();
            assert.ok(existsSync(join(left, "file")));
            child.kill(signal);
            await ended;
            await eventually("the end of the folder", () => (existsSync(dirname(left)) ? undefined : true));
        });
    }

    it("comes into one folder of this run", () => {
        assert.equal(process.env.TMPDIR, process.env.DOCKERMIRROR_TEST_TMPDIR);
        assert.ok(existsSync(process.env.TMPDIR ?? ""));
        const { require: required } = JSON.parse(readFileSync(join(ROOT, ".mocharc.json"), "utf8"));
        assert.ok(required.includes("./test/support/own-temporary-folder.ts"));
    });
});
