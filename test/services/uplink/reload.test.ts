/** A running uplink that goes on with another configuration: nothing that is under way is lost, nor what it knows. */
import assert from "node:assert/strict";
import { eventually } from "../../support/eventually";
import { digestOf, FAKE_KEY, FakeContent, randomBytes } from "../../support/fake-relay";
import { Bench, type StartOptions } from "./started-uplink";

const KIB = 1024;
const layer = randomBytes(3000 * KIB, "layer");
const small = randomBytes(100 * KIB, "small");
const NEW_KEY = "another-key-of-the-same-relay";
const TAG = "/v2/library/app/manifests/1.0";
const BLOB = `/v2/library/app/blobs/${digestOf(layer)}`;
const SMALL = `/v2/library/app/blobs/${digestOf(small)}`;
const OTHER = "/quay.io/v2/owner/tool/manifests/1.0";

describe("Uplink, another configuration", () => {
    let bench: Bench;
    afterEach(() => bench.stop());

    async function start(options: StartOptions = {}): Promise<void> {
        const content = new FakeContent();
        content.image("library/app", "1.0", [layer, small]);
        content.image("quay.io/owner/tool", "1.0", [small]);
        bench = await Bench.start(content, { marks: true, config: { tagSeconds: 0 }, ...options });
    }

    const status = async () => JSON.parse((await bench.get("/status")).body.toString());
    const names = async () => (await status()).relays.map(({ name }: { name: string }) => name);
    const metrics = async () => (await bench.get("/metrics")).body.toString();
    const configs = () => bench.relays.map((relay) => relay.config());

    it("has its key used from the next request on, over the connections that there are", async () => {
        await start();
        assert.equal((await bench.get(TAG)).status, 200);
        const [first, second] = configs();
        bench.first.keys = [FAKE_KEY, NEW_KEY];
        await bench.take({ relays: [{ ...first, key: NEW_KEY }, second] });
        assert.equal((await bench.get(TAG)).status, 200);
        assert.deepEqual(
            bench.first.requests.map(({ key }) => key),
            [FAKE_KEY, NEW_KEY],
        );
        assert.equal(bench.first.connections, 1);
        assert.equal((await status()).configuration, "changed.json");
    });

    it("has a relay asked again at once that was down for its key", async () => {
        await start({ relays: 1, times: { restMs: 600_000, restMaxMs: 600_000, homeMs: 1 } });
        bench.first.keys = [NEW_KEY];
        assert.equal((await bench.get(TAG)).status, 503);
        await bench.take({ relays: [{ ...bench.first.config(), key: NEW_KEY }] });
        await eventually("it answers again", () => bench.logged("relay answers again")[0]);
        assert.equal((await bench.get(TAG)).status, 200);
    });

    it("lets a blob that is under way through a relay which it takes out come whole", async () => {
        await start({ limits: { pieceBytes: 64 * KIB * KIB, ranges: 1 } });
        bench.first.faults.push({ path: /blobs/, fault: { do: "crawl", bytes: 64 * KIB, everyMs: 10 } });
        const blob = bench.get(BLOB);
        await eventually("it comes", () => (bench.first.sentBytes(/blobs/) > 0 ? true : undefined));
        const [, second] = configs();
        await bench.take({ relays: [second] });
        assert.deepEqual(await names(), ["second"]);
        assert.equal((await blob).digest, digestOf(layer));
        assert.deepEqual(
            bench.second.asked(/blobs/).filter(({ path }) => path === BLOB),
            [],
        );
        assert.deepEqual(bench.logged("relay rests"), []);

        const asked = bench.first.requests.length;
        assert.equal((await bench.get(TAG)).status, 200);
        assert.equal(bench.first.requests.length, asked);
    });

    it("goes on with a blob at the byte where a relay was cut that it has taken out", async () => {
        await start();
        bench.first.faults.push({ path: /blobs/, fault: { do: "crawl", bytes: 64 * KIB, everyMs: 10 } });
        const blob = bench.get(BLOB);
        await eventually("some has come", async () => ((await bench.linkBytes()) > 512 * KIB ? true : undefined));
        await bench.take({ relays: [configs()[1]] });
        await bench.first.refuse();
        assert.equal((await blob).digest, digestOf(layer));
        assert.ok(bench.second.sentBytes(/blobs/) < layer.length);
    });

    it("asks the relays in their new order, and another one of a name that it had", async () => {
        await start();
        assert.equal((await bench.get(TAG)).status, 200);
        const [first, second] = configs();
        await bench.take({ relays: [second, first] });
        assert.equal((await bench.get(TAG)).status, 200);
        assert.equal(bench.second.asked().length, 1);
        await bench.first.refuse();
        await bench.take({ relays: [{ ...second, name: "first" }] });
        assert.equal((await bench.get(TAG)).status, 200);
        assert.equal(bench.second.asked().length, 2);
        assert.deepEqual(await names(), ["first"]);
    });

    it("serves the upstreams that it names, and no other", async () => {
        await start();
        assert.equal((await bench.get(OTHER)).status, 404);
        await bench.take({ upstreams: ["quay.io"] });
        assert.equal((await bench.get(OTHER)).status, 200);
        assert.equal((await bench.get(TAG)).status, 404);
    });

    it("keeps what was counted, and shows how a relay is only while it has one", async () => {
        await start();
        await bench.get(TAG);
        const before = await metrics();
        assert.match(before, /relay_usable\{relay="first"\} 1/);
        const carried = /link_bytes_total\{relay="first"\} [1-9]\d*/.exec(before)?.[0];
        assert.ok(carried);
        await bench.take({ relays: [configs()[1]] });
        const after = await metrics();
        assert.ok(after.includes(carried));
        assert.doesNotMatch(after, /(usable|expires_seconds)\{relay="first"/);
        assert.match(after, /relay_usable\{relay="second"\} 1/);
    });

    it("asks again for what every relay had wrong", async () => {
        await start({ relays: 1 });
        bench.first.faults.push({ path: /blobs/, fault: { do: "lie" } });
        assert.equal((await bench.get(SMALL)).status, 502);
        bench.first.faults.length = 0;
        assert.equal((await bench.get(SMALL)).status, 502);
        await bench.take({});
        assert.equal((await bench.get(SMALL)).status, 200);
    });

    it("brings the spool within its new budget, and keeps the spool", async () => {
        await start();
        await bench.get(SMALL);
        const asked = bench.first.requests.length;
        await bench.take({});
        await bench.get(SMALL);
        assert.equal(bench.first.requests.length, asked);
        const budgetGiB = (10 * KIB) / 1024 ** 3;
        await bench.take({ spool: { path: bench.spool, budgetGiB } });
        const { bytes, budgetBytes, blobs } = (await status()).spool;
        assert.deepEqual([bytes, budgetBytes, blobs], [0, 10 * KIB, 0]);
    });

    it("is not taken over when only a restart can", async () => {
        await start();
        const changed = bench.take({ port: 1, upstreams: ["quay.io"] });
        await assert.rejects(changed, /changed\.json cannot be taken over without a restart: it changes port/);
        assert.equal((await bench.get(TAG)).status, 200);
    });
});
