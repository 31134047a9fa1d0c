/** What somebody probably meant by a name that is not known. */
import { closest, distance } from "fastest-levenshtein";

/**
 * The name of `known` that is written nearly as `wrong` is: with one character in three wrong, missing or too many at
 * most, or two that are swapped; upper case, `-` and `_` do not count.
 */
export function nearest(wrong: string, known: readonly string[]): string | undefined {
    const plain = (text: string) => text.toLowerCase().replace(/[-_\s]/g, "");
    const byPlain = new Map(known.map((name) => [plain(name), name]));
    if (byPlain.size === 0) return undefined;
    const text = plain(wrong);
    const names = [...byPlain.keys()];
    const found = closest(text, names);
    if (distance(text, found) <= Math.max(1, Math.floor(text.length / 3))) return byPlain.get(found);
    return byPlain.get(names.find((name) => isSwapped(text, name)) ?? "");
}

/** True when two characters beside each other are the other way round, and nothing else is wrong. */
function isSwapped(wrong: string, name: string): boolean {
    return [...wrong].some((_, at) => {
        const swapped =
            wrong.slice(0, at) +
            wrong
                .slice(at, at + 2)
                .split("")
                .reverse()
                .join("") +
            wrong.slice(at + 2);
        return swapped === name;
    });
}

/** `; did you mean "edge"?`, or nothing. */
export function suggestion(wrong: unknown, known: readonly string[]): string {
    const name = typeof wrong === "string" ? nearest(wrong, known) : undefined;
    return name === undefined ? "" : `; did you mean "${name}"?`;
}
