/**
 * Odd requests and odd answers of upstreams, each sent to both relays: they say the same, and the right thing. Every row
 * is one input and what comes of it. It proves nothing about Cloudflare's edge, which reads requests before a Worker does.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { connect } from "node:tls";
import type { Fault } from "../../rehearsal/hub/faults";
import { type Hub, startHub } from "../../rehearsal/hub/hub";
import { makeImage } from "../../rehearsal/hub/image";
import { ImageStore, OCI_INDEX, OCI_MANIFEST } from "../../rehearsal/hub/store";
import { HUB_HOSTS } from "../../rehearsal/hub/upstream-hosts";
import { issue, makeCa } from "../../rehearsal/pki";
import { EVERY_RELAY, sameOfAll } from "../support/every-relay";
import { REFUSED } from "../support/refused-requests";
import { type Answer, open, type RelayUnderTest, send } from "../support/relay";

const HUB_ADDRESS = `127.87.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const KEY = "B2lQr8As1tU6vWx3yZc5dEf7gHi9jKl2mNo4pQr6";
const ACCEPT = [OCI_MANIFEST, OCI_INDEX].join(", ");
const PULL = { "x-relay-key": KEY, accept: ACCEPT };
const UPSTREAMS = ["docker.io", "ghcr.io", "quay.io"];
const ZEROS = "0".repeat(64);
/** Headers that a client goes by, beside those that are compared on their own. */
const HEADERS = [
    "content-length",
    "content-range",
    "docker-content-digest",
    "link",
    "etag",
    "content-encoding",
    "allow",
    "retry-after",
    "ratelimit-remaining",
    "www-authenticate",
    "set-cookie",
    "refresh",
    "cache-control",
    "docker-distribution-api-version",
];

