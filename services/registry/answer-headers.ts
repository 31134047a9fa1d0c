/**
 * Headers of an upstream's answer that come in more than one form. nginx' JavaScript runs this too
 * (components/overseas/njs-module.ts): no destructuring, no spreading, no for-of.
 */
import type { Said, UpstreamRefusal } from "./final-answers";
import { readSaidDigest } from "./said-digest";

/**
 * A header's value; empty where it is missing, or has bytes that are no ASCII. Of those nothing that is looked at is made,
 * and they are as good as none (RFC 9110 5.5); njs cannot even search in what is no UTF-8.
 */
export function plainValue(value: string | null | undefined): string {
    try {
        return /^[\t -~]*$/.test(value || "") ? (value || "").trim() : "";
    } catch {
        return "";
    }
}

/** Of a `Content-Type` that came in several lines, joined by commas here or on the way, the first one counts, as nginx has it since 1.23. */
export function firstType(value: string): string {
    const type = /^[^",]*(?:"(?:[^"\\]|\\.)*"[^",]*)*/.exec(value);
    return type ? type[0].trim() : "";
}

/** Of an `ETag` that came in several lines, the first one: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3. */
export function firstTag(value: string): string {
    const tag = /^(?:W\/)?"[^"]*"(?=\s*,)/.exec(value);
    return tag ? tag[0] : value;
}

/** The next page of a list on this relay, from `Link` in any form of https://www.rfc-editor.org/rfc/rfc8288; empty for none. */
export function nextLink(link: string, path: string): string {
    const links = /<([^>]*)>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)/g;
    for (let found = links.exec(link); found; found = links.exec(link)) {
        const target = String(found[1]).trim().replace(/#.*$/, "").replace(/ /g, "%20");
        const query = target.indexOf("?") < 0 ? "" : target.slice(target.indexOf("?"));
        // Without one of these the page that it names would be the first again, without end.
        const isAhead = /[?&](?:last|next_page)=[^&]/.test(query);
        if (isAhead && isNext(String(found[2])) && /^\?[!#-;=?-~]+$/.test(query))
            return `<${path}${query}>; rel="next"`;
    }
    return "";
}

/** Relations are several words, and know no case. The first `rel` counts. */
function isNext(parameters: string): boolean {
    const each = /;\s*([^\s=;,"]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/g;
    for (let found = each.exec(parameters); found; found = each.exec(parameters)) {
        if (String(found[1]).toLowerCase() !== "rel") continue;
        return ` ${found[2] || found[3] || ""} `.toLowerCase().indexOf(" next ") >= 0;
    }
    return false;
}

/**
 * Why an answer with content is not handed on; `undefined` for one that is.
 *
 * @param digest Its `Docker-Content-Digest`.
 * @param encoding Its `Content-Encoding`, which nobody asked for.
 */
export function refusalOfContent(
    said: Said,
    upstream: string,
    digest: string | null | undefined,
    encoding: string | null | undefined,
): UpstreamRefusal | undefined {
    const contradiction = readSaidDigest(digest).contradiction;
    if (contradiction !== "") {
        return refusal(`${upstream} answered with more than one Docker-Content-Digest: ${contradiction}`);
    }
    if (said.status === 304 || !isEncoded(encoding)) return undefined;
    if (!isGzip(encoding)) return refusal(`${upstream} answered in the encoding ${encoding}, which was not asked for`);
    // Part of what is encoded cannot be decoded.
    return said.status === 206 ? refusal(`${upstream} answered with a part in the encoding ${encoding}`) : undefined;
}

function isEncoded(encoding: string | null | undefined): boolean {
    return Boolean(encoding) && !/^identity$/i.test(encoding || "");
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.3: two names of one encoding, the only one that both relays decode. */
export function isGzip(encoding: string | null | undefined): boolean {
    return /^(?:x-)?gzip$/i.test(encoding || "");
}

/** True where a HEAD of a blob may have been refused for being one: a URL can be signed for GET alone. */
export function mayBeAskedByRange(said: Said): boolean {
    return said.status === 400 || said.status === 403 || said.status === 405 || said.status === 501;
}

/** The size of a blob by the answer to `Range: bytes=0-0`; empty where it does not say it. */
export function sizeByRange(
    said: Said,
    contentRange: string | null | undefined,
    encoding: string | null | undefined,
): string {
    const total = /^\s*bytes\s+(?:0-0|\*)\/([0-9]+)\s*$/i.exec(contentRange || "");
    // What is encoded has another size.
    if (!total || (said.status !== 206 && said.status !== 416) || isEncoded(encoding)) return "";
    // No blob but one of no bytes has no first byte.
    return said.status === 206 || Number(total[1]) === 0 ? String(total[1]) : "";
}

function refusal(message: string): UpstreamRefusal {
    return { status: 502, code: "UNAVAILABLE", message };
}
