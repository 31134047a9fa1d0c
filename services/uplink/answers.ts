/** How the uplink answers: texts, refusals, failures. */
import type { ServerResponse } from "node:http";
import { type ErrorCode, errorBody } from "../registry/errors";
import type { RegistryRequest } from "../registry/names";
import { retryAfterSeconds } from "../registry/retry-after";
import { Unavailable, UpstreamFault } from "./failure";
import type { Log } from "./log";
import type { ManifestRefusal } from "./manifests";
import { type ReaderLimits, write } from "./sending";

/** What the request log says beside the request itself. */
export interface Noted {
    request?: RegistryRequest;
    from?: string;
    bytes: number;
    failure?: string;
}

/** `If-None-Match`: our ETags are digests. */
export function matches(header: string | undefined, digest: string): boolean {
    return header !== undefined && (header.includes(`"${digest}"`) || header.trim() === "*");
}

export function text(response: ServerResponse, type: string, body: string): void {
    response.writeHead(200, { "Content-Type": type, "Content-Length": Buffer.byteLength(body) });
    response.end(response.req.method === "HEAD" ? undefined : body);
}

/** Ends an answer whose head is written, with a body if there is one. */
export async function end(
    response: ServerResponse,
    noted: Noted,
    body: Buffer | undefined,
    limits: ReaderLimits,
): Promise<void> {
    noted.bytes = body?.length ?? 0;
    if (body) await write(response, body, limits);
    response.end();
}

/** What the upstream says to this one image: its status, and its own words where they are an OCI error. */
export function refuseAsUpstream(
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
    noted.bytes = response.req.method === "GET" ? body.length : 0;
    response.end(response.req.method === "GET" ? body : undefined);
}

/**
 * The engine takes a 401 for a challenge of this uplink's own. A status that is no refusal, such as a redirect that nobody
 * followed, is a failure.
 */
export function statusFor(status: number): number {
    if (status === 401) return 403;
    return status < 400 ? 502 : status;
}

/** The OCI code that goes with a status. */
export function codeFor(status: number): ErrorCode {
    if (status === 429) return "TOOMANYREQUESTS";
    if (status >= 500) return "UNAVAILABLE";
    return [402, 403, 451].includes(status) ? "DENIED" : "UNSUPPORTED";
}

export function refuse(response: ServerResponse, status: number, code: ErrorCode, message: string): void {
    const body = errorBody(code, message);
    response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
    response.end(response.req.method === "HEAD" ? undefined : body);
}

export function fail(log: Log, response: ServerResponse, noted: Noted, error: unknown): void {
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
        log("error", "request failed", { error: error instanceof Error ? error.stack : message });
        refuse(response, 503, "UNAVAILABLE", "the uplink could not answer; its log says why");
    }
}
