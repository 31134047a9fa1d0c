/** A relay of ours under test: how one is started in front of the Hub double, and how a test talks to it. */
import * as http from "node:http";
import * as https from "node:https";
import type { Hub } from "../../rehearsal/hub/hub";
import type { KeyPair } from "../../rehearsal/pki";
import type { PrivateAccount } from "../../services/registry/accounts";
import type { RedirectHosts } from "../../services/registry/redirect-hosts";

/** How to talk to something that listens under a name. */
export interface Listening {
    /** Where it listens: `https://127.0.0.1:12345` or `http://127.0.0.1:12345`. */
    readonly origin: string;
    /** Its own host name: TLS server name and Host header. */
    readonly hostname: string;
    /** PEM of the CA to trust; absent without TLS. */
    readonly ca?: string;
    /** Address to come from. @default the system's choice */
    readonly localAddress?: string;
}

/** One running relay in front of the Hub double. */
export interface RelayUnderTest extends Listening {
    readonly hub: Hub;
    /** The JSON request log so far. */
    logLines(): Promise<Record<string, unknown>[]>;
    /** Everything that the relay has written so far: request log, error log, standard output. */
    logText(): Promise<string>;
    /** Ends the relay; the Hub double goes on. */
    stop(): Promise<void>;
}

export interface RelayOptions {
    /** The double to relay, already listening. The suite that started it closes it. */
    readonly hub: Hub;
    /** Address on which the double listens at port 443 for every host name of the table. */
    readonly hubAddress: string;
    /** Signed the double's certificate; may sign the relay's too. */
    readonly ca: KeyPair;
    /** Valid keys by id, such as `acme.2`. */
    readonly keys: Readonly<Record<string, string>>;
    /** Hub account of the relay. */
    readonly account?: { readonly username: string; readonly token: string };
    /** Accounts of the relay for private repositories. @default none */
    readonly privateAccounts?: readonly PrivateAccount[];
    /** Names of the upstreams that are relayed. @default all of the table */
    readonly upstreams?: readonly string[];
    /** Hosts that upstreams may redirect to beside those of the table. @default none */
    readonly redirectHosts?: RedirectHosts;
    /** Host names that lead to the double beside those that it plays. @default none */
    readonly furtherHosts?: readonly string[];
    readonly access?: "keys" | "public";
    readonly abuseContact?: string;
    readonly publicLimit?: { readonly requestsPerMinute: number };
}

export type StartRelay = (options: RelayOptions) => Promise<RelayUnderTest>;

/** What came back. */
export interface Answer {
    readonly status: number;
    readonly headers: http.IncomingHttpHeaders;
    readonly body: Buffer;
    /** False when the connection broke before the announced end of the body. */
    readonly complete: boolean;
}

/** Sends one request on a connection of its own. `path` goes out byte for byte, dots and all. */
export async function send(
    relay: Listening,
    method: string,
    path: string,
    headers: http.OutgoingHttpHeaders = {},
    signal?: AbortSignal,
): Promise<Answer> {
    const response = await ask(relay, method, path, headers, signal);
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    // A body that is cut short is an answer worth looking at, not a failure of the test.
    response.on("error", () => {});
    await new Promise((resolve) => response.once("close", resolve));
    const { statusCode: status = 0, complete } = response;
    return { status, headers: response.headers, body: Buffer.concat(chunks), complete };
}

/** Gets `path` and leaves as soon as `enough` bytes of the body are there. Returns those that came. */
export async function receive(
    relay: Listening,
    path: string,
    headers: http.OutgoingHttpHeaders,
    enough: number,
): Promise<Buffer> {
    const response = await ask(relay, "GET", path, headers);
    const chunks: Buffer[] = [];
    for await (const chunk of response) {
        chunks.push(chunk);
        if (Buffer.concat(chunks).length >= enough) break;
    }
    return Buffer.concat(chunks);
}

/** Begins a request: what comes is read as fast as the caller takes it. */
export function open(relay: Listening, path: string, headers: http.OutgoingHttpHeaders): Promise<http.IncomingMessage> {
    return ask(relay, "GET", path, headers);
}

function ask(
    relay: Listening,
    method: string,
    path: string,
    headers: http.OutgoingHttpHeaders,
    signal?: AbortSignal,
): Promise<http.IncomingMessage> {
    const { protocol, hostname: host, port } = new URL(relay.origin);
    const all = { host: relay.hostname, ...headers };
    const options = { agent: false, method, host, port, path, headers: all, signal, localAddress: relay.localAddress };
    return new Promise((resolve, reject) => {
        const request =
            protocol === "https:"
                ? https.request({ ...options, ca: relay.ca, servername: relay.hostname })
                : http.request(options);
        request.once("error", reject);
        request.once("response", resolve);
        request.end();
    });
}
