/** The releases of Debian that machines of a rehearsal have. */
import { existsSync, readFileSync } from "node:fs";

/** What relays run on: the oldest release that works, and the one that new machines get. */
export type Debian = 12 | 13;

/** What a release is called in package sources. */
export const SUITES: Readonly<Record<Debian, string>> = { 12: "bookworm", 13: "trixie" };
/** All of them, oldest first. */
export const DEBIANS: readonly Debian[] = [12, 13];

/** The engine and its client, which Debian has in two packages since 13: the second one is only recommended by the first. */
export function dockerPackages(osRelease?: string): readonly string[] {
    return suiteOf(osRelease) === SUITES[12] ? ["docker.io"] : ["docker.io", "docker-cli"];
}

/** The release that this machine has, as package sources call it. @throws Error where it does not say so. */
export function ownSuite(osRelease?: string): string {
    const suite = suiteOf(osRelease);
    if (suite === undefined) {
        throw new Error("/etc/os-release has no VERSION_CODENAME: the rehearsal's images are made on Debian");
    }
    return suite;
}

function suiteOf(
    osRelease = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "",
): string | undefined {
    return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(osRelease)?.[1];
}
