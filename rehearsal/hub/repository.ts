/** The pull API of the distribution spec, as far as it does not depend on tokens and redirects. */
import { type Answer, json, text } from "./answer";
import { type ImageStore, OCI_INDEX, OCI_MANIFEST } from "./store";

/** A path of the pull API. */
export interface RepositoryPath {
    /** Name within the upstream. */
    readonly name: string;
    readonly kind: "manifests" | "blobs" | "tags" | "referrers";
    readonly reference: string;
}

/** What a repository is asked. */
export interface RepositoryRequest extends RepositoryPath {
    /** Path that `Link` headers are made from. */
    readonly pathname: string;
    readonly query: URLSearchParams;
    readonly accept: string;
    readonly ifNoneMatch: string | undefined;
    /** Referrers on one page. */
    readonly referrersPage: number;
}

/** The codes of the distribution spec that the double uses. */
type Code =
    | "UNAUTHORIZED"
    | "DENIED"
    | "MANIFEST_UNKNOWN"
    | "BLOB_UNKNOWN"
    | "NAME_UNKNOWN"
    | "DIGEST_INVALID"
    | "PAGINATION_NUMBER_INVALID"
    | "TOOMANYREQUESTS"
    | "UNSUPPORTED";

const API = { "docker-distribution-api-version": "registry/2.0" };
const PATH = /^\/v2\/([a-z0-9._/-]+)\/(manifests|blobs|tags|referrers)\/([A-Za-z0-9._:-]+)$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;
// What distribution does, and the Hub and GitHub with it: OCI types only for those who name them, `*/*` does not count.
// https://github.com/distribution/distribution/blob/v3.1.0/registry/handlers/manifests.go
const MUST_BE_ACCEPTED: Readonly<Record<string, string>> = {
    [OCI_INDEX]: "OCI index found, but Accept header does not support OCI indexes",
    [OCI_MANIFEST]: "OCI manifest found, but Accept header does not support OCI manifests",
};

/** An OCI error answer. */
export function ociError(
    status: number,
    code: Code,
    message: string,
    detail: unknown = {},
    headers: Readonly<Record<string, string>> = {},
): Answer {
    return json(status, { errors: [{ code, message, detail }] }, { ...API, ...headers });
}

/** Reads a path of the pull API; `undefined` when it is none. */
export function parseRepositoryPath(pathname: string): RepositoryPath | undefined {
    const [, name, kind, reference] = PATH.exec(pathname) ?? [];
    if (name === undefined || reference === undefined) return undefined;
    if (kind === "tags" && reference !== "list") return undefined;
    return { name, kind: kind as RepositoryPath["kind"], reference };
}

/** Answers for everything but the bytes of blobs, which are the CDN's. */
export function repositoryAnswer(store: ImageStore, upstream: string, request: RepositoryRequest): Answer {
    const name = `${upstream}/${request.name}`;
    if (store.tags(name) === undefined) return ociError(404, "NAME_UNKNOWN", "repository name not known to registry");
    if (request.kind === "tags") return tagsAnswer(store, name, request);
    if (request.kind === "referrers") return referrersAnswer(store, name, request);
    return manifestAnswer(store, name, request);
}

function manifestAnswer(
    store: ImageStore,
    name: string,
    { reference, accept, ifNoneMatch }: RepositoryRequest,
): Answer {
    const digest = store.resolve(name, reference);
    if (digest === undefined) return unknownManifest("manifest unknown", reference);
    const { mediaType, bytes } = store.manifest(digest);
    const refusal = MUST_BE_ACCEPTED[mediaType];
    const accepted = accept.split(",").map((type) => type.split(";")[0]?.trim());
    if (refusal !== undefined && !accepted.includes(mediaType)) return unknownManifest(refusal, reference);
    const etag = `"${digest}"`;
    const headers = { ...API, "docker-content-digest": digest, etag };
    if (ifNoneMatch === etag) return { status: 304, headers };
    return { status: 200, headers: { ...headers, "content-type": mediaType }, body: bytes };
}

function unknownManifest(message: string, reference: string): Answer {
    return ociError(404, "MANIFEST_UNKNOWN", message, { Tag: reference });
}

function tagsAnswer(store: ImageStore, name: string, { name: shortName, pathname, query }: RepositoryRequest): Answer {
    const all = store.tags(name) ?? [];
    const last = query.get("last");
    const rest = last === null ? all : all.filter((tag) => tag > last);
    const n = query.get("n");
    if (n !== null && !/^\d+$/.test(n)) {
        return ociError(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested", { n });
    }
    const page = n === null ? rest : rest.slice(0, Number(n));
    const link =
        page.length > 0 && page.length < rest.length
            ? { link: `<${pathname}?${new URLSearchParams({ last: page.at(-1) ?? "", n: n ?? "" })}>; rel="next"` }
            : undefined;
    return json(200, { name: shortName, tags: page }, { ...API, ...link });
}

/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md, "Listing Referrers": an empty list is a 200. */
function referrersAnswer(
    store: ImageStore,
    name: string,
    { reference, pathname, query, referrersPage }: RepositoryRequest,
): Answer {
    if (!DIGEST.test(reference)) return ociError(400, "DIGEST_INVALID", "provided digest is not valid", reference);
    const artifactType = query.get("artifactType");
    const all = store
        .referrers(name, reference)
        .map(({ digest, mediaType, bytes, json: manifest }) => ({
            mediaType,
            digest,
            size: bytes.length,
            artifactType: manifest.artifactType ?? manifest.config?.mediaType,
            annotations: manifest.annotations,
        }))
        .filter((entry) => artifactType === null || entry.artifactType === artifactType);
    const first = all.findIndex(({ digest }) => digest === query.get("last")) + 1;
    const manifests = all.slice(first, first + referrersPage);
    const next = new URLSearchParams({
        ...(artifactType !== null && { artifactType }),
        last: manifests.at(-1)?.digest ?? "",
    });
    const link = first + referrersPage < all.length ? { link: `<${pathname}?${next}>; rel="next"` } : undefined;
    const filtered = artifactType === null ? undefined : { "oci-filters-applied": "artifactType" };
    const headers = { ...API, "content-type": OCI_INDEX, ...filtered, ...link };
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
    return { status: 200, headers, body: text(JSON.stringify(index)) };
}
