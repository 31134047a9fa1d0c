/** The request-target of a request as the caller sent it: `new URL` would turn `\\` into `/` and resolve `..`. */
import type { Refusal } from "../registry/errors";

/** Longest one that nginx takes, whose buffer of 8 KB holds the method and the version too. */
const TARGET_MAX = 8176;

/**
 * Path and query, byte for byte; or why it is none. What is refused here nginx refuses before it has read a header, so
 * that both relays do so before they ask for a key.
 */
export function readTarget(request: Request): string | Refusal {
    const [, target = ""] = /^[a-z]+:\/\/[^/?#\\]*(.*)$/is.exec(request.url) ?? [];
    if (!/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]*)?$/i.test(request.headers.get("host") ?? "")) {
        return { status: 400, code: "UNSUPPORTED", message: "the Host header names no host" };
    }
    if (target.length > TARGET_MAX) {
        return { status: 414, code: "UNSUPPORTED", message: `a path and query have at most ${TARGET_MAX} characters` };
    }
    const [pathname = ""] = target.split(/[?#]/, 1);
    if (!isReadable(pathname)) {
        return { status: 404, code: "NAME_INVALID", message: "not a path: its encoding is wrong, or it leads above /" };
    }
    return target === "" ? "/" : target;
}

function isReadable(pathname: string): boolean {
    if (/%(?![0-9a-f]{2})|%00/i.test(pathname)) return false;
    let depth = 0;
    for (const segment of pathname.replace(/%2e/gi, ".").split(/\/|%2f/i)) {
        if (segment === "..") depth--;
        else if (segment !== "." && segment !== "") depth++;
        if (depth < 0) return false;
    }
    return true;
}
