/** What somebody probably meant by a name that is not known. */
import { closest, distance } from "fastest-levenshtein";

/**
 * The name of `known` that is written nearly as `wrong` is: with one character in three wrong, missing or too many at
 * most; upper case, `-` and `_` do not count.
 */
export function nearest(wrong: string, known: readonly string[]): string | undefined {
    const plain = (text: string) => text.toLowerCase().replace(/[-_\s]/g, "");
    const byPlain = new Map(known.map((name) => [plain(name), name]));
    if (byPlain.size === 0) return undefined;
    const text = plain(wrong);
    const found = closest(text, [...byPlain.keys()]);
    return distance(text, found) <= Math.max(1, Math.floor(text.length / 3)) ? byPlain.get(found) : undefined;
}

/** `; did you mean "edge"?`, or nothing. */
export function suggestion(wrong: unknown, known: readonly string[]): string {
    const name = typeof wrong === "string" ? nearest(wrong, known) : undefined;
    return name === undefined ? "" : `; did you mean "${name}"?`;
}
