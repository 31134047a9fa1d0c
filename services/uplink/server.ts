/** The uplink's HTTP side: what the cache engine talks to. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type ErrorCode, errorBody } from "../registry/errors";
import { parsePath, type RegistryRequest, relayPath } from "../registry/names";
import { retryAfterSeconds } from "../registry/retry-after";
import type { Upstream } from "../registry/upstreams";
import type { BlobRequest, BlobSource, Blobs } from "./blobs";
import { Unavailable, UpstreamFault } from "./failure";
import { scopeOf } from "./health";
import type { Log } from "./log";
import type { ManifestRefusal, Manifests } from "./manifests";
import type { Metrics } from "./metrics";
import { type ByteRange, readRange } from "./range";
import { INDEX, type Referrers } from "./referrers";
import type { Relays } from "./relays";

/** Query parameters that go up; everything else a client may send stays here. */
const PASSED_ON = ["n", "last"];

/** One buffer of this size a reader: memory grows neither with blobs nor with what a slow reader leaves lying. */
const READ_BYTES = 256 * 1024;

export interface ServerKit {
    /** At the moment. */
    readonly upstreams: () => readonly Upstream[];
    readonly relays: Relays;
    readonly manifests: Manifests;
    readonly referrers: Referrers;
    readonly blobs: Blobs;
    readonly metrics: Metrics;
    readonly log: Log;
    /** The body of `/status`. */
    readonly status: () => unknown;
}

/** What the request log says beside the request itself. */
interface Noted {
    request?: RegistryRequest;
    from?: string;
    bytes: number;
    failure?: string;
}

/** A server that is not listening yet. */
export function makeServer(kit: ServerKit): Server {
    const server = createServer((incoming, response) => {
        const began = performance.now();
        const noted: Noted = { bytes: 0 };
        response.once("close", () => logRequest(kit, incoming, response, noted, began));
        answer(kit, incoming, response, noted).catch((error: unknown) => fail(kit, response, noted, error));
    });
    // The engine keeps its connections; a shorter time than its own would cut one at the moment of its next use.
    server.keepAliveTimeout = 120_000;
    return server;
}

async function answer(kit: ServerKit, incoming: IncomingMessage, response: ServerResponse, noted: Noted) {
    const url = readUrl(incoming.url ?? "/");
    if (incoming.method !== "GET" && incoming.method !== "HEAD") {
        response.setHeader("Allow", "GET, HEAD");
        return refuse(response, 405, "UNSUPPORTED", "only GET and HEAD are served: this is a cache for pulls");
    }
    if (url.pathname === "/healthz") return text(response, "text/plain", "ok\n");
    if (url.pathname === "/status") return text(response, "application/json", `${JSON.stringify(kit.status())}\n`);
    if (url.pathname === "/metrics") {
        kit.relays.noteConditions();
        return text(response, kit.metrics.registry.contentType, await kit.metrics.registry.metrics());
    }
    const upstreams = kit.upstreams();
    const place = readPlace(upstreams, url);
    const parsed = parsePath(place.pathname, place.ns, upstreams);
    response.setHeader("Docker-Distribution-Api-Version", "registry/2.0");
    // Answered here: an engine that cannot ping its upstream does not start, or panics.
    if ("base" in parsed) return text(response, "application/json", "{}");
    if ("refusal" in parsed) {
        const { status, code, message } = parsed.refusal;
        return refuse(response, status, code, message);
    }
    noted.request = parsed.request;
    if (parsed.request.kind === "manifests")
        return await answerManifest(kit, incoming, response, noted, parsed.request);
    if (parsed.request.kind === "blobs") {
        return await answerBlob(kit, incoming, response, noted, { ...parsed.request, kind: "blobs" });
    }
    if (parsed.request.kind === "referrers") return await answerReferrers(kit, url, response, noted, parsed.request);
    return await answerList(kit, url, response, noted, parsed.request);
}

