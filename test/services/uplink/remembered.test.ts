import assert from "node:assert/strict";
import { Remembered } from "../../../services/uplink/remembered";

const HOUR = 3_600_000;

describe("Remembered", () => {
    it("holds so many and no more: what was noted first goes first, and what is noted again is new", () => {
        const remembered = new Remembered<number>(2);
        remembered.note("a", 1, HOUR);
        remembered.note("b", 2, HOUR);
        remembered.note("a", 3, HOUR);
        remembered.note("c", 4, HOUR);
        const known = ["a", "b", "c"].map((key) => remembered.get(key));
        assert.deepEqual(known, [3, undefined, 4]);
    });

    it("forgets when the time is over", async () => {
        const remembered = new Remembered<string>(10);
        remembered.note("over", "a", 0);
        remembered.note("kept", "b", HOUR);
        assert.deepEqual(
            ["over", "kept"].map((key) => remembered.get(key)),
            [undefined, "b"],
        );
    });

    it("forgets all at once when it is cleared", () => {
        const remembered = new Remembered<string>(10);
        remembered.note("a", "a", HOUR);
        remembered.clear();
        assert.equal(remembered.get("a"), undefined);
    });
});
