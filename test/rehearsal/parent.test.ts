import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { eventually } from "../support/eventually";

const PARENT = join(__dirname, "../../rehearsal/parent.ts");
/** Waits for good, once it ends with its parent. */
const CHILD = `require(${JSON.stringify(PARENT)}).endWithParent(); console.log(process.pid); setInterval(() => {}, 1e6);`;
/** Starts the other one in the same way, and is killed. */
const KILLED = `require("node:child_process").spawn(process.execPath, ["--require", "tsx/cjs", "--eval", process.argv[1]], { stdio: ["ignore", "inherit", "inherit"] }); setInterval(() => {}, 1e6);`;

describe("endWithParent", function () {
    this.timeout(60_000);

    it("ends a process whose parent was killed", async () => {
        const parent = spawn(process.execPath, ["--eval", KILLED, CHILD], { stdio: ["ignore", "pipe", "inherit"] });
        const [line] = await once(parent.stdout, "data");
        const child = Number(line);
        assert.ok(isThere(child));
        parent.kill("SIGKILL");
        await eventually("the end of the child", () => (isThere(child) ? undefined : true));
    });
});

function isThere(pid: number): boolean {
    try {
        return process.kill(pid, 0);
    } catch {
        return false;
    }
}
