/** The releases of Debian that machines of a rehearsal have, and how packages of one come to a machine of another. */
import { readFileSync } from "node:fs";

/** What relays run on: the oldest release that works, and the one that new machines get. */
export type Debian = 12 | 13;

/** What a release is called in package sources. */
export const SUITES: Readonly<Record<Debian, string>> = { 12: "bookworm", 13: "trixie" };
/** All of them, oldest first. */
export const DEBIANS: readonly Debian[] = [12, 13];

/** Suites of a source whose name does not say which release they are. */
const MOVING = ["stable", "oldstable", "testing"];

/** The release that this machine has, as package sources call it. @throws Error where it does not say so. */
export function ownSuite(osRelease = readFileSync("/etc/os-release", "utf8")): string {
    const [, suite] = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(osRelease) ?? [];
    if (suite === undefined) {
        throw new Error("/etc/os-release has no VERSION_CODENAME: the rehearsal's images are made on Debian");
    }
    return suite;
}

/**
 * Package sources for another release, from the same places.
 *
 * @param sources Text in either form of sources.list(5).
 * @throws Error when nothing in it is of the release that the machine has.
 */
export function sourcesOf(sources: string, own: string, wanted: string): string {
    if (own === wanted) return sources;
    const suite = new RegExp(`(?<=^|\\s)(${[own, ...MOVING].join("|")})(?=[-/\\s]|$)`, "g");
    let found = false;
    const there = (suites: string) =>
        suites.replace(suite, () => {
            found = true;
            return wanted;
        });
    const text = sources
        .replace(/^(Suites:)(.*(?:\n[ \t].*)*)/gim, (_, field, suites) => field + there(suites))
        .replace(/^(deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?\S+)(\s+\S+)/gm, (_, start, suites) => start + there(suites));
    if (!found) throw new Error(`this machine's package sources have no suite ${own}, so none is known for ${wanted}`);
    return text;
}
