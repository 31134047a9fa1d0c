/**
 * Waits until a relay answers as clients will see it: its name in the zone's own DNS, TLS that can be trusted, and
 * `/v2/` with the right status. A program for Node; standard input is the JSON of {@link Gate}.
 *
 * The zone's own name servers are asked, not this machine's resolver: that one would remember, for as long as the zone
 * says, that the name does not exist yet.
 */
import { lookup, Resolver } from "node:dns/promises";
import { request } from "node:https";
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";

/** What is waited for. */
export interface Gate {
    readonly hostname: string;
    /** Name servers of the zone, host names or addresses (`192.0.2.1:53`). */
    readonly nameServers: readonly string[];
    /** Asked where no name server can be. @default what this machine's resolver says */
    readonly address?: string;
    /** PEM of a CA to trust beside the public ones. */
    readonly ca?: string;
    /** Status of `/v2/` for a caller without a key: 401, or 200 where access is public. */
    readonly status: number;
    /** Seconds until it is given up. */
    readonly seconds: number;
}

const BETWEEN_MS = 2000;
const ANSWER_MS = 10_000;

/** Resolves with the address that answered. Rejects with the last reason when the time is over. */
export async function passGate(gate: Gate): Promise<string> {
    const end = Date.now() + gate.seconds * 1000;
    for (;;) {
        try {
            const address = await find(gate);
            const status = await ask(gate, address);
            if (status === gate.status) return address;
            throw new Error(`https://${gate.hostname}/v2/ answers ${status} in place of ${gate.status}`);
        } catch (error) {
            if (Date.now() + BETWEEN_MS > end) {
                const reason = error instanceof Error ? error.message : String(error);
                throw new Error(`the relay ${gate.hostname} does not answer after ${gate.seconds} s: ${reason}`);
            }
        }
        await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
    }
}

async function find({ hostname, nameServers, address }: Gate): Promise<string> {
    if (nameServers.length > 0) {
        try {
            return await findAt(nameServers, hostname);
        } catch (error) {
            // They know no such name yet. Anything else, their own names not found among it, means that they cannot be
            // asked from here.
            const { code = "", syscall } = error as NodeJS.ErrnoException;
            if (syscall === "queryA" && ["ENOTFOUND", "ENODATA"].includes(code)) throw error;
        }
    }
    return address ?? (await lookup(hostname, { family: 4 })).address;
}

async function findAt(nameServers: readonly string[], hostname: string): Promise<string> {
    const address = async (name: string) => (isAddress(name) ? name : (await lookup(name)).address);
    const resolver = new Resolver({ timeout: ANSWER_MS, tries: 1 });
    resolver.setServers(await Promise.all(nameServers.map(address)));
    const [found = ""] = await resolver.resolve4(hostname);
    return found;
}

function isAddress(name: string): boolean {
    return isIP(name.replace(/:\d+$/, "")) !== 0 || isIP(name) !== 0;
}

function ask({ hostname, ca }: Gate, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
        const asked = request({
            host,
            servername: hostname,
            path: "/v2/",
            headers: { Host: hostname, "User-Agent": "dockermirror" },
            ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
            agent: false,
            timeout: ANSWER_MS,
        });
        asked.on("timeout", () =>
            asked.destroy(new Error(`${hostname} (${host}) does not answer within ${ANSWER_MS / 1000} s`)),
        );
        asked.on("error", reject);
        asked.on("response", (answer) => {
            answer.resume();
            resolve(answer.statusCode ?? 0);
        });
        asked.end();
    });
}
