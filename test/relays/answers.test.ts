/**
 * Whose answer it is, and an upstream's answers that are no content: the same at both relays, which are asked side by
 * side in front of the Hub double. Relays of 0.3.0 promised none of it. It proves nothing about Cloudflare's edge, which
 * has answers of its own, nor about what the uplink makes of these.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Fault, FaultAction, FaultMatch } from "../../rehearsal/hub/faults";
import { type Hub, startHub } from "../../rehearsal/hub/hub";
import { makeImage } from "../../rehearsal/hub/image";
import { ImageStore, OCI_MANIFEST } from "../../rehearsal/hub/store";
import { HUB_HOSTS } from "../../rehearsal/hub/upstream-hosts";
import { issue, makeCa } from "../../rehearsal/pki";
import { EMPTY_INDEX, OCI_INDEX } from "../../services/registry/media";
import { readRelayAnswer } from "../../services/registry/relay-answer";
import { eventually } from "../support/eventually";
import { EVERY_RELAY, sameOfAll } from "../support/every-relay";
import { type Answer, type RelayOptions, type RelayUnderTest, send } from "../support/relay";

const HUB_ADDRESS = `127.85.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const KEY = "B2lQr8As1tU6vWx3yZc5dEf7gHi9jKl2mNo4pQr6";
const ACCOUNT = { username: "acme", token: "dckr_pat_sEntiNel" };
const PULL = { "x-relay-key": KEY, accept: OCI_MANIFEST };
const UPSTREAMS = ["docker.io", "ghcr.io", "quay.io", "registry.k8s.io", "nvcr.io"];
const DIGEST = `sha256:${"0".repeat(64)}`;
const REFERRERS = `/v2/ghcr.io/owner/app/referrers/${DIGEST}`;

/** Hosts of the table that the double does not play by itself. */
const FURTHER_HOSTS = [
    "cdn.registry.k8s.io",
    "docker-images-prod.s3.amazonaws.com",
    "docker-images-prod.s3.us-east-1.amazonaws.com",
    "docker-images-prod.s3.dualstack.ap-northeast-1.amazonaws.com",
    "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com",
    "production.cloudfront.docker.com",
    "cdn.quay.io",
    "cdn06.quay.io",
    "quayio-production-s3.s3.amazonaws.com",
    "quayio-production-s3.s3.us-east-1.amazonaws.com",
    "new-cdn.example.com",
    "eu.blobs.example.net",
];
const REDIRECT_HOSTS = { "quay.io": ["new-cdn.example.com", "*.blobs.example.net"] };

const OCI_ERROR = '{"errors":[{"code":"DENIED","message":"SENTINEL of the upstream","detail":{"x":[1]}}]}';

/** What both relays have to say alike. */
interface Said {
    readonly status: number;
    readonly voice: string | undefined;
    readonly type: string | undefined;
    readonly retryAfter: string | undefined;
    readonly body: string;
}

