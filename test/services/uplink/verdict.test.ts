import assert from "node:assert/strict";
import { judge, type Verdict } from "../../../services/uplink/verdict";

const HTML = { "content-type": "text/html; charset=utf-8" };

/** One word for a verdict. */
const word = (verdict: Verdict) => (verdict.of === "relay" ? verdict.failure.kind : verdict.of);

describe("The verdict on an answer", () => {
    const rows: [status: number, mark: string | undefined, headers: Record<string, string>, verdict: string][] = [
        [200, "upstream", {}, "good"],
        [206, "upstream", {}, "good"],
        [304, "upstream", {}, "good"],
        [416, "upstream", {}, "good"],
        [307, "upstream", {}, "failing"],
        [401, "upstream", {}, "refused"],
        [403, "upstream", HTML, "refused"],
        [404, "upstream", HTML, "refused"],
        [408, "upstream", {}, "failing"],
        [418, "upstream", {}, "refused"],
        [429, "upstream", {}, "throttled"],
        [500, "upstream", HTML, "failing"],
        [599, "Upstream", {}, "failing"],
        [200, "relay; reason=base", {}, "good"],
        [401, "relay; reason=key", {}, "key"],
        [429, "relay; reason=limit", {}, "limited"],
        [504, "relay; reason=unreachable", {}, "unreachable"],
        [502, 'relay; reason=redirect; host="a.example"', {}, "redirect"],
        [502, 'relay;host="a.example";reason="redirect"', {}, "redirect"],
        [404, "relay; reason=table", {}, "own"],
        [405, "relay; reason=method", {}, "own"],
        [503, "relay; reason=no-verdict", {}, "own"],
        [502, "relay; reason=account", {}, "own"],
        [500, "relay; reason=fault", {}, "unknown"],
        [401, "relay; reason=of-the-future", {}, "key"],
        [429, "relay; reason=of-the-future", {}, "limited"],
        [503, "relay; reason=of-the-future", {}, "unknown"],
        [409, "relay", {}, "own"],
    ];
    for (const marks of [true, false]) {
        it(`is what the relay says, whatever it said before (${marks ? "marks" : "none"})`, () => {
            const judged = rows.map(([status, mark, headers]) => {
                const verdict = judge({ status, headers: { ...headers, "x-relay-answer": mark } }, marks);
                return [status, mark, word(verdict)];
            });
            assert.deepEqual(
                judged,
                rows.map(([status, mark, , verdict]) => [status, mark, verdict]),
            );
        });
    }

    it("without a mark is that of 0.3.0, or of what stands before a relay that marks its answers", () => {
        const unmarked: [status: number, headers: Record<string, string>, old: string, marking: string][] = [
            [200, {}, "good", "good"],
            [206, {}, "good", "good"],
            [404, {}, "refused", "protocol"],
            [401, {}, "key", "protocol"],
            [403, {}, "key", "protocol"],
            [403, HTML, "key", "protocol"],
            [403, { "content-type": "application/json; charset=utf-8" }, "refused", "protocol"],
            [429, {}, "throttled", "limited"],
            [429, HTML, "throttled", "limited"],
            [200, HTML, "protocol", "protocol"],
            [404, HTML, "protocol", "protocol"],
            [502, {}, "unknown", "protocol"],
            [521, HTML, "protocol", "protocol"],
        ];
        const judged = unmarked.map(([status, headers]) => [
            status,
            headers,
            ...[false, true].map((marks) => word(judge({ status, headers }, marks))),
        ]);
        assert.deepEqual(judged, unmarked);
    });

    it("tells refusals that may mean the relay from those that mean the image", () => {
        const meant = [400, 401, 402, 403, 404, 405, 410, 451].filter((status) => {
            const verdict = judge({ status, headers: { "x-relay-answer": "upstream" } }, true);
            return verdict.of === "refused" && verdict.meansTheRelay;
        });
        assert.deepEqual(meant, [401, 402, 403, 451]);
    });
});
