/**
 * A double of Docker Hub and of every other upstream in the table: registries, token services and CDN hosts on one
 * TLS port, told apart by the Host header, all under their real names.
 *
 * It must never be kinder than the real thing. Where one is known to be strict (expiring tokens and URLs, scopes,
 * User-Agent, Accept, server name) so is this.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { UPSTREAMS } from "../../services/registry/upstreams";
import { type Answer, type FilePart, send, text } from "./answer";
import { cdnAnswer } from "./cdn";
import { type Encoding, type Fault, type FaultAction, Faults } from "./faults";
import { PullCounts } from "./pull-counts";
import { registryAnswer } from "./registry";
import type { HubRequest, Setup } from "./setup";
import type { ImageStore } from "./store";
import { tokenAnswer } from "./token-service";
import { placeOf, type Role } from "./upstream-hosts";

/** How the double is set up. */
export interface HubOptions {
    readonly store: ImageStore;
    /** PEM of the key and certificate for `HUB_HOSTS`. */
    readonly key: string;
    readonly cert: string;
    /** Address to listen on, such as `127.0.5.1` or `0.0.0.0`. */
    readonly host: string;
    /** 0: any free one. The URLs that the double hands out never name a port. @default 443 */
    readonly port?: number;
    /** Signs tokens and URLs. @default random */
    readonly secret?: string;
    /** With their upstream, such as `docker.io/acme/secret`. @default none */
    readonly privateRepositories?: readonly string[];
    /**
     * User name → access token, the name with its upstream (`ghcr.io/acme`) unless that is Docker Hub; each may pull all
     * private repositories there. @default none
     */
    readonly accounts?: Readonly<Record<string, string>>;
    /** Life of a token. @default 300 */
    readonly tokenSeconds?: number;
    /** Life of a signed CDN URL. @default 300 */
    readonly urlSeconds?: number;
    /** Manifest GETs on docker.io in six hours, for an address and for an account. @default 100 and 200 */
    readonly pullLimit?: { readonly anonymous: number; readonly account: number };
    /** Referrers on one page. @default 100 */
    readonly referrersPage?: number;
    /** Edges of the CDN, asked in turn, each with an ETag of its own for the same content. @default 2 */
    readonly edges?: number;
    /** The clock, milliseconds since 1970. @default Date.now */
    readonly now?: () => number;
}

/** One request as the double saw it. It is listed when it comes; the fields about the answer fill as it goes out. */
export interface RecordedRequest {
    /** ISO 8601. */
    readonly time: string;
    readonly role: Role;
    readonly host: string;
    readonly method: string;
    /** With the query, byte for byte. */
    readonly path: string;
    /** Address of the TCP peer. */
    readonly source: string;
    /** Whether there was an `Authorization` header. */
    readonly authorization: boolean;
    readonly userAgent: string | undefined;
    readonly range?: string;
    /** All headers, but of `authorization` only the scheme. */
    readonly headers: Readonly<Record<string, string | readonly string[]>>;
    /** 0 until an answer goes out. */
    status: number;
    /** Body bytes handed to the connection: up to its buffers more than have arrived when the peer left early. */
    bytes: number;
}

/** A running double. */
export interface Hub {
    readonly host: string;
    readonly port: number;
    /** In the order of their arrival. */
    readonly requests: RecordedRequest[];
    /** What goes wrong from now on: push, or empty it, at any time. */
    readonly faults: Fault[];
    /** Forgets requests, faults and counted pulls. Tokens and URLs stay good. */
    clear(): void;
    /** Cuts every connection and stops listening. */
    close(): Promise<void>;
}

// As long as load balancers keep theirs: Node's 5 s would close connections that a relay is just about to use.
const KEEP_ALIVE_MS = 75_000;
const NO_USER_AGENT: Answer = {
    status: 403,
    headers: { "content-type": "text/html", "cache-control": "no-cache" },
    body: text("<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n"),
};

/** Starts the double. Rejects when the address or port cannot be had or a private repository names no upstream. */
export async function startHub(options: HubOptions): Promise<Hub> {
    checkPrivateRepositories(options.privateRepositories ?? []);
    const requests: RecordedRequest[] = [];
    const faults: Fault[] = [];
    const happening = new Faults(faults);
    const now = options.now ?? Date.now;
    const pulls = new PullCounts(options.pullLimit ?? { anonymous: 100, account: 200 }, now);
    let redirects = 0;
    const setup: Setup = {
        store: options.store,
        secret: options.secret ?? randomBytes(32).toString("hex"),
        privateRepositories: options.privateRepositories ?? [],
        accounts: options.accounts ?? {},
        tokenSeconds: options.tokenSeconds ?? 300,
        urlSeconds: options.urlSeconds ?? 300,
        referrersPage: options.referrersPage ?? 100,
        nextEdge: () => redirects++ % (options.edges ?? 2),
        now,
        pulls,
    };

    const server = createServer({ key: options.key, cert: options.cert, keepAliveTimeout: KEEP_ALIVE_MS });
    server.on("request", (request, response) => {
        const place = placeOf(hostOf(request), splitUrl(request).pathname);
        const record = recordOf(request, place.role, now());
        requests.push(record);
        const fault = happening.take(record);
        if (fault?.kind === "hang") return;
        if (fault?.kind === "close") {
            request.socket.destroy();
            return;
        }
        const answer = changed(faultAnswer(fault) ?? answerOf(setup, request, place, fault), fault);
        record.status = answer.status;
        send(response, record.method, answer, fault, (bytes) => {
            record.bytes += bytes;
        }).catch((error: unknown) => fail(response, error));
    });
    await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(options.port ?? 443, options.host, resolve);
    });
    return {
        host: options.host,
        port: (server.address() as AddressInfo).port,
        requests,
        faults,
        clear() {
            requests.length = 0;
            faults.length = 0;
            pulls.clear();
        },
        async close() {
            const closed = new Promise<void>((resolve) => server.close(() => resolve()));
            server.closeAllConnections();
            await closed;
        },
    };
}

