import assert from "node:assert/strict";
import { readTokenAnswer } from "../../../services/registry/token-answer";

describe("A token service's answer", () => {
    const lifetimes: Record<string, [expiresIn: unknown, seconds: number]> = {
        "300": [300, 270],
        "300 in words": ["300", 270],
        "half a minute": [30, 27],
        nothing: [undefined, 54],
        null: [null, 54],
        "0": [0, 54],
        "0 in words": ["0", 54],
        "a negative number": [-5, 54],
        "a word": ["soon", 54],
        "an object": [{}, 54],
        "a year": [31_536_000, 3240],
        "more than a number holds": ["9".repeat(400), 3240],
        "a fraction": [100.5, 90.45],
    };
    for (const [what, [expiresIn, seconds]] of Object.entries(lifetimes)) {
        it(`is used for ${seconds} seconds where expires_in is ${what}, whenever it was issued`, () => {
            for (const issued_at of [undefined, "0001-01-01T00:00:00Z", "2030-01-01T00:00:00+08:00", "yesterday", 5]) {
                const text = JSON.stringify({ token: "t", expires_in: expiresIn, issued_at });
                assert.deepEqual(readTokenAnswer(text), { token: "t", seconds });
            }
        });
    }

    const tokens: Record<string, [body: unknown, token: string | undefined]> = {
        "token before access_token": [{ token: "a", access_token: "b" }, "a"],
        "access_token alone": [{ access_token: "b" }, "b"],
        "access_token beside an empty token": [{ token: "", access_token: "b" }, "b"],
        "access_token beside a token of null": [{ token: null, access_token: "b" }, "b"],
        "access_token beside a token with a line break": [{ token: "a\nb", access_token: "b" }, "b"],
        "access_token beside a token that is a number": [{ token: 5, access_token: "b" }, "b"],
        "none that is empty": [{ token: "", access_token: "" }, undefined],
        "none of a list": [[], undefined],
        "none of null": [null, undefined],
    };
    for (const [what, [body, token]] of Object.entries(tokens)) {
        it(`has ${what}`, () => assert.equal(readTokenAnswer(JSON.stringify(body))?.token, token));
    }

    it("has none where it is no JSON", () => {
        for (const text of ["", "<html>", '{"token":"', undefined]) assert.equal(readTokenAnswer(text), undefined);
    });
});
