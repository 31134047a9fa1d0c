/**
 * What an upstream does is the upstream's: it is passed on for the one image, and neither the relays nor another upstream
 * notice. It does not prove that our relays say whose their answers are; the contract suite does.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UPSTREAMS } from "../../../services/registry/upstreams";
import { eventually } from "../../support/eventually";
import { digestOf, FakeContent, type Fault, MANIFEST, randomBytes } from "../../support/fake-relay";
import { Bench, type StartOptions } from "./started-uplink";

const KIB = 1024;
const layer = randomBytes(100 * KIB, "layer");
const large = randomBytes(3 * 1024 * KIB + 77, "large");

const TAG = "/v2/library/app/manifests/1.0";
const OTHER = "/v2/library/other/manifests/1.0";
const GHCR = "/v2/ghcr.io/owner/app/manifests/1.0";
const blobOf = (repository: string, bytes: Buffer) => `/v2/${repository}/blobs/${digestOf(bytes)}`;

/** All that docker.io is asked for, not the relay's own `/v2/` and no other upstream. */
const HUB = /^\/v2\/(?!ghcr\.io\/)./;

/** An answer as a relay of this release marks it. */
const upstreams = (status: number, headers: Record<string, string> = {}, body?: string): Fault => ({
    do: "status",
    status,
    answer: "upstream",
    headers: { "Content-Type": "application/json", ...headers },
    body: body ?? '{"errors":[{"code":"DENIED","message":"the upstream says so"}]}',
});
const own = (status: number, reason: string, headers: Record<string, string> = {}): Fault => ({
    do: "status",
    status,
    answer: `relay; reason=${reason}`,
    headers: { "Content-Type": "application/json", ...headers },
    body: '{"errors":[{"code":"UNAVAILABLE","message":"the relay says so"}]}',
});

