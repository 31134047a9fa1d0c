/** The CDN hosts of the Hub double: the bytes of blobs, for those who bring a signed URL and nothing else. */
import { createHash } from "node:crypto";
import { type Answer, text } from "./answer";
import { contentAnswer, K8S_PREFIX, notFound } from "./registry";
import { parseRepositoryPath } from "./repository";
import type { HubRequest, Setup } from "./setup";
import { checkUrl } from "./signed-url";
import { mannersOf, OWN_CDN_PATH } from "./upstream-hosts";

const BLOB = new RegExp(
    `^(?:${OWN_CDN_PATH})?/registry-v2/docker/registry/v2/blobs/sha256/[a-f0-9]{2}/([a-f0-9]{64})/data$`,
);
const LAST_MODIFIED = "Thu, 01 Jan 1970 00:00:00 GMT";

/** Answers everything on a CDN host. */
export function cdnAnswer(setup: Setup, request: HubRequest): Answer {
    const { upstream, host, method, pathname, rawQuery, headers } = request;
    if (headers.authorization !== undefined && mannersOf(upstream).cdnRefusesAuthorization) {
        return xmlError(400, "InvalidArgument", "Only one auth mechanism allowed");
    }
    if (method !== "GET" && method !== "HEAD") return xmlError(405, "MethodNotAllowed", "The method is not allowed");
    if (host === mannersOf(upstream).manifestHost && pathname.startsWith(K8S_PREFIX)) {
        const path = parseRepositoryPath(`/v2/${pathname.slice(K8S_PREFIX.length)}`);
        return path ? contentAnswer(setup, request, path, "") : notFound();
    }
    const checked = checkUrl(setup.secret, { method, host, path: pathname }, rawQuery, setup.now());
    if ("wrong" in checked) return xmlError(403, checked.wrong, "The URL is not one that was signed here, or too old");
    const [, hex] = BLOB.exec(pathname) ?? [];
    const size = hex === undefined ? undefined : setup.store.size(`sha256:${hex}`);
    if (size === undefined) return xmlError(404, "NoSuchKey", "The specified key does not exist.");
    return blobAnswer(setup.store.blobPath(`sha256:${hex}`), size, etagOf(pathname, checked.edge), headers);
}

function blobAnswer(file: string, size: number, etag: string, headers: HubRequest["headers"]): Answer {
    const common = {
        "content-type": "application/octet-stream",
        "accept-ranges": "bytes",
        "cache-control": "public, max-age=14400",
        "last-modified": LAST_MODIFIED,
        "set-cookie": "__cf_bm=double; path=/; HttpOnly; Secure",
        etag,
    };
    if (headers["if-none-match"] === etag) return { status: 304, headers: common };
    const sameContent = headers["if-range"] === undefined || headers["if-range"] === etag;
    const range = sameContent ? parseRange(headers.range, size) : undefined;
    if (range === "unsatisfiable") {
        const refusal = xmlError(416, "InvalidRange", "The requested range is not satisfiable");
        return { ...refusal, headers: { ...refusal.headers, "content-range": `bytes */${size}` } };
    }
    if (range === undefined) return { status: 200, headers: common, body: { file, start: 0, length: size } };
    const { start, end } = range;
    return {
        status: 206,
        headers: { ...common, "content-range": `bytes ${start}-${end}/${size}` },
        body: { file, start, length: end - start + 1 },
    };
}

/**
 * A single range, https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2; `undefined`: none, several, or not one by
 * the grammar, which all mean the whole.
 */
function parseRange(
    header: string | undefined,
    size: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" | undefined {
    const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
    if (first === "" && last === "") return undefined;
    if (first === "") {
        const length = Math.min(Number(last), size);
        return length === 0 ? "unsatisfiable" : { start: size - length, end: size - 1 };
    }
    const start = Number(first);
    const end = last === "" ? size - 1 : Number(last);
    if (last !== "" && end < start) return undefined;
    return start >= size ? "unsatisfiable" : { start, end: Math.min(end, size - 1) };
}

function etagOf(path: string, edge: number): string {
    return `"${createHash("md5").update(`${edge} ${path}`).digest("hex")}"`;
}

function xmlError(status: number, code: string, message: string): Answer {
    const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
    return { status, headers: { "content-type": "application/xml" }, body: text(body) };
}
