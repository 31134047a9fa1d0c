import assert from "node:assert/strict";
import { retryAfterSeconds } from "../../../services/registry/retry-after";

const NOW = Date.UTC(2026, 10, 27, 12, 0, 0, 500);

describe("Retry-After", () => {
    const forms: [header: string | null | undefined, seconds: number][] = [
        ["1", 1],
        ["120", 120],
        [" 120 ", 120],
        ["+120", 120],
        ["3600", 3600],
        ["3601", 3600],
        ["43200", 3600],
        ["99999999", 3600],
        ["999999999", 3600],
        ["0", 1],
        ["-1", 1],
        ["-99999999999", 1],
        ["0.2", 1],
        ["1.5", 2],
        ["59.0", 59],
        // Unix times: the difference, in seconds or milliseconds.
        [String(Math.floor(NOW / 1000) + 90), 90],
        [`${Math.floor(NOW / 1000) + 90}.25`, 90],
        [String(NOW + 90_000), 90],
        [String(Math.floor(NOW / 1000) + 7200), 3600],
        [String(Math.floor(NOW / 1000) - 90), 1],
        ["1000000000", 1],
        ["99999999999999999999999", 3600],
        // Two headers of the name.
        ["30, 90", 30],
        ["30,", 30],
        // The three formats of a date.
        ["Fri, 27 Nov 2026 12:02:00 GMT", 120],
        ["Friday, 27-Nov-26 12:02:00 GMT", 120],
        ["Fri Nov 27 12:02:00 2026", 120],
        ["fri, 27 nov 2026 12:02:00 gmt", 120],
        ["Fri, 27 Nov 2026 12:02:00 +0000", 120],
        ["Fri, 27 Nov 2026 11:00:00 GMT", 1],
        ["Sat, 28 Nov 2026 12:00:00 GMT", 3600],
        ["Sun Nov  6 08:49:37 1994", 1],
        // Nothing that one can read.
        ...[undefined, null, "", " ", "abc", "60s", "1 minute", "1e3", "0x10", "Infinity", "NaN", "-", "1:30"].map(
            (header): [string | null | undefined, number] => [header, 60],
        ),
        ["Fri, 27 Foo 2026 12:02:00 GMT", 60],
        ["Fri, 27 Nov 2026 aa:bb:cc GMT", 60],
        ["Fri, 27 Nov 2026 ::::::::: GMT", 60],
        ["Fri, 27 Nov 2026 12:02:00 CET", 60],
        ["2026-11-27T12:02:00Z", 60],
    ];
    for (const [header, seconds] of forms) {
        it(`${header === undefined ? "that is missing" : `of ${JSON.stringify(header)}`} is ${seconds} s`, () => {
            assert.equal(retryAfterSeconds(header, NOW), seconds);
        });
    }
});
