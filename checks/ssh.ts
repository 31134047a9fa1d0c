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
export function overSsh(
    target: SshTarget,
    command: string,
    env: NodeJS.ProcessEnv,
    flags: readonly string[] = [],
): Promise<Ran> {
    return withSsh(target, DIAL_SECONDS, (ssh) => attempt("ssh", [...flags, ...ssh, command], { env }));
}

/**
 * Has `work` run `ssh` with these arguments and a command behind them, and hands it the private folder of the keys, which
 * are on disk for no longer.
 *
 * @param seconds In which the machine must answer a connection.
 */
export async function withSsh<T>(
    { host, port, user, hostKey, privateKey }: SshTarget,
    seconds: number,
    work: (ssh: readonly string[], folder: string) => Promise<T>,
): Promise<T> {
    const folder = mkdtempSync(join(tmpdir(), "dockermirror-ssh-"));
    try {
        const known = join(folder, "known_hosts");
        writeFileSync(known, hostKey === undefined ? "" : `* ${hostKey}\n`);
        const identity = join(folder, "key");
        if (privateKey !== undefined) writeFileSync(identity, privateKey, { mode: 0o600 });
        const options = [
            "BatchMode=yes",
            `ConnectTimeout=${seconds}`,
            "LogLevel=ERROR",
            `UserKnownHostsFile=${known}`,
            "GlobalKnownHostsFile=none",
            `StrictHostKeyChecking=${hostKey === undefined ? "no" : "yes"}`,
            ...(privateKey === undefined ? [] : [`IdentityFile=${identity}`, "IdentitiesOnly=yes"]),
        ];
        const all = ["-T", ...options.flatMap((option) => ["-o", option])];
        return await work([...all, "-p", String(port), "-l", user, "--", host], folder);
    } finally {
        rmSync(folder, { recursive: true });
    }
}
