/** `Retry-After` in every form that upstreams send it. */

/** Seconds to wait after an answer that does not say how long, or not so that one can read it. */
const UNSTATED = 60;
/** Nothing is waited for longer: an upstream that means a day may have changed its mind within the hour. */
const LONGEST = 3600;
/** From here on a number is no count of seconds but a Unix time (Docker Hub's API sends one), from the next in milliseconds. */
const UNIX_TIME = 1e9;
const UNIX_MILLISECONDS = 1e12;
const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";

/**
 * Seconds to wait, 1 to 3600: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3, and what is seen beside it (0,
 * negative numbers, fractions, Unix times).
 *
 * nginx' JavaScript runs this too (components/overseas/njs.ts): no import, no destructuring, no Date.parse, which knows
 * other formats there.
 *
 * @param header Value of the header; nothing where there is none.
 * @param now Milliseconds since 1970.
 */
export function retryAfterSeconds(header: string | null | undefined, now: number): number {
    const text = (header || "").trim();
    // Two headers arrive as one, joined by a comma: the first counts.
    const number = /^[+-]?[0-9]+(?:\.[0-9]+)?(?=$|\s*,)/.exec(text);
    if (number) {
        const value = Number(number[0]);
        if (value >= UNIX_MILLISECONDS) return bounded(value / 1000 - now / 1000);
        return bounded(value >= UNIX_TIME ? value - now / 1000 : value);
    }
    const date = httpDate(text);
    return Number.isNaN(date) ? UNSTATED : bounded((date - now) / 1000);
}

function bounded(seconds: number): number {
    return Math.min(LONGEST, Math.max(1, Math.ceil(seconds)));
}

/** Milliseconds since 1970, or NaN. All three formats: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7. */
function httpDate(text: string): number {
    const usual = /^[a-z]+, *([0-9]{1,2})[ -]([a-z]{3})[ -]([0-9]{4}|[0-9]{2}) ([0-9:]{8}) (?:GMT|UTC|[+-]0000)$/i.exec(
        text,
    );
    if (usual) return utc(usual[3], usual[2], usual[1], usual[4]);
    const asctime = /^[a-z]{3} ([a-z]{3}) +([0-9]{1,2}) ([0-9:]{8}) ([0-9]{4})$/i.exec(text);
    return asctime ? utc(asctime[4], asctime[1], asctime[2], asctime[3]) : Number.NaN;
}

function utc(year = "", month = "", day = "", time = ""): number {
    const index = MONTHS.indexOf(month.toLowerCase());
    const parts = time.split(":");
    // Nobody asks to wait since the last century, whose years had two digits as well.
    const century = year.length === 2 ? "20" : "";
    return index % 3 === 0
        ? Date.UTC(Number(century + year), index / 3, Number(day), Number(parts[0]), Number(parts[1]), Number(parts[2]))
        : Number.NaN;
}
