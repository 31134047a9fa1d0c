/** SSH as @pulumi/command does it: dialed until the machine lets us in, one connection for dialing and for the command. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type SshTarget, withSsh } from "../checks/ssh";
import { attempt, type Ran } from "./run";

/** How a machine is dialed. Names and defaults are the provider's. */
export interface Dialing {
    /** Seconds for one attempt. @default 15 */
    readonly perDialTimeout?: number;
    /** Failed attempts after which it gives up; negative: it never does. @default 10 */
    readonly dialErrorLimit?: number;
}

/** How long it waits between dials: https://github.com/pulumi/pulumi, sdk/go/common/util/retry/until.go. */
const REDIAL = { firstMilliseconds: 100, factor: 1.5, mostMilliseconds: 5000 };

/**
 * Runs a command on a machine, whatever its exit code. sshd is started again while a machine boots for the first time:
 * a second connection may be refused after the first one was not. A refused key is dialed again, too.
 *
 * @throws Error when no connection was made.
 */
export function dialAndRun(
    target: SshTarget,
    command: string,
    { perDialTimeout = 15, dialErrorLimit = 10 }: Dialing = {},
    options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
    return withSsh(target, perDialTimeout, async (ssh, folder) => {
        // Written by ssh when it has logged in and before it runs the command: ssh_config(5), LocalCommand.
        const loggedIn = join(folder, "logged-in");
        const flags = ["-o", "PermitLocalCommand=yes", "-o", `LocalCommand=: > '${loggedIn}'`];
        let wait = REDIAL.firstMilliseconds;
        for (let errors = 0; ; errors += 1) {
            const ran = await attempt("ssh", [...flags, ...ssh, command], options);
            if (existsSync(loggedIn)) return ran;
            if (dialErrorLimit >= 0 && errors >= dialErrorLimit)
                throw new Error(
                    `no SSH connection to ${target.host}, dialed ${errors + 1} times: ${ran.stderr.trim()}`,
                );
            await new Promise((resolve) => setTimeout(resolve, wait));
            wait = Math.min(wait * REDIAL.factor, REDIAL.mostMilliseconds);
        }
    });
}