describe("Uplink, an upstream's own faults", () => {
    let bench: Bench;

    afterEach(() => bench.stop());

    async function start(options: StartOptions = {}): Promise<FakeContent> {
        const content = new FakeContent();
        content.image("library/app", "1.0", [layer]);
        content.image("library/other", "1.0", [layer]);
        content.image("ghcr.io/owner/app", "1.0", [layer]);
        for (const name of ["a", "b", "c", "d"]) content.image(`odd/${name}`, "1.0", [layer]);
        bench = await Bench.start(content, { marks: true, ...options, config: { tagSeconds: 0, ...options.config } });
        return content;
    }

    const everywhere = (path: RegExp, fault: Fault) => {
        for (const relay of bench.relays) relay.faults.push({ path, fault });
    };
    const status = async (): Promise<any> => JSON.parse((await bench.get("/status")).body.toString());
    const conditions = async () => (await status()).relays.map(({ condition }: any) => condition);
    const rests = () => bench.logged("relay rests");
    const upstreamRests = () => bench.logged("relay rests for an upstream").map(({ relay, kind }) => [relay, kind]);
    const metric = async (name: string): Promise<string[]> =>
        (await bench.get("/metrics")).body
            .toString()
            .split("\n")
            .filter((line) => line.startsWith(`dockermirror_uplink_${name}`));
    const timed = async <T>(work: Promise<T>): Promise<[T, number]> => {
        const began = performance.now();
        return [await work, performance.now() - began];
    };

    /** Nobody else notices: the relays are well, and the first one is asked for another image. */
    async function nobodyNoticed(): Promise<void> {
        assert.deepEqual(rests(), []);
        assert.deepEqual(upstreamRests(), []);
        assert.deepEqual([...new Set(await conditions())], ["well"]);
        const before = bench.first.asked(/other/).length;
        assert.equal((await bench.get(OTHER)).status, 200);
        assert.equal(bench.first.asked(/other/).length, before + 1);
    }

    /** Of each image `odd/<code>`: what is not answered with that code, each time and way it is asked for. */
    async function otherStatuses(codes: readonly number[]): Promise<string[]> {
        const other: string[] = [];
        for (const code of codes) {
            const image = `odd/${code}`;
            const paths = [
                `/v2/${image}/manifests/1.0`,
                `/v2/${image}/manifests/${digestOf(Buffer.from("none"))}`,
                blobOf(image, layer),
                `/v2/${image}/tags/list`,
            ];
            for (const path of [...paths, ...paths, ...paths]) {
                for (const method of ["HEAD", "GET"]) {
                    const got = await bench.get(path, {}, method);
                    if (got.status !== code) other.push(`${method} ${path}: ${got.status}`);
                }
            }
        }
        return other;
    }

    describe("a final answer", () => {
        it("is that for the image alone, by GET and HEAD of all kinds, however often", async () => {
            await start();
            const codes = [
                400, 402, 403, 404, 405, 406, 409, 410, 411, 412, 415, 418, 421, 422, 423, 425, 426, 431, 451,
            ];
            for (const code of codes) everywhere(new RegExp(`odd/${code}/`), upstreams(code));
            assert.deepEqual(await otherStatuses(codes), []);
            await nobodyNoticed();
        });

        it("comes with the upstream's own words, or with an OCI error where those are a page", async () => {
            await start();
            everywhere(/odd\/a/, upstreams(403));
            everywhere(/odd\/b/, upstreams(404, { "Content-Type": "text/html" }, "<html>sign in</html>"));
            const [a, b] = [await bench.get("/v2/odd/a/manifests/1.0"), await bench.get("/v2/odd/b/manifests/1.0")];
            assert.match(a.body.toString(), /the upstream says so/);
            assert.equal(b.status, 404);
            assert.equal(JSON.parse(b.body.toString()).errors[0].code, "MANIFEST_UNKNOWN");
            assert.equal(b.headers["content-type"], "application/json");
            await nobodyNoticed();
        });

        it("of 401 is no challenge of the uplink's own", async () => {
            await start();
            everywhere(/odd\/a/, upstreams(401));
            assert.equal((await bench.get("/v2/odd/a/manifests/1.0")).status, 403);
            assert.equal((await bench.get(blobOf("odd/a", layer))).status, 403);
            await nobodyNoticed();
        });

        for (const code of [401, 402, 403, 451]) {
            it(`of ${code} through one relay alone is not believed: it may mean that relay's address`, async () => {
                await start();
                bench.first.faults.push({ path: HUB, fault: upstreams(code) });
                assert.equal((await bench.get(TAG)).status, 200);
                assert.equal((await bench.get(blobOf("library/app", layer))).digest, digestOf(layer));
                assert.equal((await bench.get(TAG, {}, "HEAD")).status, 200);
                assert.deepEqual(rests(), []);
                // Another upstream does not block it.
                assert.equal((await bench.get(GHCR)).status, 200);
                assert.equal(bench.first.asked(/ghcr/).length, 1);
                assert.deepEqual(await conditions(), ["well", "well"]);
            });
        }

        it("that blocks a relay's address makes the other relay the first for that upstream", async () => {
            await start({ times: { restMs: 60_000, restMaxMs: 60_000 } });
            bench.first.faults.push({ path: HUB, fault: upstreams(403) });
            for (const name of ["odd/a", "odd/b", "odd/c"]) {
                assert.equal((await bench.get(`/v2/${name}/manifests/1.0`)).status, 200);
            }
            assert.deepEqual(upstreamRests(), [["first", "images"]]);
            const asked = bench.first.asked().length;
            assert.equal((await bench.get(TAG)).status, 200);
            assert.equal(bench.first.asked().length, asked);
            assert.equal((await bench.get(GHCR)).status, 200);
            assert.equal(bench.first.asked().length, asked + 1);
            const [first] = (await status()).relays;
            assert.equal(first.condition, "well");
            assert.equal(first.upstreams["docker.io"].condition, "resting");
            assert.equal(first.upstreams["ghcr.io"].condition, "well");
            assert.deepEqual(
                (await metric("relay_upstream_usable{")).filter((line) => line.includes("first")),
                [
                    'dockermirror_uplink_relay_upstream_usable{relay="first",upstream="docker.io"} 0',
                    'dockermirror_uplink_relay_upstream_usable{relay="first",upstream="ghcr.io"} 1',
                ],
            );
        });

        it("to one repository is not another's, of the same blob at the same time", async () => {
            await start();
            everywhere(/odd\/a/, upstreams(403));
            const [odd, good] = await Promise.all([
                bench.get(blobOf("odd/a", layer)),
                bench.get(blobOf("library/app", layer)),
            ]);
            assert.equal(odd.status, 403);
            assert.equal(good.digest, digestOf(layer));
        });
    });

    describe("a failure", () => {
        it("through both relays is that for the image alone, with its status", async () => {
            await start();
            const codes = [408, 500, 501, 502, 503, 504, 520];
            for (const code of codes) everywhere(new RegExp(`odd/${code}/`), upstreams(code));
            assert.deepEqual(await otherStatuses(codes), []);
            await nobodyNoticed();
        });

        it("through one relay is made good by the other, and the relay stays well", async () => {
            await start();
            bench.first.faults.push({ path: /odd\/a/, fault: upstreams(500) });
            assert.equal((await bench.get("/v2/odd/a/manifests/1.0")).status, 200);
            assert.equal((await bench.get(blobOf("odd/a", layer))).digest, digestOf(layer));
            await nobodyNoticed();
        });

        it("of several images in a row rests the relay for that upstream alone, shortly", async () => {
            await start();
            bench.first.faults.push({ path: /odd/, fault: upstreams(503) });
            for (const name of ["odd/a", "odd/b", "odd/c"]) await bench.get(`/v2/${name}/manifests/1.0`);
            assert.deepEqual(upstreamRests(), [["first", "images"]]);
            assert.deepEqual(await conditions(), ["well", "well"]);
            assert.equal((await bench.get(GHCR)).status, 200);
            assert.equal(bench.first.asked(/ghcr/).length, 1);
            await eventually("it is asked again", async () => {
                await bench.get(OTHER);
                return bench.first.asked(/other/).length > 0 ? true : undefined;
            });
        });

        it("passes on how long to wait, in bounds", async () => {
            await start();
            everywhere(/odd\/a/, upstreams(503, { "Retry-After": "99999999" }));
            assert.equal((await bench.get("/v2/odd/a/manifests/1.0")).headers["retry-after"], "3600");
        });
    });

    describe("what a relay says of itself", () => {
        it("a refused key rests it, a 403 with the same words of the upstream does not", async () => {
            await start();
            bench.first.faults.push({ fault: own(401, "key") });
            assert.equal((await bench.get(TAG)).status, 200);
            assert.deepEqual([rests()[0]?.relay, rests()[0]?.kind], ["first", "key"]);
        });

        for (const [code, reason] of [
            [404, "table"],
            [405, "method"],
            [503, "no-verdict"],
            [502, "account"],
            [409, "something-new"],
        ] as const) {
            it(`that it cannot (${reason}) lets the other be asked, and is passed on when none can`, async () => {
                await start();
                bench.first.faults.push({ path: /odd/, fault: own(code, reason) });
                assert.equal((await bench.get("/v2/odd/a/manifests/1.0")).status, 200);
                assert.equal((await bench.get(blobOf("odd/a", layer))).digest, digestOf(layer));
                bench.second.faults.push({ path: /odd/, fault: own(code, reason) });
                assert.equal((await bench.get("/v2/odd/b/manifests/1.0")).status, code);
                assert.equal((await bench.get(blobOf("odd/b", large))).status, code);
                assert.deepEqual(rests(), []);
                assert.deepEqual(await conditions(), ["well", "well"]);
            });
        }

        it("its own limit is about all upstreams and kinds", async () => {
            await start();
            bench.first.faults.push({ path: /odd/, fault: own(429, "limit", { "Retry-After": "50" }) });
            assert.equal((await bench.get("/v2/odd/a/manifests/1.0")).status, 200);
            assert.equal((await bench.get(GHCR)).status, 200);
            assert.deepEqual(bench.first.asked(/ghcr/), []);
            assert.deepEqual(Object.keys((await status()).relays[0].throttledSeconds), ["everything"]);
        });

        for (const fault of [
            { do: "status", status: 521, headers: { "Content-Type": "text/html" } },
            { do: "status", status: 403, headers: { "Content-Type": "text/html" } },
            { do: "status", status: 404, headers: { "Content-Type": "text/plain" } },
            { do: "status", status: 502, headers: { "Content-Type": "application/json" } },
        ] as Fault[]) {
            it(`without a mark, of one that marks its answers, is of what stands before it: ${JSON.stringify(fault)}`, async () => {
                await start();
                await bench.get(OTHER);
                bench.first.faults.push({ path: /odd/, fault });
                assert.equal((await bench.get("/v2/odd/a/manifests/1.0")).status, 200);
                assert.deepEqual([rests()[0]?.relay, rests()[0]?.kind], ["first", "protocol"]);
                assert.match(String(rests()[0]?.reason), /something before the relay/);
            });
        }

        it("is believed again without marks after the relay went back to an older release", async () => {
            await start({ relays: 1 });
            await bench.get(OTHER);
            bench.first.marks = false;
            await eventually("it is found out", async () =>
                (await bench.get("/v2/library/none/manifests/1.0")).status === 404 ? true : undefined,
            );
        });
    });

    describe("a redirect that no relay follows", () => {
        const redirect = (host: string): Fault => ({ ...own(502, `redirect; host="${host}"`) });

        it("is named in the error, the metric and the status, and held against nobody", async () => {
            await start();
            everywhere(/odd/, redirect("cdn.new.example"));
            for (const path of ["/v2/odd/a/manifests/1.0", blobOf("odd/a", layer), blobOf("odd/b", layer)]) {
                for (const method of ["GET", "HEAD"]) {
                    const answer = await bench.get(path, {}, method);
                    assert.equal(answer.status, 502);
                    if (method === "GET") {
                        assert.match(
                            answer.body.toString(),
                            /docker\.io redirects to cdn\.new\.example.*redirectHosts/,
                        );
                    }
                }
            }
            assert.deepEqual(await metric("refused_redirects_total{"), [
                'dockermirror_uplink_refused_redirects_total{upstream="docker.io",host="cdn.new.example"} 6',
            ]);
            const [{ last, ...seen }] = (await status()).refusedRedirects;
            assert.deepEqual(seen, { upstream: "docker.io", host: "cdn.new.example", times: 6 });
            assert.ok(Date.parse(last) > 0);
            await nobodyNoticed();
        });

        it("of one relay is made good by another with a newer table", async () => {
            await start();
            bench.first.faults.push({ path: /odd/, fault: redirect("cdn.new.example") });
            assert.equal((await bench.get("/v2/odd/a/manifests/1.0")).status, 200);
            assert.equal((await bench.get(blobOf("odd/a", layer))).digest, digestOf(layer));
            await nobodyNoticed();
        });

        it("does not fill the metrics, whatever hosts an upstream makes up", async () => {
            await start();
            for (let count = 0; count < 30; count++) {
                everywhere(new RegExp(`odd/${count}/`), redirect(`h${count}.example`));
                await bench.get(`/v2/odd/${count}/manifests/1.0`);
            }
            const lines = await metric("refused_redirects_total{");
            assert.equal(lines.length, 21);
            assert.match(lines.join(), /host="other"} 10/);
        });
    });

    describe("wrong bytes", () => {
        for (const [what, bytes, wrong] of [
            ["a small blob", layer, undefined],
            ["a large blob", large, undefined],
            ["a small blob, shorter", layer, layer.subarray(0, 40_000)],
            ["a small blob, longer", layer, Buffer.concat([layer, layer])],
            ["a large blob, shorter", large, large.subarray(0, 2_000_000)],
            ["a large blob, longer", large, Buffer.concat([large, layer])],
            ["a blob, nothing at all", layer, Buffer.alloc(0)],
        ] as const) {
            for (const known of wrong ? [true] : [true, false]) {
                const title = `${what}${known ? ", its size known" : ""}`;
                it(`through both relays are the upstream's: ${title}`, async () => {
                    const content = await start();
                    content.image("odd/e", "1.0", [bytes]);
                    if (known) await bench.get("/v2/odd/e/manifests/1.0");
                    else content.blob(bytes);
                    everywhere(new RegExp(digestOf(bytes)), { do: "lie", ...(wrong && { bytes: wrong }) });
                    // Who has some of the wrong bytes is cut off: one reader a relay.
                    const answers = [];
                    for (const _ of ["first", "second", "nobody"]) {
                        answers.push(await bench.get(blobOf("odd/e", bytes)).catch(() => undefined));
                    }
                    assert.ok(!answers.some((answer) => answer?.status === 200));
                    assert.equal(answers.at(-1)?.status, 502);
                    assert.match(String(answers.at(-1)?.body), /every relay hands out wrong bytes/);
                    // It is remembered: the second one cost the link nothing.
                    const asked = bench.relays.map((relay) => relay.asked(/blobs/).length);
                    assert.equal((await bench.get(blobOf("odd/e", bytes))).status, 502);
                    assert.deepEqual(
                        bench.relays.map((relay) => relay.asked(/blobs/).length),
                        asked,
                    );
                    assert.match((await metric("upstream_wrong_bytes_total{"))[0] ?? "", /docker\.io"} [12]/);
                    assert.deepEqual(bench.logged("relay hands out wrong bytes"), []);
                    await nobodyNoticed();
                });

                it(`through one relay are that relay's, once the other has the right ones: ${title}`, async () => {
                    const content = await start();
                    content.image("odd/e", "1.0", [bytes]);
                    if (known) await bench.get("/v2/odd/e/manifests/1.0");
                    bench.first.faults.push({
                        path: new RegExp(digestOf(bytes)),
                        fault: { do: "lie", ...(wrong && { bytes: wrong }) },
                    });
                    // Who has some of the wrong bytes is cut off.
                    const answer = await bench.get(blobOf("odd/e", bytes)).catch(() => undefined);
                    if (bytes === layer) assert.equal(answer?.digest, digestOf(bytes));
                    assert.equal((await bench.get(blobOf("odd/e", bytes))).digest, digestOf(bytes));
                    assert.deepEqual(
                        bench.logged("relay hands out wrong bytes").map(({ relay }) => relay),
                        ["first"],
                    );
                });
            }
        }

        it("of the only relay are an error for the blob, and the relay stays in use", async () => {
            await start({ relays: 1 });
            bench.first.faults.push({ path: /odd.*blobs/, fault: { do: "lie" } });
            assert.equal((await bench.get(blobOf("odd/a", layer))).status, 502);
            assert.equal((await bench.get(blobOf("library/app", layer))).digest, digestOf(layer));
            await nobodyNoticed();
        });

        it("are nobody's while the other relay is away, and are not waited for", async () => {
            await start();
            await bench.second.refuse();
            bench.first.faults.push({ path: /odd.*blobs/, fault: { do: "lie" } });
            assert.equal((await bench.get(blobOf("odd/a", layer))).status, 502);
            assert.deepEqual(bench.logged("relay hands out wrong bytes"), []);
            assert.equal((await conditions())[0], "well");
        });

        it("of a manifest are the upstream's when both relays have them", async () => {
            const content = await start();
            const digest = content.tags.get("odd/a:1.0");
            everywhere(/odd\/a/, { do: "lie" });
            for (let count = 0; count < 3; count++) {
                assert.equal((await bench.get(`/v2/odd/a/manifests/${digest}`)).status, 502);
            }
            assert.equal(bench.first.asked(/odd/).length, 1);
            assert.equal((await bench.get("/v2/odd/a/manifests/1.0")).status, 502);
            await nobodyNoticed();
        });

        it("of a manifest are one relay's when the other has the right ones", async () => {
            const content = await start();
            bench.first.faults.push({ path: /odd\/a/, fault: { do: "lie" } });
            const digest = content.tags.get("odd/a:1.0");
            assert.equal((await bench.get(`/v2/odd/a/manifests/${digest}`)).digest, digest);
            assert.equal(bench.logged("relay hands out wrong bytes")[0]?.relay, "first");
        });
    });

    describe("sizes that a manifest names", () => {
        const broken = (size: number, bytes: Buffer) => ({
            schemaVersion: 2,
            mediaType: MANIFEST,
            config: {
                mediaType: "application/vnd.oci.image.config.v1+json",
                digest: digestOf(layer),
                size: layer.length,
            },
            layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: digestOf(bytes), size }],
        });

        for (const bytes of [layer, large]) {
            for (const size of [0, 123, bytes.length - 1, bytes.length + 1, 50 * 1024 ** 2, 1024 ** 4]) {
                it(`are hints for their repository: ${size} in the place of ${bytes.length}`, async () => {
                    const content = await start();
                    content.image("library/good", "1.0", [bytes]);
                    content.tags.set("joe/broken:1", content.manifest(MANIFEST, broken(size, bytes)).digest);
                    assert.equal((await bench.get("/v2/joe/broken/manifests/1")).status, 200);

                    const whole = async (repository: string) => {
                        const path = blobOf(repository, bytes);
                        const { status, headers, digest } = await bench.get(path);
                        assert.deepEqual([status, headers["content-length"]], [200, String(bytes.length)]);
                        assert.equal(digest, digestOf(bytes));
                        const head = await bench.get(path, {}, "HEAD");
                        assert.deepEqual([head.status, head.headers["content-length"]], [200, String(bytes.length)]);
                    };
                    const head = await bench.get(blobOf("library/good", bytes), {}, "HEAD");
                    assert.equal(head.headers["content-length"], String(bytes.length));
                    await bench.restart();
                    const after = await bench.get(blobOf("library/good", bytes), {}, "HEAD");
                    assert.equal(after.headers["content-length"], String(bytes.length));
                    await whole("library/good");
                    await bench.restart();
                    await whole("library/good");
                    await whole("joe/broken");
                    await nobodyNoticed();
                });

                it(`do not break the blob for their own repository either: ${size} in the place of ${bytes.length}`, async () => {
                    const content = await start();
                    content.tags.set("joe/broken:1", content.manifest(MANIFEST, broken(size, bytes)).digest);
                    content.image("joe/broken", "2", [bytes]);
                    await bench.get("/v2/joe/broken/manifests/1");
                    const answer = await bench.get(blobOf("joe/broken", bytes));
                    assert.deepEqual([answer.status, answer.digest], [200, digestOf(bytes)]);
                    await nobodyNoticed();
                });
            }
        }

        it("that differ between two manifests of a repository are not believed", async () => {
            const content = await start();
            content.tags.set("joe/broken:1", content.manifest(MANIFEST, broken(123, layer)).digest);
            content.image("joe/broken", "2", [layer]);
            await bench.get("/v2/joe/broken/manifests/1");
            await bench.get("/v2/joe/broken/manifests/2");
            const head = await bench.get(blobOf("joe/broken", layer), {}, "HEAD");
            assert.equal(head.headers["content-length"], String(layer.length));
        });

        it("of a part that an earlier run left are hints as well", async () => {
            await start();
            const hex = digestOf(large).slice("sha256:".length);
            const part = join(bench.spool, "blobs", hex);
            const write = async (size: number, have: number[]) => {
                await writeFile(`${part}.part`, Buffer.alloc(1000));
                await writeFile(`${part}.progress`, JSON.stringify({ size, pieceBytes: 1024 * KIB, have }));
                await bench.restart();
            };
            const content = (bench.first as unknown as { content: FakeContent }).content;
            content.blob(large);
            for (const [size, have] of [
                [123, [0]],
                [5000, [1000]],
                [large.length + 5, [1000, 0, 0, 0]],
            ] as const) {
                await write(size, [...have]);
                const answer = await bench.get(blobOf("library/app", large)).catch(() => undefined);
                if (answer) assert.equal(answer.digest, digestOf(large));
                assert.equal((await bench.get(blobOf("library/app", large))).digest, digestOf(large));
                const { rm } = await import("node:fs/promises");
                await rm(part);
            }
            await nobodyNoticed();
        });
    });

    describe("a limit", () => {
        const now = () => Date.now();
        const rows = [
            [() => String(Math.floor(now() / 1000) + 50), 40, 50],
            [() => String(Math.floor(now() / 1000) - 50), 1, 1],
            [() => String(Math.floor(now() / 1000) + 99_999), 3590, 3600],
            [() => String(now() + 50_000), 40, 51],
            ["43200", 3590, 3600],
            ["99999999", 3590, 3600],
            ["0", 1, 1],
            ["-1", 1, 1],
            ["1.5", 1, 2],
            [() => new Date(now() + 50_000).toUTCString(), 40, 50],
            [() => new Date(now() + 500_000_000).toUTCString(), 3590, 3600],
            ["Wed, 21 Oct 2015 07:28:00 GMT", 1, 1],
            ["abc", 50, 60],
            ["", 50, 60],
            [undefined, 50, 60],
        ] as const;
        /** Each row at an upstream of its own: their limits have nothing to do with each other. */
        const groups = Array.from({ length: Math.ceil(rows.length / UPSTREAMS.length) }, (_, index) =>
            rows.slice(index * UPSTREAMS.length, (index + 1) * UPSTREAMS.length),
        );
        for (const marks of [true, false]) {
            it(`is kept for as long as Retry-After says, in all its forms${marks ? "" : ", of relays of 0.3.0"}`, async () => {
                const wrong: string[] = [];
                for (const group of groups) {
                    await bench?.stop();
                    await start({ marks, config: { upstreams: UPSTREAMS.map(({ name }) => name) } });
                    for (const [index, [said, from, to]] of group.entries()) {
                        const header = typeof said === "function" ? said() : said;
                        const { name = "" } = UPSTREAMS[index] ?? {};
                        const fault = upstreams(429, header === undefined ? {} : { "Retry-After": header });
                        everywhere(name === "docker.io" ? /^\/v2\/odd/ : new RegExp(`/v2/${name}/`), {
                            ...fault,
                            ...(marks ? {} : { answer: undefined }),
                        } as Fault);
                        for (const path of [`/v2/${name}/odd/a/manifests/1.0`, blobOf(`${name}/odd/a`, layer)]) {
                            const answer = await bench.get(path);
                            const sent = Number(answer.headers["retry-after"]);
                            const isRight =
                                answer.status === 429 && sent >= Math.min(from, to - 1) && sent <= to && sent >= 1;
                            if (!isRight) wrong.push(`"${header}" ${path}: ${answer.status}, ${sent} s`);
                        }
                    }
                    for (const relay of (await status()).relays) {
                        assert.equal(relay.condition, "well");
                        for (const left of Object.values(relay.throttledSeconds)) assert.ok(Number(left) <= 3600);
                    }
                }
                assert.deepEqual(wrong, []);
            });
        }

        for (const kind of ["tags", "referrers", "blobs", "manifests"]) {
            it(`on ${kind} is about nothing else`, async () => {
                await start();
                everywhere(new RegExp(`/${kind}/`), upstreams(429, { "Retry-After": "60" }));
                const paths: Record<string, string> = {
                    tags: "/v2/library/app/tags/list",
                    referrers: `/v2/library/app/referrers/${digestOf(layer)}`,
                    blobs: blobOf("library/app", layer),
                    manifests: TAG,
                };
                await bench.get(paths[kind]!);
                await bench.get(paths[kind]!);
                assert.deepEqual(bench.first.asked(new RegExp(`/${kind}/`)).length, 1);
                for (const [other, path] of Object.entries(paths)) {
                    if (other === kind) continue;
                    await bench.get(path);
                    // Not the tag that referrers look for as well.
                    assert.equal(bench.first.asked().filter((asked) => asked.path.startsWith(path)).length, 1, other);
                }
                assert.equal((await bench.get(GHCR)).status, kind === "manifests" ? 429 : 200);
            });
        }
    });

    describe("silence", () => {
        const gone = async () => everywhere(HUB, { do: "silence" });

        it("is known after one request, and others are answered at once while it lasts", async () => {
            await start();
            await gone();
            const first = await bench.get(TAG);
            assert.equal(first.status, 503);
            assert.match(first.body.toString(), /docker\.io says nothing/);
            for (const path of [OTHER, TAG, "/v2/odd/a/manifests/1.0", blobOf("odd/b", layer), "/v2/odd/a/tags/list"]) {
                const [answer, ms] = await timed(bench.get(path));
                assert.equal(answer.status, 503, path);
                assert.ok(Number(answer.headers["retry-after"]) >= 1);
                assert.ok(ms < 300, `${path} took ${ms} ms`);
            }
            assert.deepEqual(rests(), []);
            assert.deepEqual(await conditions(), ["well", "well"]);
            // Another upstream through the same relays.
            assert.equal((await bench.get(GHCR)).status, 200);
            assert.equal(bench.first.asked(/ghcr/).length, 1);
        });

        it("ends by itself when the upstream answers again", async () => {
            await start();
            await gone();
            assert.equal((await bench.get(TAG)).status, 503);
            for (const relay of bench.relays) relay.faults.length = 0;
            await eventually("the first relay is asked again", async () => {
                await bench.get(TAG);
                return bench.first.asked().some(({ bytes }) => bytes > 0) ? true : undefined;
            });
            assert.ok(bench.first.probed().length > 0);
        });

        it("of one upstream leaves connections to the others, however many ask for it", async () => {
            await start({ relays: 1, times: { answerMs: 4000, upstreamProbeMs: 2000 } });
            await gone();
            const crowd = Array.from({ length: 150 }, (_, index) => bench.get(`/v2/odd/${index}/manifests/1.0`));
            await eventually("they wait", () => (bench.first.asked().length >= 20 ? true : undefined));
            const [answer, ms] = await timed(bench.get(GHCR));
            assert.equal(answer.status, 200);
            assert.ok(ms < 1500, `took ${ms} ms`);
            for (const { status } of await Promise.all(crowd)) assert.equal(status, 503);
        });

        it("of one image alone is that image's, and the others do not wait", async () => {
            await start();
            everywhere(/odd\/a/, { do: "silence" });
            const odd = bench.get("/v2/odd/a/manifests/1.0");
            for (let count = 0; count < 5; count++) assert.equal((await bench.get(OTHER)).status, 200);
            assert.equal((await odd).status, 503);
            assert.equal((await bench.get(blobOf("odd/a", layer))).status, 503);
            await nobodyNoticed();
        });

        it("through one relay alone leaves the upstream to the other, and the relay to other upstreams", async () => {
            await start();
            bench.first.faults.push({ path: HUB, fault: { do: "silence" } });
            assert.equal((await bench.get(TAG)).status, 200);
            await eventually("it is found out", () => (upstreamRests().length > 0 ? true : undefined));
            const [answer, ms] = await timed(bench.get(OTHER));
            assert.equal(answer.status, 200);
            assert.ok(ms < 300, `took ${ms} ms`);
            assert.deepEqual(rests(), []);
            assert.equal((await bench.get(GHCR)).status, 200);
            assert.equal(bench.first.asked(/ghcr/).length, 1);
        });

        it("that the relays put into words (504) is the same", async () => {
            await start();
            everywhere(HUB, own(504, "unreachable"));
            assert.equal((await bench.get(TAG)).status, 503);
            await eventually("both know", () => (upstreamRests().length === 2 ? true : undefined));
            const asked = bench.first.asked().length;
            assert.equal((await bench.get(OTHER)).status, 503);
            assert.equal(bench.first.asked().length, asked);
            assert.deepEqual(await conditions(), ["well", "well"]);
            assert.equal((await bench.get(GHCR)).status, 200);
        });

        it("put into words (504) for one image is that image's", async () => {
            await start();
            everywhere(/odd\/a/, own(504, "unreachable"));
            for (let count = 0; count < 4; count++) {
                assert.equal((await bench.get("/v2/odd/a/manifests/1.0")).status, 503);
                assert.equal((await bench.get(blobOf("odd/a", layer))).status, 503);
            }
            await nobodyNoticed();
        });

        for (const marks of [true, false]) {
            for (const method of ["HEAD", "GET"]) {
                it(`leaves a tag what it stood for last, by ${method}${marks ? "" : ", with relays of 0.3.0"}`, async () => {
                    const content = await start({ marks, times: { answerMs: 4000 } });
                    const digest = content.tags.get("library/app:1.0");
                    for (const path of [TAG, OTHER]) await bench.get(path);
                    await gone();
                    const [answer, ms] = await timed(bench.get(TAG, {}, method));
                    assert.deepEqual([answer.status, answer.headers["docker-content-digest"]], [200, digest]);
                    assert.match(String(answer.headers.warning), /^110 /);
                    assert.ok(ms < 1500, `took ${ms} ms`);
                    if (method === "GET") assert.equal(answer.digest, digest);
                    // At once from now on, another tag as well, and after a restart once more.
                    for (const path of [TAG, OTHER, TAG]) {
                        const [again, quick] = await timed(bench.get(path, {}, method));
                        assert.equal(again.status, 200);
                        assert.ok(quick < 300, `${path} took ${quick} ms`);
                    }
                    await bench.restart();
                    assert.equal((await bench.get(TAG, {}, method)).headers["docker-content-digest"], digest);
                    assert.match((await metric("stale_answers_total{"))[0] ?? "", /docker\.io"} 1/);
                    assert.equal((await bench.get(GHCR)).status, 200);
                    // The digest is asked for again as soon as that helps.
                    for (const relay of bench.relays) relay.faults.length = 0;
                    const moved = content.image("library/app", "1.0", [layer, layer]);
                    await eventually("the tag has moved", async () =>
                        (await bench.get(TAG, {}, method)).headers["docker-content-digest"] === moved.digest
                            ? true
                            : undefined,
                    );
                });
            }
        }

        it("leaves blobs and manifests by digest that are here", async () => {
            const content = await start();
            const digest = content.tags.get("library/app:1.0");
            await bench.get(TAG);
            await bench.get(blobOf("library/app", layer));
            await gone();
            for (const path of [`/v2/library/app/manifests/${digest}`, blobOf("library/app", layer)]) {
                for (const method of ["HEAD", "GET"]) assert.equal((await bench.get(path, {}, method)).status, 200);
            }
            assert.equal(bench.first.asked().length, 2);
        });

        it("is not mixed up with a tag that was deleted: a refusal is a refusal", async () => {
            const content = await start();
            await bench.get(TAG);
            content.tags.delete("library/app:1.0");
            assert.equal((await bench.get(TAG)).status, 404);
        });

        it("is survived by what an earlier run wrote half", async () => {
            await start();
            await bench.get(TAG);
            const file = join(bench.spool, "last-known.jsonl");
            const text = await readFile(file, "utf8");
            await writeFile(file, `${text}{"tag":"/v2/libr`);
            await bench.restart();
            await gone();
            assert.equal((await bench.get(TAG)).status, 200);
        });
    });
});