describe("The relays' answers", function () {
    this.timeout(120_000);

    let folder: string;
    let hub: Hub;
    let started: RelayUnderTest[] = [];
    let relays: RelayUnderTest[];
    let layer: string;
    let options: RelayOptions;
    let row = 0;

    const startBoth = async (change: Partial<RelayOptions> = {}) => {
        const both = await Promise.all(EVERY_RELAY.map((start) => start({ ...options, ...change })));
        started = [...started, ...both];
        return both;
    };

    before(async () => {
        folder = await mkdtemp(join(tmpdir(), "relay-answers-"));
        const store = new ImageStore(folder);
        for (const image of [
            "docker.io library/hello",
            "ghcr.io owner/app",
            "quay.io owner/app",
            "registry.k8s.io pause",
        ]) {
            const [upstream = "", repository = ""] = image.split(" ");
            const made = await makeImage(store, {
                upstream,
                repository,
                tag: "1.0",
                layers: [{ bytes: 1000, seed: "layer" }],
            });
            layer = made.platforms[0]!.layers[0]!.digest;
        }
        const ca = makeCa("relay answers");
        const { key, cert } = issue(ca, [...HUB_HOSTS, ...FURTHER_HOSTS]);
        const accounts = { [ACCOUNT.username]: ACCOUNT.token };
        hub = await startHub({ store, key, cert, host: HUB_ADDRESS, accounts });
        options = {
            hub,
            hubAddress: HUB_ADDRESS,
            ca,
            keys: { "acme.1": KEY },
            upstreams: UPSTREAMS,
            redirectHosts: REDIRECT_HOSTS,
            furtherHosts: FURTHER_HOSTS,
        };
        relays = await startBoth();
    });
    after(async () => {
        await Promise.all(started.map((relay) => relay.stop()));
        await hub?.close();
        await rm(folder, { recursive: true, force: true });
    });
    beforeEach(() => hub.clear());

    /** A repository that no relay has a token for. */
    const fresh = (upstream = "ghcr.io") => `/v2/${upstream}/fresh/r${row++}`;

    /** What both relays say, which is the same but for the length of a body that is their own. */
    const ask = async (method: string, path: string, faults: Fault[] = [], headers: object = PULL, asked = relays) => {
        const answers: Said[] = [];
        for (const relay of asked) {
            hub.clear();
            hub.faults.push(...faults);
            answers.push(said(await send(relay, method, path, headers as Record<string, string>)));
        }
        return sameOfAll(answers, `${method} ${path}`);
    };
    const askOf = (match: FaultMatch, action: FaultAction, method: string, path: string) =>
        ask(method, path, [{ match, action }]);

    const bodies: Record<string, Pick<Extract<FaultAction, { kind: "status" }>, "headers" | "body">> = {
        "no body": {},
        text: { headers: { "content-type": "text/plain" }, body: "SENTINEL" },
        "a page": { headers: { "content-type": "text/html; charset=utf-8" }, body: "<html>SENTINEL</html>" },
        "other JSON": { headers: { "content-type": "application/json" }, body: '{"message":"SENTINEL"}' },
        "an error document that is too long": {
            headers: { "content-type": "application/json" },
            body: `{"errors":[{"code":"DENIED","message":"SENTINEL${"x".repeat(9000)}"}]}`,
        },
    };

    const CODES: Record<number, RegExp> = {
        402: /^DENIED$/,
        403: /^DENIED$/,
        404: /^(MANIFEST|BLOB)_UNKNOWN$/,
        410: /^(MANIFEST|BLOB)_UNKNOWN$/,
        429: /^TOOMANYREQUESTS$/,
        451: /^DENIED$/,
        500: /^UNAVAILABLE$/,
        503: /^UNAVAILABLE$/,
    };
    const STATUSES = [
        ...[400, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 417, 418, 421, 422, 423, 424],
        ...[425, 426, 428, 429, 431, 440, 444, 451, 494, 495, 496, 497, 499],
        ...[500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 520, 521, 522, 523, 525, 526, 530, 597, 599],
    ];

    /** The statuses that are asked for in every way; all others are so in two. */
    const IN_EVERY_WAY = [403, 404, 418, 429, 500, 503];
    const waysTo = (status: number): [role: "registry" | "cdn", path: string, body: string, method: string][] => {
        const manifest = "/v2/library/hello/manifests/1.0";
        if (!IN_EVERY_WAY.includes(status)) {
            return [
                ["registry", manifest, "a page", "GET"],
                ["registry", manifest, "no body", "HEAD"],
            ];
        }
        return Object.keys(bodies).flatMap((body) =>
            ["GET", "HEAD"].flatMap(
                (method): [role: "registry" | "cdn", path: string, body: string, method: string][] => [
                    ["registry", manifest, body, method],
                    ["cdn", `/v2/library/hello/blobs/${layer}`, body, method],
                ],
            ),
        );
    };

    describe("to a final no of a registry or a CDN", () => {
        for (const status of STATUSES) {
            it(`are ${status} for ${status}, whatever its body is, to GET and HEAD`, async () => {
                for (const [role, path, what, method] of waysTo(status)) {
                    const answer = await askOf({ role }, { kind: "status", status, ...bodies[what] }, method, path);
                    const where = `${method} of ${role} with ${what}`;
                    assert.equal(answer.status, status, where);
                    assert.equal(answer.voice, "upstream", where);
                    assert.ok(!answer.body.includes("SENTINEL"), where);
                    if (method === "HEAD") assert.equal(answer.body, "", where);
                    else assert.match(codeOf(answer), CODES[status] ?? /^[A-Z_]+$/, where);
                }
            });
        }

        for (const status of [400, 403, 404, 405, 418, 429, 451, 500, 502, 503]) {
            it(`hand the error document of a ${status} on`, async () => {
                for (const type of [
                    "application/json",
                    "application/json; charset=utf-8",
                    "application/problem+json",
                ]) {
                    const action = {
                        kind: "status",
                        status,
                        headers: { "content-type": type },
                        body: OCI_ERROR,
                    } as const;
                    const answer = await askOf({ role: "registry" }, action, "GET", "/v2/library/hello/manifests/1.0");
                    assert.deepEqual([answer.status, answer.voice, answer.body], [status, "upstream", OCI_ERROR]);
                    assert.equal(answer.type, "application/json");
                }
            });
        }

        it("hand a document on that came in many pieces, and none that was cut short", async () => {
            const body = `{"errors":[{"code":"DENIED","message":"${"é".repeat(2000)}"}]}`;
            const headers = { "content-type": "application/json" };
            const whole = await askOf(
                { role: "registry" },
                { kind: "status", status: 403, headers, body },
                "GET",
                "/v2/library/hello/manifests/1.0",
            );
            assert.equal(whole.body, body);
            const half = body.slice(0, 500);
            const cut = await askOf(
                { role: "registry" },
                { kind: "status", status: 403, headers, body: half },
                "GET",
                "/v2/library/hello/manifests/1.0",
            );
            assert.equal(codeOf(cut), "DENIED");
            assert.ok(!cut.body.includes("é"));
        });

        it("hand on a document of 8192 bytes and none of 8193", async () => {
            const document = (bytes: number) => {
                const [start, end] = ['{"errors":[{"code":"DENIED","message":"', '"}]}'];
                return `${start}${"é".repeat((bytes - start.length - end.length) >> 1)}${"x".repeat((bytes - start.length - end.length) & 1)}${end}`;
            };
            for (const [bytes, isHandedOn] of [
                [8192, true],
                [8193, false],
            ] as const) {
                const body = document(bytes);
                assert.equal(Buffer.byteLength(body), bytes);
                const answer = await askOf(
                    { role: "registry" },
                    { kind: "status", status: 403, headers: { "content-type": "application/json" }, body },
                    "GET",
                    "/v2/library/hello/manifests/1.0",
                );
                assert.equal(answer.body === body, isHandedOn);
            }
        });

        it("say 404 where the registry says 401 to a fresh token too, and show no challenge", async () => {
            for (const [role, path] of [
                ["registry", "/v2/library/hello/manifests/1.0"],
                ["registry", `/v2/registry.k8s.io/pause/blobs/${DIGEST}`],
                ["cdn", `/v2/library/hello/blobs/${layer}`],
            ] as const) {
                for (const body of [
                    ...Object.values(bodies),
                    { headers: { "content-type": "application/json" }, body: OCI_ERROR },
                ]) {
                    for (const method of ["GET", "HEAD"]) {
                        const answer = await askOf({ role }, { kind: "status", status: 401, ...body }, method, path);
                        assert.deepEqual([answer.status, answer.voice], [404, "upstream"]);
                        if (method === "GET") assert.equal(codeOf(answer), "NAME_UNKNOWN");
                    }
                }
            }
        });

        it("are 403 for a 403 of nvcr.io, to GET and HEAD", async () => {
            const headers = { "content-type": "application/json" };
            for (const method of ["GET", "HEAD"]) {
                const answer = await askOf(
                    { host: "nvcr.io", role: "registry" },
                    { kind: "status", status: 403, headers, body: '{"errors":[{"code":"DENIED"}]}' },
                    method,
                    "/v2/nvcr.io/nvidia/cuda/manifests/1.0",
                );
                // The double's token service refuses a stranger's repository first; both are final, and nvcr.io's own.
                assert.ok([403, 404].includes(answer.status), `${answer.status}`);
                assert.equal(answer.voice, "upstream");
            }
        });

        it("are about that image alone", async () => {
            const odd: Fault = {
                match: { role: "registry", path: "/manifests/odd" },
                action: { kind: "status", status: 418 },
            };
            for (let time = 0; time < 4; time++)
                assert.equal((await ask("GET", "/v2/library/hello/manifests/odd", [odd])).status, 418);
            assert.equal((await ask("GET", "/v2/library/hello/manifests/1.0", [odd])).status, 200);
        });
    });

    describe("to what is no answer of a registry", () => {
        const page = { headers: { "content-type": "text/html" }, body: "<html>SENTINEL</html>" };
        const odd: Record<string, Omit<Extract<FaultAction, { kind: "status" }>, "kind">> = {
            "a page with 200": { status: 200, ...page },
            "a page with 206": { status: 206, ...page },
            "a page in capitals": { status: 200, ...page, headers: { "content-type": "TEXT/HTML" } },
            "an XHTML page": { status: 200, ...page, headers: { "content-type": "application/xhtml+xml" } },
            "201": { status: 201, body: "SENTINEL" },
            "202": { status: 202, body: "SENTINEL" },
            "203": { status: 203, body: "SENTINEL" },
            "300": { status: 300, body: "SENTINEL" },
            "305": { status: 305, body: "SENTINEL" },
        };
        for (const [what, action] of Object.entries(odd)) {
            it(`are 502 for ${what}, and the upstream's`, async () => {
                for (const method of ["GET", "HEAD"]) {
                    const answer = await askOf(
                        { role: "registry" },
                        { kind: "status", ...action },
                        method,
                        "/v2/library/hello/manifests/1.0",
                    );
                    assert.deepEqual([answer.status, answer.voice], [502, "upstream"]);
                    if (method === "GET") assert.equal(codeOf(answer), "UNAVAILABLE");
                    assert.ok(!answer.body.includes("SENTINEL"));
                }
            });
        }
    });

    describe("to a token service without a token", () => {
        const json = { headers: { "content-type": "application/json" } };
        for (const status of STATUSES) {
            it(`are a final answer for ${status}`, async () => {
                for (const [what, body] of Object.entries(bodies)) {
                    if (what !== "a page" && !IN_EVERY_WAY.includes(status)) continue;
                    const answer = await askOf(
                        { role: "token" },
                        { kind: "status", status, ...body },
                        "GET",
                        `${fresh()}/manifests/1.0`,
                    );
                    const expected = status === 403 && what !== "a page" ? 404 : status;
                    assert.deepEqual([answer.status, answer.voice], [expected, "upstream"], what);
                    assert.match(codeOf(answer), expected === 404 ? /^NAME_UNKNOWN$/ : /^[A-Z_]+$/, what);
                    assert.ok(!answer.body.includes("SENTINEL"), what);
                }
                const head = await askOf(
                    { role: "token" },
                    { kind: "status", status, ...json, body: "{}" },
                    "HEAD",
                    `${fresh()}/manifests/1.0`,
                );
                assert.deepEqual([head.status, head.voice], [status === 403 ? 404 : status, "upstream"]);
            });
        }

        it("are 404 for 401, and not the relay's challenge", async () => {
            for (const body of Object.values(bodies)) {
                const answer = await askOf(
                    { role: "token" },
                    { kind: "status", status: 401, ...body },
                    "GET",
                    `${fresh()}/manifests/1.0`,
                );
                assert.deepEqual([answer.status, answer.voice], [404, "upstream"]);
            }
        });

        it("are 502 for what has no token in it, and the upstream's", async () => {
            const empty: Omit<Extract<FaultAction, { kind: "status" }>, "kind">[] = [
                { status: 200, ...bodies["a page"] },
                { status: 200, ...json, body: "{}" },
                { status: 200, ...json, body: "null" },
                { status: 200, ...json, body: '{"token":"' },
                { status: 200, ...json, body: '{"token":5}' },
                { status: 200, ...json, body: '{"token":"a\\nb"}' },
                { status: 302, headers: { location: "https://auth.example.com/" } },
            ];
            for (const action of empty) {
                const answer = await askOf(
                    { role: "token" },
                    { kind: "status", ...action },
                    "GET",
                    `${fresh()}/manifests/1.0`,
                );
                assert.deepEqual([answer.status, answer.voice], [502, "upstream"], action.body);
            }
        });
    });

    describe("hand Retry-After on", () => {
        const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
        const forms: Record<string, [header: (() => string) | undefined, seconds: number]> = {
            seconds: [() => "120", 120],
            "a Unix time": [() => String(inSeconds(600)), 600],
            "a Unix time in milliseconds": [() => String(inSeconds(600) * 1000), 600],
            "a Unix time of yesterday": [() => String(inSeconds(-86_400)), 1],
            "half a day": [() => "43200", 3600],
            "three years": [() => "99999999", 3600],
            nothing: [() => "0", 1],
            "a negative number": [() => "-1", 1],
            "a fraction": [() => "1.5", 2],
            "an HTTP date": [() => new Date(inSeconds(600) * 1000).toUTCString(), 600],
            "an HTTP date of yesterday": [() => new Date(inSeconds(-86_400) * 1000).toUTCString(), 1],
            "an HTTP date of next week": [() => new Date(inSeconds(604_800) * 1000).toUTCString(), 3600],
            "a word": [() => "abc", 60],
            "an empty header": [() => "", 60],
            "no header": [undefined, 60],
        };
        for (const [what, [header, seconds]] of Object.entries(forms)) {
            it(`in seconds where it is ${what}`, async () => {
                for (const [role, path] of [
                    ["registry", () => "/v2/library/hello/manifests/1.0"],
                    ["registry", () => "/v2/library/hello/tags/list"],
                    ["registry", () => REFERRERS],
                    ["cdn", () => `/v2/library/hello/blobs/${layer}`],
                    ["token", () => `${fresh()}/manifests/1.0`],
                ] as const) {
                    for (const method of ["GET", "HEAD"]) {
                        const headers: Record<string, string> = header ? { "retry-after": header() } : {};
                        for (const relay of relays) {
                            hub.clear();
                            hub.faults.push({ match: { role }, action: { kind: "status", status: 429, headers } });
                            const answer = said(await send(relay, method, path(), PULL));
                            assert.deepEqual([answer.status, answer.voice], [429, "upstream"]);
                            // Between the header and the answer the clock may have gone on.
                            const waits = Number(answer.retryAfter);
                            assert.ok(
                                waits <= seconds && waits >= Math.max(1, seconds - (seconds === 600 ? 30 : 0)),
                                `${relay.hostname} ${role} ${answer.retryAfter}`,
                            );
                        }
                    }
                }
            });
        }

        it("with a 503 as well, and not where the upstream asks for no pause", async () => {
            const ask503 = async (headers: Record<string, string>) =>
                (
                    await askOf(
                        { role: "registry" },
                        { kind: "status", status: 503, headers },
                        "GET",
                        "/v2/library/hello/manifests/1.0",
                    )
                ).retryAfter;
            assert.equal(await ask503({ "retry-after": "99999999" }), "3600");
            assert.equal(await ask503({}), undefined);
        });
    });

    describe("say whose they are", () => {
        const own = (reason: string) => `relay; reason=${reason}`;

        it("the upstream's, with content", async () => {
            for (const method of ["GET", "HEAD"]) {
                assert.equal((await ask(method, "/v2/library/hello/manifests/1.0")).voice, "upstream");
                for (const relay of relays) {
                    const blob = await send(relay, method, `/v2/library/hello/blobs/${layer}`, PULL);
                    assert.equal(blob.headers["x-relay-answer"], "upstream");
                    const part = await send(relay, method, `/v2/library/hello/blobs/${layer}`, {
                        ...PULL,
                        range: "bytes=1-2",
                    });
                    assert.deepEqual([part.status, part.headers["x-relay-answer"]], [206, "upstream"]);
                    const behind = await send(relay, method, `/v2/library/hello/blobs/${layer}`, {
                        ...PULL,
                        range: "bytes=5000-",
                    });
                    assert.deepEqual([behind.status, behind.headers["x-relay-answer"]], [416, "upstream"]);
                    const { etag = "" } = (await send(relay, method, "/v2/library/hello/manifests/1.0", PULL)).headers;
                    const same = await send(relay, method, "/v2/library/hello/manifests/1.0", {
                        ...PULL,
                        "if-none-match": etag,
                    });
                    assert.deepEqual([same.status, same.headers["x-relay-answer"]], [304, "upstream"]);
                }
            }
        });

        it("the upstream's, also where that pretends to be the relay", async () => {
            const lies = ["relay; reason=key", "relay; reason=redirect; host=evil.example.com", "upstream, relay"];
            for (const lie of lies) {
                for (const status of [200, 403, 404, 429, 500, 502]) {
                    const headers = { "x-relay-answer": lie, "content-type": OCI_MANIFEST };
                    for (const [role, path] of [
                        ["registry", "/v2/library/hello/manifests/1.0"],
                        ["cdn", `/v2/library/hello/blobs/${layer}`],
                    ] as const) {
                        for (const relay of relays) {
                            hub.clear();
                            hub.faults.push({
                                match: { role },
                                action: { kind: "status", status, headers, body: "{}" },
                            });
                            const { rawVoices, status: got } = raw(await send(relay, "GET", path, PULL));
                            assert.deepEqual([got, rawVoices], [status, "upstream"]);
                        }
                    }
                }
            }
        });

        const ownAnswers: Record<
            string,
            [method: string, path: string, headers: object, status: number, voice: string]
        > = {
            "of /v2/": ["GET", "/v2/", PULL, 200, own("base")],
            "of a HEAD of /v2/": ["HEAD", "/v2/", PULL, 200, own("base")],
            "without a key": ["GET", "/v2/library/hello/manifests/1.0", {}, 401, own("key")],
            "with a wrong key": ["HEAD", "/v2/", { "x-relay-key": "wrong" }, 401, own("key")],
            "to a push": ["POST", "/v2/library/hello/blobs/uploads/", PULL, 405, own("method")],
            "to what is no path of the API": ["GET", "/v2/_catalog", PULL, 404, own("table")],
            "to what is outside of the API": ["GET", "/index.html", PULL, 404, own("table")],
            "to /": ["GET", "/", PULL, 404, own("table")],
            "to an upstream that is not relayed": ["GET", "/v2/gcr.io/a/b/manifests/1.0", PULL, 404, own("table")],
            "to an invalid name": ["GET", "/v2/Upper/manifests/1.0", PULL, 404, own("table")],
        };
        for (const [what, [method, path, headers, status, voice]] of Object.entries(ownAnswers)) {
            it(`their own, ${what}`, async () => {
                for (const relay of relays) {
                    const { status: got, rawVoices } = raw(
                        await send(relay, method, path, headers as Record<string, string>),
                    );
                    assert.deepEqual([got, rawVoices], [status, voice], relay.hostname);
                }
            });
        }

        it("their own, where a host of the upstream hangs up", async () => {
            for (const [role, path] of [
                ["registry", () => "/v2/library/hello/manifests/1.0"],
                ["cdn", () => `/v2/library/hello/blobs/${layer}`],
                ["token", () => `${fresh()}/manifests/1.0`],
            ] as const) {
                for (const method of ["GET", "HEAD"]) {
                    for (const relay of relays) {
                        hub.clear();
                        hub.faults.push({ match: { role }, action: { kind: "close" } });
                        const answer = said(await send(relay, method, path(), PULL));
                        assert.deepEqual(
                            [answer.status, answer.voice],
                            [502, own("unreachable")],
                            `${relay.hostname} ${role}`,
                        );
                        if (method === "GET") assert.equal(codeOf(answer), "UNAVAILABLE");
                    }
                }
            }
        });

        it("their own, where a host of the upstream is silent", async () => {
            hub.faults.push({ match: {}, action: { kind: "hang" } });
            const silent = relays.flatMap((relay) => [
                send(relay, "GET", "/v2/library/hello/manifests/1.0", PULL),
                send(relay, "GET", `${fresh()}/manifests/1.0`, PULL),
            ]);
            for (const answer of await Promise.all(silent))
                assert.deepEqual([answer.status, answer.headers["x-relay-answer"]], [504, own("unreachable")]);
        });

        it("their own, where the limit of an address is reached, and on a public relay's pages", async () => {
            const open = await startBoth({
                access: "public",
                abuseContact: "mailto:abuse@example.org",
                publicLimit: { requestsPerMinute: 2 },
            });
            for (const relay of open) {
                for (const path of ["/", "/robots.txt"])
                    assert.equal((await send(relay, "GET", path)).headers["x-relay-answer"], own("base"));
                // nginx itself would take these for the pages.
                for (const path of ["/v2/..", "/v2/../robots.txt"]) {
                    const { status, headers } = await send(relay, "GET", path);
                    assert.deepEqual([status, headers["x-relay-answer"]], [404, own("table")]);
                }
                const answers: Answer[] = [];
                while (answers.length < 6)
                    answers.push(await send(relay, "GET", "/v2/library/hello/manifests/1.0", { accept: OCI_MANIFEST }));
                const last = said(answers.find(({ status }) => status === 429)!);
                assert.deepEqual([last.voice, last.retryAfter], [own("limit"), "60"]);
                assert.equal(codeOf(last), "TOOMANYREQUESTS");
            }
        });

        it("their own, where the verdict on a repository or their account is missing", async () => {
            const withAccount = await startBoth({
                account: ACCOUNT,
                privateAccounts: [{ upstream: "ghcr.io", username: "bot", token: "wrong", repositories: ["closed/*"] }],
            });
            const hubRepository = () => `/v2/docker.io/fresh/r${row++}/manifests/1.0`;
            const asked = async (path: () => string, action: FaultAction) => {
                const answers: Said[] = [];
                for (const relay of withAccount) {
                    hub.clear();
                    hub.faults.push({ match: { role: "token" }, action });
                    answers.push(said(await send(relay, "GET", path(), PULL)));
                }
                return answers.map(({ status, voice, retryAfter }) => ({ status, voice, retryAfter }));
            };
            for (const status of [429, 500, 503]) {
                const answers = await asked(hubRepository, {
                    kind: "status",
                    status,
                    headers: { "retry-after": "99999" },
                });
                for (const answer of answers)
                    assert.deepEqual(answer, { status: 503, voice: own("no-verdict"), retryAfter: "3600" });
            }
            for (const answer of await asked(hubRepository, { kind: "status", status: 500 }))
                assert.deepEqual(answer, { status: 503, voice: own("no-verdict"), retryAfter: "60" });
            for (const answer of await asked(hubRepository, { kind: "status", status: 405 }))
                assert.deepEqual(answer, { status: 405, voice: "upstream", retryAfter: undefined });
            for (const answer of await asked(hubRepository, { kind: "close" }))
                assert.deepEqual(answer, { status: 502, voice: own("unreachable"), retryAfter: undefined });
            const closed = () => `/v2/ghcr.io/closed/r${row++}/manifests/1.0`;
            for (const status of [401, 403]) {
                for (const answer of await asked(closed, { kind: "status", status, ...bodies.text }))
                    assert.deepEqual(answer, { status: 502, voice: own("account"), retryAfter: undefined });
            }
            for (const answer of await asked(closed, { kind: "status", status: 403, ...bodies["a page"] }))
                assert.deepEqual(answer, { status: 403, voice: "upstream", retryAfter: undefined });
        });
    });

    describe("to a redirect", () => {
        /** The registry redirects a blob to `location`, and whatever is asked at its host answers. */
        const redirected = (host: string, location: string): Fault[] => [
            { match: { host, path: "/blobs/" }, action: { kind: "redirect", location } },
            { match: { host: new URL(location).hostname }, action: { kind: "status", status: 200, body: "here" } },
        ];
        const followed: [path: string, host: string, location: string][] = [
            ["/v2/registry.k8s.io/pause", "registry.k8s.io", `https://cdn.registry.k8s.io/containers/images/${DIGEST}`],
            ...FURTHER_HOSTS.filter((host) => /docker/.test(host)).map((host): [string, string, string] => [
                "/v2/library/hello",
                "registry-1.docker.io",
                `https://${host}/registry-v2/data?X-Amz-Credential=a%2Fb`,
            ]),
            ...FURTHER_HOSTS.filter((host) => /quay|example/.test(host)).map((host): [string, string, string] => [
                "/v2/quay.io/owner/app",
                "quay.io",
                `https://${host}/sha256/data?x=1`,
            ]),
        ];
        for (const [path, host, location] of followed) {
            it(`are its content at ${new URL(location).hostname} for ${host}`, async () => {
                const answer = await ask("GET", `${path}/blobs/${layer}`, redirected(host, location));
                assert.deepEqual([answer.status, answer.voice, answer.body], [200, "upstream", "here"]);
            });
        }

        const elsewhere: Record<string, [location: string, host: string]> = {
            "an unknown host": ["https://cdn.unknown.example.com/blob?secret=SENTINEL", "cdn.unknown.example.com"],
            "an unknown host in capitals": ["https://CDN.Unknown.example.com/blob", "cdn.unknown.example.com"],
            "an unknown host without a scheme": ["//cdn.unknown.example.com/blob", "cdn.unknown.example.com"],
            "an unknown host and port": ["https://cdn.unknown.example.com:8443/blob", "cdn.unknown.example.com"],
            "an unknown host behind a user": ["https://quay.io@cdn.unknown.example.com/", "cdn.unknown.example.com"],
            "an unknown host without a path": ["https://cdn.unknown.example.com", "cdn.unknown.example.com"],
            "a host that another upstream's setting adds": ["https://new-cdn.example.com/blob", "new-cdn.example.com"],
            "a bucket of somebody's": ["https://evil.s3.amazonaws.com/blob", "evil.s3.amazonaws.com"],
            "an address": ["https://169.254.169.254/latest/meta-data", "169.254.169.254"],
            "an IPv6 address": ["https://[2001:db8::1]/blob", "[2001:db8::1]"],
            http: ["http://production.cloudflare.docker.com/blob", "production.cloudflare.docker.com"],
        };
        for (const [what, [location, host]] of Object.entries(elsewhere)) {
            it(`name the host where it leads to ${what}`, async () => {
                for (const method of ["GET", "HEAD"]) {
                    for (const relay of relays) {
                        hub.clear();
                        hub.faults.push({ match: { role: "registry" }, action: { kind: "redirect", location } });
                        const answer = said(await send(relay, method, `/v2/library/hello/blobs/${layer}`, PULL));
                        assert.equal(answer.status, 502, relay.hostname);
                        assert.match(answer.voice ?? "", /^relay; reason=redirect; host="[^"]+"$/, relay.hostname);
                        assert.deepEqual(readRelayAnswer(answer.voice), { from: "relay", reason: "redirect", host });
                        if (method === "HEAD") continue;
                        assert.equal(codeOf(answer), "UNAVAILABLE");
                        assert.ok(answer.body.toLowerCase().includes(host), answer.body);
                        assert.ok(!answer.body.includes("SENTINEL"), answer.body);
                    }
                }
            });
        }

        it("stand in the log with the host that was refused, and only those", async () => {
            const path = `/v2/docker.io/library/logged/blobs/${layer}`;
            for (const relay of relays) {
                hub.clear();
                const location = "https://cdn.unknown.example.com/blob?secret=SENTINEL";
                hub.faults.push({ match: { role: "registry" }, action: { kind: "redirect", location } });
                await send(relay, "GET", path, PULL);
                await send(relay, "GET", REFERRERS, PULL);
                const lines = await eventually("both lines", async () => {
                    const all = (await relay.logLines()).filter(
                        ({ name, kind }) => name === "library/logged" || kind === "referrers",
                    );
                    return all.some(({ name }) => name === "library/logged") ? all : undefined;
                });
                const logged = lines.find(({ name }) => name === "library/logged");
                assert.deepEqual(
                    [logged?.status, logged?.refusedRedirect, logged?.upstream],
                    [502, "cdn.unknown.example.com", "docker.io"],
                );
                for (const line of lines) if (line !== logged) assert.equal(line.refusedRedirect, "");
                assert.ok(!(await relay.logText()).includes("SENTINEL"));
            }
        });

        it("are the upstream's where it leads nowhere or round in circles", async () => {
            const locations = ["https://", "mailto:root@example.com", "https://production.cloudflare.docker.com/again"];
            for (const location of locations) {
                for (const relay of relays) {
                    hub.clear();
                    hub.faults.push({ match: { path: "/blobs/|/again" }, action: { kind: "redirect", location } });
                    const answer = said(await send(relay, "GET", `/v2/library/hello/blobs/${layer}`, PULL));
                    assert.deepEqual([answer.status, answer.voice], [502, "upstream"], `${relay.hostname} ${location}`);
                }
            }
        });

        it("are an empty list where the referrers are at another site", async () => {
            for (const status of [301, 302, 303, 307, 308]) {
                for (const method of ["GET", "HEAD"]) {
                    const location = `https://github.com/-/v2/packages/container/owner/app/referrers/${DIGEST}`;
                    const answer = await askOf(
                        { role: "registry" },
                        { kind: "redirect", status, location },
                        method,
                        `${REFERRERS}?artifactType=a/b`,
                    );
                    assert.deepEqual(answer, {
                        status: 200,
                        voice: 'relay; reason=redirect; host="github.com"',
                        type: OCI_INDEX,
                        retryAfter: undefined,
                        body: method === "GET" ? EMPTY_INDEX : "",
                    });
                }
            }
        });
    });
});

function said(answer: Answer): Said {
    const { status, headers, body } = answer;
    return {
        status,
        voice: raw(answer).rawVoices,
        // nginx keeps the charset of a type that it replaces.
        type: headers["content-type"]?.split(";")[0],
        retryAfter: headers["retry-after"],
        body: body.toString(),
    };
}

/** A header that is there twice is one with a comma. */
function raw({ status, headers }: Answer): { status: number; rawVoices: string | undefined } {
    return { status, rawVoices: headers["x-relay-answer"] as string | undefined };
}

function codeOf({ body }: Said): string {
    const { errors } = JSON.parse(body) as { errors: { code: string; message: string }[] };
    assert.equal(errors.length, 1);
    return errors[0]!.code;
}
