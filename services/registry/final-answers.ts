/**
 * What a caller of a relay gets for an answer of an upstream that is no content. The status is the upstream's own
 * wherever a caller can do something with it: a 418 of a registry is about one image, not about the relay.
 *
 * nginx' JavaScript runs this too (components/overseas/njs-module.ts), so that both relays answer alike: no destructuring, no
 * spreading, no for-of.
 */
import type { ErrorCode, Refusal } from "./errors";
import { isJson, isPage } from "./media";
import { retryAfterSeconds } from "./retry-after";

/** The head of an upstream's answer. */
export interface Said {
    readonly status: number;
    readonly contentType: string | null | undefined;
    readonly retryAfter: string | null | undefined;
}

/** A refusal whose status is the upstream's. */
export interface UpstreamRefusal extends Refusal {
    /** Seconds; absent where the upstream asks for no pause. */
    readonly retryAfter?: number;
}

/** What was asked for. */
export type Kind = "manifests" | "blobs" | "tags" | "referrers";

/** An error body of an upstream of more bytes than this is replaced. */
export const ERROR_BODY_MAX = 8192;

/** True for what is handed on as it is: content and "not modified", unless a page stands in its place. */
export function isContent(said: Said): boolean {
    return (said.status === 200 || said.status === 206 || said.status === 304) && !isPage(said.contentType);
}

/** What the caller gets for an answer of a registry or a CDN that is no content. @param now Milliseconds since 1970. */
export function refusalOfRegistry(
    said: Said,
    upstream: string,
    name: string,
    kind: Kind,
    now: number,
): UpstreamRefusal {
    const full = `${upstream}/${name}`;
    // Registries do not say whether a repository is private or missing: the Hub answers 401, after a fresh token too.
    // A 401 of ours would ask the caller for the relay's key.
    if (said.status === 401) return refusal(said, 404, "NAME_UNKNOWN", `${full} does not exist or is not public`, now);
    if (said.status < 400 || said.status > 599) {
        const what = isPage(said.contentType) ? "with a page " : "";
        return refusal(said, 502, "UNAVAILABLE", `${upstream} answered ${said.status} ${what}in place of ${kind}`, now);
    }
    const message = said.status === 404 ? `not found: ${kind} of ${full}` : `${upstream} answered ${said.status}`;
    return refusal(said, said.status, codeOf(said.status, kind), message, now);
}

/**
 * What the caller gets where a token service gave no token. @param now Milliseconds since 1970.
 */
export function refusalOfTokenService(said: Said, upstream: string, now: number): UpstreamRefusal {
    const message = `the token service of ${upstream} answered ${said.status}`;
    // ghcr.io and gcr.io answer 403 for a repository that does not exist. A page is no such verdict.
    if (isAccountRefused(said) || said.status === 404) return refusal(said, 404, "NAME_UNKNOWN", message, now);
    if (said.status < 400 || said.status > 599)
        return refusal(said, 502, "UNAVAILABLE", `${message}, without a token`, now);
    return refusal(said, said.status, codeOf(said.status, "tags"), message, now);
}

/** What the caller gets where a token is in an encoding that nobody asked for. */
export function unreadableToken(upstream: string, encoding: string): UpstreamRefusal {
    const message = `the token service of ${upstream} answered in the encoding ${encoding}, which was not asked for`;
    return { status: 502, code: "UNAVAILABLE", message };
}

/** True when a token service does not take an account. A page says nothing about it: something stands in between. */
export function isAccountRefused(said: Said): boolean {
    return said.status === 401 || (said.status === 403 && !isPage(said.contentType));
}

/**
 * What the caller gets where an anonymous caller's token would say whether the relay's account may be used, and there is
 * none: a final no of the token service as it is, else to come again later.
 */
export function withoutVerdict(
    refusal: UpstreamRefusal,
    name: string,
    now: number,
): { readonly isFinal: boolean; readonly refusal: UpstreamRefusal } {
    const status = refusal.status;
    if (status >= 400 && status < 500 && status !== 429) return { isFinal: true, refusal };
    const message = `${refusal.message}, so it is not known whether ${name} is public; the relay's account is only used when it is`;
    const retryAfter = refusal.retryAfter || retryAfterSeconds(undefined, now);
    return { isFinal: false, refusal: { status: 503, code: "UNAVAILABLE", message, retryAfter } };
}

/** What a caller gets who has no key and has asked a public relay too often. */
export function tooManyFromAddress(now: number): UpstreamRefusal {
    const retryAfter = retryAfterSeconds(undefined, now);
    return { status: 429, code: "TOOMANYREQUESTS", message: "too many requests from your address", retryAfter };
}

/** True when the body of an answer that is no content may be an error document for the caller: read it to know. */
export function mayHaveErrorBody(said: Said): boolean {
    return said.status >= 400 && said.status !== 401 && isJson(said.contentType);
}

/** https://github.com/opencontainers/distribution-spec, "Error Codes". */
export function isErrorBody(text: string): boolean {
    try {
        const body = JSON.parse(text) as { errors?: unknown } | null;
        const errors = body?.errors;
        return (
            Array.isArray(errors) &&
            errors.length > 0 &&
            errors.every((error: { code?: unknown } | null) => Boolean(error) && typeof error?.code === "string")
        );
    } catch {
        return false;
    }
}

function refusal(said: Said, status: number, code: ErrorCode, message: string, now: number): UpstreamRefusal {
    if (status !== 429 && !said.retryAfter) return { status, code, message };
    return { status, code, message, retryAfter: retryAfterSeconds(said.retryAfter, now) };
}

function codeOf(status: number, kind: Kind): ErrorCode {
    if (status === 404 || status === 410) return unknownCode(kind);
    if (status === 402 || status === 403 || status === 423 || status === 451) return "DENIED";
    if (status === 429) return "TOOMANYREQUESTS";
    if (status === 408 || status === 425 || status >= 500) return "UNAVAILABLE";
    return "UNSUPPORTED";
}

function unknownCode(kind: Kind): ErrorCode {
    if (kind === "manifests") return "MANIFEST_UNKNOWN";
    return kind === "blobs" ? "BLOB_UNKNOWN" : "NAME_UNKNOWN";
}
