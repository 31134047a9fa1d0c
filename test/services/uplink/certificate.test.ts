/** That the office sees a relay's certificate which is not renewed: over real TLS. */
import assert from "node:assert/strict";
import { isLate, ShownCertificate } from "../../../services/uplink/certificate";
import { jsonLog } from "../../../services/uplink/log";
import { Metrics } from "../../../services/uplink/metrics";
import { eventually } from "../../support/eventually";
import { FakeContent, randomBytes } from "../../support/fake-relay";
import { Bench } from "./started-uplink";

const DAY_MS = 24 * 60 * 60 * 1000;
const LINE = "relay's certificate expires soon";
const TAG = "/v2/library/app/manifests/1.0";
/** Of a certificate for 90 days. */
const daysLeft = (days: number) => {
    const to = new Date(Math.floor((Date.now() + days * DAY_MS) / 1000) * 1000);
    return { from: new Date(to.getTime() - 90 * DAY_MS), to };
};

describe("Uplink, a relay's certificate", () => {
    let bench: Bench;

    const start = async (times = {}) => {
        const content = new FakeContent();
        content.image("library/app", "1.0", [randomBytes(10, "layer")]);
        // A tag is asked for each time, and however long that takes, of one relay only.
        const options = { times: { suspectMs: 60_000, ...times }, config: { tagSeconds: 0 } };
        bench = await Bench.start(content, options);
    };
    afterEach(() => bench.stop());

    const expires = async (): Promise<unknown[]> => {
        const { relays } = JSON.parse((await bench.get("/status")).body.toString());
        return relays.map((relay: { certificateExpires?: string }) => relay.certificateExpires);
    };
    const metric = async () => {
        const text = (await bench.get("/metrics")).body.toString();
        return [...text.matchAll(/^dockermirror_uplink_relay_certificate_expires_seconds(.*)$/gm)].map(
            ([, sample]) => sample,
        );
    };

    it("is told in /status and /metrics once it was shown, and again when it is another one", async () => {
        await start();
        assert.deepEqual(await expires(), [undefined, undefined]);
        assert.deepEqual(await metric(), []);
        for (const days of [60, 90]) {
            const life = daysLeft(days);
            bench.first.renew(life);
            assert.equal((await bench.get(TAG)).status, 200);
            assert.deepEqual(await expires(), [life.to.toISOString(), undefined]);
            assert.deepEqual(await metric(), [`{relay="first"} ${life.to.getTime() / 1000}`]);
        }
        assert.deepEqual(bench.logged(LINE), []);
    });

    it("is warned of when it was not renewed in time, not at each connection", async () => {
        await start();
        const life = daysLeft(13);
        for (let round = 0; round < 2; round += 1) {
            bench.first.renew(life);
            assert.equal((await bench.get(TAG)).status, 200);
        }
        const [line, ...others] = bench.logged(LINE);
        assert.deepEqual(others, []);
        assert.deepEqual(
            [line?.level, line?.relay, line?.expires, line?.daysLeft],
            ["warn", "first", life.to.toISOString(), 12.9],
        );
    });

    it("is looked at where nobody pulls", async () => {
        await start({ lookMs: 20, certificateMs: 0 });
        bench.second.renew(daysLeft(13));
        const line = await eventually("the late one is warned of", () => bench.logged(LINE)[0]);
        assert.equal(line.relay, "second");
        await eventually("both are known", async () => (await expires()).every(Boolean) || undefined);
        assert.deepEqual([bench.first.asked(), bench.second.asked()], [[], []]);
    });
});

describe("A certificate", () => {
    const now = Date.parse("2026-11-24T00:00:00Z");
    const life = (days: number, left: number) => ({ from: now - (days - left) * DAY_MS, to: now + left * DAY_MS });

    for (const [days, left, late] of [
        [90, 14.1, false],
        [90, 13.9, true],
        [1826, 14.1, false],
        [1826, 13.9, true],
        [45, 9.1, false],
        [45, 8.9, true],
        [6, 1.3, false],
        [6, 1.1, true],
        [90, -1, true],
    ] as const) {
        it(`for ${days} days with ${left} left is ${late ? "late" : "in time"}`, () => {
            assert.equal(isLate(life(days, left), now), late);
        });
    }

    it("that is late is warned of once a day", () => {
        const lines: string[] = [];
        const shown = new ShownCertificate(
            "vm",
            jsonLog((line) => lines.push(line)),
            new Metrics(["vm"]),
        );
        for (const hours of [0, 1, 23, 24, 47, 49]) shown.note(life(90, 10), now + hours * 60 * 60 * 1000);
        assert.equal(lines.length, 3);
    });
});
