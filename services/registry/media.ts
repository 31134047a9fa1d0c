/** What kind of body an answer has, by its Content-Type. */

/** JSON of any kind, `application/vnd.oci.image.index.v1+json` included. */
export function isJson({ headers }: Pick<Response, "headers">): boolean {
    return /^application\/([a-z0-9.-]+\+)?json\b/i.test(headers.get("content-type") ?? "");
}

/** A page for people, which no registry sends: an error page or a login form of something in between. */
export function isPage({ headers }: Pick<Response, "headers">): boolean {
    return /^text\/html\b/i.test(headers.get("content-type") ?? "");
}
