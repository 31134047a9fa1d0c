import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type Holder, type Lock, takeLock, waitForLock } from "../../rehearsal/lock";

const MODULE = join(__dirname, "../../rehearsal/lock.ts");

describe("A lock", () => {
    const name = `dockermirror-test-lock-${process.pid}`;
    const children: ChildProcess[] = [];
    afterEach(() => {
        for (const child of children.splice(0)) child.kill("SIGKILL");
    });

    /** Another process that runs these lines and says `ready`. */
    const other = async (lines: string): Promise<ChildProcess> => {
        const script = `const lock = require(${JSON.stringify(MODULE)}); ${lines}.then(() => console.log("ready")); setInterval(() => {}, 1000);`;
        const child = spawn(process.execPath, ["--require", "tsx/cjs", "--eval", script], { stdio: "pipe" });
        children.push(child);
        let said = "";
        child.stderr.on("data", (data) => (said += data));
        const ended = once(child, "exit").then(() => Promise.reject(new Error(`ended: ${said}`)));
        await Promise.race([once(child.stdout, "data"), ended]);
        ended.catch(() => {});
        return child;
    };
    const taken = async (): Promise<Lock> => {
        const lock = await takeLock(name);
        assert.ok("release" in lock, JSON.stringify(lock));
        return lock;
    };

    it("is had by one process, which tells since when", async () => {
        const before = Date.now();
        const lock = await taken();
        const holder = (await takeLock(name)) as Holder;
        assert.equal(holder.pid, process.pid);
        assert.ok(Date.parse(holder.since) >= before && Date.parse(holder.since) <= Date.now(), holder.since);
        await lock.release();
        await (await taken()).release();
    });

    it("is free after the process that had it was killed", async () => {
        const child = await other(`lock.takeLock("${name}")`);
        assert.equal(((await takeLock(name)) as Holder).pid, child.pid);
        child.kill("SIGKILL");
        await once(child, "exit");
        await (await taken()).release();
    });

    it("is waited for until it is free", async () => {
        const lock = await taken();
        const seen: Holder[] = [];
        const waited = waitForLock(name, (holder) => {
            seen.push(holder);
            lock.release();
        });
        await (await waited).release();
        assert.deepEqual(
            seen.map(({ pid }) => pid),
            [process.pid],
        );
    });

    it("ends the processes that are to end with it", async () => {
        const holder = await other(`lock.takeLock("${name}")`);
        const bound = await other(`lock.endWith("${name}")`);
        const ended = once(bound, "exit");
        holder.kill("SIGKILL");
        assert.deepEqual(await ended, [1, null]);
    });

    it("lets no process begin that is to end with it when there is none", async () => {
        await assert.rejects(other(`lock.endWith("${name}")`), /ended/);
    });
});
