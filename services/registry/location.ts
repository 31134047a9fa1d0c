/**
 * Where a `Location` leads, in every form that is seen. nginx' JavaScript runs this too (components/overseas/njs-module.ts),
 * which has no URL: no destructuring, no spreading, no for-of.
 */

/** What a `Location` names. */
export interface Place {
    /** The host in lower case; absent where it names none, or nothing that can be asked. */
    readonly host?: string;
    /** Absent where it is not plain https at port 443, without a user. */
    readonly url?: string;
}

/**
 * https://www.rfc-editor.org/rfc/rfc3986#section-5: a signed URL goes out byte for byte, but for what no URL may have (a
 * space), which is encoded.
 *
 * @param from The URL that answered, whose host and path a relative one is relative to.
 */
export function readLocation(location: string | null | undefined, from: string): Place {
    // Of several lines, joined by commas, the first one counts.
    const text = (location || "")
        .replace(/, *(?:https?:)?\/\/.*$/i, "")
        .trim()
        .replace(/#.*$/, "");
    if (text === "" || !/^[ -~]+$/.test(text)) return {};
    const reference = text.replace(/[ "<>\\^`{|}]/g, encode);
    const absolute = /^([a-z][a-z0-9+.-]*:)?\/\/([^/?]*)(.*)$/i.exec(reference);
    if (absolute) return at(absolute[1] || "https:", String(absolute[2]), String(absolute[3]));
    if (/^[a-z][a-z0-9+.-]*:/i.test(reference)) return {};
    const base = /^https:\/\/([^/?]+)([^?]*)/.exec(from);
    return base ? at("https:", String(base[1]), resolved(reference, String(base[2]))) : {};
}

function at(scheme: string, authority: string, rest: string): Place {
    const afterUser = authority.slice(authority.lastIndexOf("@") + 1);
    const named = /^([a-z0-9._-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::([0-9]*))?$/i.exec(afterUser);
    if (!named) return {};
    const host = String(named[1]).toLowerCase();
    const isPlain = /^https:$/i.test(scheme) && afterUser === authority && /^(?:0*443)?$/.test(named[2] || "");
    if (!isPlain) return { host };
    const query = rest.indexOf("?");
    const path = query < 0 ? rest : rest.slice(0, query);
    return { host, url: `https://${host}${withoutDots(path || "/")}${query < 0 ? "" : rest.slice(query)}` };
}

function resolved(reference: string, basePath: string): string {
    if (reference.charAt(0) === "/") return reference;
    if (reference.charAt(0) === "?") return basePath + reference;
    return basePath.replace(/[^/]*$/, "") + reference;
}

/** https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4; `fetch` takes `%2e` for a dot as well. */
function withoutDots(path: string): string {
    const segments = path.split("/");
    const kept: string[] = [];
    segments.forEach((segment, index) => {
        const dots = segment.replace(/%2e/gi, ".");
        if (dots !== "." && dots !== "..") kept.push(segment);
        else {
            if (dots === ".." && kept.length > 1) kept.pop();
            if (index === segments.length - 1) kept.push("");
        }
    });
    return kept.join("/");
}

function encode(character: string): string {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
