/** `tags/list`: passed through, page by page. */
import { type RegistryRequest, relayPath } from "../registry/names";
import { scopeOf } from "./health";
import { nextPage } from "./links";
import type { Relays, SmallAnswer } from "./relays";

/** Query parameters of the next page that come down; all else a registry may put there no relay would hand up. */
const PASSED_ON = ["n", "last", "next_page"];

/** What tells one page from another; the second at a Quay up to 3.11: services/registry/query.ts. */
const AHEAD_BY = ["last", "next_page"];

/** Longest list: some repositories have a hundred thousand tags, and not every registry sends pages unasked. */
const LONGEST = 32 * 1024 * 1024;

/** One page, and the query of the next one. */
export interface TagPage extends SmallAnswer {
    readonly next: URLSearchParams | undefined;
}

/** Asks for the page that a query of the pull API names; empty or with its `?`. */
export async function tagPage(relays: Relays, request: RegistryRequest, asked: string): Promise<TagPage> {
    const query = new URLSearchParams(asked);
    const path = `${relayPath(request)}${asked}`;
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
