/** The cache's store and its monthly check, on real files as registry lays them out. Not proven here: a real registry. */
import assert from "node:assert/strict";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { jsonLog } from "../../../services/uplink/log";
import { Metrics } from "../../../services/uplink/metrics";
import { SCRUB_PACE, Scrub, type ScrubPace } from "../../../services/uplink/scrub";
import { Store } from "../../../services/uplink/store";
import { eventually } from "../../support/eventually";
import { digestOf, randomBytes } from "../../support/fake-relay";

const KIB = 1024;
const QUICK: ScrubPace = { bytesPerSecond: 1e9, everyMs: 3_600_000, noteMs: 10 };
const hexOf = (bytes: Buffer) => digestOf(bytes).slice("sha256:".length);

describe("The check of the cache's store", () => {
    let root: string;
    let spool: string;
    let metrics: Metrics;
    let lines: Record<string, unknown>[];
    let store: Store;
    let scrub: Scrub | undefined;
    const blobs = Array.from({ length: 5 }, (_, index) => randomBytes(200 * KIB, `scrubbed ${index}`));

    const fileOf = (bytes: Buffer) => {
        const hex = hexOf(bytes);
        return join(root, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
    };
    const start = (pace: ScrubPace = QUICK) => {
        scrub = new Scrub(
            store,
            spool,
            jsonLog((line) => lines.push(JSON.parse(line))),
            metrics,
            pace,
        );
        scrub.start();
    };
    const passes = () => lines.filter(({ message }) => message === "every blob of the cache's store was checked");
    const counted = async () => {
        const { values } = await metrics.storeWrong.get();
        return Object.fromEntries(values.map(({ labels, value }) => [labels.found, value]));
    };

    beforeEach(() => {
        root = mkdtempSync(join(tmpdir(), "dockermirror-store-"));
        spool = mkdtempSync(join(tmpdir(), "dockermirror-scrub-"));
        metrics = new Metrics([]);
        lines = [];
        store = new Store(
            root,
            jsonLog((line) => lines.push(JSON.parse(line))),
            metrics,
        );
        for (const bytes of blobs) {
            mkdirSync(dirname(fileOf(bytes)), { recursive: true });
            writeFileSync(fileOf(bytes), bytes);
        }
    });
    afterEach(async () => {
        await scrub?.stop();
        for (const folder of [root, spool]) rmSync(folder, { recursive: true, force: true });
    });

    it("sets a wrong blob aside that nobody has asked for, counts it, and leaves the others", async () => {
        const [wrong = Buffer.alloc(0), ...right] = blobs;
        const damaged = Buffer.from(wrong).fill(0, 1000, 1001);
        writeFileSync(fileOf(wrong), damaged);
        start();
        const [pass] = await eventually("the pass is over", () => (passes().length > 0 ? passes() : undefined));
        assert.deepEqual([pass?.right, pass?.wrong], [right.length, 1]);
        assert.equal(existsSync(fileOf(wrong)), false);
        assert.ok(right.every((bytes) => existsSync(fileOf(bytes))));
        const [aside = ""] = readdirSync(join(root, "set-aside"));
        assert.deepEqual(readFileSync(join(root, "set-aside", aside)), damaged);
        assert.deepEqual(await counted(), { scrub: 1 });
    });

    it("begins no second pass before it is due, also after a restart", async () => {
        start();
        await eventually("the pass is over", () => passes()[0]);
        await scrub?.stop();
        const looks = { ...QUICK, noteMs: 1 };
        const readBefore = (await metrics.storeScrubbed.get()).values[0]?.value;
        const restarted = performance.now();
        start(looks);
        // Some hundred looks.
        await eventually("time has passed", () => (performance.now() - restarted > 100 ? true : undefined));
        assert.equal((await metrics.storeScrubbed.get()).values[0]?.value, readBefore);
        await scrub?.stop();
        start({ ...QUICK, everyMs: 0 });
        await eventually("a pass that is due", () => passes()[1]);
    });

    it("goes on where it was when it was stopped in the middle", async () => {
        const sorted = blobs.map(hexOf).sort();
        writeFileSync(join(spool, "scrub.json"), JSON.stringify({ began: Date.now(), at: sorted[2] }));
        start();
        const pass = await eventually("the pass is over", () => passes()[0]);
        assert.equal(pass.right, 2);
    });

    it("writes down where it is as it goes: a machine that is often restarted comes to the end of its store", async () => {
        const at = (): string | undefined => JSON.parse(readFileSync(join(spool, "scrub.json"), "utf8")).at;
        // Each blob takes a fifth of a second: it is stopped in the middle.
        start({ ...QUICK, bytesPerSecond: 1_000_000, noteMs: 0 });
        await eventually("it is noted", () => (existsSync(join(spool, "scrub.json")) ? true : undefined));
        await scrub?.stop();
        const checked = blobs.map(hexOf).filter((hex) => hex <= (at() ?? ""));
        assert.ok(checked.length > 0 && checked.length < blobs.length, `${checked.length} of ${blobs.length}`);
        start();
        const pass = await eventually("the pass is over", () => passes()[0]);
        assert.equal(pass.right, blobs.length - checked.length);
    });

    it("reads no faster than it may", async () => {
        const began = performance.now();
        start({ ...QUICK, bytesPerSecond: 2_000_000 });
        await eventually("the pass is over", () => passes()[0]);
        const total = blobs.reduce((sum, { length }) => sum + length, 0);
        assert.ok(performance.now() - began >= (total / 2_000_000) * 1000);
        assert.ok(SCRUB_PACE.bytesPerSecond <= 5_000_000);
        assert.ok(SCRUB_PACE.everyMs >= 28 * 24 * 3_600_000);
    });

    for (const text of ["", "{", "[]", "null", '{"began":"x"}', '{"began":1,"at":5}']) {
        it(`begins again with the note ${text || "(empty)"}`, async () => {
            writeFileSync(join(spool, "scrub.json"), text);
            start();
            assert.equal((await eventually("the pass is over", () => passes()[0])).right, blobs.length);
        });
    }

    it("keeps a right blob of which a manifest says a wrong size", async () => {
        const [blob = Buffer.alloc(0)] = blobs;
        assert.equal(await store.has(hexOf(blob), blob.length + 1), true);
        assert.equal(await store.has(hexOf(blob), 1), true);
        assert.deepEqual(await counted(), {});
    });

    it("does not take a wrong blob that cannot be set aside, and reads it once alone", async () => {
        const [blob = Buffer.alloc(0)] = blobs;
        // Not a folder: nothing can be moved there, whoever this runs as.
        writeFileSync(join(root, "set-aside"), "");
        writeFileSync(fileOf(blob), blob.subarray(1));
        assert.equal(await store.has(hexOf(blob), blob.length), false);
        assert.equal(await store.has(hexOf(blob), blob.length), false);
        assert.deepEqual(await counted(), { request: 1 });
        assert.ok(lines.some(({ level }) => level === "error"));
    });

    it("keeps a bounded number of what was set aside", async () => {
        for (let index = 0; index < 20; index += 1) {
            const bytes = randomBytes(100, `many ${index}`);
            mkdirSync(dirname(fileOf(bytes)), { recursive: true });
            writeFileSync(fileOf(bytes), "");
            chmodSync(fileOf(bytes), 0o444);
            assert.equal(await store.has(hexOf(bytes), undefined), false);
        }
        assert.equal(readdirSync(join(root, "set-aside")).length, 16);
    });
});
