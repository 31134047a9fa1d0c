/**
 * Let's Encrypt for the rehearsal and the tests: Pebble, its own small ACME server, which really asks for each challenge.
 * It makes itself a new root at each start, and refuses one nonce of twenty, as it always does: clients must bear it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goProgram } from "./go-programs";
import { issue, type KeyPair } from "./pki";
import { eventually } from "./run";
import { RUN, type Topology } from "./topology";

/** The host of Let's Encrypt's ACME server, whose directory is at `/directory`. */
export const ACME_HOST = "acme-v02.api.letsencrypt.org";

/** What a local Pebble needs. */
export interface PebbleArgs {
    /** Signs the certificate of Pebble's own HTTPS, for 127.0.0.1. */
    readonly ca: KeyPair;
    /** Name server that is asked for the challenges' names, over TCP: `<address>:<port>`. */
    readonly dns: string;
    /** Port at which HTTP-01 challenges are fetched, in place of 80. */
    readonly httpPort: number;
    /** Ports of 127.0.0.1 to listen on, for clients and for what only Pebble has. */
    readonly port: number;
    readonly managementPort: number;
    /** How long a certificate is valid. @default 90 days, as Let's Encrypt's */
    readonly validitySeconds?: number;
}

/** A running Pebble. */
export interface Pebble {
    /** URL of the ACME directory. */
    readonly directory: string;
    /** Root of the certificates that this Pebble issues, PEM. */
    readonly root: string;
    /** What it has written so far: each order, each challenge. */
    output(): string;
    stop(): Promise<void>;
}

/** What the ACME server in a container needs of the rehearsal. */
export type AcmeTopology = Pick<Topology, "ca" | "program" | "address" | "nameServer">;

const VALIDITY_SECONDS = 90 * 24 * 60 * 60;
const READY_SECONDS = 20;
/** Challenges are asked for at once, and for each certificate anew: else Pebble lets chance decide, order by order. */
const ENVIRONMENT = { PEBBLE_VA_NOSLEEP: "1", PEBBLE_AUTHZREUSE: "0" };
/** In its container: acme.conf stands before the first, the second is asked from this machine. */
const PORT = 14000;
const MANAGEMENT_PORT = 15000;
const HTTPS_PORT = 443;
const HTTP_PORT = 80;

/**
 * Starts Pebble as a process of this machine.
 *
 * @throws Error with Pebble's own words when it ends before it answers.
 */
export async function startPebble(args: PebbleArgs): Promise<Pebble> {
    const { ca, dns, httpPort, port, managementPort, validitySeconds } = args;
    const folder = mkdtempSync(join(tmpdir(), "dockermirror-pebble-"));
    const addresses = { listenAddress: `127.0.0.1:${port}`, managementListenAddress: `127.0.0.1:${managementPort}` };
    layPebble(folder, issue(ca, ["127.0.0.1"]), { ...addresses, httpPort, validitySeconds });
    const options = ["-config", "pebble.json", "-dnsserver", dns];
    const child = spawn(goProgram("pebble"), options, { cwd: folder, env: { ...process.env, ...ENVIRONMENT } });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
    const ended = once(child, "close").then(
        ([code]) => `Pebble ended with ${code}: ${output.trim()}`,
        (error: Error) => `Pebble cannot be started: ${error.message}`,
    );
    const stop = async () => {
        child.kill();
        await ended;
        rmSync(folder, { recursive: true });
    };
    try {
        const root = await Promise.race([
            eventually("Pebble answers", READY_SECONDS, async () => {
                await get("127.0.0.1", port, "/dir", ca.cert);
                return rootOf("127.0.0.1", managementPort, ca.cert);
            }),
            ended.then((reason) => Promise.reject(new Error(reason))),
        ]);
        return { directory: `https://127.0.0.1:${port}/dir`, root, output: () => output, stop };
    } catch (error) {
        await stop();
        throw error;
    }
}

