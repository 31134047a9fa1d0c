/** Folders of files that must not outlive their use, also when this process ends by Ctrl-C, SIGTERM or SIGKILL. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Ends, and removes the folder, when the process that has started it closes its standard input or is there no more. */
const KEEPER = `trap '' HUP INT TERM; cat >/dev/null; rm -rf "$1"`;

/**
 * Has `work` use a folder that only this user may enter. A process of its own removes it when this one is killed.
 *
 * @param name What it is for, as a part of its name.
 */
export async function withTemporaryFolder<T>(name: string, work: (folder: string) => Promise<T>): Promise<T> {
    const folder = mkdtempSync(join(tmpdir(), `dockermirror-${name}-`));
    const keeper = spawn("sh", ["-c", KEEPER, "keeper", folder], {
        stdio: ["pipe", "ignore", "ignore"],
        detached: true,
    });
    try {
        await once(keeper, "spawn");
        return await work(folder);
    } finally {
        await ended(keeper);
        // What came into it while it was being removed.
        rmSync(folder, { recursive: true, force: true });
    }
}

/** Closes the standard input of a process that ends by that. */
export async function ended(child: ChildProcess): Promise<void> {
    const exit = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.stdin?.on("error", () => {}).end();
    await exit;
}
