import assert from "node:assert/strict";
import type { LookupFunction } from "node:net";
import { pinnedLookup, rememberingLookup } from "../../../services/connection/lookup";

const V4 = { address: "192.0.2.1", family: 4 };
const V6 = { address: "2001:db8::1", family: 6 };

function ask(lookup: LookupFunction, all: boolean): Promise<unknown[]> {
    return new Promise((resolve) => lookup("relay.test", { all }, (...answer) => resolve(answer)));
}

describe("Lookup", () => {
    it("gives a pinned address to who wants one and to who wants all", async () => {
        for (const { address, family } of [V4, V6]) {
            assert.deepEqual(await ask(pinnedLookup(address), false), [null, address, family]);
            assert.deepEqual(await ask(pinnedLookup(address), true), [null, [{ address, family }]]);
        }
    });

    it("asks DNS once for all who ask at the same time", async () => {
        let asked = 0;
        const lookup = rememberingLookup((_name, done) => {
            asked += 1;
            setImmediate(() => done(null, [V4, V6]));
        });
        const answers = await Promise.all([ask(lookup, true), ask(lookup, true), ask(lookup, false)]);
        assert.equal(asked, 1);
        assert.deepEqual(answers, [
            [null, [V4, V6]],
            [null, [V4, V6]],
            [null, V4.address, 4],
        ]);
    });

    it("answers what DNS said last when DNS fails, and the failure when it never said anything", async () => {
        const failure = Object.assign(new Error("getaddrinfo EAI_AGAIN"), { code: "EAI_AGAIN" });
        let works = false;
        const lookup = rememberingLookup((_name, done) => (works ? done(null, [V4]) : done(failure, [])));
        assert.equal((await ask(lookup, true))[0], failure);
        works = true;
        await ask(lookup, true);
        works = false;
        assert.deepEqual(await ask(lookup, true), [null, [V4]]);
    });

    it("answers what DNS said last when DNS is late, and asks it once all the same", async () => {
        const late: (() => void)[] = [];
        let addresses = [V4];
        let quick = true;
        let asked = 0;
        const lookup = rememberingLookup((_name, done) => {
            asked += 1;
            if (quick) done(null, addresses);
            else late.push(() => done(null, addresses));
        }, 50);
        await ask(lookup, true);
        quick = false;
        for (let count = 0; count < 3; count++) assert.deepEqual(await ask(lookup, true), [null, [V4]]);
        assert.equal(asked, 2);
        // What comes late counts from then on.
        addresses = [V6];
        for (const answer of late.splice(0)) answer();
        assert.deepEqual(await ask(lookup, true), [null, [V6]]);
        assert.equal(asked, 3);
    });

    it("waits for DNS as long as that takes when it never said anything", async () => {
        let answer = () => {};
        const lookup = rememberingLookup((_name, done) => {
            answer = () => done(null, [V4]);
        }, 10);
        const asked = [ask(lookup, true), ask(lookup, true)];
        await new Promise((resolve) => setTimeout(resolve, 50));
        asked.push(ask(lookup, true));
        answer();
        assert.deepEqual(await Promise.all(asked), new Array(3).fill([null, [V4]]));
    });
});
