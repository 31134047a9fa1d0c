/** The machine overseas: one that is there already, or whether this one will be let in to one that the stack makes. */
import { BlockList, isIPv6 } from "node:net";
import { say } from "../language/say";
import { connectTcp } from "../services/connection/connector";
import { ask, reason } from "./ask";
import { type Check, Remark } from "./finding";
import { LIKE_THE_PROVIDER, overSsh, type SshTarget } from "./ssh";
import { connectTimes, type Surroundings } from "./surroundings";

/** What the relay's machine must be: Debian 12 or newer, with root's rights for the user. */
const OLDEST_DEBIAN = 12;
const LOOK = 'echo "$(. /etc/os-release && echo "$ID $VERSION_ID")"; [ "$(id -u)" = 0 ] || sudo -n true';

/**
 * A machine overseas that is there already.
 *
 * @param keyMissing The private key is a secret that could not be read: logging in is left out.
 */
export function machineCheck(where: Surroundings, target: SshTarget, keyMissing: boolean): Check {
    const { host, port, user, hostKey } = target;
    const at = `${host}:${port}`;
    return {
        what: say("SSH of the machine overseas"),
        where: at,
        todo: say(
            "start sshd there, and let this machine in at port {port}; across the border port 22 may be cut: try another",
            { port },
        ),
        ask: () => banner(host, port, where.seconds),
        next: [
            {
                what: say("its host key"),
                where: at,
                ask: async () => {
                    const kind =
                        /^ssh-ed25519|^ssh-rsa|^ecdsa/.exec(hostKey ?? "")?.[0].replace(/^ssh-/, "") ?? "ed25519";
                    const shown = await scan(where, host, port, kind);
                    const [type = "", key = ""] = (hostKey ?? "").split(" ");
                    if (shown === `${type} ${key}`) return say("is the one in the settings");
                    if (hostKey === undefined) {
                        const todo = say("compare with the machine's own, then set overseas.hostKey: {shown}", {
                            shown,
                        });
                        throw new Remark("warning", say("not in the settings: whoever answers is taken for it"), todo);
                    }
                    const todo = say(
                        "find out why before anything is sent there; if it is right, set overseas.hostKey: {shown}",
                        { shown },
                    );
                    throw new Remark("failed", say("is not the one in the settings"), todo);
                },
            },
            {
                what: say("login as {user}", { user }),
                where: at,
                todo: say(
                    "put the public key into ~{user}/.ssh/authorized_keys; without the secret sshPrivateKey the agent's keys are tried",
                    { user },
                ),
                ask: () => login(where, target, keyMissing),
            },
        ],
    };
}

async function login(where: Surroundings, target: SshTarget, keyMissing: boolean): Promise<string> {
    if (keyMissing) throw new Remark("skipped", say("the secret sshPrivateKey cannot be read here"));
    const { code, stdout, stderr } = await overSsh(target, LOOK, where.env, LIKE_THE_PROVIDER);
    if (code === 255) throw new Error(stderr.trim());
    const [id = "", version = ""] = stdout.trim().split(" ");
    if (id !== "debian" || Number(version) < OLDEST_DEBIAN) {
        throw new Error(
            say("must be Debian {oldest} or newer, got {stdout}", { oldest: OLDEST_DEBIAN, stdout: stdout.trim() }),
        );
    }
    if (code === 0) return say("works, with root's rights, on {id} {version}", { id, version });
    const todo = say("echo '{user} ALL=(ALL) NOPASSWD: ALL' into a file of /etc/sudoers.d, by visudo -f", {
        user: target.user,
    });
    throw new Remark("failed", say("works, but sudo asks for a password"), todo);
}

/** The first line that an SSH server sends by itself (RFC 4253, 4.2). */
function banner(host: string, port: number, seconds: number): Promise<string> {
    return new Promise((resolve, reject) => {
        connectTcp({ hostname: host, port, times: connectTimes(seconds) }, (error, socket) => {
            if (!socket) {
                reject(new Error(reason(error, seconds)));
                return;
            }
            const fail = (message: string) => {
                socket.destroy();
                reject(new Error(message));
            };
            socket.setTimeout(seconds * 1000, () => fail(say("no answer within {seconds} s", { seconds })));
            socket.on("error", (broken) => fail(reason(broken, seconds)));
            socket.on("end", () => fail(say("the connection is closed without a word")));
            socket.on("data", (bytes) => {
                const [line = ""] = bytes.toString("latin1").split(/\r?\n/);
                if (!line.startsWith("SSH-"))
                    return fail(say("is no SSH server: it says {said}", { said: JSON.stringify(line.slice(0, 40)) }));
                socket.destroy();
                resolve(`answers: ${line}`);
            });
        });
    });
}

async function scan({ run, env, seconds }: Surroundings, host: string, port: number, kind: string): Promise<string> {
    const args = ["-T", String(seconds), "-p", String(port), "-t", kind, "--", host];
    const { stdout } = await run("ssh-keyscan", args, { env });
    const [, type, key] =
        stdout
            .split("\n")
            .find((line) => !line.startsWith("#"))
            ?.split(" ") ?? [];
    if (type === undefined || key === undefined) throw new Error(say("it shows none of the kind {kind}", { kind }));
    return `${type} ${key}`;
}

/**
 * The address from which this machine speaks to AWS.
 *
 * @throws Error that says why it is not known.
 */
export async function ownAddress(where: Surroundings): Promise<string> {
    const { text } = await ask(where, { url: where.services.ownAddress });
    return text.trim();
}

/** Whether the address from which this machine speaks to AWS is one that may log in to what the stack makes. */
export function sshFromCheck(where: Surroundings, sshFrom: readonly string[]): Check {
    return {
        what: say("this machine in sshFrom"),
        where: sshFrom.join(", "),
        ask: async () => {
            const address = await ownAddress(where).catch((error: Error) => {
                const { host } = new URL(where.services.ownAddress);
                throw new Remark("skipped", say("{host}: {message}", { host, message: error.message }));
            });
            if (holds(sshFrom, address)) return say("{address} is in it", { address });
            const todo = say(
                "add {address}/32 to overseas.sshFrom, unless SSH leaves by another address than HTTPS does",
                { address },
            );
            throw new Remark(
                "warning",
                say("AWS sees this machine as {address}, which may not log in", { address }),
                todo,
            );
        },
    };
}

function holds(ranges: readonly string[], address: string): boolean {
    const list = new BlockList();
    for (const range of ranges) {
        const [network = "", bits] = range.split("/");
        list.addSubnet(network, Number(bits), isIPv6(network) ? "ipv6" : "ipv4");
    }
    return list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