/** A request's path as it came, and its query. Not by `new URL`, which would resolve `..` into some other name. */
interface RequestUrl {
    readonly pathname: string;
    readonly searchParams: URLSearchParams;
}

function readUrl(target: string): RequestUrl {
    const [pathname = "", ...query] = target.split("?");
    return { pathname, searchParams: new URLSearchParams(query.join("?")) };
}

/** `/<upstream>/v2/…` is for engines that want an endpoint an upstream; it says the same as `?ns=`. */
function readPlace(upstreams: readonly Upstream[], url: RequestUrl): { pathname: string; ns: string | undefined } {
    const named = upstreams.find(({ name }) => url.pathname.startsWith(`/${name}/v2`));
    if (named) return { pathname: url.pathname.slice(named.name.length + 1), ns: named.name };
    return { pathname: url.pathname, ns: url.searchParams.get("ns") ?? undefined };
}

async function answerManifest(
    kit: ServerKit,
    incoming: IncomingMessage,
    response: ServerResponse,
    noted: Noted,
    request: RegistryRequest,
): Promise<void> {
    const method = incoming.method === "HEAD" ? "HEAD" : "GET";
    const found = await kit.manifests.get(request, method, incoming.headers.accept);
    noted.from = found.from;
    if (!("digest" in found)) return refuseAsUpstream(response, noted, found, request);
    // RFC 7234 5.5.1; RFC 9111 took it out, and put nothing in its place.
    if (found.from === "stale") response.setHeader("Warning", '110 dockermirror "Response is Stale"');
    const headers = { "Docker-Content-Digest": found.digest, ETag: `"${found.digest}"` };
    if (matches(incoming.headers["if-none-match"], found.digest)) {
        response.writeHead(304, headers);
        return end(response, noted, undefined);
    }
    response.writeHead(200, { ...headers, "Content-Type": found.type, "Content-Length": found.size });
    return end(response, noted, method === "GET" ? found.body : undefined);
}

async function answerBlob(
    kit: ServerKit,
    incoming: IncomingMessage,
    response: ServerResponse,
    noted: Noted,
    request: BlobRequest,
): Promise<void> {
    const headers = {
        "Docker-Content-Digest": request.reference,
        ETag: `"${request.reference}"`,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    };
    if (incoming.method === "HEAD") {
        const size = (await kit.blobs.sizeAtHome(request)) ?? (await askBlobSize(kit, request));
        response.writeHead(200, { ...headers, "Content-Length": size });
        return end(response, noted, undefined);
    }
    const source = await kit.blobs.open(request);
    try {
        noted.from = source.from;
        if (matches(incoming.headers["if-none-match"], request.reference)) {
            response.writeHead(304, headers);
            return end(response, noted, undefined);
        }
        const range = wantedRange(incoming, request.reference, source.size);
        if (range === "unsatisfiable") {
            response.writeHead(416, { ...headers, "Content-Range": `bytes */${source.size}`, "Content-Length": 0 });
            return end(response, noted, undefined);
        }
        const { start, end: stop } = range ?? { start: 0, end: source.size };
        const partial = range && { "Content-Range": `bytes ${start}-${stop - 1}/${source.size}` };
        response.writeHead(range ? 206 : 200, { ...headers, ...partial, "Content-Length": stop - start });
        await send(source, { start, end: stop }, response, noted);
        kit.metrics.servedBytes.inc({ source: source.from }, noted.bytes);
        response.end();
    } finally {
        await source.close();
    }
}

/** A Range counts only with the right `If-Range` (RFC 9110 13.1.5). */
function wantedRange(incoming: IncomingMessage, digest: string, size: number): ByteRange | "unsatisfiable" | undefined {
    const condition = incoming.headers["if-range"];
    if (condition !== undefined && condition !== `"${digest}"`) return undefined;
    return readRange(incoming.headers.range, size);
}

