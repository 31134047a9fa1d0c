/**
 * Front, cache and uplink behind one another, as real programs, before relays that misbehave. It does not prove that our
 * relays work, nor that a container runtime is content; and nothing of their containers.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../support/eventually";
import { digestOf, FakeContent, MANIFEST, randomBytes } from "../../support/fake-relay";
import { ENGINES, type Engine, Office, type OfficeOptions } from "../../support/office";

const KIB = 1024;
const MIB = 1024 * KIB;
const ACCEPT = { accept: MANIFEST };
const LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

for (const engine of Object.keys(ENGINES) as Engine[]) {
    describe(`The office with ${engine}`, function () {
        this.timeout(60_000);
        let office: Office;
        const content = new FakeContent();
        const layers = ["one", "two", "three"].map((seed) => randomBytes(300 * KIB, `${engine} ${seed}`));
        const image = content.image("library/app", "1.0", layers);
        const large = randomBytes(25 * MIB, `${engine} large`);
        content.image("library/large", "1.0", [large]);
        const start = async (options: Partial<OfficeOptions> = {}) => {
            office = await Office.start(content, { engine, ...options });
        };
        const pathOf = (bytes: Buffer, repository = "library/app") => `/v2/${repository}/blobs/${digestOf(bytes)}`;
        const kept = (bytes: Buffer) =>
            eventually("the cache keeps the blob", async () => {
                const { handovers } = JSON.parse((await office.bench.get("/status")).body.toString());
                if (handovers > 0) return undefined;
                // Between a file that was set aside and the one that takes its place there is none.
                const file = statSync(office.fileOf(digestOf(bytes)), { throwIfNoEntry: false });
                return file?.size === bytes.length || undefined;
            });
        const pulled = async (bytes: Buffer, repository?: string) => {
            const answer = await office.get(pathOf(bytes, repository));
            assert.deepEqual([answer.status, answer.digest], [200, digestOf(bytes)]);
            assert.equal(answer.headers["content-length"], String(bytes.length));
        };

        describe("on a disk with room", () => {
            before(() => start());
            after(() => office.stop());
            beforeEach(() => {
                for (const relay of office.bench.relays) {
                    relay.requests.length = 0;
                    relay.faults.length = 0;
                }
            });

            it("pulls an image, keeps it in the cache, and sends it from the disk from then on", async () => {
                const manifest = await office.get("/v2/library/app/manifests/1.0", ACCEPT);
                assert.deepEqual([manifest.status, manifest.digest], [200, image.digest]);
                assert.equal(await office.sentFrom("1.0"), "cache");
                for (const layer of layers) {
                    await pulled(layer);
                    await kept(layer);
                    assert.equal(await office.sentFrom(digestOf(layer)), "uplink");
                    await pulled(layer);
                    assert.equal(await office.sentFrom(digestOf(layer)), "disk");
                }
                assert.equal(office.bench.first.asked(/blobs/).length, layers.length);
            });

            const damage: Readonly<Record<string, (file: string) => void>> = {
                "truncated to nothing": (file) => truncateSync(file, 0),
                "truncated to half": (file) => truncateSync(file, statSync(file).size / 2),
                "longer than it was": (file) =>
                    writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.from("x")])),
                "overwritten with the right length": (file) =>
                    writeFileSync(file, Buffer.alloc(statSync(file).size, "x")),
            };
            for (const [what, harm] of Object.entries(damage)) {
                it(`fetches a blob again whose file in the store is ${what}`, async () => {
                    const [layer = Buffer.alloc(0)] = layers;
                    await kept(layer);
                    await pulled(layer);
                    harm(office.fileOf(digestOf(layer)));
                    await pulled(layer);
                    await kept(layer);
                    await pulled(layer);
                    assert.equal(await office.sentFrom(digestOf(layer)), "disk");
                    const aside = readdirSync(join(office.bench.store, "set-aside"));
                    assert.ok(aside.some((name) => name.endsWith(digestOf(layer).slice("sha256:".length))));
                });
            }

            it("finds out by itself what the sizes are after a restart that lost what the uplink had learnt", async () => {
                const [layer = Buffer.alloc(0)] = layers;
                await kept(layer);
                await office.bench.uplink.close();
                rmSync(join(office.bench.spool, "manifests"), { recursive: true });
                truncateSync(office.fileOf(digestOf(layer)), 1000);
                await office.bench.startUplink();
                await pulled(layer);
            });

            for (const type of [
                "application/json",
                "text/plain",
                "",
                "application/vnd.oci.artifact.manifest.v1+json",
            ]) {
                it(`passes on a manifest of the type "${type}" as it came`, async () => {
                    const { digest } = content.manifest(type, {
                        schemaVersion: 2,
                        mediaType: type,
                        blobs: [],
                        of: engine,
                    });
                    content.tags.set("library/odd:1.0", digest);
                    for (const reference of ["1.0", digest]) {
                        const answer = await office.get(`/v2/library/odd/manifests/${reference}`, { accept: "*/*" });
                        assert.deepEqual([answer.status, answer.digest], [200, digest]);
                        assert.equal(answer.headers["docker-content-digest"], digest);
                        if (type !== "") assert.equal(answer.headers["content-type"], type);
                    }
                });
            }

            for (const accept of [undefined, "*/*", "application/json", `${LIST}, */*`]) {
                it(`gives a manifest list to who accepts ${accept ?? "nothing in particular"}`, async () => {
                    const config = content.blob(Buffer.from(`{"of":"${engine}"}`));
                    const child = content.manifest(DOCKER_MANIFEST, {
                        schemaVersion: 2,
                        mediaType: DOCKER_MANIFEST,
                        config: {
                            mediaType: "application/vnd.docker.container.image.v1+json",
                            digest: config,
                            size: 16,
                        },
                        layers: [],
                    });
                    const platform = { architecture: "amd64", os: "linux" };
                    const manifests = [{ mediaType: DOCKER_MANIFEST, ...child, platform }];
                    const { digest } = content.manifest(LIST, { schemaVersion: 2, mediaType: LIST, manifests });
                    content.tags.set("library/list:1.0", digest);
                    const answer = await office.get("/v2/library/list/manifests/1.0", accept ? { accept } : {});
                    assert.equal(answer.status, 200);
                    assert.equal(answer.headers["docker-content-digest"], answer.digest);
                    assert.deepEqual([answer.digest, answer.headers["content-type"]], [digest, LIST]);
                });
            }

            for (const [status, answer, said] of [
                [401, 403, /by the upstream's rules/],
                [402, 402, /by the upstream's rules/],
                [403, 403, /by the upstream's rules/],
                [404, 404, /by the upstream's rules/],
                [451, 451, /by the upstream's rules/],
                [500, 500, /by the upstream's rules/],
                // Of another upstream: it rests afterwards.
                [429, 429, /throttled/],
            ] as const) {
                it(`says in the upstream's and the uplink's words why there is no image: ${status}`, async () => {
                    const body = JSON.stringify({ errors: [{ code: "DENIED", message: "by the upstream's rules" }] });
                    const path = new RegExp(`/library/no${status}/`);
                    const headers = { "Content-Type": "application/json" };
                    for (const { faults } of office.bench.relays) {
                        faults.push({ path, fault: { do: "status", status, headers, body, answer: "upstream" } });
                    }
                    const upstream = status === 429 ? "ghcr.io/" : "";
                    const found = await office.get(`/v2/${upstream}library/no${status}/manifests/1.0`, ACCEPT);
                    assert.equal(found.status, answer);
                    assert.match(found.body.toString(), said);
                    assert.doesNotMatch(found.body.toString(), /"UNKNOWN"/);
                });
            }

            it("lists 9 MiB of tags, and those after a tag that is asked for without n", async () => {
                const tags = Array.from({ length: 80_000 }, (_, index) => `${index}`.padStart(120, "0"));
                content.tagLists.set("library/many", { tags, needsCount: true });
                const list = async (query: string): Promise<string[]> => {
                    const answer = await office.get(`/v2/library/many/tags/list${query}`);
                    assert.equal(answer.status, 200);
                    return JSON.parse(answer.body.toString()).tags;
                };
                assert.deepEqual(await list(""), tags);
                assert.deepEqual(await list(`?last=${tags[79_990]}`), tags.slice(79_991));
            });

            it("lists 250 tags in pages of 100, of a registry that is named by ns", async () => {
                const tags = Array.from({ length: 250 }, (_, index) => `v${1000 + index}`);
                const link = (next: string) => [
                    "</v2/x/tags/list>; rel=first",
                    `<https://ghcr.io${next}>; title="a, b"; rel="next"`,
                ];
                content.tagLists.set("ghcr.io/owner/pages", { tags, link });
                const got: string[] = [];
                let pages = 0;
                let path: string | undefined = "/v2/owner/pages/tags/list?ns=ghcr.io";
                for (; path !== undefined; pages++) {
                    const answer = await office.get(path);
                    got.push(...JSON.parse(answer.body.toString()).tags);
                    path = /^<([^>]+)>; rel="next"$/.exec(`${answer.headers.link ?? ""}`)?.[1];
                }
                assert.deepEqual([got, pages], [tags, 3]);
            });

            it("takes a digest whose colon is encoded for that digest", async () => {
                const encoded = (digest: string) => digest.replace(":", "%3A");
                const [layer = Buffer.alloc(0)] = layers;
                const answer = await office.get(`/v2/library/app/manifests/${encoded(image.digest)}`, ACCEPT);
                assert.deepEqual([answer.status, answer.digest], [200, image.digest]);
                const cold = randomBytes(100 * KIB, `${engine} encoded`);
                content.blob(cold);
                for (const bytes of [layer, cold, cold]) {
                    const blob = await office.get(`/v2/library/app/blobs/${encoded(digestOf(bytes))}`);
                    assert.deepEqual([blob.status, blob.digest], [200, digestOf(bytes)]);
                }
            });

            it("names the algorithm of a digest that it cannot keep", async () => {
                for (const kind of ["manifests", "blobs", "referrers"]) {
                    const answer = await office.get(`/v2/library/app/${kind}/sha512:${"a".repeat(128)}`);
                    assert.deepEqual(
                        [answer.status, JSON.parse(answer.body.toString()).errors[0].code],
                        [415, "UNSUPPORTED"],
                    );
                    assert.match(answer.body.toString(), /sha512.*sha256/);
                }
            });

            it("serves five open ranges of one cold blob from one download", async () => {
                const before = await office.bench.linkBytes();
                const fifth = large.length / 5;
                const parts = await Promise.all(
                    [0, 1, 2, 3, 4].map(async (index) => {
                        const answer = await office.open(pathOf(large, "library/large"), {
                            range: `bytes=${index * fifth}-`,
                        });
                        assert.equal(answer.statusCode, 206);
                        const chunks: Buffer[] = [];
                        let bytes = 0;
                        // As containerd does: reads its part, and leaves.
                        for await (const chunk of answer) {
                            chunks.push(chunk);
                            bytes += chunk.length;
                            if (bytes >= fifth) break;
                        }
                        return Buffer.concat(chunks).subarray(0, fifth);
                    }),
                );
                assert.equal(digestOf(Buffer.concat(parts)), digestOf(large));
                assert.ok(((await office.bench.linkBytes()) - before) / large.length <= 1.02);
                await kept(large);
            });

            it("serves what was pulled with neither relays nor uplink, and then without the cache's engine too", async () => {
                const [layer = Buffer.alloc(0)] = layers;
                await office.get("/v2/library/app/manifests/1.0", ACCEPT);
                await kept(layer);
                await office.bench.uplink.close();
                assert.equal((await office.get("/v2/library/app/manifests/1.0", ACCEPT)).digest, image.digest);
                await pulled(layer);
                await office.stopCache();
                await pulled(layer);
                const answer = await office.get("/v2/library/app/manifests/1.0", ACCEPT);
                assert.equal(answer.status, 503);
                await office.bench.startUplink();
                assert.equal((await office.get("/v2/library/app/manifests/1.0", ACCEPT)).digest, image.digest);
            });
        });

        describe("on a full disk", () => {
            before(() => start({ storeBytes: 20 * MIB }));
            after(() => office.stop());

            it("serves a cached image, and a new one uncached", async () => {
                await office.get("/v2/library/app/manifests/1.0", ACCEPT);
                for (const layer of layers) {
                    await pulled(layer);
                    await kept(layer);
                }
                // Larger than what is left: the cache breaks off in the middle.
                await pulled(large, "library/large");
                assert.throws(
                    () => writeFileSync(join(office.bench.store, "filler"), Buffer.alloc(20 * MIB, "x")),
                    /ENOSPC/,
                );
                assert.equal((await office.get("/v2/library/app/manifests/1.0", ACCEPT)).digest, image.digest);
                assert.equal(
                    (await office.get(`/v2/library/app/manifests/${image.digest}`, ACCEPT)).digest,
                    image.digest,
                );
                for (const layer of layers) await pulled(layer);
                const fresh = randomBytes(200 * KIB, `${engine} fresh`);
                const { digest } = content.image("library/fresh", "1.0", [fresh]);
                for (const reference of ["1.0", digest, "1.0"]) {
                    const answer = await office.get(`/v2/library/fresh/manifests/${reference}`, ACCEPT);
                    assert.deepEqual([answer.status, answer.digest], [200, digest]);
                }
                await pulled(fresh, "library/fresh");
                await pulled(fresh, "library/fresh");
            });
        });
    });
}
