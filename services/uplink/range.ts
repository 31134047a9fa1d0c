/** The one range that a request may ask for (RFC 9110 14). */

/** Bytes `start` to before `end`. */
export interface ByteRange {
    readonly start: number;
    readonly end: number;
}

/**
 * What part of `size` bytes a Range header asks for.
 *
 * @returns `undefined` for the whole: no header, several ranges, another unit, or one that is not valid, all of which a
 * server ignores; `"unsatisfiable"` when the range starts after the end.
 */
export function readRange(header: string | undefined, size: number): ByteRange | "unsatisfiable" | undefined {
    const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
    if (first === "" && last === "") return undefined;
    if (first === "") {
        const suffix = Math.min(Number(last), size);
        return suffix === 0 ? "unsatisfiable" : { start: size - suffix, end: size };
    }
    const start = Number(first);
    const end = last === "" ? size : Number(last) + 1;
    if (end <= start) return start >= size && last === "" ? "unsatisfiable" : undefined;
    return start >= size ? "unsatisfiable" : { start, end: Math.min(end, size) };
}
