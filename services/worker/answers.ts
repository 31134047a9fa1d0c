/** The answers that the relay makes itself, and what of an upstream's answer goes back to the caller. */
import { errorBody } from "../registry/errors";
import { EMPTY_INDEX, OCI_INDEX } from "../registry/media";
import { ownAnswerValue, RELAY_ANSWER, UPSTREAM_ANSWER } from "../registry/relay-answer";
import { DEFAULT_UPSTREAM, type Upstream } from "../registry/upstreams";
import type { Refused } from "./refusals";

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

/** `GET /v2/`: the API is here. https://github.com/opencontainers/distribution-spec, "Determining Support". */
export function baseAnswer(): Response {
    return whole(200, "application/json", "{}", ownAnswerValue("base"), {
        "docker-distribution-api-version": "registry/2.0",
    });
}

export function refusalAnswer({ refusal: { status, code, message }, voice, headers, body }: Refused): Response {
    return whole(status, "application/json", body ?? errorBody(code, message), voice, headers);
}

/**
 * No referrers, where the upstream's are at another site (ghcr.io sends to github.com, since 2026-04): an error would
 * send a client to the upstream itself, which is not reachable, for every image with attestations.
 */
export function noReferrers({ voice }: Refused): Response {
    return whole(200, OCI_INDEX, EMPTY_INDEX, voice);
}

/** Words for people and for search engines, of a public relay. */
export function textAnswer(text: string): Response {
    return whole(200, "text/plain", text, ownAnswerValue("base"));
}

/** For everything else outside of the API: nothing that could be taken for a site. */
export function nothingHere(): Response {
    return whole(404, "text/plain", "Not Found\n", ownAnswerValue("table"));
}

/** An answer of the upstream as the caller gets it: status, some headers, and the body as it streams in. */
export function passBack(upstream: Upstream, answer: Response): Response {
    const headers = new Headers({ "cache-control": "no-transform", [RELAY_ANSWER]: UPSTREAM_ANSWER });
    for (const name of PASSED_BACK) {
        const value = answer.headers.get(name);
        if (value !== null) headers.set(name, value);
    }
    // Asked for plain bytes, an upstream that compresses all the same is unpacked by fetch: its length is another one.
    if (answer.headers.has("content-encoding")) headers.delete("content-length");
    const link = answer.headers.get("link");
    if (link !== null) headers.set("link", ownLink(upstream, link));
    return new Response(answer.body, { status: answer.status, headers });
}

/** The next page as a path of ours: the upstream's may name its own host, and never has our prefix. */
function ownLink(upstream: Upstream, link: string): string {
    const prefix = upstream.name === DEFAULT_UPSTREAM ? "/v2/" : `/v2/${upstream.name}/`;
    return link.replace(/<(?:https?:\/\/[^/>]+)?\/v2\//g, `<${prefix}`);
}

/** With its length, which the log takes from here. */
function whole(
    status: number,
    type: string,
    body: string,
    voice: string,
    headers: Readonly<Record<string, string>> = {},
): Response {
    const length = new TextEncoder().encode(body).length;
    return new Response(body, {
        status,
        headers: { "content-type": type, "content-length": String(length), [RELAY_ANSWER]: voice, ...headers },
    });
}
