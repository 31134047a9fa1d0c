/** The answers that the relay makes itself, and what of an upstream's answer goes back to the caller. */
import { firstTag, firstType, isGzip, nextLink, plainValue, sizeByRange } from "../registry/answer-headers";
import { errorBody } from "../registry/errors";
import { EMPTY_INDEX, OCI_INDEX } from "../registry/media";
import { type RegistryRequest, relayPath } from "../registry/names";
import { ownAnswerValue, RELAY_ANSWER, UPSTREAM_ANSWER } from "../registry/relay-answer";
import { readSaidDigest } from "../registry/said-digest";
import { decoded } from "./outbound";
import { type Refused, saidBy } from "./refusals";

/** Headers of an upstream's answer that the caller gets as they are. */
const PASSED_BACK = [
    "content-length",
    "content-range",
    "accept-ranges",
    "oci-filters-applied",
    "ratelimit-limit",
    "ratelimit-remaining",
];

/** `GET /v2/`: the API is here. https://github.com/opencontainers/distribution-spec, "Determining Support". */
export function baseAnswer(): Response {
    return whole(200, "application/json", "{}", ownAnswerValue("base"));
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
export function passBack(wanted: RegistryRequest, answer: Response): Response {
    const headers = new Headers({ [RELAY_ANSWER]: UPSTREAM_ANSWER });
    const said = (name: string) => plainValue(answer.headers.get(name));
    const pass = (name: string, value: string) => {
        if (value !== "") headers.set(name, value);
    };
    for (const name of PASSED_BACK) pass(name, said(name));
    pass("content-type", firstType(said("content-type")));
    pass("etag", firstTag(said("etag")));
    pass("docker-content-digest", readSaidDigest(said("docker-content-digest")).digest);
    // What was decoded has another length, and other parts.
    if (isGzip(said("content-encoding"))) {
        for (const name of ["content-length", "accept-ranges", "etag"]) headers.delete(name);
    }
    pass("link", nextLink(said("link"), relayPath(wanted)));
    return new Response(decoded(answer).body, { status: answer.status, headers });
}

/** The answer to a HEAD of a blob whose size came from a GET of its first byte; `undefined` where it did not. */
export function sizeAnswer(wanted: RegistryRequest, answer: Response): Response | undefined {
    const said = saidBy(answer);
    const theirs = (name: string) => plainValue(answer.headers.get(name));
    const size = sizeByRange(said, theirs("content-range"), theirs("content-encoding"));
    const { contradiction } = readSaidDigest(theirs("docker-content-digest"));
    if (contradiction !== "" || (size === "" && said.status !== 206)) return undefined;
    const { headers } = passBack(wanted, new Response(null, answer));
    headers.delete("content-range");
    headers.delete("content-length");
    if (size !== "") headers.set("content-length", size);
    return new Response(null, { status: 200, headers });
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
