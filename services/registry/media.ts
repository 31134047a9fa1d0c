/** What kind of body an answer has, by its Content-Type. Runs in nginx' JavaScript too (components/overseas/njs-module.ts). */

/** JSON of any kind, `application/vnd.oci.image.index.v1+json` included. */
export function isJson(contentType: string | null | undefined): boolean {
    return /^\s*application\/([a-z0-9.-]+\+)?json\b/i.test(contentType || "");
}

/** A page for people, which no registry sends: an error page or a login form of something in between. */
export function isPage(contentType: string | null | undefined): boolean {
    return /^\s*(?:text\/html|application\/xhtml\+xml)\b/i.test(contentType || "");
}

/** The media type of a list of referrers. */
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";

/** The media types of images and of their indexes, as today's clients list them in `Accept`. */
export const IMAGE_TYPES = [
    OCI_INDEX,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/** A list of referrers without any: https://github.com/opencontainers/distribution-spec, "Listing Referrers". */
export const EMPTY_INDEX = `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[]}`;
