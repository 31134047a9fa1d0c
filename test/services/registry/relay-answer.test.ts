import assert from "node:assert/strict";
import {
    ownAnswerValue,
    RELAY_ANSWER,
    type RelayAnswer,
    readRelayAnswer,
    UPSTREAM_ANSWER,
} from "../../../services/registry/relay-answer";

describe("X-Relay-Answer", () => {
    it("is what Node and fetch call a header", () => {
        assert.equal(RELAY_ANSWER, RELAY_ANSWER.toLowerCase());
    });

    const written: [value: string, answer: RelayAnswer][] = [
        [UPSTREAM_ANSWER, { from: "upstream" }],
        [ownAnswerValue("key"), { from: "relay", reason: "key" }],
        [ownAnswerValue("no-verdict"), { from: "relay", reason: "no-verdict" }],
        [ownAnswerValue("redirect", "cdn.example.com"), { from: "relay", reason: "redirect", host: "cdn.example.com" }],
        [ownAnswerValue("redirect", "[2001:db8::1]"), { from: "relay", reason: "redirect", host: "[2001:db8::1]" }],
    ];
    for (const [value, answer] of written) {
        it(`reads what a relay writes: ${value}`, () => assert.deepEqual(readRelayAnswer(value), answer));
    }

    const tolerated: [header: string | undefined, answer: RelayAnswer | undefined][] = [
        [undefined, undefined],
        ["", undefined],
        ["cloudflare", undefined],
        ["upstreams", undefined],
        ["relayed; reason=key", undefined],
        ["Upstream", { from: "upstream" }],
        [" upstream ; since=3", { from: "upstream" }],
        ["relay", { from: "relay" }],
        ["relay;", { from: "relay" }],
        ["relay; reason=invented-later", { from: "relay" }],
        ["relay; reason=", { from: "relay" }],
        ["relay; xreason=key", { from: "relay" }],
        ["RELAY;Reason=KEY", { from: "relay", reason: "key" }],
        ['relay; reason="limit"; retry=5', { from: "relay", reason: "limit" }],
        [
            "relay; host=CDN.example.com; reason=redirect",
            { from: "relay", reason: "redirect", host: "cdn.example.com" },
        ],
        ['relay; reason=redirect; host="<script>"', { from: "relay", reason: "redirect" }],
        ['relay; reason=redirect; host="a b"', { from: "relay", reason: "redirect" }],
        [`relay; reason=redirect; host="${"a".repeat(256)}"`, { from: "relay", reason: "redirect" }],
        ['relay; reason=redirect; host=""', { from: "relay", reason: "redirect" }],
    ];
    for (const [header, answer] of tolerated) {
        it(`takes ${JSON.stringify(header)?.slice(0, 60)} for ${JSON.stringify(answer)}`, () =>
            assert.deepEqual(readRelayAnswer(header), answer));
    }
});