/** Copies `range` as it is released, never faster than the reader takes it. */
async function send(source: BlobSource, range: ByteRange, response: ServerResponse, noted: Noted): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, range.end - range.start));
    for (let at = range.start; at < range.end && !response.destroyed; ) {
        const released = Math.min(await source.releasedAfter(at), range.end);
        while (at < released && !response.destroyed) {
            const { bytesRead } = await source.file.read(buffer, 0, Math.min(buffer.length, released - at), at);
            if (bytesRead === 0) throw new Error("a file of the spool or of the cache's store became shorter");
            await write(response, buffer.subarray(0, bytesRead));
            at += bytesRead;
            noted.bytes += bytesRead;
        }
    }
}

/** Resolves when the bytes are out of the buffer, which may then be filled again, or nobody reads any more. */
function write(response: ServerResponse, bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
        const done = () => {
            response.off("close", done);
            resolve();
        };
        response.once("close", done);
        response.write(bytes, done);
    });
}

async function askBlobSize(kit: ServerKit, request: BlobRequest): Promise<number> {
    const { status, headers } = await kit.relays.ask({
        method: "HEAD",
        path: relayPath(request),
        scope: scopeOf(request),
    });
    if (status !== 200) {
        throw new UpstreamFault(status, `${request.upstream.name} answers ${status} to ${request.reference}`);
    }
    const size = Number(headers["content-length"] ?? Number.NaN);
    if (Number.isSafeInteger(size)) return size;
    // An answer that was compressed on its way has no length: the bytes themselves tell.
    const source = await kit.blobs.open(request);
    await source.close();
    return source.size;
}

async function answerReferrers(
    kit: ServerKit,
    url: RequestUrl,
    response: ServerResponse,
    noted: Noted,
    request: RegistryRequest,
): Promise<void> {
    // containerd may name several. A plus that nobody encoded became a space, which no media type has.
    const asked = url.searchParams.getAll("artifactType").map((type) => type.replaceAll(" ", "+"));
    const types = asked.filter((type) => type !== "");
    const { body, from, reason } = await kit.referrers.list(request, types);
    noted.from = from;
    if (reason !== undefined) noted.failure = reason;
    const filtered = types.length > 0 && { "OCI-Filters-Applied": "artifactType" };
    response.writeHead(200, { "Content-Type": INDEX, "Content-Length": body.length, ...filtered });
    end(response, noted, response.req.method === "GET" ? body : undefined);
}

/** `tags/list`: passed through. */
async function answerList(
    kit: ServerKit,
    url: RequestUrl,
    response: ServerResponse,
    noted: Noted,
    request: RegistryRequest,
): Promise<void> {
    const query = new URLSearchParams([...url.searchParams].filter(([name]) => PASSED_ON.includes(name)));
    const path = query.size > 0 ? `${relayPath(request)}?${query}` : relayPath(request);
    const { status, headers, body } = await kit.relays.ask({ method: "GET", path, scope: scopeOf(request) });
    noted.from = "link";
    response.setHeader("Content-Type", headers["content-type"] ?? "application/json");
    if (headers.link) response.setHeader("Link", ownLink(headers.link, url));
    response.writeHead(status, { "Content-Length": body.length });
    end(response, noted, response.req.method === "GET" ? body : undefined);
}

/** The relay's `Link` to the next page, as the caller asked: below the same path and with the same `ns`. */
function ownLink(link: string, url: RequestUrl): string {
    return link.replace(/<([^>]*)>/, (_, target: string) => {
        const next = new URL(target, "http://relay").searchParams;
        const ns = url.searchParams.get("ns");
        if (ns !== null) next.set("ns", ns);
        return `<${url.pathname}?${next}>`;
    });
}

/** `If-None-Match`: our ETags are digests. */
function matches(header: string | undefined, digest: string): boolean {
    return header !== undefined && (header.includes(`"${digest}"`) || header.trim() === "*");
}