describe("Both relays", function () {
    this.timeout(120_000);

    let folder: string;
    let hub: Hub;
    let relays: RelayUnderTest[] = [];
    let layer: { digest: string; size: number };

    before(async () => {
        folder = await mkdtemp(join(tmpdir(), "relays-alike-"));
        const store = new ImageStore(folder);
        for (const [upstream, repository] of [
            ["docker.io", "library/hello"],
            ["docker.io", "owner/app"],
            ["ghcr.io", "owner/app"],
            ["quay.io", "my.org/app"],
        ] as const) {
            const made = await makeImage(store, {
                upstream,
                repository,
                tag: "1.0",
                layers: [{ bytes: 1000, seed: "layer" }],
            });
            layer = made.platforms[0]!.layers[0]!;
        }
        const ca = makeCa("relays alike");
        hub = await startHub({ store, ...issue(ca, HUB_HOSTS), host: HUB_ADDRESS, edges: 1 });
        const options = { hub, hubAddress: HUB_ADDRESS, ca, keys: { "acme.1": KEY }, upstreams: UPSTREAMS };
        relays = await Promise.all(EVERY_RELAY.map((start) => start(options)));
    });
    after(async () => {
        await Promise.all(relays.map((relay) => relay.stop()));
        await hub?.close();
        await rm(folder, { recursive: true, force: true });
    });
    beforeEach(() => hub.clear());

    /** What both say, once it is the same, and what each asked of the upstreams for it. */
    const ask = async (method: string, path: string, faults: readonly Fault[] = [], headers: object = PULL) => {
        const answers: (Said & { asked: string[] })[] = [];
        for (const relay of relays) {
            hub.clear();
            hub.faults.push(...faults);
            const answer = said(relay, await send(relay, method, path, headers as Record<string, string>));
            const asked = hub.requests.filter(({ role }) => role !== "token");
            answers.push({
                ...answer,
                asked: asked.map(({ host, path }) => `${host}${path.replace(/\?Expires=.*/, "")}`),
            });
        }
        return sameOfAll(answers, `${method} ${path}`);
    };

    it("send an upstream nothing of a request but what a pull needs", async () => {
        const own = {
            ...PULL,
            cookie: "sEntiNel=1",
            "x-forwarded-for": "10.9.8.7",
            "x-sentinel": "sEntiNel",
            authorization: `Basic ${Buffer.from(`me:${KEY}`).toString("base64")}`,
            "user-agent": "sEntiNel/1",
            referer: "https://sEntiNel.acme.lan/",
        };
        for (const relay of relays) {
            for (const path of ["manifests/1.0", `blobs/${layer.digest}`, "tags/list"]) {
                hub.clear();
                const { status } = await send(relay, "GET", `/v2/docker.io/library/hello/${path}`, own);
                assert.equal(status, 200, path);
                assert.ok(hub.requests.some(({ role }) => role !== "token"));
                const sent = JSON.stringify(hub.requests.map(({ path, headers }) => [path, headers]));
                assert.doesNotMatch(sent, /sEntiNel|10\.9\.8\.7|x-relay-key|Basic/i, path);
            }
        }
    });

    describe("take a request for", () => {
        const hello = "registry-1.docker.io/v2/library/hello/manifests/1.0";
        const ghcr = "ghcr.io/v2/owner/app/manifests/1.0";
        const same: Record<string, string> = {
            "/v2/index.docker.io/library/hello/manifests/1.0": hello,
            "/v2/index.docker.io/hello/manifests/1.0": hello,
            "/v2/registry-1.docker.io/library/hello/manifests/1.0": hello,
            "/v2/docker.io/library/hello/manifests/1.0?ns=index.docker.io": hello,
            "/v2/registry-1.docker.io/hello/manifests/1.0?ns=docker.io": hello,
            "/v2/hello/manifests/1.0?ns=index.docker.io": hello,
            "/v2/hello/manifests/1.0?ns=registry-1.docker.io": hello,
            "/v2/hello/manifests/1.0?ns=registry-1.docker.io:443": hello,
            "/v2/hello/manifests/1.0?ns=DOCKER.IO": hello,
            "/v2/hello/manifests/1.0?ns=Docker.io%3A443": hello,
            "/v2/hello/manifests/1.0?ns=docker.io%3a443": hello,
            "/v2/owner/app/manifests/1.0?ns=GHCR.io:443": ghcr,
            "/v2/ghcr.io/owner/app/manifests/1.0?ns=GHCR.IO": ghcr,
            "/v2/owner/app/manifests/1.0?unknown=%zz&ns=ghcr.io": ghcr,
            "/v2/owner/app/manifests/1.0?NS=docker.io&ns=ghcr.io": ghcr,
            "/v2/owner/app/manifests/1.0?&&ns=ghcr.io&": ghcr,
            "/v2/my.org/app/manifests/1.0?ns=quay.io": "quay.io/v2/my.org/app/manifests/1.0",
            "/v2/quay.io/my.org/app/manifests/1.0": "quay.io/v2/my.org/app/manifests/1.0",
        };
        for (const [path, place] of Object.entries(same)) {
            it(`${place} where it is ${path}`, async () => {
                const answer = await ask("GET", path);
                assert.deepEqual([answer.status, answer.voice, answer.asked], [200, "upstream", [place]]);
            });
        }

        it("a blob, a manifest and referrers whose digest has its colon encoded", async () => {
            for (const colon of ["%3A", "%3a"]) {
                const encoded = layer.digest.replace(":", colon);
                assert.equal((await ask("GET", `/v2/library/hello/blobs/${encoded}`)).status, 200);
                assert.equal((await ask("HEAD", `/v2/hello/blobs/${encoded}?ns=docker.io`)).length, String(layer.size));
                const index = (await ask("HEAD", "/v2/library/hello/manifests/1.0")).headers["docker-content-digest"];
                const manifest = await ask("GET", `/v2/library/hello/manifests/${index?.replace(":", colon)}`);
                assert.deepEqual(manifest.asked, [`registry-1.docker.io/v2/library/hello/manifests/${index}`]);
                assert.equal(manifest.status, 200);
                assert.equal((await ask("GET", `/v2/library/hello/referrers/sha256${colon}${ZEROS}`)).status, 200);
            }
        });

        const queries: Record<string, string> = {
            "?n=5": "?n=5",
            "?last=1.0": "?last=1.0",
            "?last=1.0&n=5": "?n=5&last=1.0",
            "?n=0": "?n=0",
            "?n=007": "?n=007",
            "?last=": "",
            "?last=a%2Bb": "?last=a%2Bb",
            "?N=5&Last=1.0": "",
            "?nn=5&xlast=1.0": "",
            "?x=1&ns=docker.io&n=5&y": "?n=5",
            "?next_page=gAAA_-%3D&n=5": "?n=5&next_page=gAAA_-%3D",
        };
        for (const [query, goesUp] of Object.entries(queries)) {
            it(`tags with ${query} by asking for ${goesUp || "all"}`, async () => {
                const { asked, voice } = await ask("GET", `/v2/library/hello/tags/list${query}`);
                assert.deepEqual(
                    [asked, voice],
                    [[`registry-1.docker.io/v2/library/hello/tags/list${goesUp}`], "upstream"],
                );
            });
        }

        const types: Record<string, string> = {
            "?artifactType=a/b&artifactType=c/d": "?artifactType=a/b&artifactType=c/d",
            "?artifactType=a/b&n=5&artifactType=c/d": "?n=5",
            "?artifactType=application/vnd.x%2Bjson": "?artifactType=application/vnd.x%2Bjson",
            "?artifactType=": "",
        };
        for (const [query, goesUp] of Object.entries(types)) {
            it(`referrers with ${query} by asking for ${goesUp || "all"}`, async () => {
                const path = `/v2/library/hello/referrers/sha256:${ZEROS}`;
                const { asked } = await ask("GET", `${path}${query}`);
                assert.deepEqual(asked, [`registry-1.docker.io${path}${goesUp}`]);
            });
        }
    });

    describe("refuse a request and ask no upstream", () => {
        for (const [path, [status, code]] of Object.entries(REFUSED)) {
            it(`${path.slice(0, 80)}: ${status}`, async () => {
                for (const method of ["GET", "HEAD"]) {
                    const answer = await ask(method, path);
                    assert.deepEqual([answer.status, answer.voice, answer.asked], [status, "relay; reason=table", []]);
                    if (method === "GET") assert.equal(answer.code, code);
                }
                // A caller without a key learns nothing of names; what is no request at all is so for everybody.
                const stranger = await ask("GET", path, [], {});
                assert.equal(stranger.status, isForEverybody(path) ? status : 401);
            });
        }
    });

    describe("take a key", () => {
        const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });
        const shown: Record<string, [headers: object, status: number]> = {
            "as a password": [basic(`acme:${KEY}`), 200],
            "as a password without padding": [
                { authorization: basic(`ac:${KEY}`).authorization.replace(/=+$/, "") },
                200,
            ],
            "as a password beside an empty X-Relay-Key": [{ ...basic(`acme:${KEY}`), "x-relay-key": "" }, 200],
            "not without a colon before it": [basic(KEY), 401],
            "not with a second colon": [basic(`a:b:${KEY}`), 401],
            "not as a user": [basic(`${KEY}:`), 401],
            "not as a password beside a wrong X-Relay-Key": [{ ...basic(`acme:${KEY}`), "x-relay-key": "wrong" }, 401],
            "not from another scheme": [{ authorization: `Bearer ${KEY}` }, 401],
            "not where the base64 has a character too many": [{ authorization: `${basic("a:x").authorization}A` }, 401],
            "not from a single character": [{ authorization: "Basic A" }, 401],
            "not from base64 of other bytes than text": [{ authorization: "Basic /////w==" }, 401],
            "not with other bytes behind it": [{ "x-relay-key": `${KEY}\u00e9` }, 401],
        };
        for (const [how, [headers, status]] of Object.entries(shown)) {
            it(how, async () => {
                assert.equal((await ask("GET", "/v2/", [], headers)).status, status);
            });
        }

        it("not from two lines", async () => {
            for (const keys of [
                ["wrong", KEY],
                [KEY, "wrong"],
                [KEY, KEY],
            ]) {
                assert.equal((await ask("GET", "/v2/", [], { "x-relay-key": keys })).status, 401);
            }
        });
    });

    describe("hand on", () => {
        const MANIFEST = "/v2/library/hello/manifests/odd";
        const status = (change: object): Fault[] => [
            { match: { role: "registry" }, action: { kind: "status", status: 200, ...change } },
        ];
        const digest = `sha256:${"a".repeat(64)}`;
        const other = `sha256:${"b".repeat(64)}`;

        const types = {
            "a signed manifest of schema 1": "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "an OCI artifact manifest": "application/vnd.oci.artifact.manifest.v1+json",
            "an ORAS artifact manifest": "application/vnd.cncf.oras.artifact.manifest.v1+json",
            "JSON of no type": "application/json",
            "text that is JSON": "text/plain",
        };
        for (const [what, type] of Object.entries(types)) {
            it(`${what} byte for byte`, async () => {
                const body = '{\n   "schemaVersion": 1,\n "signatures": [{"protected":"eyJ9"}]}\n';
                const headers = { "content-type": type, "docker-content-digest": digest };
                for (const method of ["GET", "HEAD"]) {
                    const answer = await ask(method, MANIFEST, status({ headers, body }));
                    assert.deepEqual([answer.status, answer.type, answer.voice], [200, type, "upstream"]);
                    assert.equal(answer.length, String(body.length));
                    assert.equal(answer.headers["docker-content-digest"], digest);
                    assert.equal(answer.body, method === "GET" ? body : "");
                }
            });
        }

        it("an answer without a Content-Type", async () => {
            const answer = await ask("GET", MANIFEST, status({ body: "{}" }));
            assert.deepEqual([answer.status, answer.body, answer.voice], [200, "{}", "upstream"]);
        });

        const digests: Record<string, [header: string | string[], handedOn: string | undefined]> = {
            "of another algorithm": [`sha512:${"c".repeat(128)}`, `sha512:${"c".repeat(128)}`],
            "of two algorithms": [[`sha512:${"c".repeat(128)}`, digest], digest],
            "in capitals": [digest.toUpperCase(), digest],
            "beside what is no digest": [`unknown, ${digest}`, digest],
            "twice, the same": [[digest, digest], digest],
            "twice in one line, the same": [`${digest}, ${digest}`, digest],
            "twice, not the same": [[digest, other], undefined],
            "twice in one line, not the same": [`${digest},${other}`, undefined],
            "of two algorithms, one of them twice": [[digest, `sha512:${"c".repeat(128)}`, other], undefined],
        };
        for (const [what, [header, handedOn]] of Object.entries(digests)) {
            it(`a Docker-Content-Digest ${what}: ${handedOn ? "as one" : "not"}`, async () => {
                for (const method of ["GET", "HEAD"]) {
                    const headers = { "docker-content-digest": header, "content-type": OCI_MANIFEST };
                    const answer = await ask(method, MANIFEST, status({ headers, body: "{}" }));
                    assert.deepEqual([answer.status, answer.voice], [handedOn ? 200 : 502, "upstream"]);
                    assert.equal(answer.headers["docker-content-digest"], handedOn);
                    if (method === "GET" && !handedOn) assert.ok(answer.message?.includes("Docker-Content-Digest"));
                }
            });
        }

        for (const encoding of ["gzip", "x-gzip"] as const) {
            it(`a manifest, a list and a blob in ${encoding} as plain bytes, also to who would take it`, async () => {
                const body = `{"schemaVersion":2,"x":"${"y".repeat(5000)}"}`;
                const headers = { "content-type": OCI_MANIFEST, etag: '"x"' };
                const faults = status({ headers, body, encoding });
                for (const accepted of [{}, { "accept-encoding": "gzip, br", "user-agent": "docker/29" }]) {
                    for (const path of [MANIFEST, "/v2/library/hello/tags/list"]) {
                        const answer = await ask("GET", path, faults, { ...PULL, ...accepted });
                        assert.deepEqual([answer.status, answer.voice, answer.complete], [200, "upstream", true]);
                        assert.equal(answer.body, body.slice(0, 2000));
                        assert.deepEqual([answer.headers["content-encoding"], answer.length], [undefined, undefined]);
                    }
                }
                const blob = await ask("GET", `/v2/library/hello/blobs/${layer.digest}`, [
                    { match: { role: "cdn" }, action: { kind: "encode", encoding } },
                ]);
                assert.deepEqual([blob.status, blob.complete], [200, true]);
                assert.match(blob.body ?? "", /^noise\//);
                const head = await ask("HEAD", MANIFEST, faults);
                assert.deepEqual([head.status, head.length], [200, undefined]);
            });
        }

        for (const encoding of ["deflate", "br"] as const) {
            it(`nothing in ${encoding}, and name it`, async () => {
                const headers = { "content-type": OCI_MANIFEST };
                const answer = await ask("GET", MANIFEST, status({ headers, body: "{}", encoding }));
                assert.deepEqual([answer.status, answer.voice, answer.code], [502, "upstream", "UNAVAILABLE"]);
                assert.match(answer.message ?? "", new RegExp(`docker\\.io answered in the encoding ${encoding}`));
                const blob = await ask("GET", `/v2/library/hello/blobs/${layer.digest}`, [
                    { match: { role: "cdn" }, action: { kind: "encode", encoding } },
                ]);
                assert.deepEqual([blob.status, blob.voice], [502, "upstream"]);
            });
        }

        it("no part of what is encoded, and content that says identity", async () => {
            const headers = { "content-type": OCI_MANIFEST, "content-encoding": "identity" };
            const answer = await ask("GET", MANIFEST, status({ headers, body: "{}" }));
            assert.deepEqual([answer.status, answer.body, answer.headers["content-encoding"]], [200, "{}", undefined]);
            const part = await ask(
                "GET",
                `/v2/library/hello/blobs/${layer.digest}`,
                [{ match: { role: "cdn" }, action: { kind: "encode", encoding: "gzip" } }],
                { ...PULL, range: "bytes=0-99" },
            );
            assert.deepEqual([part.status, part.voice], [502, "upstream"]);
        });

        for (const by of ["chunked", "close"] as const) {
            it(`a blob without a length (${by}), whole`, async () => {
                const answer = await ask("GET", `/v2/library/hello/blobs/${layer.digest}`, [
                    { match: { role: "cdn" }, action: { kind: "no-length", by } },
                ]);
                assert.deepEqual([answer.status, answer.length, answer.complete], [200, undefined, true]);
                for (const relay of relays) {
                    const { body } = await send(relay, "GET", `/v2/library/hello/blobs/${layer.digest}`, PULL);
                    assert.equal(body.length, layer.size);
                }
            });
        }

        it("a large body to the end where the reader pauses for longer than an upstream may be silent", async () => {
            const body = "x".repeat(30_000_000);
            hub.faults.push(...status({ body }));
            const pausing = async (relay: RelayUnderTest) => {
                const response = await open(relay, MANIFEST, PULL);
                // Both relays give an upstream 10 seconds; what is read within the pause fits into no buffer.
                await setTimeout(11_000);
                let bytes = 0;
                for await (const chunk of response) bytes += chunk.length;
                return bytes;
            };
            assert.deepEqual(
                await Promise.all(relays.map(pausing)),
                relays.map(() => body.length),
            );
        });

        it("a list of tags of 9 MiB", async () => {
            const body = JSON.stringify({ name: "library/hello", tags: Array(600_000).fill("v1.2.3-rc.456") });
            assert.ok(body.length > 9 * 1024 * 1024);
            const answer = await ask(
                "GET",
                "/v2/library/hello/tags/list",
                status({
                    headers: { "content-type": "application/json" },
                    body,
                }),
            );
            assert.deepEqual([answer.status, answer.length, answer.complete], [200, String(body.length), true]);
        });

        const links: Record<string, string | string[]> = {
            "with a title": '</v2/library/hello/tags/list?last=x&n=100>; rel="next"; title="more"',
            "of two": '</v2/x?n=1>; rel="first", </v2/library/hello/tags/list?last=x&n=100>; rel="next"',
            "in two lines": ['</v2/x?n=1>; rel="first"', '</v2/library/hello/tags/list?last=x&n=100>; rel="next"'],
            "without quotes and spaces": "</v2/library/hello/tags/list?last=x&n=100>;rel=next",
            "with a host": '<https://registry-1.docker.io/v2/library/hello/tags/list?last=x&n=100> ; rel="next"',
        };
        for (const [what, link] of Object.entries(links)) {
            it(`the next page of a Link ${what}`, async () => {
                const headers = { link, "content-type": "application/json" };
                const answer = await ask("GET", "/v2/library/hello/tags/list", status({ headers, body: "{}" }));
                assert.equal(answer.headers.link, '</v2/library/hello/tags/list?last=x&n=100>; rel="next"');
            });
        }

        const BYTES = "a\u00e9b";
        for (const name of [
            "content-type",
            "etag",
            "docker-content-digest",
            "link",
            "ratelimit-remaining",
            "retry-after",
        ]) {
            it(`no ${name} of bytes that are no ASCII, and the rest all the same`, async () => {
                const headers = { "content-type": "application/json", [name]: BYTES };
                const answer = await ask("GET", "/v2/library/hello/tags/list", status({ headers, body: "{}" }));
                assert.deepEqual([answer.status, answer.body, answer.headers[name]], [200, "{}", undefined]);
                const limited = await ask("GET", "/v2/library/hello/tags/list", status({ headers, status: 429 }));
                assert.deepEqual([limited.status, limited.headers["retry-after"]], [429, "60"]);
            });
        }

        it("no redirect to a place of bytes that are no ASCII", async () => {
            const headers = { location: `https://production.cloudflare.docker.com/${BYTES}` };
            const answer = await ask("GET", MANIFEST, status({ headers, status: 307 }));
            assert.deepEqual([answer.status, answer.voice], [502, "upstream"]);
        });

        for (const [name, lines, handedOn] of [
            ["content-type", [OCI_INDEX, OCI_MANIFEST], OCI_INDEX],
            ["content-type", `${OCI_INDEX}, ${OCI_MANIFEST}`, OCI_INDEX],
            ["content-type", ["application/json; charset=utf-8", OCI_MANIFEST], "application/json; charset=utf-8"],
            ["content-type", [OCI_MANIFEST, "application/json; charset=utf-8"], OCI_MANIFEST],
            ["content-type", 'application/json; of="a, b"', 'application/json; of="a, b"'],
            ["etag", ['"a"', '"b"'], '"a"'],
            ["etag", 'W/"a, b"', 'W/"a, b"'],
            ["etag", "", undefined],
        ] as const) {
            it(`${name} ${JSON.stringify(lines)} as ${handedOn}`, async () => {
                const answer = await ask("GET", MANIFEST, status({ headers: { [name]: lines }, body: "{}" }));
                assert.equal(answer.status, 200);
                assert.equal(name === "etag" ? answer.headers.etag : answer.type, handedOn);
            });
        }

        it("nothing that an upstream commands: not even nginx takes it for an order", async () => {
            const commands = {
                "x-accel-redirect": "/_token/account",
                "x-accel-limit-rate": "1",
                "x-accel-charset": "utf-16",
                "x-accel-buffering": "yes",
                "x-relay-answer": "relay; reason=key",
                "www-authenticate": "Bearer",
                refresh: "0; url=https://evil.example/",
                "set-cookie": "a=b",
            };
            let row = 0;
            for (const role of ["registry", "token"] as const) {
                for (const code of [200, 403]) {
                    const path = role === "registry" ? MANIFEST : `/v2/ghcr.io/commands/t${row++}/manifests/1.0`;
                    const answer = await ask("GET", path, [
                        {
                            match: { role },
                            action: { kind: "status", status: code, headers: commands, body: '{"token":"t"}' },
                        },
                        { match: { role: "registry" }, action: { kind: "status", status: 200, body: "{}" } },
                    ]);
                    const expected = code === 200 ? 200 : role === "registry" ? 403 : 404;
                    assert.deepEqual([answer.status, answer.voice], [expected, "upstream"]);
                    for (const name of ["refresh", "set-cookie"]) assert.equal(answer.headers[name], undefined);
                }
            }
        });

        it("a link to a page by Quay's former name for it, and none to the page that it stands on", async () => {
            const links = { "?n=50&next_page=gAAA_-%3D": "?n=50&next_page=gAAA_-%3D", "?page=2": undefined };
            for (const [query, own] of Object.entries(links)) {
                const link = `<https://quay.io/v2/my.org/app/tags/list${query}>; rel="next"`;
                const headers = { link, "content-type": "application/json" };
                const answer = await ask("GET", "/v2/quay.io/my.org/app/tags/list", status({ headers, body: "{}" }));
                assert.equal(answer.headers.link, own && `</v2/quay.io/my.org/app/tags/list${own}>; rel="next"`);
            }
        });

        it("250 tags in pages of 100, however the Link is written", async () => {
            const tags = Array.from({ length: 250 }, (_, at) => `v${1000 + at}`);
            const page = (after: number) => ({
                headers: {
                    "content-type": "application/json",
                    ...(after + 100 < tags.length && {
                        link: `</v2/x?n=1>; rel=first, </v2/library/hello/tags/list?last=${tags[after + 99]}&n=100>;rel=next;title="a, b"`,
                    }),
                },
                body: JSON.stringify({ name: "library/hello", tags: tags.slice(after, after + 100) }),
            });
            const faults: Fault[] = [0, 100, 200].map((after) => ({
                match: {
                    role: "registry",
                    path: after === 0 ? "list$" : `last=${tags[after - 1]}&|last=${tags[after - 1]}$`,
                },
                action: { kind: "status", status: 200, ...page(after) },
            }));
            const got: string[] = [];
            for (let path: string | undefined = "/v2/library/hello/tags/list"; path; ) {
                const answer = await ask("GET", path, faults);
                got.push(...JSON.parse(answer.body ?? "").tags);
                path = /^<([^>]+)>/.exec(answer.headers.link ?? "")?.[1];
            }
            assert.deepEqual(got, tags);
        });
    });

    describe("follow a redirect", () => {
        const CDN = "production.cloudflare.docker.com";
        const blob = () => `/v2/library/hello/blobs/${layer.digest}`;
        const locations: Record<string, [location: string, asked: string]> = {
            "with its port": [`https://${CDN}:443/data`, "/data"],
            "to a host in capitals": [`https://${CDN.toUpperCase()}/Data`, "/Data"],
            "with its scheme in capitals": [`HTTPS://${CDN}/data`, "/data"],
            "without a scheme": [`//${CDN}/data`, "/data"],
            "without a path": [`https://${CDN}`, "/"],
            "with a query alone": [`https://${CDN}?sig=a%2Fb+c`, "/?sig=a%2Fb+c"],
            "with a raw space": [`https://${CDN}/a b?c=d e`, "/a%20b?c=d%20e"],
            "with a fragment": [`https://${CDN}/data#x`, "/data"],
            "with dots": [`https://${CDN}/a/../data/./x`, "/data/x"],
            "with what no URL has": [`https://${CDN}/a|{b}?c="d"`, "/a%7C%7Bb%7D?c=%22d%22"],
        };
        for (const [what, [location, path]] of Object.entries(locations)) {
            it(`${what}, GET and HEAD`, async () => {
                for (const method of ["GET", "HEAD"]) {
                    const answer = await ask(method, blob(), [
                        { match: { role: "registry" }, action: { kind: "redirect", location } },
                        { match: { role: "cdn" }, action: { kind: "status", status: 200, body: "here" } },
                    ]);
                    assert.deepEqual([answer.status, answer.length], [200, "4"]);
                    assert.deepEqual(answer.asked.slice(1), [`${CDN}${path}`]);
                }
            });
        }

        it("that is there twice, once", async () => {
            for (const location of [
                [`https://${CDN}/data`, `https://${CDN}/data`],
                [`https://${CDN}/data`, "https://evil.example/"],
                `https://${CDN}/data, https://evil.example/`,
            ]) {
                const answer = await ask("GET", blob(), [
                    { match: { role: "registry" }, action: { kind: "status", status: 307, headers: { location } } },
                    { match: { role: "cdn" }, action: { kind: "status", status: 200, body: "here" } },
                ]);
                assert.deepEqual([answer.status, answer.asked.slice(1)], [200, [`${CDN}/data`]]);
            }
        });

        it("relative to where it came from, twice", async () => {
            const answer = await ask("GET", blob(), [
                { match: { host: CDN, path: "^/v2/c" }, action: { kind: "status", status: 200, body: "here" } },
                { match: { host: CDN }, action: { kind: "redirect", location: "../../v2/c?x=1" } },
                { match: { role: "registry" }, action: { kind: "redirect", location: `https://${CDN}/a/b/data` } },
            ]);
            assert.deepEqual([answer.status, answer.body], [200, "here"]);
            assert.deepEqual(answer.asked.slice(1), [`${CDN}/a/b/data`, `${CDN}/v2/c?x=1`]);
        });

        for (const location of ["https:/evil/x", `https:\\\\${CDN}\\x`, "https://%65vil.example.com/", " "]) {
            it(`not to ${JSON.stringify(location)}`, async () => {
                const answer = await ask("GET", blob(), [
                    { match: { role: "registry" }, action: { kind: "redirect", location } },
                ]);
                assert.deepEqual([answer.status, answer.voice, answer.asked.length], [502, "upstream", 1]);
            });
        }
    });

    describe("hand up", () => {
        const blob = () => `/v2/library/hello/blobs/${layer.digest}`;

        it("one range, and none of two", async () => {
            const one = await ask("GET", blob(), [], { ...PULL, range: "bytes=0-1" });
            assert.deepEqual([one.status, one.headers["content-range"]], [206, `bytes 0-1/${layer.size}`]);
            const two = await ask("GET", blob(), [], { ...PULL, range: ["bytes=0-1", "bytes=2-3"] });
            assert.deepEqual([two.status, two.length], [200, String(layer.size)]);
        });

        it("If-None-Match as it came", async () => {
            for (const line of ['"x"', 'W/"x", "y"', "*", "\t"]) {
                await ask("GET", blob(), [], { ...PULL, "if-none-match": line });
                const [first] = hub.requests.filter(({ role }) => role === "registry");
                assert.equal(first?.headers["if-none-match"] ?? "", line.trim());
            }
        });
    });

    describe("find the size of a blob", () => {
        const blob = () => `/v2/library/hello/blobs/${layer.digest}`;
        const refusing = (role: "registry" | "cdn", status: number): Fault => ({
            match: { role, method: "HEAD" },
            action: { kind: "status", status },
        });
        for (const status of [400, 403, 405, 501]) {
            it(`where HEAD of it is a ${status}, by a GET of its first byte`, async () => {
                for (const role of ["registry", "cdn"] as const) {
                    const answer = await ask("HEAD", blob(), [refusing(role, status)]);
                    assert.deepEqual([answer.status, answer.voice], [200, "upstream"], role);
                    assert.deepEqual([answer.length, answer.headers["content-range"]], [String(layer.size), undefined]);
                    const got = hub.requests.filter((request) => request.role === "cdn" && request.method === "GET");
                    assert.deepEqual(
                        got.map(({ range }) => range),
                        ["bytes=0-0"],
                    );
                }
            });
        }

        it("not from who contradicts himself about its digest, nor where that size is of encoded bytes", async () => {
            const digests = ["a", "b"].map((hex) => `sha256:${hex.repeat(64)}`);
            const part = { "content-range": "bytes 0-0/1000", "content-type": "application/octet-stream" };
            const says = (headers: Record<string, string | string[]>) =>
                ask("HEAD", blob(), [
                    refusing("cdn", 403),
                    { match: { role: "cdn" }, action: { kind: "status", status: 206, body: "x", headers } },
                ]);
            const contradiction = await says({ ...part, "docker-content-digest": digests });
            assert.deepEqual([contradiction.status, contradiction.voice], [502, "upstream"]);
            const encoded = await says({ ...part, "content-encoding": "gzip" });
            assert.deepEqual([encoded.status, encoded.length], [200, undefined]);
        });

        it("where the range is not looked at, by the length of the whole", async () => {
            const answer = await ask("HEAD", blob(), [
                refusing("cdn", 403),
                { match: { role: "cdn" }, action: { kind: "ignore-range" } },
            ]);
            assert.deepEqual([answer.status, answer.length], [200, String(layer.size)]);
        });

        it("where it is empty, by the 416", async () => {
            const headers = { "content-range": "bytes */0" };
            const answer = await ask("HEAD", blob(), [
                refusing("cdn", 403),
                { match: { role: "cdn" }, action: { kind: "status", status: 416, headers } },
            ]);
            assert.deepEqual([answer.status, answer.length], [200, "0"]);
        });

        it("nowhere else: a GET that is refused too, a manifest, another status", async () => {
            const always: Fault = { match: { role: "cdn" }, action: { kind: "status", status: 403 } };
            assert.equal((await ask("HEAD", blob(), [always])).status, 403);
            for (const status of [404, 429, 500]) {
                const answer = await ask("HEAD", blob(), [refusing("cdn", status)]);
                assert.deepEqual([answer.status, answer.asked.length], [status, 2]);
            }
            const manifest = await ask("HEAD", "/v2/library/hello/manifests/1.0", [refusing("registry", 403)]);
            assert.deepEqual([manifest.status, manifest.asked.length], [403, 1]);
        });
    });

    describe("keep a token", () => {
        let row = 0;
        const askedForTokens = async (body: object, change: object = {}) => {
            const path = `/v2/ghcr.io/fresh/t${row++}/manifests/1.0`;
            const counts: number[] = [];
            const sent: unknown[] = [];
            for (const relay of relays) {
                hub.clear();
                hub.faults.push(
                    {
                        match: { role: "token" },
                        action: { kind: "status", status: 200, body: JSON.stringify(body), ...change },
                    },
                    { match: { role: "registry" }, action: { kind: "status", status: 200, body: "{}" } },
                );
                for (let time = 0; time < 3; time++) {
                    assert.equal((await send(relay, "GET", path, PULL)).status, 200, relay.hostname);
                }
                counts.push(hub.requests.filter(({ role }) => role === "token").length);
                sent.push(hub.requests.find(({ role }) => role === "registry")?.headers.authorization);
            }
            assert.deepEqual(
                counts,
                relays.map(() => 1),
            );
            assert.deepEqual(
                sent,
                relays.map(() => "Bearer"),
            );
        };
        const inTenMinutes = new Date(Date.now() + 600_000);
        const bodies: Record<string, object> = {
            "that was issued in ten minutes": { token: "t", expires_in: 300, issued_at: inTenMinutes.toISOString() },
            "that was issued yesterday": { token: "t", expires_in: 300, issued_at: "2020-01-01T00:00:00Z" },
            "of the zero time": { token: "t", expires_in: 300, issued_at: "0001-01-01T00:00:00Z" },
            "with an offset": { token: "t", expires_in: 300, issued_at: "2026-11-01T12:00:00.123456789+08:00" },
            "with a time that is none": { token: "t", expires_in: 300, issued_at: "soon" },
            "without a lifetime": { token: "t" },
            "with a lifetime of 0": { token: "t", expires_in: 0 },
            "with a lifetime below 0": { token: "t", expires_in: -1 },
            "with a lifetime in words": { token: "t", expires_in: "300" },
            "with a lifetime of ages": { token: "t", expires_in: 1e300 },
            "that is called access_token": { access_token: "t", expires_in: 300 },
            "beside an empty one": { token: "", access_token: "t", expires_in: 300 },
            "beside one of null": { token: null, access_token: "t", expires_in: 300 },
        };
        for (const [what, body] of Object.entries(bodies)) {
            it(`${what}, for the next request`, () => askedForTokens(body));
        }

        for (const headers of [
            { date: "Thu, 01 Jan 1970 00:00:00 GMT" },
            { date: inTenMinutes.toUTCString() },
            { "cache-control": "no-store", expires: "0" },
        ]) {
            it(`that came with ${JSON.stringify(headers)}, for the next request`, () =>
                askedForTokens({ token: "t", expires_in: 300 }, { headers }));
        }

        it("that came in gzip, and name an encoding that cannot be read", async () => {
            for (const encoding of ["gzip", "x-gzip"])
                await askedForTokens({ token: "t", expires_in: 300 }, { encoding });
            for (const encoding of ["deflate", "br"] as const) {
                const answer = await ask("GET", `/v2/ghcr.io/fresh/e${row++}/manifests/1.0`, [
                    {
                        match: { role: "token" },
                        action: { kind: "status", status: 200, body: '{"token":"t"}', encoding },
                    },
                ]);
                assert.deepEqual([answer.status, answer.voice], [502, "upstream"]);
                assert.ok(answer.message?.includes(`encoding ${encoding}`), answer.message);
            }
        });
    });

    describe("answer bytes that are no request of HTTP/1.1", () => {
        const key = `X-Relay-Key: ${KEY}\r\n`;
        const [host, end] = ["Host: {host}\r\n", "Connection: close\r\n\r\n"];
        const manifest = "/v2/library/hello/manifests/1.0";
        const requests: Record<string, [text: string, statuses: readonly number[]]> = {
            "HTTP/2.0 in the request line": [`GET /v2/ HTTP/2.0\r\n${host}${end}`, [400, 505]],
            "HTTP/2.0 in the request line, with a key": [`GET ${manifest} HTTP/2.0\r\n${host}${key}${end}`, [400, 505]],
            "HTTP/9.9": [`GET ${manifest} HTTP/9.9\r\n${host}${key}${end}`, [400, 505]],
            "an unknown Transfer-Encoding": [
                `GET /v2/ HTTP/1.1\r\n${host}Transfer-Encoding: foo\r\n${end}`,
                [400, 501],
            ],
            "Transfer-Encoding gzip, with a key": [
                `GET ${manifest} HTTP/1.1\r\n${host}${key}Transfer-Encoding: gzip\r\n${end}`,
                [400, 501],
            ],
            "no Host": [`GET /v2/ HTTP/1.1\r\n${key}${end}`, [400]],
            "an empty Host": [`GET /v2/ HTTP/1.1\r\nHost:\r\n${key}${end}`, [400]],
            "two Hosts": [`GET /v2/ HTTP/1.1\r\n${host}${host}${key}${end}`, [400]],
            "a Host with a space": [`GET /v2/ HTTP/1.1\r\nHost: a b\r\n${key}${end}`, [400]],
            "a Host with a slash": [`GET /v2/ HTTP/1.1\r\nHost: a/b\r\n${key}${end}`, [400]],
            "a Content-Length that is none": [`GET /v2/ HTTP/1.1\r\n${host}${key}Content-Length: -3\r\n${end}`, [400]],
            "a space in the path": [`GET /v2/a b HTTP/1.1\r\n${host}${key}${end}`, [400]],
            "a header without a colon": [`GET /v2/ HTTP/1.1\r\n${host}${key}X Odd: 1\r\n${end}`, [200, 400]],
            "bytes that are no UTF-8 in the path": [
                `GET /v2/library/hello/manifests/\xff\xfe HTTP/1.1\r\n${host}${key}${end}`,
                [400, 404],
            ],
            "UTF-8 in the path": [`GET /v2/h\xc3\xa9llo/manifests/1.0 HTTP/1.1\r\n${host}${key}${end}`, [404]],
            noise: ["\x00\x01\x02 noise\r\n\r\n", [400]],
            // workerd has no code of ours for a tunnel, and refuses it by 500: docs/security.md.
            "a tunnel to another host": [
                `CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n${end}`,
                [400, 405, 500],
            ],
            "a tunnel, with a key": [`CONNECT {host}:443 HTTP/1.1\r\n${host}${key}${end}`, [400, 405, 500]],
        };
        for (const [what, [text, statuses]] of Object.entries(requests)) {
            it(`with ${what} by ${statuses.join(" or ")}, without a page and without asking upstream`, async () => {
                for (const relay of relays) {
                    const answer = await sendRaw(relay, text.replaceAll("{host}", relay.hostname));
                    const status = Number(/^HTTP\/1\.[01] (\d{3}) /.exec(answer)?.[1]);
                    assert.ok(statuses.includes(status), `${relay.hostname}: ${answer.slice(0, 200)}`);
                    assert.ok(!/<html/i.test(answer), answer);
                }
                assert.deepEqual(hub.requests, []);
            });
        }

        it("but take tabs around a key for what they are", async () => {
            for (const relay of relays) {
                const lines = [
                    `X-Relay-Key:\t${KEY}\t`,
                    `Authorization:\tBasic ${Buffer.from(`a:${KEY}`).toString("base64")}`,
                ];
                for (const line of lines) {
                    const text = `GET /v2/ HTTP/1.1\r\n${host}${line}\r\n${end}`.replaceAll("{host}", relay.hostname);
                    assert.match(await sendRaw(relay, text), /^HTTP\/1\.1 200 /);
                }
            }
        });

        it("and write none of it into the log that is not JSON in UTF-8", async () => {
            const odd = "/v2/library/hello/manifests/\xff\xfe\x80?\xf0=\x9f";
            for (const relay of relays) {
                const text = `GET ${odd} HTTP/1.1\r\nHost: ${relay.hostname}\r\nUser-Agent: \xff\r\n${key}${end}`;
                await sendRaw(relay, text);
                await send(relay, "GET", "/v2/library/after-noise/manifests/1.0", PULL);
                const lines = await relay.logLines();
                assert.ok(lines.length > 0);
                // Node puts U+FFFD where there was no UTF-8.
                assert.ok(!(await relay.logText()).includes("\ufffd"));
            }
        });
    });
});

