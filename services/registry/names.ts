/**
 * From a request path to one canonical name: which upstream, which repository, what of it. Design 3.2 to 3.4.
 * Grammar of names, tags and digests: OCI distribution spec, "Pulling manifests".
 */
import type { Refusal } from "./errors";
import { hasBadQuery, nsOf } from "./query";
import { DEFAULT_UPSTREAM, type Upstream } from "./upstreams";

/** What a request asks for. */
export interface RegistryRequest {
    readonly upstream: Upstream;
    /** Name within the upstream, with `library/` where it belongs: `library/node`. */
    readonly repository: string;
    readonly kind: "manifests" | "blobs" | "tags" | "referrers";
    /** Tag or digest; `list` for tags. */
    readonly reference: string;
}

/** `/v2/` itself, something in a repository, or why not. */
export type ParsedPath =
    | { readonly base: true }
    | { readonly request: RegistryRequest }
    | { readonly refusal: Refusal };

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
/** One path component of a repository name (PCRE and JavaScript alike). */
export const NAME = `${COMPONENT}(?:/${COMPONENT})*`;
export const TAG = "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}";
/**
 * A colon as it may stand in a path or query: URL libraries encode it (encodeURIComponent, Go's url.Values). Of all else
 * in a name nothing may be encoded: a name that can be written in two ways slips past what looks for it in one.
 */
export const COLON = "(?::|%3[Aa])";
export const DIGEST = `sha256${COLON}[a-f0-9]{64}`;
/** Before the name of any other algorithm, and that name (OCI image spec, "Digests"); a colon and a value follow. */
const NOT_SHA256 = `(?!sha256${COLON})`;
const ALGORITHM = "[a-z0-9]+(?:[+._-][a-z0-9]+)*";
/** A path by a digest of another algorithm: no tag has a colon. */
export const OTHER_DIGEST = `^/v2/${NAME}/(?:manifests|blobs|referrers)/${NOT_SHA256}(?<the_algorithm>${ALGORITHM})${COLON}[A-Za-z0-9=_-]+(?:\\?|$)`;
/** Longest repository name, with the registry's: what Docker's own reference grammar allows. */
export const NAME_MAX = 255;

const PATH = new RegExp(
    `^/v2/(${NAME})/(?:(manifests)/(${TAG}|${DIGEST})|(blobs)/(${DIGEST})|(tags)/(list)|(referrers)/(${DIGEST}))$`,
);

/**
 * Reads a request-target, path and query, as it came.
 *
 * @param endpoint The upstream whose own endpoint is asked: as if the query named it.
 */
export function parseTarget(target: string, upstreams: readonly Upstream[], endpoint?: Upstream): ParsedPath {
    const [pathname = ""] = target.split("?", 1);
    if (/^\/v2\/./.test(pathname) && hasBadQuery(target)) {
        return { refusal: { status: 400, code: "UNSUPPORTED", message: BAD_QUERY_MESSAGE } };
    }
    const ns = nsOf(target);
    if (endpoint && ns !== undefined && upstreamOfNs(ns, upstreams) !== endpoint) {
        return unknownName(`ns=${ns} and the endpoint's own registry ${endpoint.name} differ`);
    }
    return parsePath(pathname, endpoint?.name ?? ns, upstreams);
}

export const BAD_QUERY_MESSAGE =
    "not a query of the pull API: n is a number of at most 9 digits; ns, n, last and next_page come once; no name is encoded";

/**
 * Reads the path of a request.
 *
 * @param pathname Path as it came, percent-encoding and all: an encoded slash or dot is not a name.
 * @param ns Value of `?ns=`, which containerd sends to a mirror; `undefined` when absent.
 * @param upstreams The upstreams that this program serves.
 */
