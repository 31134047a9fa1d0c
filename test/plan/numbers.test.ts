/** Numbers that were reckoned by hand, or measured elsewhere in the tests. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { numbersOf, PIECE_BYTES } from "../../plan/numbers";
import type { Office } from "../../plan/office";
import { DEFAULT_INSTANCE, HUB, MACHINES, machineUsdPerMonth, WORKERS, workerUsdPerMonth } from "../../plan/prices";
import { thresholdsOf } from "../../plan/thresholds";
import { DOWNLOAD_LIMITS } from "../../services/uplink/download";

const ROOT = join(__dirname, "..", "..");
const OFFICE: Office = { machines: 200, pulls: 40, imageBytes: 600e6, hit: 0.9, layers: 10, offices: 1 };

const rounded = (numbers: object) =>
    Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, Number(value.toPrecision(6))]));
const machine = (name: string) => MACHINES.find((each) => each.name === name)!;
const cents = (usd: number) => Math.round(usd * 100) / 100;

describe("The numbers of an office", () => {
    it("are these for 200 machines with 40 pulls of 600 MB a day, nine of ten from the cache", () => {
        assert.deepEqual(rounded(numbersOf(OFFICE)), {
            pullsPerDay: 8000,
            coldPullsPerDay: 800,
            requestsPerColdPull: 84,
            relayRequestsPerDay: 800 * 84 + 7200,
            hubPullsInSixHours: 600,
            linkGBPerDay: 480,
            linkGBPerMonth: 14_400,
            linkAverageMbit: 44.4444,
            linkPeakMbit: 213.333,
            diskGBForWeek: 3360,
            diskGBForMonth: 14_400,
            relayGBPerMonth: 14_400,
            relayPeakMbit: 213.333,
            lanPeakMbit: 2133.33,
            rolloutSeconds: 137.143,
        });
    });

    it("have as many requests a cold pull as the uplink makes: 14 for ten small layers, more for large ones in pieces", () => {
        const requests = (imageBytes: number, layers = 10) =>
            numbersOf({ ...OFFICE, imageBytes, layers }).requestsPerColdPull;
        assert.equal(PIECE_BYTES, DOWNLOAD_LIMITS.pieceBytes);
        assert.equal(requests(20e6), 14);
        assert.equal(requests(10 * PIECE_BYTES), 14);
        assert.equal(requests(10 * PIECE_BYTES + 10), 24);
        assert.equal(requests(220e6), 34);
        assert.equal(requests(120e6, 1), 19);
    });

    it("need nothing of the relays but a HEAD where everything is in the cache", () => {
        const { coldPullsPerDay, linkGBPerMonth, relayRequestsPerDay, hubPullsInSixHours } = numbersOf({
            ...OFFICE,
            hit: 1,
        });
        assert.deepEqual([coldPullsPerDay, linkGBPerMonth, hubPullsInSixHours], [0, 0, 0]);
        assert.equal(relayRequestsPerDay, 8000);
    });

    it("add up at the relays, and stay each office's own elsewhere", () => {
        const [one, three] = [numbersOf(OFFICE), numbersOf({ ...OFFICE, offices: 3 })];
        for (const key of ["relayRequestsPerDay", "hubPullsInSixHours", "relayGBPerMonth", "relayPeakMbit"] as const) {
            assert.equal(Math.round(three[key]), Math.round(3 * one[key]), key);
        }
        for (const key of ["linkGBPerMonth", "diskGBForMonth", "lanPeakMbit", "rolloutSeconds"] as const) {
            assert.equal(three[key], one[key], key);
        }
    });
});

describe("The price of a relay", () => {
    it("is what the component's comment reckons, at 100 GB and at 1 TB of pulls", () => {
        const comment = (file: string) =>
            readFileSync(join(ROOT, "components/overseas", file), "utf8").replace(/\n \* /g, " ");
        const lightsail = [100, 1000].map((outGB) => `which makes $${machineUsdPerMonth(machine("micro"), outGB)}`);
        for (const told of lightsail) assert.ok(comment("lightsail-machine.ts").includes(told), told);
    });

    it("bills at Lightsail what goes out of what is beyond the allowance, in and out", () => {
        // 2 TB out and 2 TB in of 2 TB: half of the month is beyond it, and half of that went out.
        assert.equal(cents(machineUsdPerMonth(machine("micro"), 2000)), 7 + 1000 * 0.14);
        assert.equal(cents(machineUsdPerMonth(machine("nano"), 1000)), 5 + 500 * 0.14);
    });

    it("is nothing for a Worker within the free requests of a day, and then the paid plan's", () => {
        assert.equal(workerUsdPerMonth(WORKERS.freeRequestsPerDay, 30), 0);
        assert.equal(workerUsdPerMonth(WORKERS.freeRequestsPerDay + 1, 30), 5);
        // Cloudflare's own example: 15 million requests, before its CPU time.
        assert.equal(workerUsdPerMonth(500_000, 30), 6.5);
    });

    it("knows the machine that a stack gets when nobody says", () => {
        assert.match(
            readFileSync(join(ROOT, "stacks/overseas.ts"), "utf8"),
            new RegExp(`default\\("${DEFAULT_INSTANCE.type}"\\)`),
        );
    });
});

describe("The thresholds of an office", () => {
    it("are passed by the machine that they name, and not by the one before", () => {
        for (const { add, fromMachines } of thresholdsOf(OFFICE)) {
            const neededWith = (machines: number) =>
                thresholdsOf({ ...OFFICE, machines }).find((each) => each.add === add)?.needed;
            assert.ok(fromMachines && fromMachines > 1, add);
            assert.deepEqual([neededWith(fromMachines - 1), neededWith(fromMachines)], [false, true], add);
        }
    });

    it("tell what is needed now", () => {
        const needed = (office: Office) =>
            thresholdsOf(office)
                .filter((each) => each.needed)
                .map(({ unit }) => unit);
        assert.deepEqual(needed({ ...OFFICE, machines: 20, pulls: 5 }), []);
        assert.deepEqual(needed(OFFICE), [
            "Hub pulls in 6 h",
            "Hub pulls in 6 h",
            "Mbit/s",
            "GB a month, in and out",
            "GB of disk",
        ]);
        assert.equal(needed({ ...OFFICE, machines: 1000 }).length, thresholdsOf(OFFICE).length);
    });

    it("have the second VM, S3 storage, Harbor on Kubernetes and P2P among them", () => {
        const told = thresholdsOf(OFFICE)
            .map(({ add }) => add)
            .join("\n");
        for (const what of ["second VM", "S3 storage", "Harbor on Kubernetes", "Dragonfly", "Spegel"])
            assert.ok(told.includes(what), what);
    });

    it("are never passed by what does not grow", () => {
        const still = thresholdsOf({ ...OFFICE, hit: 1 }).filter(({ fromMachines }) => fromMachines === undefined);
        assert.deepEqual([...new Set(still.map(({ now }) => now))], [0]);
        assert.equal(still.length, 5);
    });

    it("hold the Hub's limits against six hours", () => {
        const [account, paid] = thresholdsOf(OFFICE);
        assert.deepEqual([account?.limit, paid?.limit], [HUB.anonymous, HUB.account]);
    });
});
