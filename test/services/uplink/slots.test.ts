import assert from "node:assert/strict";
import { Slots } from "../../../services/uplink/slots";

describe("Slots", () => {
    it("let no more in than there are, and what a reader waits for first", async () => {
        const slots = new Slots(1);
        const order: string[] = [];
        const first = await slots.take(() => false);
        const ahead = slots
            .take(() => false)
            .then((release) => {
                order.push("ahead");
                release();
            });
        const wanted = slots
            .take(() => true)
            .then((release) => {
                order.push("wanted");
                release();
            });
        assert.deepEqual(order, []);
        first();
        await Promise.all([ahead, wanted]);
        assert.deepEqual(order, ["wanted", "ahead"]);
    });

    it("count a slot that is given back twice once", async () => {
        const slots = new Slots(1);
        const release = await slots.take(() => true);
        release();
        release();
        await slots.take(() => true);
        let entered = false;
        void slots
            .take(() => true)
            .then(() => {
                entered = true;
            });
        await new Promise((resolve) => setImmediate(resolve));
        assert.equal(entered, false);
    });
});
