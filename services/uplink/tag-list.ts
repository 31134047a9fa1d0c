/** `tags/list`: passed through, page by page. */
import { type RegistryRequest, relayPath } from "../registry/names";
import { scopeOf } from "./health";
import { nextPage } from "./links";
import type { Relays, SmallAnswer } from "./relays";

/** Query parameters that go up; everything else a client may send stays here. */
const PASSED_ON = ["n", "last", "next_page"];

/** What tells one page from another; the second at a Quay up to 3.11: services/registry/query.ts. */
const AHEAD_BY = ["last", "next_page"];

/** Longest list: some repositories have a hundred thousand tags, and not every registry sends pages unasked. */
const LONGEST = 32 * 1024 * 1024;

/** Longest `last`: a tag has 128 characters, but some registries put a mark of their own there. */
const LAST_MAX = 1024;

/** What a list's query may hold. Returns what is wrong with it: an upstream's answer to that would say less. */
export function badListQuery(query: URLSearchParams): string | undefined {
    const counts = new Set(query.getAll("n"));
    if ([...counts].some((n) => !/^\d{1,9}$/.test(n))) {
        return `n must be a number of tags, 0 to 999999999, got ${JSON.stringify([...counts].join(", ")).slice(0, 100)}`;
    }
    const lasts = new Set(query.getAll("last"));
    const pages = query.getAll("next_page");
    if (pages.length > 1 || pages.some((page) => !/^[A-Za-z0-9._~=-]{0,2047}$/.test(page))) {
        return "next_page must be there once, as the link to the page had it";
    }
    if (counts.size > 1 || lasts.size > 1) return "n and last must be there once";
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for
    if ([...lasts].some((last) => last.length > LAST_MAX || /[\u0000-\u001f\u007f\ufffd]/.test(last))) {
        return `last must be a tag, at most ${LAST_MAX} characters without control characters`;
    }
    return undefined;
}

/** One page, and the query of the next one. */
export interface TagPage extends SmallAnswer {
    readonly next: URLSearchParams | undefined;
}

/** Asks for the page that a query names. */
export async function tagPage(relays: Relays, request: RegistryRequest, asked: URLSearchParams): Promise<TagPage> {
    const query = passedOn(asked);
    const path = query.size > 0 ? `${relayPath(request)}?${query}` : relayPath(request);
    const answer = await relays.ask({ method: "GET", path, scope: scopeOf(request), limit: LONGEST });
    const next = nextPage(answer.headers.link);
    const ahead = next && passedOn(next);
    // A link to this very page: the registry's own parameters did not come down, and a client would ask for ever.
    const isAhead = ahead !== undefined && AHEAD_BY.some((name) => ahead.get(name) !== query.get(name));
    const last = query.get("last");
    const body = answer.status === 200 && last ? after(last, answer.body) : answer.body;
    return { ...answer, body, next: isAhead ? ahead : undefined };
}

function passedOn(query: URLSearchParams): URLSearchParams {
    const passed = new URLSearchParams();
    for (const name of PASSED_ON) {
        const value = query.get(name);
        if (value !== null) passed.set(name, value);
    }
    return passed;
}

/** What comes after `last`: registries that are asked without `n` begin at the start, whatever `last` says. */
function after(last: string, body: Buffer): Buffer {
    try {
        const list = JSON.parse(body.toString("utf8"));
        const tags: unknown = list?.tags;
        if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) return body;
        const at = tags.indexOf(last);
        // Where it is not in the list, its order tells, which is that of ASCII by the spec.
        const rest = at >= 0 ? tags.slice(at + 1) : isSorted(tags) ? tags.filter((tag) => tag > last) : tags;
        return rest.length === tags.length ? body : Buffer.from(JSON.stringify({ ...list, tags: rest }));
    } catch {
        // Not JSON: as the upstream says it.
        return body;
    }
}

function isSorted(tags: readonly string[]): boolean {
    return tags.every((tag, index) => index === 0 || (tags[index - 1] ?? "") <= tag);
}
