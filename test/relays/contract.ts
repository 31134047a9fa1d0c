/**
 * The relay contract (design 3) as far as relays of 0.3.0 keep it too, asked of any relay in front of the Hub double. The
 * Worker and the Nginx relay run the same tests, of this release and of that one; what came later is in answers.test.ts.
 * They do not prove anything about the real Hub, Cloudflare's edge, HTTP/2 to the relay, or memory use.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import type { Fault } from "../../rehearsal/hub/faults";
import { type Hub, type RecordedRequest, startHub } from "../../rehearsal/hub/hub";
import { ImageStore, OCI_MANIFEST } from "../../rehearsal/hub/store";
import { HUB_HOSTS, mannersOf } from "../../rehearsal/hub/upstream-hosts";
import { issue, type KeyPair, makeCa } from "../../rehearsal/pki";
import { aboutPage } from "../../services/registry/public-access";
import { DEFAULT_UPSTREAM, selectUpstreams, UPSTREAMS as TABLE } from "../../services/registry/upstreams";
import { eventually } from "../support/eventually";
import { type Answer, type RelayUnderTest, receive, type StartRelay, send } from "../support/relay";

/** What the relay under test relays; quay.io is in the table, but not for this relay. */
const UPSTREAMS = ["docker.io", "ghcr.io", "registry.k8s.io"];
/** An address of this process's own, because the port is always 443 and several runs share a machine. */
const HUB_ADDRESS = `127.80.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const REGISTRY = "registry-1.docker.io";
const CDN = "production.cloudflare.docker.com";

/** Two generations of one office's key, both valid while it is being rotated, and another office's. */
const KEYS = {
    "acme.1": "A1kPq7Zr0sT5uVw2xYb4cDe6fGh8iJk1lMn3oPq5",
    "acme.2": "B2lQr8As1tU6vWx3yZc5dEf7gHi9jKl2mNo4pQr6",
    "branch.1": "C3mRs9Bt2uV7wXy4zAd6eFg8hIj0kLm3nOp5qRs7",
};
const KEY = KEYS["acme.2"];
const ACCOUNT = { username: "acme", token: "dckr_pat_sEntiNelSEnTiNELseNTinEL" };
/** Accounts for private repositories, with what the double has them for. */
const PRIVATE_ACCOUNTS = [
    {
        upstream: "docker.io",
        username: "acmebot",
        token: "dckr_pat_pRivAtEpRivAtEpRivAtE",
        repositories: ["company/app"],
    },
    { upstream: "ghcr.io", username: "acme-bot", token: "ghp_pRivAtEpRivAtEpRivAtE", repositories: ["company/*"] },
    { upstream: "nvcr.io", username: "$oauthtoken", token: "nvapi-pRivAtEpRivAtE", repositories: ["company/app"] },
];
const PRIVATE = ["docker.io", "ghcr.io", "nvcr.io"].flatMap((upstream) => [
    `${upstream}/company/app`,
    `${upstream}/elsewhere/app`,
]);

const ABUSE_CONTACT = "mailto:abuse@example.org";
/** Requests a minute. Of so many that come at once one is too many, even if a new minute begins in between. */
const LIMIT = 2;
const TOO_MANY = 2 * LIMIT + 2;

/** What the uplink sends with every request. */
const PULL = { "x-relay-key": KEY, accept: OCI_MANIFEST };
const HELLO_MANIFEST = "/v2/library/hello/manifests/1.0";
const LAYER_BYTES = 200_000;

/** @param release Version of the relay, which names it to upstreams. @default this release */
export function relayContract(name: string, start: StartRelay, release = version): void {
    describe(`${name} relay`, function () {
        this.timeout(60_000);

        let folder: string;
        let ca: KeyPair;
        let hub: Hub;
        let images: Images;
        let relay: RelayUnderTest;

        const startRelay = (options: Partial<Parameters<StartRelay>[0]> = {}) =>
            start({ hub, hubAddress: HUB_ADDRESS, ca, keys: KEYS, upstreams: UPSTREAMS, ...options });
        const get = (path: string, headers = {}) => send(relay, "GET", path, { ...PULL, ...headers });
        const head = (path: string, headers = {}) => send(relay, "HEAD", path, { ...PULL, ...headers });
        const blob = (digest: string) => `/v2/library/hello/blobs/${digest}`;

        before(async () => {
            folder = await mkdtemp(join(tmpdir(), "relay-contract-"));
            const store = new ImageStore(folder);
            images = await fillStore(store);
            ca = makeCa("relay contract");
            const { key, cert } = issue(ca, HUB_HOSTS);
            hub = await startHub({
                store,
                key,
                cert,
                host: HUB_ADDRESS,
                privateRepositories: ["docker.io/company/private", ...PRIVATE],
                accounts: {
                    [ACCOUNT.username]: ACCOUNT.token,
                    ...Object.fromEntries(
                        PRIVATE_ACCOUNTS.map(({ upstream, username, token }) => [`${upstream}/${username}`, token]),
                    ),
                },
            });
            relay = await startRelay();
        });
        after(async () => {
            await relay?.stop();
            await hub?.close();
            await rm(folder, { recursive: true, force: true });
        });
        beforeEach(() => hub.clear());

        describe("admission", () => {
            const locations = [
                "/v2/",
                HELLO_MANIFEST,
                "/v2/hello/manifests/1.0",
                `/v2/library/hello/manifests/sha256:${"0".repeat(64)}`,
                `/v2/library/hello/blobs/sha256:${"0".repeat(64)}`,
                "/v2/library/hello/tags/list",
                `/v2/library/hello/referrers/sha256:${"0".repeat(64)}`,
                "/v2/ghcr.io/owner/app/manifests/1.0",
                "/v2/owner/app/manifests/1.0?ns=ghcr.io",
            ];
            for (const location of locations) {
                for (const method of ["GET", "HEAD"]) {
                    it(`answers ${method} ${location} without a key by 401 and does not ask the Hub`, async () => {
                        const answer = await send(relay, method, location);
                        assert.equal(answer.status, 401);
                        assert.equal(answer.headers["www-authenticate"], `Basic realm="${relay.hostname}"`);
                        if (method === "GET") assert.equal(errorCode(answer), "UNAUTHORIZED");
                        assert.deepEqual(hub.requests, []);
                    });
                }
            }

            const refused: Record<string, Record<string, string>> = {
                "an empty key": { "x-relay-key": "" },
                "a wrong key": { "x-relay-key": "Z".repeat(KEY.length) },
                "the first half of a key": { "x-relay-key": KEY.slice(0, 20) },
                "a key with something behind it": { "x-relay-key": `${KEY}x` },
                "a key in lower case": { "x-relay-key": KEY.toLowerCase() },
                "two keys in one header": { "x-relay-key": `${KEYS["acme.1"]},${KEY}` },
                "a key's name in place of the key": { "x-relay-key": "acme.2" },
                "a wrong password": { authorization: basic("acme", "wrong") },
                "an empty password": { authorization: basic(KEY, "") },
                "a password in lower case": { authorization: basic("acme", KEY.toLowerCase()) },
                "something that is not base64": { authorization: "Basic %%%" },
                "the key as a Bearer token": { authorization: `Bearer ${KEY}` },
            };
            for (const [what, headers] of Object.entries(refused)) {
                it(`refuses ${what}`, async () => {
                    const answer = await send(relay, "GET", HELLO_MANIFEST, headers);
                    assert.equal(answer.status, 401);
                    assert.equal(errorCode(answer), "UNAUTHORIZED");
                    assert.deepEqual(hub.requests, []);
                });
            }

            for (const [id, value] of Object.entries(KEYS)) {
                it(`takes the key ${id} in X-Relay-Key and as a password of any user`, async () => {
                    const admitted = [
                        { "x-relay-key": value },
                        { authorization: basic("acme", value) },
                        { authorization: basic("somebody-else", value) },
                        { authorization: basic("", value) },
                        { authorization: basic("acme", value).replace("Basic", "basic") },
                    ];
                    for (const headers of admitted) {
                        assert.equal((await send(relay, "GET", "/v2/", headers)).status, 200);
                        assert.equal(
                            (await send(relay, "HEAD", HELLO_MANIFEST, { accept: OCI_MANIFEST, ...headers })).status,
                            200,
                        );
                    }
                });
            }

            it("keeps its callers' credentials to itself", async () => {
                const path = `/v2/library/discreet/blobs/${images.layer.digest}`;
                await send(relay, "GET", path, { authorization: basic("acme", KEY) });
                await get(path);
                assert.deepEqual(new Set(hub.requests.map(({ role }) => role)), new Set(["token", "registry", "cdn"]));
                for (const request of hub.requests) {
                    assert.ok(!JSON.stringify(request).includes(KEY));
                    if (request.role !== "registry") assert.equal(request.authorization, false, request.host);
                }
            });
        });

        describe("with public access", () => {
            let open: RelayUnderTest;
            before(async () => {
                open = await startRelay({ access: "public", abuseContact: ABUSE_CONTACT });
            });
            after(() => open.stop());

            it("serves a caller without a key", async () => {
                assert.equal((await send(open, "GET", "/v2/")).status, 200);
                assert.equal((await send(open, "GET", HELLO_MANIFEST, { accept: OCI_MANIFEST })).status, 200);
            });

            it("limits what an address may ask without a key, and nobody who has one", async () => {
                const limited = await startRelay({ access: "public", publicLimit: { requestsPerMinute: LIMIT } });
                const statuses = async (headers: Record<string, string>) => {
                    const answers: Answer[] = [];
                    while (answers.length < TOO_MANY) {
                        answers.push(await send(limited, "HEAD", HELLO_MANIFEST, { accept: OCI_MANIFEST, ...headers }));
                    }
                    return answers.map(({ status, headers }) => [status, headers["retry-after"]]);
                };
                try {
                    assert.deepEqual(await statuses(PULL), Array(TOO_MANY).fill([200, undefined]));
                    const [first, ...others] = await statuses({});
                    assert.deepEqual(first, [200, undefined]);
                    assert.ok(others.some(([status, retryAfter]) => status === 429 && retryAfter === "60"));
                } finally {
                    await limited.stop();
                }
            });

            const pages: Record<string, string> = {
                "/robots.txt": "User-agent: *\nDisallow: /\n",
                "/": aboutPage("{hostname}", selectUpstreams(UPSTREAMS), ABUSE_CONTACT),
            };
            for (const [path, text] of Object.entries(pages)) {
                it(`says what ${path} is for, in plain text`, async () => {
                    const answer = await send(open, "GET", path);
                    assert.equal(answer.status, 200);
                    assert.match(answer.headers["content-type"] ?? "", /^text\/plain/);
                    assert.equal(answer.body.toString(), text.replace("{hostname}", open.hostname));
                    const head = await send(open, "HEAD", path);
                    assert.deepEqual([head.status, head.body.length], [200, 0]);
                    assert.equal(head.headers["content-length"], answer.headers["content-length"]);
                    assert.deepEqual(hub.requests, []);
                });

                it(`takes nothing else at ${path}`, async () => {
                    for (const method of ["POST", "PUT", "DELETE"]) {
                        assert.equal((await send(open, method, path)).status, 404);
                    }
                });
            }

            it("names who is responsible, where people look first", async () => {
                const { body } = await send(open, "GET", "/");
                assert.ok(body.toString().includes(ABUSE_CONTACT));
                assert.ok(body.toString().includes("not run by these registries"));
            });

            it("answers everything else outside of the API by a plain 404", async () => {
                for (const path of ["/index.html", "/robots.txt/", "/.well-known/security.txt", "/v1/_ping", "/v2x"]) {
                    const answer = await send(open, "GET", path);
                    assert.equal(answer.status, 404, path);
                    assertNoPage(answer);
                }
            });

            it("is still no open proxy", async () => {
                const answer = await send(open, "GET", "/v2/example.com/owner/app/manifests/1.0");
                assert.equal(answer.status, 404);
                assert.deepEqual(hub.requests, []);
            });
        });

        describe("surface", () => {
            it("answers /v2/ itself", async () => {
                const answer = await get("/v2/");
                assert.equal(answer.status, 200);
                assert.equal(answer.body.toString(), "{}");
                assert.match(answer.headers["content-type"] ?? "", /^application\/json/);
                assert.equal(answer.headers["docker-distribution-api-version"], "registry/2.0");
                assert.deepEqual(hub.requests, []);
            });

            it("answers HEAD /v2/ without a body", async () => {
                const answer = await head("/v2/");
                assert.equal(answer.status, 200);
                assert.equal(answer.body.length, 0);
            });

            for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
                for (const path of ["/v2/", HELLO_MANIFEST, "/v2/library/hello/blobs/uploads/"]) {
                    it(`answers ${method} ${path} by 405`, async () => {
                        const answer = await send(relay, method, path, PULL);
                        assert.equal(answer.status, 405);
                        assertNoPage(answer);
                        assert.deepEqual(hub.requests, []);
                    });
                }
            }

            const elsewhere = [
                "/",
                "/index.html",
                "/robots.txt",
                "/.well-known/security.txt",
                "/token",
                "/_token",
                "/v1/_ping",
                "/v2x",
                "/metrics",
                "//",
            ];
            for (const path of elsewhere) {
                it(`answers ${path} by a plain 404, with and without a key`, async () => {
                    for (const headers of [{}, PULL]) {
                        const answer = await send(relay, "GET", path, headers);
                        assert.equal(answer.status, 404);
                        assertNoPage(answer);
                    }
                    assert.deepEqual(hub.requests, []);
                });
            }

            const notOfThePullApi: Record<string, string> = {
                "the catalogue": "/v2/_catalog",
                "an upload": "/v2/library/hello/blobs/uploads/",
                "path traversal": "/v2/library/hello/manifests/../../../../../etc/passwd",
                "path traversal out of the API": "/v2/../token?service=registry.docker.io",
                "encoded path traversal": "/v2/library/hello/manifests/%2e%2e%2f%2e%2e%2ftoken",
                "an encoded slash in a name": "/v2/library%2fhello/manifests/1.0",
                "an encoded letter in a name": "/v2/library/h%65llo/manifests/1.0",
                "an encoded null byte": "/v2/library/hello%00/manifests/1.0",
                "a doubled slash": "/v2//library/hello/manifests/1.0",
                "upper case in a name": "/v2/library/Hello/manifests/1.0",
                "a port in a name": "/v2/ghcr.io:443/owner/app/manifests/1.0",
                "an address as an upstream": "/v2/127.0.0.1/owner/app/manifests/1.0",
                "user information in a name": "/v2/user@ghcr.io/owner/app/manifests/1.0",
                "a short digest": "/v2/library/hello/blobs/sha256:abc",
                "a tag in place of a blob's digest": "/v2/library/hello/blobs/1.0",
                "an over-long tag": `/v2/library/hello/manifests/${"a".repeat(129)}`,
                "an over-long name": `/v2/library/${"a".repeat(256)}/manifests/1.0`,
                "a name with very many parts": `/v2/${"a/".repeat(200)}a/manifests/1.0`,
                "nothing behind the name": "/v2/library/hello",
                "a slash at the end": `${HELLO_MANIFEST}/`,
            };
            for (const [what, path] of Object.entries(notOfThePullApi)) {
                it(`answers ${what} by 404 and does not ask the Hub`, async () => {
                    const answer = await get(path);
                    assert.equal(answer.status, 404);
                    assertNoPage(answer);
                    assert.deepEqual(hub.requests, []);
                });
            }

            it("refuses a path of 20,000 characters without a page", async () => {
                const answer = await get(`/v2/library/${"a".repeat(20_000)}/manifests/1.0`);
                assert.ok([404, 414].includes(answer.status), `status ${answer.status}`);
                assertNoPage(answer);
                assert.deepEqual(hub.requests, []);
            });
        });

        describe("upstreams", () => {
            const DOCKER = "docker.io/owner/app";
            const GHCR = "ghcr.io/owner/app";
            const names: Record<string, string> = {
                "/v2/owner/app/manifests/1.0": DOCKER,
                "/v2/docker.io/owner/app/manifests/1.0": DOCKER,
                "/v2/owner/app/manifests/1.0?ns=docker.io": DOCKER,
                "/v2/docker.io/owner/app/manifests/1.0?ns=docker.io": DOCKER,
                "/v2/ghcr.io/owner/app/manifests/1.0": GHCR,
                "/v2/owner/app/manifests/1.0?ns=ghcr.io": GHCR,
                "/v2/ghcr.io/owner/app/manifests/1.0?ns=ghcr.io": GHCR,
            };
            for (const [path, image] of Object.entries(names)) {
                it(`takes ${path} for ${image}`, async () => {
                    const answer = await get(path);
                    assert.equal(answer.status, 200);
                    assert.equal(digestOf(answer.body), images.manifests[image]);
                });
            }

            const unknown = [
                "/v2/quay.io/owner/app/manifests/1.0",
                "/v2/example.com/owner/app/manifests/1.0",
                "/v2/owner/app/manifests/1.0?ns=quay.io",
                "/v2/owner/app/manifests/1.0?ns=127.0.0.1",
                "/v2/owner/app/manifests/1.0?ns=127.80.0.1:443",
                "/v2/owner/app/manifests/1.0?ns=169.254.169.254",
                "/v2/owner/app/manifests/1.0?ns=10.0.0.1%3A5000",
                "/v2/owner/app/manifests/1.0?ns=localhost",
                "/v2/owner/app/manifests/1.0?ns=ghcr.io.example.com",
                "/v2/owner/app/manifests/1.0?ns=user%40ghcr.io",
                "/v2/owner/app/manifests/1.0?ns=",
                "/v2/ghcr.io/owner/app/manifests/1.0?ns=docker.io",
                "/v2/docker.io/owner/app/manifests/1.0?ns=ghcr.io",
            ];
            for (const path of unknown) {
                it(`answers ${path} by NAME_UNKNOWN and asks nobody`, async () => {
                    const answer = await get(path);
                    assert.equal(answer.status, 404);
                    assert.equal(errorCode(answer), "NAME_UNKNOWN");
                    assert.deepEqual(hub.requests, []);
                });
            }

            it("adds library/ to a name of one part on docker.io, in path and token scope", async () => {
                const answer = await get("/v2/fresh/manifests/1.0");
                assert.equal(answer.status, 200);
                assert.equal(digestOf(answer.body), images.manifests["docker.io/library/fresh"]);
                const [token] = asked(hub, "token");
                assert.match(decodeURIComponent(token?.path ?? ""), /[?&]scope=repository:library\/fresh:pull(&|$)/);
                assert.deepEqual(paths(hub, "registry"), ["/v2/library/fresh/manifests/1.0"]);
            });

            it("adds nothing to a name of one part elsewhere", async () => {
                const answer = await get("/v2/ghcr.io/single/manifests/1.0");
                assert.equal(answer.status, 200);
                assert.deepEqual(paths(hub, "registry"), ["/v2/single/manifests/1.0"]);
            });
        });

        describe("every upstream of the table", () => {
            let all: RelayUnderTest;
            const ask = (method: string, path: string) => send(all, method, path, PULL);
            before(async () => {
                all = await startRelay({ upstreams: undefined });
            });
            after(() => all.stop());

            for (const upstream of TABLE) {
                const { name, registry, tokenService } = upstream;
                const { blobHost, manifestHost } = mannersOf(upstream);
                // Two repositories, so that each way of asking fetches a token of its own.
                const ways: Record<string, [image: string, base: string, query: string]> = {
                    "by prefix": [`${name}/by/prefix`, `/v2/${name}/by/prefix`, ""],
                    "by ?ns=": [`${name}/by/ns`, "/v2/by/ns", `?ns=${name}`],
                };
                for (const [way, [image, base, query]] of Object.entries(ways)) {
                    it(`serves a manifest and a blob of ${name} ${way}`, async () => {
                        const manifest = await ask("GET", `${base}/manifests/1.0${query}`);
                        assert.equal(manifest.status, 200);
                        assert.equal(digestOf(manifest.body), images.manifests[image]);
                        assert.equal((await ask("HEAD", `${base}/blobs/${images.layer.digest}${query}`)).status, 200);
                        const blob = await ask("GET", `${base}/blobs/${images.layer.digest}${query}`);
                        assert.equal(blob.status, 200);
                        assert.equal(digestOf(blob.body), images.layer.digest);

                        const hosts = new Set(
                            hub.requests.filter(({ role }) => role === "cdn").map(({ host }) => host),
                        );
                        const cdns = manifestHost === undefined ? [blobHost] : [manifestHost, blobHost];
                        assert.deepEqual([...hosts], cdns);
                        assert.equal(asked(hub, "token").length, tokenService ? 1 : 0);
                        for (const { role, host, authorization } of hub.requests) {
                            if (role === "registry") assert.equal(host, registry);
                            assert.equal(
                                authorization,
                                role === "registry" && tokenService !== undefined,
                                `${role} ${host}`,
                            );
                        }
                    });
                }

                it(`says 404 for a repository that ${name} does not have`, async () => {
                    const answer = await ask("GET", `/v2/${name}/by/nobody/manifests/1.0`);
                    assert.equal(answer.status, 404);
                    assert.match(errorCode(answer), /^(NAME|MANIFEST)_UNKNOWN$/);
                });
            }
        });

        describe("manifests and lists", () => {
            it("serves a manifest by tag and by digest, byte for byte", async () => {
                const digest = images.manifests["docker.io/library/hello"];
                for (const reference of ["1.0", digest]) {
                    const answer = await get(`/v2/library/hello/manifests/${reference}`, { accept: OCI_MANIFEST });
                    assert.equal(answer.status, 200);
                    assert.equal(digestOf(answer.body), digest);
                    assert.equal(answer.headers["docker-content-digest"], digest);
                    assert.equal(answer.headers["content-type"], OCI_MANIFEST);
                    assert.equal(Number(answer.headers["content-length"]), answer.body.length);
                }
            });

            it("answers HEAD by HEAD, with the length and without the body", async () => {
                const whole = await get(HELLO_MANIFEST);
                hub.clear();
                const answer = await head(HELLO_MANIFEST);
                assert.equal(answer.status, 200);
                assert.equal(answer.body.length, 0);
                assert.equal(Number(answer.headers["content-length"]), whole.body.length);
                assert.equal(answer.headers["docker-content-digest"], digestOf(whole.body));
                assert.deepEqual(
                    asked(hub, "registry").map(({ method }) => method),
                    ["HEAD"],
                );
            });

            it("sends the caller's Accept up", async () => {
                await get(HELLO_MANIFEST, { accept: `${OCI_MANIFEST}, application/x-own` });
                assert.equal(asked(hub, "registry")[0]?.headers.accept, `${OCI_MANIFEST}, application/x-own`);
            });

            it("sends If-None-Match up and hands 304 back", async () => {
                const { etag } = (await get(HELLO_MANIFEST)).headers;
                assert.ok(etag);
                hub.clear();
                const answer = await get(HELLO_MANIFEST, { "if-none-match": etag });
                assert.equal(asked(hub, "registry")[0]?.headers["if-none-match"], etag);
                assert.equal(answer.status, 304);
                assert.equal(answer.body.length, 0);
            });

            it("hands the rate limit's headers back and says so in the log", async () => {
                const answer = await get(HELLO_MANIFEST);
                assert.match(answer.headers["ratelimit-limit"]?.toString() ?? "", /^\d+;w=21600$/);
                assert.match(answer.headers["ratelimit-remaining"]?.toString() ?? "", /^\d+;w=21600$/);
            });

            it("hands back no cookie, no address of its own and no challenge", async () => {
                for (const path of [HELLO_MANIFEST, blob(images.layer.digest), "/v2/library/absent/manifests/1.0"]) {
                    const { headers } = await get(path);
                    for (const name of ["set-cookie", "docker-ratelimit-source", "www-authenticate", "location"]) {
                        assert.equal(headers[name], undefined, `${name} of ${path}`);
                    }
                }
            });

            it("forbids caches on the way to change the answer", async () => {
                for (const path of [HELLO_MANIFEST, blob(images.layer.digest)]) {
                    assert.match((await get(path)).headers["cache-control"] ?? "", /\bno-transform\b/);
                }
            });

            it("names itself and asks for uncompressed bytes at every host", async () => {
                await get("/v2/library/agent/manifests/1.0");
                await get(`/v2/library/agent/blobs/${images.layer.digest}`);
                assert.deepEqual(new Set(hub.requests.map(({ role }) => role)), new Set(["token", "registry", "cdn"]));
                for (const { role, userAgent, headers } of hub.requests) {
                    assert.equal(userAgent, `dockermirror/${release}`, role);
                    assert.equal(headers["accept-encoding"], "identity", role);
                }
            });

            it("passes n and last up, and nothing else of the query", async () => {
                const answer = await get("/v2/library/hello/tags/list?n=1&last=1.0&ns=docker.io&evil=1");
                assert.equal(answer.status, 200);
                assert.deepEqual(JSON.parse(answer.body.toString()), { name: "library/hello", tags: ["1.1"] });
                const [request] = asked(hub, "registry");
                const query = new URL(request?.path ?? "", "https://hub").searchParams;
                assert.deepEqual([...query].sort(), [
                    ["last", "1.0"],
                    ["n", "1"],
                ]);
            });

            for (const repository of ["library/hello", "ghcr.io/owner/app"]) {
                it(`gives the next page of ${repository} as a path of its own`, async () => {
                    const first = await get(`/v2/${repository}/tags/list?n=1`);
                    const [, next = ""] = /^<([^>]+)>; *rel="?next"?$/.exec(first.headers.link?.toString() ?? "") ?? [];
                    assert.ok(next.startsWith(`/v2/${repository}/tags/list?`), `Link: ${first.headers.link}`);
                    const second = await get(next);
                    assert.deepEqual(JSON.parse(second.body.toString()).tags, ["1.1"]);
                });
            }

            it("rewrites a Link that names the upstream's host", async () => {
                const link = `<https://${REGISTRY}/v2/library/hello/tags/list?n=1&last=1.0>; rel="next"`;
                hub.faults.push({
                    match: { role: "registry", path: "/tags/list" },
                    action: {
                        kind: "status",
                        status: 200,
                        headers: { link, "content-type": "application/json" },
                        body: '{"name":"library/hello","tags":["1.0"]}',
                    },
                });
                const answer = await get("/v2/library/hello/tags/list?n=1");
                assert.match(
                    answer.headers.link?.toString() ?? "",
                    /^<\/v2\/library\/hello\/tags\/list\?n=1&last=1\.0>; rel="next"$/,
                );
            });

            it("relays referrers with their artifactType", async () => {
                const digest = images.manifests["docker.io/library/hello"];
                const answer = await get(`/v2/library/hello/referrers/${digest}?artifactType=application/x-sbom`);
                const [request] = asked(hub, "registry");
                const url = new URL(request?.path ?? "", "https://hub");
                assert.equal(url.pathname, `/v2/library/hello/referrers/${digest}`);
                assert.equal(url.searchParams.get("artifactType"), "application/x-sbom");
                assert.equal(answer.status, request?.status);
            });
        });

        describe("blobs", () => {
            it("follows the redirect itself and hands on the bytes", async () => {
                const answer = await get(blob(images.layer.digest));
                assert.equal(answer.status, 200);
                assert.equal(answer.complete, true);
                assert.equal(Number(answer.headers["content-length"]), LAYER_BYTES);
                assert.equal(digestOf(answer.body), images.layer.digest);
                assert.equal(answer.headers["accept-ranges"], "bytes");
            });

            it("answers HEAD by HEAD on both hops", async () => {
                const answer = await head(blob(images.layer.digest));
                assert.equal(answer.status, 200);
                assert.equal(answer.body.length, 0);
                assert.equal(Number(answer.headers["content-length"]), LAYER_BYTES);
                assert.deepEqual(methods(hub, "registry"), ["HEAD"]);
                assert.deepEqual(methods(hub, "cdn"), ["HEAD"]);
            });

            it("passes a Range to both hops", async () => {
                const answer = await get(blob(images.layer.digest), { range: "bytes=1000-1999" });
                assert.equal(answer.status, 206);
                assert.equal(answer.headers["content-range"], `bytes 1000-1999/${LAYER_BYTES}`);
                assert.equal(Number(answer.headers["content-length"]), 1000);
                assert.deepEqual(answer.body, images.layer.bytes.subarray(1000, 2000));
                for (const role of ["registry", "cdn"] as const) {
                    assert.deepEqual(
                        asked(hub, role).map(({ range }) => range),
                        ["bytes=1000-1999"],
                    );
                }
            });

            it("passes a Range to the end", async () => {
                const answer = await get(blob(images.layer.digest), { range: `bytes=${LAYER_BYTES - 10}-` });
                assert.equal(answer.status, 206);
                assert.deepEqual(answer.body, images.layer.bytes.subarray(-10));
            });

            it("hands back 416 with the size for a Range behind the end", async () => {
                const answer = await get(blob(images.layer.digest), { range: `bytes=${LAYER_BYTES}-` });
                assert.equal(answer.status, 416);
                assert.equal(answer.headers["content-range"], `bytes */${LAYER_BYTES}`);
                assertNoPage(answer);
            });

            it("serves a blob of 0 bytes", async () => {
                const empty = blob(images.empty.digest);
                for (const answer of [await get(empty), await head(empty)]) {
                    assert.equal(answer.status, 200);
                    assert.equal(answer.headers["content-length"], "0");
                    assert.equal(answer.body.length, 0);
                    assert.equal(answer.complete, true);
                }
                assert.equal((await get(empty, { range: "bytes=0-" })).status, 416);
            });

            it("sends no Authorization to the CDN", async () => {
                await get(blob(images.layer.digest));
                await head(blob(images.layer.digest));
                assert.equal(asked(hub, "cdn").length, 2);
                for (const { authorization, status } of asked(hub, "cdn")) {
                    assert.equal(authorization, false);
                    assert.equal(status, 200);
                }
            });

            it("hands on the first bytes while the last are not there yet", async () => {
                hub.faults.push({ match: { role: "cdn" }, action: { kind: "stall", afterBytes: LAYER_BYTES / 2 } });
                const enough = LAYER_BYTES / 4;
                const got = await receive(relay, blob(images.layer.digest), PULL, enough);
                assert.deepEqual(got.subarray(0, enough), images.layer.bytes.subarray(0, enough));
            });

            it("breaks the connection where the upstream broke it", async () => {
                hub.faults.push({ match: { role: "cdn" }, action: { kind: "cut", afterBytes: LAYER_BYTES / 2 } });
                const answer = await get(blob(images.layer.digest));
                assert.equal(answer.complete, false);
                assert.ok(answer.body.length <= LAYER_BYTES / 2);
            });
        });

        describe("redirects", () => {
            const path = () => blob(images.layer.digest);
            const refused: Record<string, [location: string, named: string]> = {
                "a foreign host": ["https://evil.example.com/blob", "evil.example.com"],
                "a private address": ["https://169.254.169.254/latest/meta-data/", "169.254.169.254"],
                "the double's own address": [`https://${HUB_ADDRESS}/blob`, HUB_ADDRESS],
                "another upstream's host": ["https://ghcr.io/v2/owner/app/blobs/x", "ghcr.io"],
                http: [`http://${CDN}/blob`, CDN],
                "a host that only begins like one of the table": [
                    `https://${CDN}.example.com/blob`,
                    `${CDN}.example.com`,
                ],
                "a host that only ends like one of the table": ["https://evildocker.com/blob", "evildocker.com"],
                "a host of the table as user information": [`https://${CDN}@evil.example.com/`, "evil.example.com"],
                "another port": [`https://${CDN}:8443/blob`, CDN],
            };
            for (const [what, [location, named]] of Object.entries(refused)) {
                it(`does not follow one to ${what}, and says so`, async () => {
                    hub.faults.push({
                        match: { role: "registry", path: "/blobs/" },
                        action: { kind: "redirect", location },
                    });
                    const answer = await get(path());
                    assert.equal(answer.status, 502);
                    assert.equal(errorCode(answer), "UNAVAILABLE");
                    assert.ok(errorMessage(answer).includes(named), errorMessage(answer));
                    for (const { host } of hub.requests) assert.ok([REGISTRY, "auth.docker.io"].includes(host), host);
                    assert.equal(answer.headers.location, undefined);
                });
            }

            it("gives up a loop after three hops", async () => {
                hub.faults.push({
                    match: { role: "cdn" },
                    action: { kind: "redirect", location: `https://${CDN}/again` },
                });
                const answer = await get(path());
                assert.equal(answer.status, 502);
                assert.equal(errorCode(answer), "UNAVAILABLE");
                assert.equal(asked(hub, "cdn").length, 3);
            });

            it("follows three hops, with the Range at each", async () => {
                const redirect = (path: string, location: string): Fault => ({
                    match: { role: "cdn", path },
                    action: { kind: "redirect", location: `https://${CDN}${location}` },
                });
                hub.faults.push(
                    { match: { path: "^/third$" }, action: { kind: "status", status: 200, body: "here" } },
                    redirect("^/second$", "/third"),
                    redirect("", "/second"),
                );
                const answer = await get(path(), { range: "bytes=0-3" });
                assert.equal(answer.status, 200);
                assert.equal(answer.body.toString(), "here");
                assert.deepEqual(
                    asked(hub, "cdn").map(({ range }) => range),
                    Array(3).fill("bytes=0-3"),
                );
            });

            it("follows one of a manifest, and needs no token where the upstream has none", async () => {
                const answer = await get("/v2/registry.k8s.io/pause/manifests/1.0");
                assert.equal(answer.status, 200);
                assert.equal(digestOf(answer.body), images.manifests["registry.k8s.io/pause"]);
                assert.deepEqual(
                    hub.requests.map(({ role }) => role),
                    ["registry", "cdn"],
                );
            });
        });

        describe("tokens", () => {
            it("are fetched once a repository and used again", async () => {
                await get("/v2/library/reused/manifests/1.0");
                await get("/v2/library/reused/manifests/1.0");
                await head(`/v2/library/reused/blobs/${images.layer.digest}`);
                assert.equal(asked(hub, "token").length, 1);
            });

            it("are not shared between repositories", async () => {
                await get("/v2/library/left/manifests/1.0");
                const answer = await get("/v2/library/right/manifests/1.0");
                assert.equal(answer.status, 200);
                assert.equal(asked(hub, "token").length, 2);
            });

            it("are fetched once for 30 callers at a time", async () => {
                const cold = Array.from({ length: 30 }, () => get("/v2/library/crowd/manifests/1.0"));
                for (const answer of await Promise.all(cold)) assert.equal(answer.status, 200);
                assert.equal(asked(hub, "token").length, 1);
            });

            it("arrive for those who wait also when the caller who came first has left", async () => {
                hub.faults.push({
                    match: { role: "token", times: 1 },
                    action: { kind: "throttle", bytesPerSecond: 8000 },
                });
                const path = "/v2/library/leaving/manifests/1.0";
                const leave = new AbortController();
                const first = send(relay, "GET", path, PULL, leave.signal);
                await eventually("the token is asked for", () => asked(hub, "token")[0]);
                const second = get(path);
                leave.abort();
                await assert.rejects(first);
                assert.equal((await second).status, 200);
            });

            it("are fetched again when the upstream no longer takes one", async () => {
                await get("/v2/library/revoked/manifests/1.0");
                hub.clear();
                hub.faults.push({ match: { role: "registry", times: 1 }, action: { kind: "status", status: 401 } });
                const answer = await get("/v2/library/revoked/manifests/1.0");
                assert.equal(answer.status, 200);
                assert.equal(asked(hub, "token").length, 1);
                assert.equal(asked(hub, "registry").length, 2);
            });

            it("are fetched once more, not for ever, when the upstream takes none", async () => {
                hub.faults.push({ match: { role: "registry" }, action: { kind: "status", status: 401 } });
                const answer = await get("/v2/library/never/manifests/1.0");
                assert.equal(answer.status, 404);
                assert.equal(errorCode(answer), "NAME_UNKNOWN");
                assert.ok(asked(hub, "token").length <= 2);
                assert.equal(asked(hub, "registry").length, 2);
            });

            it("never reach the caller", async () => {
                for (const path of [HELLO_MANIFEST, "/v2/library/absent/manifests/1.0"]) {
                    const { headers } = await get(path);
                    assert.ok(!/bearer|auth\.docker\.io/i.test(JSON.stringify(headers)));
                }
            });
        });

        describe("with a Hub account", () => {
            let own: RelayUnderTest;
            const ask = (path: string) => send(own, "GET", path, PULL);
            const accountUsed = () => asked(hub, "token").filter(({ authorization }) => authorization).length;
            before(async () => {
                own = await startRelay({ account: ACCOUNT });
            });
            after(() => own.stop());

            it("uses it for a public repository", async () => {
                assert.equal((await ask(HELLO_MANIFEST)).status, 200);
                assert.equal(accountUsed(), 1);
            });

            it("does not open a private repository with it", async () => {
                const answer = await ask("/v2/company/private/manifests/1.0");
                assert.equal(answer.status, 404);
                assert.equal(errorCode(answer), "NAME_UNKNOWN");
                assert.equal(accountUsed(), 0);
            });

            it("does not use it while nobody can say whether the repository is public", async () => {
                hub.faults.push({
                    match: { role: "token" },
                    action: { kind: "status", status: 429, headers: { "retry-after": "30" }, body: "{}" },
                });
                const answer = await ask("/v2/library/verdict/manifests/1.0");
                assert.equal(answer.status, 503);
                assert.equal(errorCode(answer), "UNAVAILABLE");
                assert.equal(accountUsed(), 0);
            });

            it("does not show it to another upstream", async () => {
                assert.equal((await ask("/v2/ghcr.io/owner/app/manifests/1.0")).status, 200);
                assert.equal(accountUsed(), 0);
            });
        });

        describe("with accounts for private repositories", () => {
            let own: RelayUnderTest;
            const ask = (path: string, headers: Record<string, string> = PULL) => send(own, "GET", path, headers);
            const withAuthorization = () =>
                hub.requests
                    .filter(({ role, authorization }) => role !== "registry" && authorization)
                    .map(({ role, host }) => `${role} ${host}`);
            before(async () => {
                own = await startRelay({
                    account: ACCOUNT,
                    privateAccounts: PRIVATE_ACCOUNTS,
                    upstreams: [...UPSTREAMS, "nvcr.io"],
                });
            });
            after(() => own.stop());

            for (const { upstream } of PRIVATE_ACCOUNTS) {
                const { registry, tokenService } = TABLE.find(({ name }) => name === upstream)!;
                const tokenHost = new URL(tokenService?.realm ?? "").host;

                it(`serves one that is listed for ${upstream}, with the account at its token service alone`, async () => {
                    const base = `/v2/${upstream}/company/app`;
                    const manifest = await ask(`${base}/manifests/1.0`);
                    assert.equal(manifest.status, 200);
                    assert.equal(digestOf(manifest.body), images.manifests[`${upstream}/company/app`]);
                    const blob = await ask(`${base}/blobs/${images.layer.digest}`);
                    assert.equal(digestOf(blob.body), images.layer.digest);

                    assert.deepEqual(withAuthorization(), [`token ${tokenHost}`]);
                    for (const { role, host, headers } of hub.requests) {
                        if (role === "registry") assert.deepEqual([host, headers.authorization], [registry, "Bearer"]);
                    }
                    hub.clear();
                    assert.equal((await ask(`/v2/company/app/manifests/1.0?ns=${upstream}`)).status, 200);
                    assert.deepEqual(asked(hub, "token"), []);
                });

                it(`refuses one that is private and not listed for ${upstream}`, async () => {
                    const answer = await ask(`/v2/${upstream}/elsewhere/app/manifests/1.0`);
                    assert.equal(answer.status, 404);
                    assert.equal(errorCode(answer), "NAME_UNKNOWN");
                    assert.deepEqual(withAuthorization(), []);
                });
            }

            it("refuses a private one on Docker Hub that the other account could see", async () => {
                assert.equal((await ask("/v2/company/private/manifests/1.0")).status, 404);
                assert.deepEqual(withAuthorization(), []);
            });

            it("uses none for a public repository of the same upstream", async () => {
                assert.equal((await ask("/v2/ghcr.io/owner/app/manifests/1.0")).status, 200);
                assert.deepEqual(withAuthorization(), []);
            });

            it("says 502 when the token service does not take the account any more", async () => {
                hub.faults.push({
                    match: { role: "token" },
                    action: {
                        kind: "status",
                        status: 401,
                        headers: { "content-type": "application/json" },
                        body: '{"details":"incorrect username or password"}',
                    },
                });
                const answer = await ask("/v2/ghcr.io/company/closed/manifests/1.0");
                assert.equal(answer.status, 502);
                assert.equal(errorCode(answer), "UNAVAILABLE");
            });

            it("takes them to no redirect and into no log", async () => {
                await ask(`/v2/ghcr.io/company/app/blobs/${images.layer.digest}`);
                for (const { headers } of asked(hub, "cdn")) assert.equal(headers.authorization, undefined);
                const written = async () => (await own.logLines()).some(({ name }) => name === "company/app");
                await eventually("a line in the log", async () => (await written()) || undefined);
                const text = await own.logText();
                for (const { username, token } of PRIVATE_ACCOUNTS) {
                    const credentials = basic(username, token).slice("Basic ".length);
                    for (const secret of [token, credentials])
                        assert.ok(!text.includes(secret), `"${secret}" is in the log`);
                }
            });

            it("are for callers with a key, also where strangers are let in", async () => {
                const open = await startRelay({ access: "public", privateAccounts: PRIVATE_ACCOUNTS });
                const path = "/v2/ghcr.io/company/app/manifests/1.0";
                try {
                    // First with the key, so that a token for it is there.
                    assert.equal((await send(open, "GET", path, PULL)).status, 200);
                    for (const method of ["GET", "HEAD"]) {
                        const stranger = await send(open, method, path, { accept: OCI_MANIFEST });
                        assert.equal(stranger.status, 401);
                        assert.equal(stranger.headers["www-authenticate"], `Basic realm="${open.hostname}"`);
                    }
                    assert.equal((await send(open, "GET", HELLO_MANIFEST, { accept: OCI_MANIFEST })).status, 200);
                } finally {
                    await open.stop();
                }
            });
        });

        describe("failures upstream", () => {
            it("hands 404 on with a code", async () => {
                const answer = await get("/v2/library/hello/manifests/no-such-tag");
                assert.equal(answer.status, 404);
                assert.equal(errorCode(answer), "MANIFEST_UNKNOWN");
            });

            it("says that it does not know a repository that the Hub hides behind 401", async () => {
                const answer = await get("/v2/library/absent/manifests/1.0");
                assert.equal(answer.status, 404);
                assert.equal(errorCode(answer), "NAME_UNKNOWN");
            });

            for (const role of ["registry", "cdn", "token"] as const) {
                it(`hands 429 of the ${role} on with its Retry-After`, async () => {
                    hub.faults.push({
                        match: { role },
                        action: { kind: "status", status: 429, headers: { "retry-after": "120" }, body: "slow down" },
                    });
                    const answer = await get(`/v2/library/throttled-${role}/blobs/${images.layer.digest}`);
                    assert.equal(answer.status, 429);
                    assert.equal(answer.headers["retry-after"], "120");
                    assert.equal(errorCode(answer), "TOOMANYREQUESTS");
                });

                it(`hands on nothing of a page of the ${role}`, async () => {
                    for (const status of [200, 403, 404]) {
                        hub.clear();
                        hub.faults.push({
                            match: { role },
                            action: {
                                kind: "status",
                                status,
                                headers: { "content-type": "text/html; charset=utf-8" },
                                body: "<html>SENTINEL of the upstream</html>",
                            },
                        });
                        const answer = await get(`/v2/library/page-${role}/blobs/${images.layer.digest}`);
                        assert.ok([502, status].includes(answer.status) && answer.status >= 400, `${answer.status}`);
                        assert.ok(!answer.body.includes("SENTINEL"));
                        assertNoPage(answer);
                    }
                });

                it(`answers a ${role} that hangs up by 502`, async () => {
                    hub.faults.push({ match: { role }, action: { kind: "close" } });
                    const answer = await get(`/v2/library/closing-${role}/blobs/${images.layer.digest}`);
                    assert.equal(answer.status, 502);
                    assert.equal(errorCode(answer), "UNAVAILABLE");
                });
            }

            it("answers 504 when the registry, the CDN or the token service says nothing", async () => {
                hub.faults.push(
                    { match: { role: "token", path: "silent-token" }, action: { kind: "hang" } },
                    { match: { role: "registry", path: "silent-registry" }, action: { kind: "hang" } },
                    { match: { role: "cdn" }, action: { kind: "hang" } },
                );
                const silent = ["token", "registry", "cdn"].map((role) => `/v2/library/silent-${role}`);
                const answers = await Promise.all(silent.map((path) => get(`${path}/blobs/${images.layer.digest}`)));
                for (const answer of answers) {
                    assert.equal(answer.status, 504);
                    assert.equal(errorCode(answer), "UNAVAILABLE");
                }
            });

            it("tells a caller how long to wait when a throttling upstream does not", async () => {
                hub.faults.push({ match: { role: "registry" }, action: { kind: "status", status: 429 } });
                const answer = await get(HELLO_MANIFEST);
                assert.equal(answer.status, 429);
                assert.match(answer.headers["retry-after"] ?? "", /^[1-9]\d*$/);
            });

            it("answers a failing HEAD without a body", async () => {
                hub.faults.push({ match: { role: "registry" }, action: { kind: "status", status: 502 } });
                const answer = await head(HELLO_MANIFEST);
                assert.equal(answer.status, 502);
                assert.equal(answer.body.length, 0);
            });

            it("serves again when the upstream does", async () => {
                hub.faults.push({ match: { role: "registry", times: 1 }, action: { kind: "status", status: 502 } });
                assert.equal((await get(HELLO_MANIFEST)).status, 502);
                assert.equal((await get(HELLO_MANIFEST)).status, 200);
            });
        });

        describe("log", () => {
            /** The line of the one request that is like `expected`, once it is written. */
            const line = (expected: Record<string, unknown>) =>
                eventually(`a log line like ${JSON.stringify(expected)}`, async () =>
                    (await relay.logLines()).find((candidate) =>
                        Object.entries(expected).every(([field, value]) => candidate[field] === value),
                    ),
                );

            it("has one JSON line a request, with the key's name", async () => {
                const path = `/v2/library/logged/blobs/${images.layer.digest}`;
                await get(path);
                // Relays of 0.3.0 do not say which redirect they refused.
                const { time, ms, refusedRedirect = "", ...fields } = await line({ name: "library/logged" });
                assert.equal(refusedRedirect, "");
                assert.deepEqual(fields, {
                    key: "acme.2",
                    upstream: DEFAULT_UPSTREAM,
                    kind: "blobs",
                    name: "library/logged",
                    reference: images.layer.digest,
                    method: "GET",
                    status: 200,
                    bytes: LAYER_BYTES,
                    ratelimitRemaining: "",
                });
                assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000, `time: ${time}`);
                assert.equal(typeof ms, "number");
                const lines = await relay.logLines();
                assert.equal(lines.filter(({ name }) => name === "library/logged").length, 1);
            });

            it("says what is left of the rate limit", async () => {
                const { headers } = await get("/v2/library/counted/manifests/1.0");
                const { ratelimitRemaining } = await line({ name: "library/counted" });
                assert.equal(ratelimitRemaining, headers["ratelimit-remaining"]);
            });

            it("has a line for a caller that was turned away", async () => {
                const { body } = await send(relay, "GET", "/v2/library/stranger/manifests/1.0");
                const { key, status, bytes } = await line({ name: "library/stranger" });
                assert.deepEqual({ key, status, bytes }, { key: "", status: 401, bytes: body.length });
            });

            it("has a line for /v2/ itself", async () => {
                await head("/v2/", { "x-relay-key": KEYS["branch.1"] });
                const { name, status, bytes } = await line({ kind: "base", key: "branch.1", method: "HEAD" });
                assert.deepEqual({ name, status, bytes }, { name: "", status: 200, bytes: 0 });
            });

            it("holds no key, password or token", async () => {
                const own = await startRelay({ account: ACCOUNT });
                try {
                    const asks = [
                        { "x-relay-key": KEY },
                        { authorization: basic("acme", KEY) },
                        { authorization: basic("acme", "Wr0ngPassword") },
                    ];
                    for (const headers of asks) await send(own, "GET", blob(images.layer.digest), headers);
                    await send(own, "GET", `${HELLO_MANIFEST}?key=${KEY}`);
                    await eventually("four log lines", async () => (await own.logLines()).length >= 4 || undefined);
                    const text = await own.logText();
                    const secrets = [KEY, basic("acme", KEY).slice(6), "Wr0ngPassword", ACCOUNT.token, "Bearer "];
                    for (const secret of secrets) assert.ok(!text.includes(secret), `"${secret}" is in the log`);
                    // A JWT of the token service begins like this, whatever is in it.
                    assert.ok(!text.includes("eyJ"), "a token is in the log");
                } finally {
                    await own.stop();
                }
            });
        });
    });
}

