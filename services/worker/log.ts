/** The request log: one JSON line a request, on standard output. Names a key, never shows one. */
import type { ParsedPath } from "../registry/names";
import { RELAY_ANSWER, readRelayAnswer } from "../registry/relay-answer";

export interface Served {
    /** Milliseconds since 1970. */
    readonly started: number;
    /** Id of the caller's key. */
    readonly key: string | undefined;
    readonly path: ParsedPath;
    readonly request: Request;
    readonly response: Response;
}

/**
 * The line of a request. `bytes` is the length of the body that was announced, 0 where it was not, and `ms` runs until
 * then: to count what a caller really takes, every chunk would have to pass through the script and its CPU limit.
 */
export function logLine({ started, key, path, request, response }: Served): string {
    const wanted = "request" in path ? path.request : undefined;
    return JSON.stringify({
        time: new Date(started).toISOString(),
        key: key ?? "",
        upstream: wanted?.upstream.name ?? "",
        kind: "base" in path ? "base" : (wanted?.kind ?? ""),
        name: wanted?.repository ?? "",
        reference: wanted?.reference ?? "",
        method: request.method,
        status: response.status,
        bytes: request.method === "HEAD" ? 0 : Number(response.headers.get("content-length") ?? 0),
        ms: Date.now() - started,
        ratelimitRemaining: response.headers.get("ratelimit-remaining") ?? "",
        refusedRedirect: refusedRedirect(response),
    });
}

/** The host that an upstream redirects to and that is not in its table: a pull that failed for want of it. */
function refusedRedirect({ status, headers }: Response): string {
    const voice = readRelayAnswer(headers.get(RELAY_ANSWER) ?? undefined);
    return status === 502 && voice?.from === "relay" ? (voice.host ?? "") : "";
}
