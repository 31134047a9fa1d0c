/** The uplink's HTTP side: what the cache engine talks to. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { parsePath, parseTarget, type RegistryRequest } from "../registry/names";
import { nsOf, pullQuery } from "../registry/query";
import type { Upstream } from "../registry/upstreams";
import { end, fail, matches, type Noted, refuse, refuseAsUpstream, text } from "./answers";
import { answerBadRequests, badRequest } from "./bad-requests";
import { answerBlob, type BlobKit } from "./blob-answer";
import type { Log } from "./log";
import type { Manifests } from "./manifests";
import { INDEX, type Referrers } from "./referrers";
import { tagPage } from "./tag-list";
import { Turns } from "./turns";

/** What the front puts before a blob's path to hear whether it may send the blob from the cache's store. */
const STORED = "/stored";

export interface ServerKit extends BlobKit {
    /** At the moment. */
    readonly upstreams: () => readonly Upstream[];
    readonly manifests: Manifests;
    readonly referrers: Referrers;
    readonly log: Log;
    /** The body of `/status`. */
    readonly status: () => unknown;
}

/** A server that is not listening yet. */
export function makeServer(kit: ServerKit): Server {
    const turns = new Turns();
    // A request without a Host is refused here, with a body.
    const server = createServer({ requireHostHeader: false }, async (incoming, response) => {
        const began = performance.now();
        const noted: Noted = { bytes: 0 };
        if (!(await turns.take(incoming, response))) return logRequest(kit, incoming, response, noted, began);
        response.once("close", () => logRequest(kit, incoming, response, noted, began));
        await answer(kit, incoming, response, noted).catch((error: unknown) => fail(kit.log, response, noted, error));
    });
    answerBadRequests(server, turns, kit.log);
    // The engine keeps its connections; a shorter time than its own would cut one at the moment of its next use.
    server.keepAliveTimeout = 120_000;
    return server;
}

async function answer(kit: ServerKit, incoming: IncomingMessage, response: ServerResponse, noted: Noted) {
    const url = readUrl(incoming.url ?? "/");
    const bad = badRequest(incoming);
    if (bad) {
        response.setHeader("Connection", "close");
        return refuse(response, bad.status, bad.code, bad.message);
    }
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
    if (url.pathname.startsWith(`${STORED}/`)) return await answerStored(kit, url, response);
    const place = readPlace(upstreams, url.target);
    const parsed = parseTarget(place.target, upstreams, place.endpoint);
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

/** In the form that nginx' auth_request reads: 2xx is yes, 403 is no. */
async function answerStored(kit: ServerKit, url: RequestUrl, response: ServerResponse): Promise<void> {
    const parsed = parsePath(url.pathname.slice(STORED.length), undefined, kit.upstreams());
    const request = "request" in parsed && parsed.request.kind === "blobs" ? parsed.request : undefined;
    const stored = request !== undefined && (await kit.blobs.isStored({ ...request, kind: "blobs" }));
    response.writeHead(stored ? 204 : 403, { "Content-Length": 0 }).end();
}

/** A request's path and query as they came. Not by `new URL`, which would resolve `..` into some other name. */
interface RequestUrl {
    readonly target: string;
    readonly pathname: string;
}

function readUrl(url: string): RequestUrl {
    // A server takes the whole URL as well (RFC 9112 3.2.2).
    const target = url.replace(/^https?:\/\/[^/?]*/i, "");
    const [pathname = ""] = target.split("?", 1);
    return { target, pathname };
}

/** `/<upstream>/v2/…` is for engines that want an endpoint an upstream; it says the same as `?ns=`. */
function readPlace(upstreams: readonly Upstream[], target: string): { target: string; endpoint?: Upstream } {
    const endpoint = upstreams.find(({ name }) => target.startsWith(`/${name}/v2`));
    return endpoint ? { target: target.slice(endpoint.name.length + 1), endpoint } : { target };
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
        return await end(response, noted, undefined, kit.limits);
    }
    const type = found.type !== "" && { "Content-Type": found.type };
    response.writeHead(200, { ...headers, ...type, "Content-Length": found.size });
    return await end(response, noted, method === "GET" ? found.body : undefined, kit.limits);
}

async function answerReferrers(
    kit: ServerKit,
    url: RequestUrl,
    response: ServerResponse,
    noted: Noted,
    request: RegistryRequest,
): Promise<void> {
    // containerd may name several. A plus that nobody encoded became a space, which no media type has.
    const asked = new URLSearchParams(pullQuery(url.target))
        .getAll("artifactType")
        .map((type) => type.replaceAll(" ", "+"));
    const types = asked.filter((type) => type !== "");
    const { body, from, reason } = await kit.referrers.list(request, types);
    noted.from = from;
    if (reason !== undefined) noted.failure = reason;
    const filtered = types.length > 0 && { "OCI-Filters-Applied": "artifactType" };
    response.writeHead(200, { "Content-Type": INDEX, "Content-Length": body.length, ...filtered });
    await end(response, noted, response.req.method === "GET" ? body : undefined, kit.limits);
}

/** `tags/list`. */
async function answerList(
    kit: ServerKit,
    url: RequestUrl,
    response: ServerResponse,
    noted: Noted,
    request: RegistryRequest,
): Promise<void> {
    const { status, headers, body, next } = await tagPage(kit.relays, request, pullQuery(url.target));
    noted.from = "link";
    response.setHeader("Content-Type", headers["content-type"] ?? "application/json");
    if (next) response.setHeader("Link", linkTo(next, url));
    response.writeHead(status, { "Content-Length": body.length });
    await end(response, noted, response.req.method === "GET" ? body : undefined, kit.limits);
}

/** The next page as the caller asked: below the same path and with the same `ns`. */
function linkTo(next: URLSearchParams, url: RequestUrl): string {
    const ns = nsOf(url.target);
    return `<${url.pathname}?${next}${ns === undefined ? "" : `&ns=${ns}`}>; rel="next"`;
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
    // Of each blob that the front sends from the disk; what was wrong is logged by itself.
    if (incoming.url?.startsWith(`${STORED}/`) && !failure) return;
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