/** True for a path outside of the API, or that is none: it is refused before a key is asked for. */
function isForEverybody(path: string): boolean {
    return !path.startsWith("/v2/") || /%00|%zz|%$|^\/v2\/\.\.\/\.\.\/|(a\/){100}/.test(path.split("?")[0] ?? "");
}

/** What both relays have to say alike. */
interface Said {
    readonly status: number;
    readonly voice: string | undefined;
    readonly type: string | undefined;
    readonly headers: Readonly<Record<string, string | undefined>>;
    /** Of the answer's own header; absent where it is a body of the relay's own, whose words may differ. */
    readonly length?: string;
    readonly code?: string;
    readonly message?: string;
    readonly body?: string;
    readonly complete: boolean;
}

function said(relay: RelayUnderTest, { status, headers, body, complete }: Answer): Said {
    const voice = headers["x-relay-answer"] as string | undefined;
    const { "content-length": length, ...others } = Object.fromEntries(
        HEADERS.map((name) => [name, headers[name]?.toString().replaceAll(relay.hostname, "{host}")]),
    );
    const type = headers["content-type"];
    const both = { status, voice, type, headers: others, complete };
    if (status < 400) return { ...both, length, body: body.toString("latin1").slice(0, 2000) };
    assert.ok(!/<html|nginx/i.test(body.toString()), `${relay.hostname}: ${body}`);
    const error = type === "application/json" && body.length > 0 ? JSON.parse(body.toString()).errors[0] : {};
    // Words of the upstream's side are the same; the relay's own name it.
    return { ...both, code: error.code, message: voice === "upstream" ? error.message : undefined };
}

/** Sends bytes over TLS and returns all that comes, as latin1. */
function sendRaw(relay: RelayUnderTest, text: string): Promise<string> {
    const { port } = new URL(relay.origin);
    return new Promise((resolve, reject) => {
        let answer = "";
        const socket = connect(
            { host: "127.0.0.1", port: Number(port), servername: relay.hostname, ca: relay.ca },
            () => socket.write(Buffer.from(text, "latin1")),
        );
        socket.setEncoding("latin1");
        socket.on("data", (data) => (answer += data));
        socket.on("error", reject);
        socket.on("close", () => resolve(answer));
    });
}
