/** The answers that the relay makes itself, and what of an upstream's answer goes back to the caller. */
import { errorBody, type Refusal } from "../registry/errors";
import { DEFAULT_UPSTREAM, type Upstream } from "../registry/upstreams";

/** Seconds to wait after a 429 of an upstream that does not say how long. */
const RETRY_AFTER_SECONDS = "60";

/** Headers of an upstream's answer that the caller gets. `Link` and `Cache-Control` are made anew. */
const PASSED_BACK = [
    "content-length",
    "content-type",
    "content-range",
    "accept-ranges",
    "docker-content-digest",
    "etag",
    "oci-filters-applied",
    "ratelimit-limit",
    "ratelimit-remaining",
];

/** A refusal that also ends what the relay is doing. */
export class Refused extends Error {
    constructor(
        readonly refusal: Refusal,
        readonly headers: Readonly<Record<string, string>> = {},
    ) {
        super(refusal.message);
        this.name = "Refused";
    }
}

/** `GET /v2/`: the API is here. https://github.com/opencontainers/distribution-spec, "Determining Support". */
export function baseAnswer(): Response {
    return json(200, "{}", { "docker-distribution-api-version": "registry/2.0" });
}

export function refusalAnswer({ status, code, message }: Refusal, headers: Readonly<Record<string, string>>): Response {
    return json(status, errorBody(code, message), headers);
}

/** For everything outside of the API: nothing that could be taken for a site. */
export function nothingHere(): Response {
    return new Response("Not Found\n", { status: 404, headers: { "content-type": "text/plain" } });
}

/** A caller without a key. Basic, so that `docker login` asks for it. */
export function keyWanted(hostname: string): Refused {
    const message = `a key of this relay is needed: docker login ${hostname} (any user name, the key as password)`;
    return new Refused(
        { status: 401, code: "UNAUTHORIZED", message },
        { "www-authenticate": `Basic realm="${hostname}"`, "docker-distribution-api-version": "registry/2.0" },
    );
}

/** Too many requests, of this relay's caller or of the relay at an upstream. */
export function tooMany(message: string, retryAfter: string | null | undefined): Refused {
    return new Refused(
        { status: 429, code: "TOOMANYREQUESTS", message },
        { "retry-after": retryAfter ?? RETRY_AFTER_SECONDS },
    );
}

/** What stands in the way between the relay and the upstream. */
export function unavailable(status: 502 | 503 | 504, message: string): Refused {
    return new Refused({ status, code: "UNAVAILABLE", message });
}

/** An answer of the upstream as the caller gets it: status, some headers, and the body as it streams in. */
export function passBack(upstream: Upstream, answer: Response): Response {
    const headers = chosenHeaders(answer);
    const link = answer.headers.get("link");
    if (link !== null) headers.set("link", ownLink(upstream, link));
    headers.set("cache-control", "no-transform");
    return new Response(answer.body, { status: answer.status, headers });
}

/** The headers that a refusal keeps of the answer that caused it. */
export function keptHeaders(answer: Response, names: readonly string[]): Record<string, string> {
    return Object.fromEntries(
        names.flatMap((name) => {
            const value = answer.headers.get(name);
            return value === null ? [] : [[name, value]];
        }),
    );
}

function chosenHeaders(answer: Response): Headers {
    const headers = new Headers(keptHeaders(answer, PASSED_BACK));
    // Asked for plain bytes, an upstream that compresses all the same is unpacked by fetch: its length is another one.
    if (answer.headers.has("content-encoding")) headers.delete("content-length");
    return headers;
}

/** The next page as a path of ours: the upstream's may name its own host, and never has our prefix. */
function ownLink(upstream: Upstream, link: string): string {
    const prefix = upstream.name === DEFAULT_UPSTREAM ? "/v2/" : `/v2/${upstream.name}/`;
    return link.replace(/<(?:https?:\/\/[^/>]+)?\/v2\//g, `<${prefix}`);
}

function json(status: number, body: string, headers: Readonly<Record<string, string>>): Response {
    return new Response(body, { status, headers: { "content-type": "application/json", ...headers } });
}