function checkPrivateRepositories(names: readonly string[]): void {
    const wrong = names.filter((name) => !UPSTREAMS.some((upstream) => name.startsWith(`${upstream.name}/`)));
    if (wrong.length === 0) return;
    const got = wrong.map((name) => `"${name}"`).join(", ");
    throw new Error(`private repositories are named with their upstream, such as docker.io/acme/secret; got ${got}`);
}

function answerOf(
    setup: Setup,
    request: IncomingMessage,
    { role, upstream }: ReturnType<typeof placeOf>,
    fault: FaultAction | undefined,
): Answer {
    const host = hostOf(request);
    const { servername } = request.socket as TLSSocket;
    if (role === "unknown" || upstream === undefined)
        return misdirected(`this double does not play ${host || "a request without Host"}`);
    if (servername !== host) {
        return misdirected(`the Host header says ${host}, the TLS server name says ${servername || "nothing"}`);
    }
    if (!request.headers["user-agent"]) return NO_USER_AGENT;
    const { range, ...withoutRange } = request.headers;
    const seen: HubRequest = {
        upstream,
        host,
        method: request.method ?? "",
        ...splitUrl(request),
        source: sourceOf(request),
        headers: fault?.kind === "ignore-range" ? withoutRange : { ...withoutRange, range },
    };
    try {
        if (role === "token") return tokenAnswer(setup, seen);
        return role === "cdn" ? cdnAnswer(setup, seen) : registryAnswer(setup, seen);
    } catch (error) {
        return broken(error);
    }
}

function faultAnswer(fault: FaultAction | undefined): Answer | undefined {
    if (fault?.kind === "status") {
        const { status, headers = {}, body = "", length } = fault;
        return { status, headers, body: text(body), length };
    }
    if (fault?.kind === "redirect") {
        return { status: fault.status ?? 307, headers: { location: fault.location }, body: text("") };
    }
    return undefined;
}

/** The same answer in another form. */
function changed(answer: Answer, fault: FaultAction | undefined): Answer {
    if (fault?.kind === "no-length") return { ...answer, length: fault.by };
    const encoding = fault?.kind === "encode" || fault?.kind === "status" ? fault.encoding : undefined;
    if (encoding === undefined || answer.body === undefined) return answer;
    const plain = "file" in answer.body ? readPart(answer.body) : answer.body;
    return {
        ...answer,
        headers: { ...answer.headers, "content-encoding": encoding },
        body: ENCODERS[encoding](plain),
    };
}

const ENCODERS: Readonly<Record<Encoding, (plain: Buffer) => Buffer>> = {
    gzip: gzipSync,
    "x-gzip": gzipSync,
    deflate: deflateSync,
    br: brotliCompressSync,
};

function readPart({ file, start, length }: FilePart): Buffer {
    return readFileSync(file).subarray(start, start + length);
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20: what a front end says that has no such host. */
function misdirected(reason: string): Answer {
    return { status: 421, headers: { "content-type": "text/plain" }, body: text(`Misdirected Request: ${reason}\n`) };
}

/** A fault of the double itself, which must not pass for one of the Hub's. */
function broken(error: unknown): Answer {
    console.error("Hub double:", error);
    return { status: 500, headers: { "content-type": "text/plain" }, body: text(`The Hub double failed: ${error}\n`) };
}

function fail(response: ServerResponse, error: unknown): void {
    console.error("Hub double:", error);
    response.destroy();
}

function recordOf(request: IncomingMessage, role: Role, now: number): RecordedRequest {
    const { authorization, ...headers } = request.headers;
    const scheme = authorization === undefined ? {} : { authorization: authorization.split(" ")[0] };
    return {
        time: new Date(now).toISOString(),
        role,
        host: hostOf(request),
        method: request.method ?? "",
        path: request.url ?? "",
        source: sourceOf(request),
        authorization: authorization !== undefined,
        userAgent: headers["user-agent"],
        ...(headers.range === undefined ? {} : { range: headers.range }),
        headers: { ...headers, ...scheme } as Record<string, string | string[]>,
        status: 0,
        bytes: 0,
    };
}

function hostOf(request: IncomingMessage): string {
    return (request.headers.host ?? "").toLowerCase().replace(/:\d+$/, "");
}

function sourceOf(request: IncomingMessage): string {
    return (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
}

function splitUrl({ url = "" }: IncomingMessage): { pathname: string; rawQuery: string } {
    const at = url.indexOf("?");
    return at < 0 ? { pathname: url, rawQuery: "" } : { pathname: url.slice(0, at), rawQuery: url.slice(at + 1) };
}
