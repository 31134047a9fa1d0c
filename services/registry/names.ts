/**
 * From a request path to one canonical name: which upstream, which repository, what of it. Design 3.2 to 3.4.
 * Grammar of names, tags and digests: OCI distribution spec, "Pulling manifests".
 */
import type { Refusal } from "./errors";
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
export const DIGEST = "sha256:[a-f0-9]{64}";
/** Longest repository name, with the registry's: what Docker's own reference grammar allows. */
export const NAME_MAX = 255;

const PATH = new RegExp(
    `^/v2/(${NAME})/(?:(manifests)/(${TAG}|${DIGEST})|(blobs)/(${DIGEST})|(tags)/(list)|(referrers)/(${DIGEST}))$`,
);

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
    if (!match) return { refusal: { status: 404, code: "NAME_INVALID", message: "not a path of the pull API" } };
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
    return "refusal" in place ? place : { request: { ...place, kind, reference } };
}

/** The upstream and the repository that a name and an `ns` stand for. */
export function locate(
    name: string,
    ns: string | undefined,
    upstreams: readonly Upstream[],
): { readonly upstream: Upstream; readonly repository: string } | { readonly refusal: Refusal } {
    const [first = "", ...rest] = name.split("/");
    // A first component with a dot is a registry's name: Docker Hub's own namespaces have none.
    const prefix = rest.length > 0 && first.includes(".") ? first : undefined;
    if (ns !== undefined && prefix !== undefined && ns !== prefix) {
        return unknownName(`ns=${ns} and the name's own registry ${prefix} differ`);
    }
    const wanted = ns ?? prefix ?? DEFAULT_UPSTREAM;
    const upstream = upstreams.find((candidate) => candidate.name === wanted);
    if (!upstream) {
        const served = upstreams.map((candidate) => candidate.name).join(", ");
        return unknownName(`${wanted} is not relayed here; relayed are ${served}`);
    }
    const repository = prefix === undefined ? name : rest.join("/");
    const official = upstream.officialNamespace !== undefined && !repository.includes("/");
    return { upstream, repository: official ? `${upstream.officialNamespace}/${repository}` : repository };
}

/** The path of a canonical request on a relay of ours: Docker Hub's names bare, all others by prefix. */
export function relayPath({ upstream, repository, kind, reference }: RegistryRequest): string {
    const prefix = upstream.name === DEFAULT_UPSTREAM ? "" : `${upstream.name}/`;
    return `/v2/${prefix}${repository}/${kind}/${reference}`;
}

function unknownName(message: string): { readonly refusal: Refusal } {
    return { refusal: { status: 404, code: "NAME_UNKNOWN", message } };
}
