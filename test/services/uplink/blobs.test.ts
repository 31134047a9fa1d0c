/** The promises about blobs, against relays that misbehave. Times are not measured; bytes and requests are. */
import assert from "node:assert/strict";
import { mkdir, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { eventually } from "../../support/eventually";
import { digestOf, FakeContent, type FaultRule, randomBytes } from "../../support/fake-relay";
import { Bench, type StartOptions } from "./started-uplink";

const KIB = 1024;
const MIB = 1024 * KIB;
const PIECE = MIB;
/** Bytes that may be lost with each range that was open when a relay was cut off. */
const LOST_A_RANGE = 2 * MIB;

const small = randomBytes(100 * KIB, "small");
const large = randomBytes(8 * MIB + 12345, "large");

describe("Uplink, blobs", () => {
    let bench: Bench;
    let content: FakeContent;

    beforeEach(() => {
        content = new FakeContent();
        content.blob(small);
        content.blob(large);
    });
    afterEach(() => bench.stop());

    async function start(options: StartOptions = {}, faults: FaultRule[] = []): Promise<void> {
        bench = await Bench.start(content, options);
        bench.first.faults.push(...faults);
    }

    const pathOf = (bytes: Buffer, repository = "library/app") => `/v2/${repository}/blobs/${digestOf(bytes)}`;

    async function pull(bytes: Buffer): Promise<void> {
        const answer = await bench.get(pathOf(bytes));
        assert.equal(answer.status, 200);
        assert.equal(answer.digest, digestOf(bytes));
        assert.equal(answer.headers["content-length"], String(bytes.length));
        assert.equal(answer.headers["docker-content-digest"], digestOf(bytes));
        assert.equal(answer.headers.etag, `"${digestOf(bytes)}"`);
    }

    /** Makes the large blob's size known, as the manifest does that passes before it. */
    async function passManifest(...layers: Buffer[]): Promise<void> {
        const { digest } = content.image("library/app", "1.0", layers);
        assert.equal((await bench.get(`/v2/library/app/manifests/${digest}`)).status, 200);
        for (const relay of bench.relays) relay.requests.length = 0;
    }

    describe("one crossing", () => {
        it("asks for a small blob once, without a range", async () => {
            await start();
            await passManifest(small);
            await pull(small);
            assert.deepEqual(
                bench.first.asked().map(({ range }) => range),
                [undefined],
            );
        });

        it("carries a blob once for 32 readers at once", async () => {
            await start();
            await Promise.all(Array.from({ length: 32 }, () => pull(large)));
            assert.equal(await bench.linkBytes(), large.length);
        });

        it("gives a blob from the spool to the next reader, of another repository too", async () => {
            await start();
            await pull(large);
            const asked = bench.first.asked().length;
            assert.equal((await bench.get(pathOf(large, "ghcr.io/other/name"))).digest, digestOf(large));
            assert.equal(bench.first.asked().length, asked);
        });

        it("fetches a large blob in several ranges and gives it out in order", async () => {
            await start();
            await pull(large);
            const ranges = bench.first.asked().map(({ range }) => range);
            assert.equal(ranges.length, Math.ceil(large.length / PIECE));
            assert.equal(new Set(ranges).size, ranges.length);
        });

        it("goes on when its reader leaves", async () => {
            await start({}, [{ fault: { do: "crawl", bytes: 256 * KIB, everyMs: 20 } }]);
            const answer = await bench.open(pathOf(large));
            answer.once("data", () => answer.destroy());
            await eventually("the blob is whole in the spool", async () => await whole(large));
            await pull(large);
            assert.equal(await bench.linkBytes(), large.length);
        });

        it("looks into the cache's own store before the link", async () => {
            await start();
            const hex = digestOf(large).slice("sha256:".length);
            const path = join(bench.store, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
            await mkdir(dirname(path), { recursive: true });
            await writeFile(path, large);
            await pull(large);
            assert.deepEqual(bench.first.asked(), []);
        });

        it("fetches the other layers of an image ahead when its first one is asked for", async () => {
            await start();
            const layers = [small, large, randomBytes(200 * KIB, "third")];
            await passManifest(...layers);
            await pull(small);
            for (const layer of layers) await eventually("the layer is in the spool", async () => await whole(layer));
            await Promise.all(layers.map(pull));
            assert.equal(
                await bench.linkBytes(),
                layers.reduce((sum, { length }) => sum + length, await manifestBytes()),
            );
        });

        it("fetches nothing ahead for who only looks at a manifest and its config", async () => {
            await start();
            const image = content.image("library/app", "1.0", [small, large]);
            await bench.get(`/v2/library/app/manifests/${image.digest}`);
            await bench.get(`/v2/library/app/blobs/${image.config}`);
            // Whatever is fetched ahead is begun before the answer for the config is.
            assert.equal(bench.first.asked(/blobs/).length, 1);
        });
    });

    describe("relays that fail in mid-answer", () => {
        it("goes on at the byte on the next relay when the first cuts", async () => {
            await start({}, [{ path: /blobs/, times: 1, fault: { do: "cut", after: 300 * KIB } }]);
            await pull(large);
            assert.equal(await bench.linkBytes(), large.length);
        });

        it("loses no more than what was in flight when a relay dies under several ranges", async () => {
            await start({}, [{ path: /blobs/, fault: { do: "crawl", bytes: 64 * KIB, everyMs: 10 } }]);
            const pulled = pull(large);
            await eventually("half has come", () => (bench.first.sentBytes() > large.length / 2 ? true : undefined));
            await bench.first.refuse();
            await pulled;
            const sent = bench.first.sentBytes() + bench.second.sentBytes();
            assert.ok(sent - large.length <= 4 * LOST_A_RANGE, `${sent - large.length} bytes more than the blob`);
            assert.ok((await bench.linkBytes()) <= large.length * 1.02);
        });

        it("counts several ranges that fail together as one incident", async () => {
            await start({}, [{ path: /blobs/, fault: { do: "crawl", bytes: 64 * KIB, everyMs: 10 } }]);
            const pulled = pull(large);
            await eventually("four ranges are open", () => (bench.first.asked().length >= 4 ? true : undefined));
            await bench.first.refuse();
            await pulled;
            const rests = bench.logged("relay rests").filter(({ relay }) => relay === "first");
            assert.deepEqual(
                rests.filter(({ reason }) => !String(reason).startsWith("probe")).map(({ restMs }) => restMs),
                [300],
            );
        });

        it("goes on at the byte on the next relay when the first stalls", async () => {
            await start({}, [{ path: /blobs/, fault: { do: "stall", after: 200 * KIB } }]);
            await pull(large);
            assert.equal(await bench.linkBytes(), large.length);
            assert.ok(bench.second.sentBytes() > 0);
        });

        it("leaves a relay that crawls while another is free", async () => {
            await start({}, [{ path: /blobs/, fault: { do: "crawl", bytes: 512, everyMs: 50 } }]);
            await pull(large);
            assert.equal(await bench.linkBytes(), large.length);
            assert.equal(bench.lines.find(({ kind }) => kind === "crawl")?.relay, "first");
        });

        it("takes one blob that crawls from another relay, and nothing is held against one that carries others well", async () => {
            await start({}, [
                { path: new RegExp(digestOf(small)), fault: { do: "crawl", bytes: 512, everyMs: 50 } },
                { path: /blobs/, fault: { do: "crawl", bytes: 32 * KIB, everyMs: 40 } },
            ]);
            await Promise.all([pull(small), pull(large)]);
            assert.ok(bench.second.sentBytes(new RegExp(digestOf(small))) > small.length / 2);
            assert.equal(bench.second.sentBytes(new RegExp(digestOf(large))), 0);
            assert.deepEqual(bench.logged("relay rests"), []);
        });

        it("takes one blob that stalls from another relay, and nothing is held against one that carries others well", async () => {
            await start({}, [
                { path: new RegExp(digestOf(small)), fault: { do: "stall", after: 10 * KIB } },
                { path: /blobs/, fault: { do: "crawl", bytes: 32 * KIB, everyMs: 40 } },
            ]);
            await Promise.all([pull(small), pull(large)]);
            assert.ok(bench.second.sentBytes(new RegExp(digestOf(small))) > small.length / 2);
            assert.deepEqual(bench.logged("relay rests"), []);
        });

        it("stays with a slow relay when there is no other", async () => {
            await start({ relays: 1 }, [{ path: /blobs/, fault: { do: "crawl", bytes: 4 * KIB, everyMs: 50 } }]);
            await pull(small);
            assert.equal(bench.first.asked().length, 1);
        });

        it("goes on with the only relay there is after it cut", async () => {
            await start({ relays: 1 }, [{ path: /blobs/, times: 3, fault: { do: "cut", after: 300 * KIB } }]);
            await pull(large);
            assert.equal(await bench.linkBytes(), large.length);
        });

        it("waits for the only relay to come back when a blob has begun", async () => {
            await start({ relays: 1 }, [{ path: /blobs/, fault: { do: "crawl", bytes: 64 * KIB, everyMs: 20 } }]);
            const pulled = pull(large);
            await eventually("bytes have come", async () => ((await bench.linkBytes()) > 0 ? true : undefined));
            await bench.first.refuse();
            await eventually("the relay is known to be down", () =>
                bench.lines.some(({ reason }) => String(reason).startsWith("probe")) ? true : undefined,
            );
            await bench.first.listen();
            await pulled;
        });
    });

    describe("relays and CDNs with habits", () => {
        it("takes one stream from a relay that ignores Range", async () => {
            await start({ relays: 1 }, [{ path: /blobs/, fault: { do: "ignore-range" } }]);
            await pull(large);
            assert.equal(bench.first.asked().length, 1);
            await pull(large);
        });

        it("goes on after a cut on a relay that ignores Range", async () => {
            await start({ relays: 1 }, [
                { path: /blobs/, times: 1, fault: { do: "cut", after: 300 * KIB } },
                { path: /blobs/, fault: { do: "ignore-range" } },
            ]);
            await pull(large);
        });

        for (const known of [true, false]) {
            for (const bytes of [small, large]) {
                it(`takes ${bytes.length} bytes without a length, ${known ? "known" : "unknown"} before, and keeps them`, async () => {
                    await start({}, [{ path: /blobs/, fault: { do: "no-length" } }]);
                    if (known) await passManifest(bytes);
                    const answer = await bench.get(pathOf(bytes));
                    assert.deepEqual([answer.status, answer.digest], [200, digestOf(bytes)]);
                    await eventually("it is in the spool", () => whole(bytes));
                    await pull(bytes);
                    assert.equal(bench.first.asked().length, 1);
                    assert.deepEqual(bench.second.asked(), []);
                });
            }
        }

        it("goes on where an answer without a length was cut, by a range of another relay", async () => {
            await start({}, [{ path: /blobs/, times: 1, fault: { do: "no-length", cutAfter: 3 * MIB } }]);
            assert.equal((await bench.get(pathOf(large))).digest, digestOf(large));
            assert.equal(await bench.linkBytes(), large.length);
        });

        it("goes on after a cut where no relay says a length or gives a range", async () => {
            await start({ relays: 1 }, [
                { path: /blobs/, times: 1, fault: { do: "no-length", cutAfter: 3 * MIB } },
                { path: /blobs/, fault: { do: "no-length" } },
            ]);
            assert.equal((await bench.get(pathOf(large))).digest, digestOf(large));
        });

        it("never gives out all of a wrong blob without a length", async () => {
            const wrong = Buffer.from(large).fill(1, MIB);
            const give: FaultRule["fault"] = { do: "give", give: (_, response) => response.writeHead(200).end(wrong) };
            await start({}, [{ path: /blobs/, fault: give }]);
            await assert.rejects(bench.get(pathOf(large)));
            await pull(large);
        });

        it("says the size of a blob without a length to a HEAD", async () => {
            await start({}, [{ path: /blobs/, fault: { do: "no-length" } }]);
            const answer = await bench.get(pathOf(large), {}, "HEAD");
            assert.equal(answer.headers["content-length"], String(large.length));
        });

        for (const status of [400, 403, 405, 416, 500, 501]) {
            it(`asks for the whole blob where a range is answered ${status}`, async () => {
                await start({ relays: 1, marks: true }, [
                    { path: /blobs/, ranged: true, fault: { do: "status", status, answer: "upstream" } },
                ]);
                await pull(large);
                assert.deepEqual(bench.logged("relay rests"), []);
            });
        }

        for (const [what, name, value] of [
            ["another range", "Content-Range", `bytes 5-9/${large.length}`],
            ["a range of an unknown whole", "Content-Range", `bytes 0-${MIB - 1}/*`],
            ["several parts", "Content-Type", "multipart/byteranges; boundary=x"],
        ] as const) {
            it(`asks for the whole blob where a range is answered with ${what}`, async () => {
                const headers = { [name]: value };
                const answer = { do: "status", status: 206, headers, body: "parts", answer: "upstream" } as const;
                await start({ relays: 1, marks: true }, [{ path: /blobs/, ranged: true, fault: answer }]);
                await pull(large);
                assert.deepEqual(bench.logged("relay rests"), []);
            });
        }

        it("gives five open ranges of a cold blob from one download, and other ranges too", async () => {
            await start();
            const step = Math.ceil(large.length / 5);
            const starts = [0, 1, 2, 3, 4].map((index) => index * step);
            const wanted = [
                ...starts.map((from) => [`bytes=${from}-`, from, large.length] as const),
                ["bytes=-500", large.length - 500, large.length] as const,
                [`bytes=${MIB}-${2 * MIB}`, MIB, 2 * MIB + 1] as const,
            ];
            await Promise.all(
                wanted.map(async ([range, from, to]) => {
                    const answer = await bench.get(pathOf(large), { range });
                    assert.equal(answer.status, 206);
                    assert.equal(answer.headers["content-range"], `bytes ${from}-${to - 1}/${large.length}`);
                    assert.ok(answer.body.equals(large.subarray(from, to)));
                }),
            );
            assert.equal(await bench.linkBytes(), large.length);
        });

        it("does not care that ETags differ between ranges", async () => {
            await start();
            bench.first.etag = "changing";
            await pull(large);
            assert.equal(await bench.linkBytes(), large.length);
        });

        for (const known of [true, false]) {
            it(`gives out a blob of 0 bytes, its size ${known ? "known" : "unknown"} before`, async () => {
                const empty = Buffer.alloc(0);
                content.blob(empty);
                await start();
                if (known) await passManifest(empty);
                await pull(empty);
            });
        }

        it("answers 404 for a blob that the relays' upstream does not know", async () => {
            await start();
            const answer = await bench.get(`/v2/library/app/blobs/sha256:${"0".repeat(64)}`);
            assert.equal(answer.status, 404);
            assert.equal(JSON.parse(answer.body.toString()).errors[0].code, "BLOB_UNKNOWN");
            assert.deepEqual(await readdir(join(bench.spool, "blobs")), []);
        });
    });

    describe("wrong bytes", () => {
        it("never gives out the first byte of a small blob that is wrong", async () => {
            await start({}, [{ path: /blobs/, fault: { do: "lie" } }]);
            await pull(small);
            const [line] = bench.logged("relay hands out wrong bytes");
            assert.deepEqual([line?.relay, line?.digest], ["first", digestOf(small)]);
            assert.equal(
                (await bench.uplink.metrics.wrongBytes.get()).values.find((v) => v.labels.relay === "first")?.value,
                1,
            );
            assert.equal(bench.logged("relay rests")[0]?.kind, "wrong-bytes");
        });

        it("cuts readers of a large blob that is wrong before its end, and gives the right one to the next", async () => {
            await start({}, [{ path: /blobs/, fault: { do: "lie" } }]);
            await assert.rejects(bench.get(pathOf(large)));
            await pull(large);
            assert.equal(bench.logged("relay hands out wrong bytes")[0]?.relay, "first");
        });

        it("finds out who lied when several relays had a part", async () => {
            await start({}, [
                { path: /blobs/, times: 1, fault: { do: "cut", after: 60 * KIB } },
                { path: /blobs/, fault: { do: "lie" } },
            ]);
            bench.second.faults.push({ path: /blobs/, times: 1, fault: { do: "lie" } });
            await pull(small);
            assert.deepEqual(
                bench.logged("wrong bytes from one of several").map(({ relays }) => relays),
                [["first", "second"]],
            );
        });

        it("says so when every relay hands out wrong bytes", async () => {
            await start({}, [{ path: /blobs/, fault: { do: "lie" } }]);
            bench.second.faults.push({ path: /blobs/, fault: { do: "lie" } });
            const answer = await bench.get(pathOf(small));
            assert.equal(answer.status, 502);
            assert.match(answer.body.toString(), /every relay hands out wrong bytes/);
        });
    });

    describe("spool", () => {
        it("goes on at the byte after a restart", async () => {
            await start({}, [{ path: /blobs/, fault: { do: "crawl", bytes: 64 * KIB, everyMs: 10 } }]);
            const cut = assert.rejects(bench.get(pathOf(large)));
            await eventually("half has come", () => (bench.first.sentBytes() > large.length / 2 ? true : undefined));
            const carried = await bench.linkBytes();
            await bench.restart();
            await cut;
            bench.first.faults.length = 0;
            await pull(large);
            // Nothing that had come is fetched again: what came after `carried` was read is the only difference.
            assert.ok((await bench.linkBytes()) <= large.length - carried);
        });

        it("notices a kept part that is wrong, and blames no relay for it", async () => {
            await start();
            const hex = digestOf(large).slice("sha256:".length);
            await writeFile(join(bench.spool, "blobs", `${hex}.part`), Buffer.alloc(large.length));
            const have = Array.from({ length: Math.ceil(large.length / PIECE) }, () => PIECE - 10);
            await writeFile(
                join(bench.spool, "blobs", `${hex}.progress`),
                JSON.stringify({ size: large.length, pieceBytes: PIECE, have }),
            );
            await bench.restart();
            await bench.get(pathOf(large)).catch(() => undefined);
            await pull(large);
            assert.deepEqual(bench.logged("relay hands out wrong bytes"), []);
        });

        it("drops the least recently used blob for room", async () => {
            await start({ budgetGiB: (12 * MIB) / 1024 ** 3 });
            const other = randomBytes(5 * MIB, "other");
            content.blob(other);
            await pull(small);
            await pull(large);
            await pull(small);
            await pull(other);
            assert.equal(await whole(large), undefined);
            assert.ok(await whole(small));
            assert.ok(await whole(other));
        });

        it("passes a blob larger than its whole budget through", async () => {
            await start({ budgetGiB: MIB / 1024 ** 3 });
            await pull(large);
            await eventually("it is gone", async () => ((await whole(large)) ? undefined : true));
        });

        it("evicts when the disk is full before the budget is, and passes the blob by when that does not help", async () => {
            await start();
            await pull(small);
            const part = join(bench.spool, "blobs", `${digestOf(large).slice("sha256:".length)}.part`);
            // Every write to this device says that the disk is full.
            await symlink("/dev/full", part);
            await pull(large);
            assert.equal(await whole(small), undefined);
            assert.equal(bench.logged("the spool cannot take a blob, which passes it by").length, 1);
        });

        for (const [what, change] of [
            ["cut short", (path: string) => truncate(path, MIB)],
            ["emptied", (path: string) => truncate(path)],
            ["of other bytes", (path: string) => writeFile(path, Buffer.alloc(large.length))],
        ] as const) {
            it(`fetches again what is ${what} in its folder, and counts it`, async () => {
                await start();
                await pull(large);
                await bench.uplink.close();
                await change(join(bench.spool, "blobs", digestOf(large).slice("sha256:".length)));
                await bench.startUplink();
                await pull(large);
                assert.ok(await whole(large));
                await pull(large);
                assert.equal(await bench.linkBytes(), large.length);
                assert.equal((await bench.uplink.metrics.spoolWrong.get()).values[0]?.value, 1);
            });
        }

        it("fetches again what somebody removed from its folder", async () => {
            await start();
            await pull(large);
            await rm(join(bench.spool, "blobs"), { recursive: true });
            await pull(large);
            assert.equal(await bench.linkBytes(), 2 * large.length);
        });
    });

    async function whole(bytes: Buffer): Promise<true | undefined> {
        const names = await readdir(join(bench.spool, "blobs"));
        return names.includes(digestOf(bytes).slice("sha256:".length)) ? true : undefined;
    }

    async function manifestBytes(): Promise<number> {
        const digest = content.tags.get("library/app:1.0")!;
        return content.blobs.get(digest)!.length;
    }
});
