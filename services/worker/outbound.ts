/** Every request that the relay sends: named, uncompressed, redirects left alone, and never waited for without end. */
import { isGzip } from "../registry/answer-headers";
import { unreachable } from "./refusals";

/** An upstream that has not begun to answer by then counts as silent. Above a slow token service, below a client's patience. */
const ANSWER_TIMEOUT_MS = 10_000;

export class Outbound {
    constructor(private readonly userAgent: string) {}

    /**
     * The answer, redirects included, as soon as its headers are there.
     *
     * @throws Refused 504 when nothing came in time, 502 when the host cannot be reached.
     */
    fetch(url: string, method: string, headers: Readonly<Record<string, string>>): Promise<Response> {
        return inTime(url, (signal) =>
            fetch(url, {
                method,
                // The Hub answers 403 without a User-Agent; a compressed layer would no longer have its digest.
                headers: { ...headers, "user-agent": this.userAgent, "accept-encoding": "identity" },
                redirect: "manual",
                signal,
            }),
        );
    }

    /** The answer to a GET with its whole body in memory: for small things that somebody waits for. Throws as `fetch`. */
    fetchWhole(url: string, headers: Readonly<Record<string, string>>): Promise<Response> {
        return inTime(url, async (signal) => {
            const answer = await fetch(url, {
                headers: { ...headers, "user-agent": this.userAgent, "accept-encoding": "identity" },
                redirect: "manual",
                signal,
            });
            return new Response(await decoded(answer).text(), answer);
        });
    }
}

/** The answer as plain bytes. `fetch` decodes what says gzip, and not the same under its other names. */
export function decoded(answer: Response): Response {
    const encoding = answer.headers.get("content-encoding");
    if (encoding === "gzip" || !isGzip(encoding) || answer.body === null) return answer;
    return new Response(answer.body.pipeThrough(new DecompressionStream("gzip")), answer);
}

async function inTime(url: string, work: (signal: AbortSignal) => Promise<Response>): Promise<Response> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), ANSWER_TIMEOUT_MS);
    const { host } = new URL(url);
    try {
        return await work(silence.signal);
    } catch {
        if (!silence.signal.aborted) throw unreachable(502, `${host} cannot be reached`);
        throw unreachable(504, `${host} has not answered within ${ANSWER_TIMEOUT_MS / 1000} s`);
    } finally {
        clearTimeout(timer);
    }
}
