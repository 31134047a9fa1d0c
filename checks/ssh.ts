/** SSH by this machine's own `ssh`, with the key and the host key that are handed in. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attempt, type Ran } from "../rehearsal/run";

/** A machine to log in to; the shape of the stack's output `relaySsh`. */
export interface SshTarget {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    /** A line of `/etc/ssh/ssh_host_*_key.pub`. @default whatever key it shows is taken */
    readonly hostKey?: string;
    /** @default whatever `ssh` finds: the agent's keys, ~/.ssh */
    readonly privateKey?: string;
}

const DIAL_SECONDS = 15;

/** For logging in as @pulumi/command does: nothing of ~/.ssh counts, so without a private key the agent's keys alone. */
export const LIKE_THE_PROVIDER = ["-F", "none", "-o", "IdentityFile=none"];

/**
 * Runs a shell command on the machine. Code 255: ssh itself failed, and standard error says why.
 *
 * @param flags More of them for `ssh`.
 */
export async function overSsh(
    target: SshTarget,
    command: string,
    env: NodeJS.ProcessEnv,
    flags: readonly string[] = [],
): Promise<Ran> {
    const { host, port, user, hostKey, privateKey } = target;
    const folder = mkdtempSync(join(tmpdir(), "dockermirror-ssh-"));
    try {
        const known = join(folder, "known_hosts");
        writeFileSync(known, hostKey === undefined ? "" : `* ${hostKey}\n`);
        const identity = join(folder, "key");
        if (privateKey !== undefined) writeFileSync(identity, privateKey, { mode: 0o600 });
        const options = [
            "BatchMode=yes",
            `ConnectTimeout=${DIAL_SECONDS}`,
            "LogLevel=ERROR",
            `UserKnownHostsFile=${known}`,
            "GlobalKnownHostsFile=none",
            `StrictHostKeyChecking=${hostKey === undefined ? "no" : "yes"}`,
            ...(privateKey === undefined ? [] : [`IdentityFile=${identity}`, "IdentitiesOnly=yes"]),
        ];
        const all = [...flags, "-T", ...options.flatMap((option) => ["-o", option])];
        return await attempt("ssh", [...all, "-p", String(port), "-l", user, "--", host, command], { env });
    } finally {
        rmSync(folder, { recursive: true });
    }
}
