/** Which redirects of an upstream are followed. Design 3.6. */
import type { Refusal } from "./errors";
import { readLocation } from "./location";
import { mayRedirectTo, type Upstream } from "./upstreams";

/** Redirects that one request follows at most. */
export const MAX_HOPS = 3;

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

export function isRedirect(status: number): boolean {
    return REDIRECTS.includes(status);
}

/** A redirect that is not followed. */
export interface RefusedRedirect extends Refusal {
    /** Where it leads; absent where it leads to no host, or the upstream redirects without end. */
    readonly host?: string;
}

/**
 * Where a redirect leads, or why it is not followed: only https, only port 443, only hosts in the upstream's table.
 * The caller sends no `Authorization` there: signed URLs of S3 and R2 refuse a second way of proving who one is.
 *
 * @param from URL that answered with the redirect; a relative `Location` is relative to it.
 * @param location Its `Location` header; `null` when it had none.
 */
export function redirectTarget(upstream: Upstream, from: string, location: string | null): string | RefusedRedirect {
    const { host, url } = readLocation(location, from);
    if (host === undefined) return refuse(`${upstream.name} redirects without a usable Location`);
    if (url === undefined || !mayRedirectTo(upstream, host)) {
        return refuse(
            `${upstream.name} redirects to ${host}, which is not in its table of redirect hosts or no plain https URL; the setting redirectHosts adds one`,
            host,
        );
    }
    return url;
}

/** What the caller gets where an upstream redirects more than {@link MAX_HOPS} times. */
export function tooManyRedirects(upstream: Upstream): RefusedRedirect {
    return refuse(`${upstream.name} redirects more than ${MAX_HOPS} times`);
}

function refuse(message: string, host?: string): RefusedRedirect {
    return { status: 502, code: "UNAVAILABLE", message, ...(host ? { host } : {}) };
}
