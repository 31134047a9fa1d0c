/** SSH by this machine's own `ssh`, with the key and the host key that are handed in. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { attempt, type Ran } from "../rehearsal/run";
import { UnusableKey, withKeyAgent } from "./key-agent";
import { withTemporaryFolder } from "./temporary-folder";

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
 * Runs a shell command on the machine. Code 255: ssh itself failed, or the key cannot be used, and standard error says why.
 *
 * @param flags More of them for `ssh`.
 */
export function overSsh(
    target: SshTarget,
    command: string,
    env: NodeJS.ProcessEnv,
    flags: readonly string[] = [],
): Promise<Ran> {
    const ran = withSsh(target, DIAL_SECONDS, (ssh) => attempt("ssh", [...flags, ...ssh, command], { env }));
    return ran.catch((error) => {
        if (error instanceof UnusableKey) return { code: 255, stdout: "", stderr: error.message };
        throw error;
    });
}

/**
 * Has `work` run `ssh` with these arguments and a command behind them, and hands it a private folder, which has no secret
 * in it: the key is with an agent. Both are gone afterwards, and also when this process is killed.
 *
 * @param seconds In which the machine must answer a connection.
 */
export function withSsh<T>(
    { host, port, user, hostKey, privateKey }: SshTarget,
    seconds: number,
    work: (ssh: readonly string[], folder: string) => Promise<T>,
): Promise<T> {
    return withTemporaryFolder("ssh", (folder) => {
        const known = join(folder, "known_hosts");
        writeFileSync(known, hostKey === undefined ? "" : `* ${hostKey}\n`);
        const options = [
            "BatchMode=yes",
            `ConnectTimeout=${seconds}`,
            "LogLevel=ERROR",
            `UserKnownHostsFile=${known}`,
            "GlobalKnownHostsFile=none",
            `StrictHostKeyChecking=${hostKey === undefined ? "no" : "yes"}`,
        ];
        const ssh = (identity: readonly string[]) => {
            const all = ["-T", ...[...options, ...identity].flatMap((option) => ["-o", option])];
            return work([...all, "-p", String(port), "-l", user, "--", host], folder);
        };
        return privateKey === undefined ? ssh([]) : withKeyAgent(privateKey, folder, ssh);
    });
}
