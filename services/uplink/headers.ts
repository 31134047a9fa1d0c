/** Headers of an answer, of which no line can be counted on to be there, or to be there once. */

/** As they were received: several lines of one name are an array. */
export type ReceivedHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Headers that have one value without a comma in it: something on the way may have joined two lines into one. */
const WITHOUT_COMMA: readonly string[] = [
    "content-length",
    "content-range",
    "content-type",
    "docker-content-digest",
    "x-relay-answer",
];

/** Header values as single texts. A line that is there twice says what it says once (RFC 9110 8.6 for Content-Length). */
export function singleValues(headers: ReceivedHeaders): Record<string, string> {
    return Object.fromEntries(
        Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, joined(name, value)]])),
    );
}

/** One header's value, as {@link singleValues} has it. */
export function singleValue(headers: ReceivedHeaders, name: string): string | undefined {
    const value = headers[name];
    return value === undefined ? undefined : joined(name, value);
}

function joined(name: string, value: string | readonly string[]): string {
    const lines = typeof value === "string" ? [value] : value;
    const values = WITHOUT_COMMA.includes(name) ? lines.flatMap((line) => line.split(/\s*,\s*/)) : lines;
    return [...new Set(values)].join(", ");
}

/** The value of `Content-Length`; `undefined` where there is none, or none that is a number of bytes. */
export function lengthIn(headers: ReceivedHeaders): number | undefined {
    const text = singleValue(headers, "content-length") ?? "";
    const length = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return Number.isSafeInteger(length) ? length : undefined;
}

/** What `Content-Range` says (RFC 9110 14.4); `total` is missing where the sender does not know it. */
export interface ContentRange {
    readonly start: number;
    /** Exclusive. */
    readonly end: number;
    readonly total: number | undefined;
}

/** The range that an answer of 206 has; `undefined` where it does not say so. */
export function rangeIn(headers: ReceivedHeaders): ContentRange | undefined {
    const text = singleValue(headers, "content-range") ?? "";
    const [, first, last, total] = /^bytes\s+(\d+)-(\d+)\/(\d+|\*)$/i.exec(text) ?? [];
    if (first === undefined || last === undefined || Number(last) < Number(first)) return undefined;
    return { start: Number(first), end: Number(last) + 1, total: total === "*" ? undefined : Number(total) };
}

/** The size of the whole that an answer of 416 says. */
export function sizeInRefusal(headers: ReceivedHeaders): number | undefined {
    const [, total] = /^bytes\s+\*\/(\d+)$/i.exec(singleValue(headers, "content-range") ?? "") ?? [];
    return total === undefined ? undefined : Number(total);
}
