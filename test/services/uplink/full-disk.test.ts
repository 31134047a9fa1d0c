/** A spool whose disk is full: blobs pass it by, whole, and are kept again when there is room. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../support/eventually";
import { digestOf, FakeContent, randomBytes } from "../../support/fake-relay";
import { Bench, type StartOptions } from "./started-uplink";

const MIB = 1024 * 1024;
const DISK = 8 * MIB;

const small = randomBytes(200_000, "small");
const large = randomBytes(12 * MIB + 777, "larger than the disk");
const huge = randomBytes(24 * MIB, "more than sockets take");
const others = [1, 2, 3].map((each) => randomBytes(4 * MIB + each, `other ${each}`));

describe("Uplink, full disk", () => {
    let bench: Bench;
    let disk: string;
    const content = new FakeContent();
    for (const blob of [small, large, huge, ...others]) content.blob(blob);

    before(() => {
        disk = mkdtempSync(join(tmpdir(), "dockermirror-full-"));
    });
    after(() => rmSync(disk, { recursive: true }));
    beforeEach(() => {
        execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK}`, "none", disk]);
    });
    afterEach(async () => {
        await bench.stop();
        execFileSync("umount", [disk]);
    });

    async function start(options: StartOptions = {}): Promise<void> {
        const spool = { path: join(disk, "spool"), budgetGiB: 1 };
        bench = await Bench.start(content, { ...options, config: { spool, tagSeconds: 0 } });
    }

    /** Leaves so many bytes. */
    function fill(leave: number): void {
        const free = Number(execFileSync("stat", ["-f", "-c", "%a", disk])) * 4096;
        try {
            writeFileSync(join(disk, "filler"), Buffer.alloc(Math.max(0, free - leave)));
        } catch (error) {
            // The uplink took some of it meanwhile: it is full all the same.
            if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        }
    }

    const pathOf = (blob: Buffer) => `/v2/library/app/blobs/${digestOf(blob)}`;
    const passed = async () => (await bench.uplink.metrics.spoolPassed.get()).values[0]?.value ?? 0;
    const failing = () => bench.logged("the spool cannot take a blob, which passes it by");
    const kept = () => readdirSync(join(disk, "spool/blobs"));

    async function pull(blob: Buffer, headers: Record<string, string> = {}): Promise<void> {
        const answer = await bench.get(pathOf(blob), headers);
        assert.deepEqual([answer.status, answer.digest], [200, digestOf(blob)]);
        assert.equal(answer.headers["content-length"], String(blob.length));
    }

    it("passes on a blob larger than what is left, and keeps what fits", async () => {
        await start();
        await pull(small);
        await pull(large);
        assert.equal(await passed(), 1);
        assert.ok(kept().includes(digestOf(small).slice("sha256:".length)));
        assert.equal((await bench.get(pathOf(large), { range: "bytes=-1000" })).body.length, 1000);
        // A few bytes that came before it was known how large it is.
        assert.ok((await bench.linkBytes()) < 2 * large.length + small.length + MIB);
    });

    it("passes blobs on when there is no room at all, also at its start", async () => {
        fill(0);
        await start();
        await Promise.all([pull(small), pull(large), ...others.map((blob) => pull(blob))]);
        assert.equal(failing().length, 1);
        assert.equal(await passed(), 5);
    });

    it("goes on without a cut where the disk becomes full in the middle, with several readers and blobs", async () => {
        await start();
        for (const relay of bench.relays) {
            relay.faults.push({ path: /blobs/, fault: { do: "crawl", bytes: 64 * 1024, everyMs: 15 } });
        }
        const pulls = [...others, ...others].map((blob) => pull(blob));
        await eventually("something has come", async () => ((await bench.linkBytes()) > 3 * MIB ? true : undefined));
        fill(0);
        await Promise.all(pulls);
        assert.equal(failing().length, 1);
        assert.ok((await passed()) > 0);
    });

    it("keeps blobs again when there is room again, and says so once", async () => {
        await start();
        fill(0);
        await pull(small);
        rmSync(join(disk, "filler"));
        await eventually("the blob is kept", async () => {
            await pull(small);
            return kept().includes(digestOf(small).slice("sha256:".length)) ? true : undefined;
        });
        assert.equal(bench.logged("the spool takes blobs again").length, 1);
    });

    it("never gives out all of a wrong blob, and finds a relay that has the right one", async () => {
        await start({ times: { restMs: 10_000, restMaxMs: 60_000 } });
        fill(0);
        bench.first.faults.push({ path: /blobs/, fault: { do: "lie" } });
        await assert.rejects(bench.get(pathOf(large)));
        await eventually("the relay is named", () => bench.logged("relay hands out wrong bytes")[0]);
        await pull(large);
        await pull(small);
    });

    it("goes on at the byte where a relay cuts, and holds little for a reader that pauses", async () => {
        // One request for all of it: more than what lies in sockets is still with the relay.
        const limits = { readerMs: 20_000, checkedFirstBytes: 512 * 1024, pieceBytes: 32 * MIB };
        await start({ limits });
        fill(0);
        // From now on the spool is known to be full, and not tried first.
        await pull(small);
        bench.first.faults.push({ path: /blobs/, fault: { do: "cut", after: 700_000 } });
        const answer = await bench.open(pathOf(huge));
        // What the relay has handed over stops growing: nobody takes more.
        let before = -1;
        await eventually("the relays wait", async () => {
            await new Promise((resolve) => setTimeout(resolve, 700));
            const now = await bench.linkBytes();
            const waits = now === before;
            before = now;
            return waits ? true : undefined;
        });
        assert.ok(before < huge.length);
        // Who is kept waiting for so long may hang up, which is not held against it.
        bench.first.faults.length = 0;
        await bench.second.refuse();
        await bench.second.listen();
        let got = 0;
        for await (const chunk of answer) got += chunk.length;
        assert.equal(got, huge.length);
        assert.deepEqual(
            bench.logged("relay rests").map(({ relay, kind }) => [relay, kind]),
            [["first", "cut"]],
        );
    });

    it("answers with the upstream's refusal", async () => {
        await start();
        fill(0);
        await pull(small);
        const answer = await bench.get(`/v2/library/app/blobs/sha256:${"0".repeat(64)}`);
        assert.equal(answer.status, 404);
    });
});