interface Blob {
    readonly digest: string;
    readonly bytes: Buffer;
}

interface Images {
    readonly layer: Blob;
    readonly empty: Blob;
    /** Digest of the manifest of tag 1.0, by upstream and repository. */
    readonly manifests: Readonly<Record<string, string>>;
}

/** One small image under each name that the tests ask for; every test that needs cold tokens has a name of its own. */
async function fillStore(store: ImageStore): Promise<Images> {
    const layer = { bytes: seededBytes("layer", LAYER_BYTES), digest: "" };
    const empty = { bytes: Buffer.alloc(0), digest: "" };
    layer.digest = await store.addBlob(layer.bytes);
    empty.digest = await store.addBlob(empty.bytes);
    const library = [
        ...["hello", "fresh", "agent", "reused", "left", "right", "crowd", "revoked", "never", "verdict"],
        ...["logged", "counted", "discreet", "leaving"],
        ...["throttled", "failing", "page", "closing", "silent"].flatMap((fault) =>
            ["registry", "cdn", "token"].map((role) => `${fault}-${role}`),
        ),
    ].map((repository) => `docker.io/library/${repository}`);
    const elsewhere = [
        ...["ghcr.io/owner/app", "ghcr.io/single", "ghcr.io/company/closed", "registry.k8s.io/pause"],
        ...TABLE.flatMap(({ name }) => [`${name}/by/prefix`, `${name}/by/ns`]),
        ...PRIVATE,
    ];
    const manifests: Record<string, string> = {};
    for (const image of [...library, "docker.io/owner/app", "docker.io/company/private", ...elsewhere]) {
        const config = JSON.stringify({ architecture: "amd64", os: "linux", config: { Labels: { image } } });
        const manifest = JSON.stringify({
            schemaVersion: 2,
            mediaType: OCI_MANIFEST,
            config: {
                mediaType: "application/vnd.oci.image.config.v1+json",
                digest: await store.addBlob(Buffer.from(config)),
                size: config.length,
            },
            layers: [
                { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: layer.digest, size: LAYER_BYTES },
                { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: empty.digest, size: 0 },
            ],
        });
        const digest = await store.addBlob(Buffer.from(manifest));
        const [upstream = "", ...repository] = image.split("/");
        for (const tag of ["1.0", "1.1"]) store.tag(upstream, repository.join("/"), tag, digest);
        manifests[image] = digest;
    }
    return { layer, empty, manifests };
}