export function parsePath(pathname: string, ns: string | undefined, upstreams: readonly Upstream[]): ParsedPath {
    if (pathname === "/v2/" || pathname === "/v2") return { base: true };
    const match = PATH.exec(pathname);
    if (!match) return { refusal: refusalOfPath(pathname) };
    const [, name = ""] = match;
    const [kind, reference] = match.slice(2).filter((group) => group !== undefined) as [
        RegistryRequest["kind"],
        string,
    ];
    if (name.length > NAME_MAX) {
        return {
            refusal: { status: 404, code: "NAME_INVALID", message: `a name has at most ${NAME_MAX} characters` },
        };
    }
    const place = locate(name, ns, upstreams);
    return "refusal" in place ? place : { request: { ...place, kind, reference: reference.replace(/%3a/i, ":") } };
}

/** Of a path by another algorithm's digest: a cache that keeps contents by SHA-256 alone could not check it. */
function refusalOfPath(pathname: string): Refusal {
    const algorithm = new RegExp(OTHER_DIGEST).exec(pathname)?.groups?.the_algorithm;
    if (algorithm === undefined) return { status: 404, code: "NAME_INVALID", message: "not a path of the pull API" };
    return { status: 415, code: "UNSUPPORTED", message: otherDigestMessage(algorithm) };
}

export function otherDigestMessage(algorithm: string): string {
    return `a digest by ${algorithm}: only sha256 can be pulled here`;
}

/** The upstream and the repository that a name and an `ns` stand for. */
export function locate(
    name: string,
    ns: string | undefined,
    upstreams: readonly Upstream[],
): { readonly upstream: Upstream; readonly repository: string } | { readonly refusal: Refusal } {
    const [first = "", ...rest] = name.split("/");
    // A first component with a dot is a registry's name: Docker Hub's own namespaces have none.
    const isDotted = rest.length > 0 && first.includes(".");
    const byPrefix = isDotted ? upstreamNamed(first, upstreams) : undefined;
    const byNs = ns === undefined ? undefined : upstreamOfNs(ns, upstreams);
    if (byNs !== undefined && byPrefix !== undefined && byNs !== byPrefix) {
        return unknownName(`ns=${ns} and the name's own registry ${first} differ`);
    }
    const byName = isDotted ? byPrefix : upstreamNamed(DEFAULT_UPSTREAM, upstreams);
    const upstream = ns === undefined ? byName : byNs;
    if (!upstream) {
        const wanted = ns ?? (isDotted ? first : DEFAULT_UPSTREAM);
        const served = upstreams.map((candidate) => candidate.name).join(", ");
        return unknownName(`${wanted} is not relayed here; relayed are ${served}`);
    }
    // With an ns, a component with a dot that is no registry's name is the upstream's own: quay.io has my.org/app.
    const repository = byPrefix === undefined ? name : rest.join("/");
    const official = upstream.officialNamespace !== undefined && !repository.includes("/");
    return { upstream, repository: official ? `${upstream.officialNamespace}/${repository}` : repository };
}

/** The path of a canonical request on a relay of ours: Docker Hub's names bare, all others by prefix. */
export function relayPath({ upstream, repository, kind, reference }: RegistryRequest): string {
    const isBare = upstream.name === DEFAULT_UPSTREAM && !/^[^/]*\./.test(repository);
    const prefix = isBare ? "" : `${upstream.name}/`;
    return `/v2/${prefix}${repository}/${kind}/${reference}`;
}

function upstreamNamed(name: string, upstreams: readonly Upstream[]): Upstream | undefined {
    return upstreams.find((upstream) => upstream.name === name || upstream.aliases?.includes(name));
}

/** containerd sends the host as the image reference has it: host names know no case, and 443 is their port anyway. */
function upstreamOfNs(ns: string, upstreams: readonly Upstream[]): Upstream | undefined {
    return upstreamNamed(ns.replace(new RegExp(`${COLON}443$`), "").toLowerCase(), upstreams);
}

function unknownName(message: string): { readonly refusal: Refusal } {
    return { refusal: { status: 404, code: "NAME_UNKNOWN", message } };
}