/**
 * Starts the ACME server of a rehearsal under Let's Encrypt's own name: machines on the world network reach it,
 * it reaches the challenges on the link network by the zone's name server.
 *
 * @returns The root of the certificates that it issues, PEM.
 */
export async function startAcme(topology: AcmeTopology): Promise<string> {
    const folder = join(RUN, "acme");
    mkdirSync(folder, { recursive: true });
    const addresses = {
        listenAddress: `127.0.0.1:${PORT}`,
        managementListenAddress: `0.0.0.0:${MANAGEMENT_PORT}`,
    };
    layPebble(folder, issue(topology.ca, [ACME_HOST]), { ...addresses, httpPort: HTTP_PORT });
    const pebble = `pebble -config pebble.json -dnsserver ${topology.nameServer}`;
    await topology.program(
        "acme",
        { link: [], world: [ACME_HOST] },
        [
            `${folder}:/acme:ro`,
            `${join(__dirname, "acme.conf")}:/etc/nginx/acme.conf:ro`,
            `${goProgram("pebble")}:/usr/local/bin/pebble:ro`,
        ],
        ["sh", "-c", `cd /acme && { ${pebble} & exec nginx -c /etc/nginx/acme.conf; }`],
        Object.entries(ENVIRONMENT).map(([name, value]) => `${name}=${value}`),
    );
    const address = await topology.address("acme", "world");
    return eventually("the ACME server answers", READY_SECONDS, async () => {
        await get(address, HTTPS_PORT, "/directory", topology.ca.cert, ACME_HOST);
        return rootOf(address, MANAGEMENT_PORT, topology.ca.cert, ACME_HOST);
    });
}

/** Pebble's configuration, as far as the two ways of running it differ. */
interface PebbleConfig {
    readonly listenAddress: string;
    readonly managementListenAddress: string;
    readonly httpPort: number;
    readonly validitySeconds?: number;
}

/** Writes what Pebble reads; it runs in this folder. */
function layPebble(folder: string, { key, cert }: KeyPair, config: PebbleConfig): void {
    const { validitySeconds = VALIDITY_SECONDS, ...rest } = config;
    writeFileSync(join(folder, "key.pem"), key, { mode: 0o600 });
    writeFileSync(join(folder, "cert.pem"), cert);
    const pebble = {
        ...rest,
        certificate: "cert.pem",
        privateKey: "key.pem",
        keyAlgorithm: "ecdsa",
        // Seconds after which a client may ask again.
        retryAfter: { authz: 1, order: 1 },
        // One alone: for a client that asks for none, Pebble takes any.
        profiles: { default: { description: "As Let's Encrypt's", validityPeriod: validitySeconds } },
    };
    writeFileSync(join(folder, "pebble.json"), JSON.stringify({ pebble }));
}

/** The root of this Pebble, which it makes at its start: https://github.com/letsencrypt/pebble, "CA Root and Intermediate Certificates". */
function rootOf(host: string, port: number, ca: string, servername?: string): Promise<string> {
    return get(host, port, "/roots/0", ca, servername);
}

/** The body of a 200; `servername` when the server's certificate is not for its address. */
function get(host: string, port: number, path: string, ca: string, servername?: string): Promise<string> {
    return new Promise((resolve, reject) => {
        // Pebble, like Let's Encrypt, refuses those who do not say who they are: RFC 8555, 6.1.
        const headers = { "user-agent": "dockermirror rehearsal" };
        const asked = request({ host, port, path, ca, servername, headers, agent: false }, (answer) => {
            let body = "";
            answer.setEncoding("utf8").on("data", (text) => (body += text));
            answer.once("error", reject);
            answer.once("end", () =>
                answer.statusCode === 200
                    ? resolve(body)
                    : reject(new Error(`${path} answered ${answer.statusCode}: ${body}`)),
            );
        });
        asked.once("error", reject).end();
    });
}
