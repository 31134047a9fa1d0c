/** `Link` of a list that comes in pages. */

/** A link and its parameters (RFC 8288 3); a quoted value may hold what else would end it. */
const LINK = /<([^>]*)>((?:\s*;\s*[^\s=;,"]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)/g;
const REL = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i;

/**
 * The query of the next page.
 *
 * @returns `undefined` where there is no next page, or where it is cannot be read.
 */
export function nextPage(header: string | undefined): URLSearchParams | undefined {
    const links = [...(header ?? "").matchAll(LINK)].map(([, target = "", parameters = ""]) => {
        const [, quoted, plain] = REL.exec(parameters) ?? [];
        return { target, rel: (quoted ?? plain)?.toLowerCase().split(/\s+/) };
    });
    const [only] = links.length === 1 ? links : [];
    // No registry links to anything but the next page; the engine's own client does not look at `rel` at all.
    const next = links.find(({ rel }) => rel?.includes("next")) ?? (only?.rel === undefined ? only : undefined);
    if (!next || next.target === "" || !URL.canParse(next.target, "http://relay/")) return undefined;
    return new URL(next.target, "http://relay/").searchParams;
}
