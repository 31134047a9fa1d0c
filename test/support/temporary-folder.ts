/**
 * A folder for all that a run of tests puts into the temporary one: this process and all that it starts find it as TMPDIR,
 * and another process removes it when this one is gone, however it ended. So no test can leave anything in /tmp.
 */
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Ends, and removes the folder, when the process that has started it closes its standard input or is there no more. */
const KEEPER = `trap '' HUP INT TERM; cat >/dev/null; rm -rf --one-file-system "$1"`;

/** Gives this process its own; nothing where the one that has started it has made one already. */
export function ownTemporaryFolder(): void {
    if (process.env.DOCKERMIRROR_TEST_TMPDIR !== undefined) return;
    const folder = mkdtempSync(join(tmpdir(), "dockermirror-"));
    // Programs of other users look into what tests have made for them.
    chmodSync(folder, 0o755);
    const keeper = spawn("sh", ["-c", KEEPER, "keeper", folder], {
        stdio: ["pipe", "ignore", "ignore"],
        detached: true,
    });
    keeper.unref();
    (keeper.stdin as Socket).unref();
    process.env.TMPDIR = process.env.DOCKERMIRROR_TEST_TMPDIR = folder;
}
