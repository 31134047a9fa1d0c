/** A private SSH key for one run of `ssh`: in the memory of an agent, and in no file. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { say } from "../language/say";
import { ended } from "./temporary-folder";

/**
 * Runs below ssh-agent, which ends some seconds after it. Reads as many bytes of the key as the second argument says, and
 * lives until standard input ends: so it does with the process that has started it, however that one ends.
 */
const HOLD = `trap '' HUP INT TERM
head -c "$2" | ssh-add -q - && ssh-add -L >"$1/key.pub" && echo ready || exit 1
cat >/dev/null`;
/** ssh-add does not ask for the passphrase of a key: it fails. */
const NO_QUESTIONS = { SSH_ASKPASS: "/bin/false", SSH_ASKPASS_REQUIRE: "force", DISPLAY: "none" };

/** A private key that ssh-add cannot read, or not without a passphrase. */
export class UnusableKey extends Error {}

/**
 * Has `work` run `ssh` with the options that make it use the key and no other.
 *
 * @param folder A private one: for the agent's socket, and the public half of the key.
 * @throws UnusableKey with what ssh-add says of a key that it cannot read. The key is not repeated.
 */
export async function withKeyAgent<T>(
    privateKey: string,
    folder: string,
    work: (options: readonly string[]) => Promise<T>,
): Promise<T> {
    const key = `${privateKey.trimEnd()}\n`;
    const socket = join(folder, "agent");
    const args = ["-a", socket, "sh", "-c", HOLD, "hold", folder, String(Buffer.byteLength(key))];
    const agent = spawn("ssh-agent", args, { env: { ...process.env, ...NO_QUESTIONS }, detached: true });
    let problem = "";
    agent.stderr.on("data", (text) => {
        problem += text;
    });
    const failed = once(agent, "close").then(() => {
        throw new UnusableKey(
            say("the private key cannot be used: {said}", {
                said: problem.trim() || say("it must be one without a passphrase"),
            }),
        );
    });
    failed.catch(() => {});
    try {
        agent.stdin.on("error", () => {}).write(key);
        await Promise.race([once(agent.stdout, "data"), failed]);
        return await work([`IdentityAgent=${socket}`, `IdentityFile=${join(folder, "key.pub")}`, "IdentitiesOnly=yes"]);
    } finally {
        await ended(agent);
    }
}