function text(response: ServerResponse, type: string, body: string): void {
    response.writeHead(200, { "Content-Type": type, "Content-Length": Buffer.byteLength(body) });
    response.end(response.req.method === "HEAD" ? undefined : body);
}

function end(response: ServerResponse, noted: Noted, body: Buffer | undefined): void {
    noted.bytes = body?.length ?? 0;
    response.end(body);
}

/** What the upstream says to this one image: its status, and its own words where they are an OCI error. */
function refuseAsUpstream(
    response: ServerResponse,
    noted: Noted,
    { status, type, body, retryAfter }: ManifestRefusal,
    { upstream, repository, kind, reference }: RegistryRequest,
): void {
    const own = statusFor(status);
    if (retryAfter !== undefined) response.setHeader("Retry-After", retryAfterSeconds(retryAfter, Date.now()));
    if (!/^application\/(?:[a-z0-9.-]+\+)?json\b/i.test(type) || (body.length === 0 && response.req.method === "GET")) {
        const code = own === 404 ? "MANIFEST_UNKNOWN" : codeFor(own);
        refuse(response, own, code, `${upstream.name} answers ${status} to ${kind} ${reference} of ${repository}`);
        return;
    }
    response.writeHead(own, { "Content-Type": type, "Content-Length": body.length });
    end(response, noted, response.req.method === "GET" ? body : undefined);
}

/**
 * The engine takes a 401 for a challenge of this uplink's own. A status that is no refusal, such as a redirect that nobody
 * followed, is a failure.
 */
function statusFor(status: number): number {
    if (status === 401) return 403;
    return status < 400 ? 502 : status;
}

/** The OCI code that goes with a status. */
function codeFor(status: number): ErrorCode {
    if (status === 429) return "TOOMANYREQUESTS";
    if (status >= 500) return "UNAVAILABLE";
    return [402, 403, 451].includes(status) ? "DENIED" : "UNSUPPORTED";
}

function refuse(response: ServerResponse, status: number, code: ErrorCode, message: string): void {
    const body = errorBody(code, message);
    response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
    response.end(response.req.method === "HEAD" ? undefined : body);
}

function fail(kit: ServerKit, response: ServerResponse, noted: Noted, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    noted.failure = message;
    if (response.headersSent) {
        // Some bytes are out: only a cut connection tells the reader that the rest will not come.
        response.destroy();
    } else if (error instanceof UpstreamFault) {
        const status = statusFor(error.status);
        refuse(response, status, status === 404 ? "BLOB_UNKNOWN" : codeFor(status), message);
    } else if (error instanceof Unavailable) {
        if (error.retryAfter !== undefined) response.setHeader("Retry-After", error.retryAfter);
        refuse(response, error.status, error.status === 429 ? "TOOMANYREQUESTS" : "UNAVAILABLE", message);
    } else {
        kit.log("error", "request failed", { error: error instanceof Error ? error.stack : message });
        refuse(response, 503, "UNAVAILABLE", "the uplink could not answer; its log says why");
    }
}

function logRequest(
    kit: ServerKit,
    incoming: IncomingMessage,
    response: ServerResponse,
    { request, from, bytes, failure }: Noted,
    began: number,
): void {
    // Docker and Prometheus ask every few seconds; their questions are not traffic.
    if (incoming.url === "/healthz" || incoming.url === "/metrics") return;
    const status = response.statusCode;
    kit.metrics.requests.inc({ kind: request?.kind ?? "other", status });
    kit.log(failure || status >= 500 ? "warn" : "info", "request", {
        method: incoming.method,
        upstream: request?.upstream.name,
        kind: request?.kind,
        name: request?.repository,
        reference: request?.reference,
        ...(request ? {} : { path: incoming.url }),
        status,
        bytes,
        ms: Math.round(performance.now() - began),
        from,
        reason: failure,
        // Either the reader left, or we had to cut it off.
        ...(response.writableFinished ? {} : { unfinished: true }),
    });
}
