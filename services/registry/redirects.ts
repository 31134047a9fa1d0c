/** Which redirects of an upstream are followed. Design 3.6. */
import type { Refusal } from "./errors";
import { mayRedirectTo, type Upstream } from "./upstreams";

/** Redirects that one request follows at most. */
export const MAX_HOPS = 3;

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

export function isRedirect(status: number): boolean {
    return REDIRECTS.includes(status);
}

/**
 * Where a redirect leads, or why it is not followed: only https, only port 443, only hosts in the upstream's table.
 * The caller sends no `Authorization` there: signed URLs of S3 and R2 refuse a second way of proving who one is.
 *
 * @param from URL that answered with the redirect; a relative `Location` is relative to it.
 * @param location Its `Location` header; `null` when it had none.
 */
export function redirectTarget(upstream: Upstream, from: string, location: string | null): URL | Refusal {
    if (location === null || !URL.canParse(location, from)) {
        return refuse(`${upstream.name} redirects without a usable Location`);
    }
    const target = new URL(location, from);
    if (target.protocol !== "https:" || target.port !== "" || target.username !== "" || target.password !== "") {
        return refuse(
            `${upstream.name} redirects to ${target.protocol}//${target.host}; followed are plain https URLs only`,
        );
    }
    if (!mayRedirectTo(upstream, target.hostname)) {
        return refuse(`${upstream.name} redirects to ${target.host}, which is not in its table of redirect hosts`);
    }
    return target;
}

function refuse(message: string): Refusal {
    return { status: 502, code: "UNAVAILABLE", message };
}