function seededBytes(seed: string, length: number): Buffer {
    const blocks: Buffer[] = [];
    for (let index = 0; index * 32 < length; index++) {
        blocks.push(createHash("sha256").update(`${seed} ${index}`).digest());
    }
    return Buffer.concat(blocks).subarray(0, length);
}

function basic(user: string, password: string): string {
    return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

function digestOf(bytes: Buffer): string {
    return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function asked(hub: Hub, role: RecordedRequest["role"]): RecordedRequest[] {
    return hub.requests.filter((request) => request.role === role);
}

function methods(hub: Hub, role: RecordedRequest["role"]): string[] {
    return asked(hub, role).map(({ method }) => method);
}

function paths(hub: Hub, role: RecordedRequest["role"]): string[] {
    return asked(hub, role).map(({ path }) => path);
}

/** The first error of an OCI error body; a body of any other shape fails the test. */
function firstError(answer: Answer): { code: string; message: string } {
    assert.match(answer.headers["content-type"] ?? "", /^application\/json/);
    const { errors } = JSON.parse(answer.body.toString()) as { errors: { code: string; message: string }[] };
    assert.equal(errors.length, 1);
    return errors[0]!;
}

function errorCode(answer: Answer): string {
    return firstError(answer).code;
}

function errorMessage(answer: Answer): string {
    return firstError(answer).message;
}

/** A scanner for phishing pages must find nothing here that looks like a site, nor who makes the server. */
function assertNoPage(answer: Answer): void {
    assert.ok(!/html/i.test(answer.headers["content-type"] ?? ""), `Content-Type: ${answer.headers["content-type"]}`);
    assert.ok(!/<|nginx/i.test(answer.body.toString()), `body: ${answer.body}`);
}
