/** Host name lookup for connections: pinned, or by DNS with the last good answer kept. */
import { lookup as systemLookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";

type Found = { readonly address: string; readonly family: number };
type SystemLookup = (hostname: string, done: (error: NodeJS.ErrnoException | null, found: Found[]) => void) => void;

const byDns: SystemLookup = (hostname, done) => systemLookup(hostname, { all: true }, done);

/** A lookup that always answers `address`. */
export function pinnedLookup(address: string): LookupFunction {
    const found = [{ address, family: isIP(address) }];
    return (_hostname, options, done) => reply(options.all, found, done);
}

/** After this long what DNS said last is used: a query lost on its way to a resolver is asked again after 5 s only. */
const PATIENCE_MS = 1_000;

/**
 * A lookup that asks DNS once at a time and, when DNS fails or is late, answers what it said last.
 * Each getaddrinfo holds a thread until it gives up, one of the two that libuv gives lookups unless UV_THREADPOOL_SIZE
 * says more: with a dead DNS server, one lookup per connection would keep every other relay's name waiting.
 */
export function rememberingLookup(resolve: SystemLookup = byDns, patienceMs = PATIENCE_MS): LookupFunction {
    let lastGood: Found[] | undefined;
    let waiting: ((error: NodeJS.ErrnoException | null, found: Found[]) => void)[] = [];
    let asking: "no" | "yes" | "late" = "no";
    const answerAll = (error: NodeJS.ErrnoException | null) => {
        const asked = waiting;
        waiting = [];
        for (const answer of asked) answer(lastGood ? null : error, lastGood ?? []);
    };
    return (hostname, options, done) => {
        waiting.push((error, found) => {
            if (error) done(error, "", 0);
            else reply(options.all, found, done);
        });
        if (asking === "late" && lastGood) process.nextTick(answerAll, null);
        if (asking !== "no") return;
        asking = "yes";
        const late = setTimeout(() => {
            asking = "late";
            if (lastGood) answerAll(null);
        }, patienceMs);
        resolve(hostname, (error, found) => {
            clearTimeout(late);
            asking = "no";
            if (!error) lastGood = found;
            answerAll(error);
        });
    };
}

/** Node asks for all addresses at once (`all: true`) since it tries them side by side; older callers want one. */
function reply(all: boolean | undefined, found: Found[], done: Parameters<LookupFunction>[2]): void {
    const [first] = found;
    if (all) done(null, found);
    else if (first) done(null, first.address, first.family);
    else done(Object.assign(new Error("no address"), { code: "ENOTFOUND" }), "", 0);
}
