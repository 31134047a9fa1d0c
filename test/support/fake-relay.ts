/**
 * Relays that misbehave on command, over real TLS on 127.0.0.1: for the uplink's promises. They prove nothing about our
 * own relays; the contract suite and the rehearsal do that.
 */
import { createHash, randomBytes as cryptoRandomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { type Ca, issue, type Life, makeCa } from "../../rehearsal/pki";
import { ownAnswerValue, UPSTREAM_ANSWER } from "../../services/registry/relay-answer";
import type { RelayConfig } from "../../services/uplink/config";

/** What all relays of a test have to give. */
export class FakeContent {
    readonly blobs = new Map<string, Buffer>();
    /** `library/app:1.0` → digest. */
    readonly tags = new Map<string, string>();
    readonly types = new Map<string, string>();
    /** `library/app@sha256:…` → entries of the referrers API, or a body of any kind. Without any the API is not there. */
    readonly referrers = new Map<string, readonly object[] | string>();
    /** Entries on one page of the referrers API. */
    referrersPage = 100;
    /** Repository → its tags, and the form of the link to the next page of 100. */
    readonly tagLists = new Map<string, TagList>();

    blob(bytes: Buffer): string {
        const digest = digestOf(bytes);
        this.blobs.set(digest, bytes);
        return digest;
    }

    manifest(type: string, manifest: object): { digest: string; size: number } {
        const bytes = Buffer.from(JSON.stringify(manifest));
        const digest = this.blob(bytes);
        this.types.set(digest, type);
        return { digest, size: bytes.length };
    }

    /** An image for one platform, tagged when `tag` is given. */
    image(repository: string, tag: string | undefined, layers: readonly Buffer[]): FakeImage {
        const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", repository, tag }));
        const { digest } = this.manifest(MANIFEST, {
            schemaVersion: 2,
            mediaType: MANIFEST,
            config: {
                mediaType: "application/vnd.oci.image.config.v1+json",
                digest: this.blob(config),
                size: config.length,
            },
            layers: layers.map((layer) => ({
                mediaType: "application/vnd.oci.image.layer.v1.tar",
                digest: this.blob(layer),
                size: layer.length,
            })),
        });
        if (tag) this.tags.set(`${repository}:${tag}`, digest);
        return { digest, config: digestOf(config), layers: layers.map(digestOf) };
    }
}

export interface TagList {
    readonly tags: readonly string[];
    /** @param next Path and query of the next page. */
    readonly link?: (next: string) => string | string[];
    /** Registries that begin at the start unless `n` is there. */
    readonly needsCount?: boolean;
}

export interface FakeImage {
    readonly digest: string;
    readonly config: string;
    readonly layers: readonly string[];
}

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const INDEX = "application/vnd.oci.image.index.v1+json";

/** What a relay does to a request, in place of answering it properly. */
export type Fault =
    | { readonly do: "cut"; readonly after: number }
    | { readonly do: "stall"; readonly after: number }
    | { readonly do: "crawl"; readonly bytes: number; readonly everyMs: number }
    | { readonly do: "ignore-range" }
    | { readonly do: "lie"; readonly bytes?: Buffer }
    | { readonly do: "silence" }
    | { readonly do: "wait"; readonly ms: number }
    /** The whole blob in chunks, without saying how long it is. */
    | { readonly do: "no-length"; readonly cutAfter?: number }
    /** Anything else: the answer is made here, from the blob if there is one. */
    | { readonly do: "give"; readonly give: (request: IncomingMessage, response: ServerResponse, blob: Buffer) => void }
    | {
          readonly do: "status";
          readonly status: number;
          /** A line for each value. */
          readonly headers?: Record<string, string | string[]>;
          readonly body?: string | Buffer;
          /** The value of X-Relay-Answer; no header when absent, as of something before the relay. */
          readonly answer?: string;
      };

export interface FaultRule {
    /** On the path; every request when absent. */
    readonly path?: RegExp;
    readonly method?: "GET" | "HEAD";
    /** Only requests with a Range, or only those without one. */
    readonly ranged?: boolean;
    /** How many requests it catches; all when absent. */
    times?: number;
    readonly fault: Fault;
}

export interface SeenRequest {
    readonly method: string;
    readonly path: string;
    readonly range: string | undefined;
    readonly key: string | undefined;
    /** Body bytes handed to the connection. */
    bytes: number;
}

export const FAKE_KEY = "k".repeat(40);

export class FakeRelay {
    readonly requests: SeenRequest[] = [];
    readonly faults: FaultRule[] = [];
    /** ETags are made of it and the request's number: no two are equal when it is "changing". */
    etag: "steady" | "changing" = "steady";
    /** Whether its answers say whose they are; those of 0.3.0 do not. */
    marks = false;
    /** Keys that open it. */
    keys: readonly string[] = [FAKE_KEY];
    /** TCP connections that it has taken. */
    connections = 0;
    private dark = false;
    private port = 0;
    private tcp: TcpServer | undefined;
    private readonly sockets = new Set<Socket>();
    private readonly https: HttpsServer;
    /** The same for all its certificates, as where a server keeps sessions across a reload. */
    private readonly ticketKeys = cryptoRandomBytes(48);

    private constructor(
        readonly name: string,
        private readonly ca: Ca,
        private readonly content: FakeContent,
    ) {
        const { ticketKeys } = this;
        const options = { ...issue(ca, [this.hostname]), ticketKeys };
        this.https = createHttpsServer(options, (request, response) => this.answer(request, response));
    }

    /** Shows another certificate from now on, and hangs up. */
    renew(life: Life): void {
        this.https.setSecureContext({ ...issue(this.ca, [this.hostname], life), ticketKeys: this.ticketKeys });
        for (const socket of this.sockets) socket.destroy();
    }

    static async start(name: string, content: FakeContent, ca: Ca = testCa()): Promise<FakeRelay> {
        const relay = new FakeRelay(name, ca, content);
        await relay.listen();
        return relay;
    }

    private get hostname(): string {
        return `${this.name}.relay.test`;
    }

    /** How the uplink is told about it: by a name that no DNS knows, pinned to an address. */
    config(): RelayConfig {
        const url = `https://${this.hostname}:${this.port}`;
        return { name: this.name, url, key: FAKE_KEY, address: "127.0.0.1", ca: this.ca.cert };
    }

    /** Listens, on the port that it had before if it had one. */
    async listen(): Promise<void> {
        const tcp = createTcpServer((socket) => {
            this.connections += 1;
            this.sockets.add(socket);
            socket.on("close", () => this.sockets.delete(socket));
            socket.on("error", () => socket.destroy());
            // A black hole takes the connection and says nothing, not even TLS.
            if (!this.dark) this.https.emit("connection", socket);
        });
        await new Promise<void>((resolve, reject) => {
            tcp.once("error", reject);
            tcp.listen(this.port, "127.0.0.1", resolve);
        });
        this.port = (tcp.address() as AddressInfo).port;
        this.tcp = tcp;
    }

    /** Connections are refused, and those that there are end. */
    async refuse(): Promise<void> {
        const { tcp } = this;
        this.tcp = undefined;
        for (const socket of this.sockets) socket.destroy();
        await new Promise<void>((resolve) => (tcp ? tcp.close(() => resolve()) : resolve()));
    }

    /** Takes connections and requests, and never says another byte. */
    goDark(): void {
        this.dark = true;
    }

    comeBack(): void {
        this.dark = false;
    }

    /** Requests for something, not the uplink's own probes. */
    asked(path: RegExp = /./): SeenRequest[] {
        return this.requests.filter(
            (request) => request.path !== "/v2/" && !PROBE.test(request.path) && path.test(request.path),
        );
    }

    /** The uplink's questions whether an upstream says anything. */
    probed(): SeenRequest[] {
        return this.requests.filter(({ path }) => PROBE.test(path));
    }

    sentBytes(path: RegExp = /./): number {
        return this.asked(path).reduce((sum, { bytes }) => sum + bytes, 0);
    }

    async stop(): Promise<void> {
        await this.refuse();
    }

    private answer(request: IncomingMessage, response: ServerResponse): void {
        const path = request.url ?? "";
        const seen: SeenRequest = {
            method: request.method ?? "",
            path,
            range: request.headers.range,
            key: request.headers["x-relay-key"]?.toString(),
            bytes: 0,
        };
        this.requests.push(seen);
        response.on("error", () => response.destroy());
        if (this.dark) return;
        const fault = this.faultFor(request);
        if (fault?.do === "silence") return;
        if (fault?.do === "status") {
            if (fault.answer !== undefined) response.setHeader("X-Relay-Answer", fault.answer);
            response.writeHead(fault.status, fault.headers).end(fault.body ?? "<html>fault</html>");
            return;
        }
        if (this.marks) response.setHeader("X-Relay-Answer", UPSTREAM_ANSWER);
        if (!this.keys.includes(seen.key ?? "")) {
            if (this.marks) response.setHeader("X-Relay-Answer", ownAnswerValue("key"));
            response.writeHead(401, { "WWW-Authenticate": `Basic realm="${this.hostname}"` }).end();
            return;
        }
        if (path === "/v2/") {
            if (this.marks) response.setHeader("X-Relay-Answer", ownAnswerValue("base"));
            response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
            return;
        }
        if (fault?.do === "wait") setTimeout(() => this.give(request, response, seen, fault), fault.ms);
        else this.give(request, response, seen, fault);
    }

    private faultFor({ url = "", method, headers }: IncomingMessage): Fault | undefined {
        const rule = this.faults.find(
            (each) =>
                (each.path ?? /./).test(url) &&
                (each.method ?? method) === method &&
                (each.ranged === undefined || each.ranged === (headers.range !== undefined)) &&
                (each.times ?? 1) > 0,
        );
        if (rule?.times !== undefined) rule.times -= 1;
        return rule?.fault;
    }

    private give(
        request: IncomingMessage,
        response: ServerResponse,
        seen: SeenRequest,
        fault: Fault | undefined,
    ): void {
        const { pathname, search } = new URL(seen.path, "http://relay");
        const [, repository = "", kind = "", reference = ""] =
            /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/([^/]+)$/.exec(pathname) ?? [];
        const list = kind === "tags" ? this.content.tagLists.get(repository) : undefined;
        if (list) {
            this.giveTags(response, repository, list, new URLSearchParams(search));
            return;
        }
        if (kind === "tags") {
            response.writeHead(200, {
                "Content-Type": "application/json",
                Link: `</v2/${repository}/tags/list?n=2&last=b>; rel="next"`,
            });
            response.end(JSON.stringify({ name: repository, tags: ["a", "b"], search }));
            return;
        }
        if (kind === "referrers" && this.content.referrers.size > 0) {
            this.giveReferrers(response, `${repository}@${reference}`, pathname, new URLSearchParams(search));
            return;
        }
        const digest = this.content.tags.get(`${repository}:${reference}`) ?? reference;
        const found = kind === "referrers" ? undefined : this.content.blobs.get(digest);
        if (!found) {
            const code = kind === "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN";
            response.writeHead(404, { "Content-Type": "application/json" });
            response.end(JSON.stringify({ errors: [{ code }] }));
            return;
        }
        if (fault?.do === "give") {
            fault.give(request, response, found);
            return;
        }
        const bytes = fault?.do === "lie" ? (fault.bytes ?? wrong(found)) : found;
        const type = this.content.types.get(digest) ?? "application/octet-stream";
        const headers = {
            ...(type === "" ? {} : { "Content-Type": type }),
            "Docker-Content-Digest": digest,
            ETag: this.etag === "steady" ? `"${digest}"` : `"${this.requests.length}"`,
        };
        const ignores = fault?.do === "ignore-range" || fault?.do === "no-length";
        const wanted = ignores || kind === "manifests" ? undefined : seen.range;
        const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(wanted ?? "") ?? [];
        if (first === undefined || last === undefined) {
            const length = fault?.do === "no-length" ? {} : { "Content-Length": bytes.length };
            response.writeHead(200, { ...headers, ...length });
            void this.send(request.method === "HEAD" ? Buffer.alloc(0) : bytes, response, seen, fault);
            return;
        }
        const start = Number(first);
        const end = Math.min(Number(last) + 1, bytes.length);
        if (start >= bytes.length) {
            response.writeHead(416, { "Content-Range": `bytes */${bytes.length}`, "Content-Length": 0 }).end();
            return;
        }
        response.writeHead(206, {
            ...headers,
            "Content-Length": end - start,
            "Content-Range": `bytes ${start}-${end - 1}/${bytes.length}`,
        });
        void this.send(bytes.subarray(start, end), response, seen, fault);
    }

    private giveTags(
        response: ServerResponse,
        repository: string,
        { tags, link, needsCount }: TagList,
        query: URLSearchParams,
    ): void {
        const last = needsCount && !query.has("n") ? null : query.get("last");
        const rest = last === null ? tags : tags.filter((tag) => tag > last);
        const page = rest.slice(0, link ? Number(query.get("n") ?? 100) : rest.length);
        const next = `/v2/${repository}/tags/list?n=${page.length}&last=${page.at(-1)}`;
        if (link && page.length < rest.length) response.setHeader("Link", link(next));
        const body = JSON.stringify({ name: repository, tags: page });
        response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
        response.end(body);
    }

    /** In pages by number, as `last`: a relay hands on no parameter of an upstream's own. Applies no filter. */
    private giveReferrers(response: ServerResponse, subject: string, pathname: string, query: URLSearchParams): void {
        const all = this.content.referrers.get(subject) ?? [];
        if (typeof all === "string") {
            response.writeHead(200, { "Content-Type": INDEX }).end(all);
            return;
        }
        const first = Number(query.get("last") ?? 0);
        const end = first + this.content.referrersPage;
        const link = end < all.length ? { Link: `<${pathname}?last=${end}>; rel="next"` } : {};
        response.writeHead(200, { "Content-Type": INDEX, ...link });
        response.end(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: all.slice(first, end) }));
    }

    private async send(body: Buffer, response: ServerResponse, seen: SeenRequest, fault: Fault | undefined) {
        const step = fault?.do === "crawl" ? fault.bytes : 64 * 1024;
        const cuts = fault?.do === "cut" || fault?.do === "stall" ? fault.after : undefined;
        const cutAfter = fault?.do === "no-length" ? fault.cutAfter : cuts;
        const stop = Math.min(cutAfter ?? body.length, body.length);
        for (let at = 0; at < stop && !response.destroyed && !this.dark; ) {
            const chunk = body.subarray(at, Math.min(at + step, stop));
            await new Promise<void>((resolve) => {
                response.once("close", resolve);
                response.write(chunk, () => {
                    response.off("close", resolve);
                    resolve();
                });
            });
            at += chunk.length;
            seen.bytes += chunk.length;
            if (fault?.do === "crawl") await new Promise((resolve) => setTimeout(resolve, fault.everyMs));
        }
        if (this.dark || fault?.do === "stall") return;
        if (fault?.do === "cut" || stop < body.length) response.destroy();
        else response.end();
    }
}

/** The uplink's probe of an upstream (services/uplink/passage.ts). */
const PROBE = /\/dockermirror\/probe\//;

function wrong(bytes: Buffer): Buffer {
    return Buffer.from(bytes).fill(0x21, Math.floor(bytes.length / 2));
}

let ca: Ca | undefined;

/** One CA for all fake relays: openssl takes its time. */
export function testCa(): Ca {
    ca ??= makeCa("dockermirror tests");
    return ca;
}

/** Bytes that no two seeds share and that do not compress. */
export function randomBytes(size: number, seed: string): Buffer {
    const bytes = Buffer.allocUnsafe(size);
    let block = createHash("sha512").update(seed).digest();
    for (let at = 0; at < size; at += block.length) {
        block.copy(bytes, at);
        if (at % (64 * 1024) === 0) block = createHash("sha512").update(block).update(seed).digest();
    }
    return bytes;
}

export function digestOf(bytes: Buffer): string {
    return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
