/** Which relay is asked, and what is said when there is none. That it is said quickly is for the benchmark to show. */
import assert from "node:assert/strict";
import { makeCa } from "../../../rehearsal/pki";
import { eventually } from "../../support/eventually";
import { digestOf, FAKE_KEY, FakeContent, type FaultRule, randomBytes } from "../../support/fake-relay";
import { Bench, type StartOptions } from "./started-uplink";

const layer = randomBytes(100_000, "layer");
const TAG = "/v2/library/app/manifests/1.0";
const BLOB = `/v2/library/app/blobs/${digestOf(layer)}`;

describe("Uplink, relays", () => {
    let bench: Bench;

    afterEach(() => bench.stop());

    async function start(options: StartOptions = {}, ...faults: FaultRule[]): Promise<void> {
        const content = new FakeContent();
        content.image("library/app", "1.0", [layer]);
        content.image("library/other", "1.0", [layer]);
        bench = await Bench.start(content, options);
        bench.first.faults.push(...faults);
    }

    const status = async (): Promise<any> => JSON.parse((await bench.get("/status")).body.toString());
    const wellAgain = () =>
        eventually("it is well", async () => ((await status()).relays[0].condition === "well" ? true : undefined));
    const errorOf = (body: Buffer) => JSON.parse(body.toString()).errors[0];
    const rested = () => bench.logged("relay rests").map(({ relay, kind }) => [relay, kind]);

    it("are asked in their order, with the key", async () => {
        await start();
        assert.equal((await bench.get(TAG)).status, 200);
        assert.deepEqual(
            bench.first.requests.map(({ path, key }) => [path, key]),
            [[TAG, FAKE_KEY]],
        );
        assert.deepEqual(bench.second.requests, []);
    });

    it("that refuse are all named in a 503 with an OCI error body", async () => {
        await start();
        for (const relay of bench.relays) await relay.refuse();
        const answer = await bench.get(TAG);
        assert.equal(answer.status, 503);
        assert.equal(errorOf(answer.body).code, "UNAVAILABLE");
        assert.match(errorOf(answer.body).message, /first is down, .*ECONNREFUSED.*second is down, .*ECONNREFUSED/);
    });

    it("that are black holes are known after one request, and not asked by the next ones", async () => {
        await start();
        assert.equal((await bench.get(TAG)).status, 200);
        for (const relay of bench.relays) relay.goDark();
        const other = "/v2/library/other/manifests/1.0";
        assert.equal((await bench.get(other)).status, 503);
        const asked = bench.relays.map((relay) => relay.asked().length);
        for (let count = 0; count < 5; count++) assert.equal((await bench.get(other)).status, 503);
        assert.deepEqual(
            bench.relays.map((relay) => relay.asked().length),
            asked,
        );
    });

    it("that are black holes are found out about at the same time", async () => {
        // One after the other would take two of these: then the second would still be well when the first is down.
        await start({ times: { tlsMs: 700, suspectMs: 50 } });
        for (const relay of bench.relays) relay.goDark();
        assert.equal((await bench.get(TAG)).status, 503);
        const reasons = bench.logged("relay rests").filter(({ relay }) => relay === "second");
        assert.equal(reasons.length, 1);
        assert.match(String(reasons[0]?.reason), /^probe/);
    });

    it("that come back are probed by a request of their own before anything is asked of them", async () => {
        await start({ relays: 1 });
        await bench.first.refuse();
        assert.equal((await bench.get(TAG)).status, 503);
        await bench.first.listen();
        await wellAgain();
        assert.equal((await bench.get(TAG)).status, 200);
        assert.deepEqual(
            bench.first.requests.map(({ path }) => path).filter((path, index, all) => path !== all[index - 1]),
            ["/v2/", TAG],
        );
    });

    it("that were black holes are used again, also when the probe was already waiting as the request failed", async () => {
        // The request gives up before the probe does, which began before: on a connection of its own, yet to be made.
        await start({ relays: 1, times: { tlsMs: 900, suspectMs: 100, answerMs: 300 } });
        assert.equal((await bench.get("/v2/library/other/manifests/1.0")).status, 200);
        bench.first.goDark();
        assert.equal((await bench.get(TAG)).status, 503);
        bench.first.comeBack();
        await wellAgain();
        assert.equal((await bench.get(TAG)).status, 200);
    });

    it("may all be dead and nameless when the uplink starts", async () => {
        const relays = ["a", "b"].map((name) => ({ name, url: `https://${name}.relay.invalid`, key: FAKE_KEY }));
        await start({ config: { relays } });
        assert.equal((await bench.get("/v2/")).status, 200);
        assert.equal((await bench.get("/healthz")).status, 200);
        const answer = await bench.get(TAG);
        assert.equal(answer.status, 503);
        assert.match(errorOf(answer.body).message, /a\.relay\.invalid/);
    });

    it("with a certificate of another CA are not used, and the reason is told", async () => {
        const stranger = makeCa("somebody else").cert;
        await start({ relay: ({ name }) => (name === "first" ? { ca: stranger } : {}) });
        assert.equal((await bench.get(TAG)).status, 200);
        assert.deepEqual(bench.first.requests, []);
        assert.match(String(bench.logged("relay rests")[0]?.reason), /certificate/);
    });

    it("whose certificate is for another name are not used", async () => {
        const port = ({ url }: { url: string }) => new URL(url).port;
        await start({ relay: (relay) => (relay.name === "first" ? { url: `https://other.test:${port(relay)}` } : {}) });
        assert.equal((await bench.get(TAG)).status, 200);
        assert.deepEqual(bench.first.requests, []);
        assert.match(String(bench.logged("relay rests")[0]?.reason), /altnames/);
    });

    it("that throttle manifests are left alone with manifests for as long as they say, and still give blobs", async () => {
        await start(
            {},
            { path: /library.*manifests/, fault: { do: "status", status: 429, headers: { "Retry-After": "60" } } },
        );
        assert.equal((await bench.get(TAG)).status, 200);
        assert.equal((await bench.get("/v2/library/other/manifests/1.0")).status, 200);
        assert.equal(bench.first.asked(/manifests/).length, 1);
        assert.equal((await bench.get(BLOB)).digest, digestOf(layer));
        assert.equal(bench.first.asked(/blobs/).length, 1);
        assert.deepEqual(rested(), []);
        assert.deepEqual(Object.keys((await status()).relays[0].throttledSeconds), ["docker.io manifests"]);
        // Another upstream's limit is another one.
        assert.equal((await bench.get("/v2/ghcr.io/owner/app/manifests/1.0")).status, 404);
        assert.equal(bench.first.asked(/ghcr/).length, 1);
    });

    it("that all throttle give a 429 with the time to wait", async () => {
        await start();
        const fault = { do: "status", status: 429, headers: { "Retry-After": "60" } } as const;
        for (const relay of bench.relays) relay.faults.push({ fault });
        const answer = await bench.get(TAG);
        assert.equal(answer.status, 429);
        assert.equal(errorOf(answer.body).code, "TOOMANYREQUESTS");
        const seconds = Number(answer.headers["retry-after"]);
        assert.ok(seconds > 50 && seconds <= 60, String(seconds));
    });

    for (const code of [401, 403]) {
        it(`that refuse the key with ${code} are rested, named, and the key is not in the log`, async () => {
            await start({}, { fault: { do: "status", status: code } });
            assert.equal((await bench.get(TAG)).status, 200);
            assert.equal((await bench.get(BLOB)).digest, digestOf(layer));
            assert.deepEqual(rested()[0], ["first", "key"]);
            assert.match(String(bench.logged("relay rests")[0]?.reason), /refuses our key/);
            assert.ok(!JSON.stringify(bench.lines).includes(FAKE_KEY));
            assert.ok(!JSON.stringify(await status()).includes(FAKE_KEY));
        });
    }

    it("that know no such tag are believed when another says the same", async () => {
        await start();
        const answer = await bench.get("/v2/library/app/manifests/unknown");
        assert.equal(answer.status, 404);
        assert.equal(errorOf(answer.body).code, "MANIFEST_UNKNOWN");
        assert.equal(bench.second.asked().length, 1);
        assert.deepEqual(rested(), []);
    });

    it("that alone answer 5xx are rested, because another could", async () => {
        await start({}, { path: /library/, fault: { do: "status", status: 502 } });
        assert.equal((await bench.get(TAG)).status, 200);
        assert.deepEqual(rested(), [["first", "upstream"]]);
    });

    it("that all answer 5xx for one repository stay in use for the others", async () => {
        await start({}, { path: /app/, fault: { do: "status", status: 502 } });
        bench.second.faults.push({ path: /app/, fault: { do: "status", status: 504 } });
        const answer = await bench.get(TAG);
        assert.equal(answer.status, 503);
        assert.match(errorOf(answer.body).message, /second answered 504/);
        assert.deepEqual(rested(), []);
        assert.equal((await bench.get("/v2/library/other/manifests/1.0")).status, 200);
        assert.equal(bench.first.asked(/other/).length, 1);
    });

    it("that answer 5xx three times in a row are rested, also when there is no other", async () => {
        await start({ relays: 1 }, { path: /bad/, fault: { do: "status", status: 502 } });
        const ask = async (...names: string[]) => {
            for (const name of names) await bench.get(`/v2/library/${name}/manifests/1.0`);
        };
        await ask("bad1", "bad2", "other", "bad3", "bad4");
        assert.deepEqual(rested(), []);
        await ask("bad5");
        assert.deepEqual(rested(), [["first", "upstream"]]);
    });

    it("that close a connection as a request comes are asked once more on another one, and nothing is held against them", async () => {
        await start();
        assert.equal((await bench.get("/v2/library/other/manifests/1.0")).status, 200);
        const before = bench.first.connections;
        bench.first.faults.push({ path: /app/, times: 1, fault: { do: "cut", after: 0 } });
        assert.equal((await bench.get(TAG)).status, 200);
        assert.equal(bench.first.asked(/app/).length, 2);
        assert.equal(bench.first.connections, before + 1);
        assert.deepEqual(bench.second.requests, []);
        assert.deepEqual(rested(), []);
    });

    it("that close every connection as a request comes are asked twice, rested, and left for the next one", async () => {
        await start({}, { path: /app/, fault: { do: "cut", after: 0 } });
        assert.equal((await bench.get(TAG)).status, 200);
        assert.equal(bench.first.asked(/app/).length, 2);
        assert.deepEqual(rested()[0], ["first", "cut"]);
    });

    for (const code of [200, 404, 502]) {
        it(`that answer with an HTML page (${code}) are not believed`, async () => {
            const headers = { "Content-Type": "text/html; charset=utf-8" };
            await start({}, { path: /library/, fault: { do: "status", status: code, headers } });
            assert.equal((await bench.get(TAG)).status, 200);
            assert.equal((await bench.get(BLOB)).digest, digestOf(layer));
            assert.deepEqual(rested()[0], ["first", "protocol"]);
        });
    }

    it("that hang before they answer are left for the next one, and not rested where one image alone hangs", async () => {
        await start({}, { path: /library/, fault: { do: "silence" } });
        assert.equal((await bench.get(TAG)).status, 200);
        // Once: to wait twice would take longer than a client waits.
        assert.deepEqual(
            bench.relays.map((relay) => relay.asked().length),
            [1, 1],
        );
        assert.equal(bench.first.probed().length, 1);
        assert.deepEqual(rested(), []);
    });

    it("show up in /metrics and /status with what they carried and why they rest", async () => {
        await start({}, { path: /manifests/, times: 1, fault: { do: "status", status: 403 } });
        await bench.get(TAG);
        await bench.get(BLOB);
        const metrics = (await bench.get("/metrics")).body.toString();
        const manifest = bench.second.sentBytes(/manifests/);
        assert.match(metrics, new RegExp(`link_bytes_total\\{relay="second"\\} ${manifest + layer.length}\\n`));
        assert.match(metrics, /link_requests_total\{relay="second"\} 2\n/);
        assert.match(metrics, /relay_usable\{relay="first"\} 0\n/);
        const [first] = (await status()).relays;
        assert.match(first.failures[0].reason, /refuses our key/);
    });
});
