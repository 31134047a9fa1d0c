/** The double must be as strict as the real thing: nearly all of this is about what it refuses. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect } from "node:tls";
import { type Hub, type HubOptions, startHub } from "../../../rehearsal/hub/hub";
import { type MadeImage, makeImage } from "../../../rehearsal/hub/image";
import { ImageStore, OCI_INDEX, OCI_MANIFEST } from "../../../rehearsal/hub/store";
import { HUB_HOSTS, mannersOf } from "../../../rehearsal/hub/upstream-hosts";
import { issue, makeCa } from "../../../rehearsal/pki";
import { mayRedirectTo, UPSTREAMS } from "../../../services/registry/upstreams";
import { eventually } from "../../support/eventually";
import { type Answer, ask as askAt, type Question, request as requestAt } from "./ask";

const REGISTRY = "https://registry-1.docker.io";
const AUTH = "https://auth.docker.io/token?service=registry.docker.io";
const HELLO = `${REGISTRY}/v2/library/hello`;
const SECRET = "docker.io/acme/secret";
const LAYER_BYTES = 200_000;
const BIG_BYTES = 64_000_000;
const SIX_HOURS_MS = 6 * 60 * 60 * 1000;
const ACCEPT = { accept: `${OCI_INDEX}, ${OCI_MANIFEST}` };

const ca = makeCa("Hub test");
const pair = issue(ca, HUB_HOSTS);

let folder: string;
let store: ImageStore;
let hub: Hub;
let hello: MadeImage;
let layer: { readonly digest: string; readonly bytes: Buffer };
/** What the double takes for the time, milliseconds since 1970. */
let clock: number;

const start = (options: Partial<HubOptions> = {}) =>
    startHub({
        store,
        ...pair,
        host: "127.0.77.1",
        port: 0,
        // One for all, so that a URL which one double has signed is good at another.
        secret: "test",
        privateRepositories: [SECRET],
        accounts: { alice: "pat" },
        pullLimit: { anonymous: 20, account: 30 },
        now: () => clock,
        ...options,
    });
const addressOf = ({ host, port }: Hub) => ({ host, port, ca: ca.cert });
const ask = (url: string, question?: Question) => askAt(addressOf(hub), url, question);
const basic = (credentials: string) => ({ authorization: `Basic ${Buffer.from(credentials).toString("base64")}` });

before(async () => {
    folder = mkdtempSync(join(tmpdir(), "hub-"));
    store = new ImageStore(folder);
    const image = { upstream: "docker.io", repository: "library/hello", tag: "1.0" };
    hello = await makeImage(store, {
        ...image,
        platforms: ["linux/amd64", "linux/arm64"],
        layers: [{ bytes: LAYER_BYTES, seed: 1 }, { blob: Buffer.alloc(0) }],
    });
    for (const tag of ["2.0", "10.0"]) await makeImage(store, { ...image, tag, layers: [] });
    await makeImage(store, { ...image, repository: "acme/secret", layers: [] });
    await makeImage(store, { ...image, repository: "library/big", layers: [{ bytes: BIG_BYTES, seed: 2 }] });
    for (const { name } of UPSTREAMS) {
        await makeImage(store, {
            upstream: name,
            repository: "owner/app",
            tag: "1",
            layers: [{ bytes: 10, seed: name }],
        });
    }
    const { digest } = hello.platforms[0]!.layers[0]!;
    layer = { digest, bytes: readFileSync(store.blobPath(digest)) };
    clock = Date.now();
    hub = await start();
});
after(async () => {
    await hub.close();
    rmSync(folder, { recursive: true });
});
beforeEach(() => hub.clear());

/** A token of docker.io for pulling a repository. */
async function tokenFor(repository: string, headers = {}): Promise<{ authorization: string }> {
    const { body } = await ask(`${AUTH}&scope=repository:${repository}:pull`, { headers });
    return { authorization: `Bearer ${JSON.parse(body.toString()).token}` };
}

/** Asks for something of library/hello with a token that is good for it. */
async function askHello(path: string, { method, headers }: Question = {}): Promise<Answer> {
    return ask(`${HELLO}${path}`, { method, headers: { ...ACCEPT, ...(await tokenFor("library/hello")), ...headers } });
}

/** A signed URL for a blob of library/hello. */
async function signedUrl(digest: string, method = "GET"): Promise<string> {
    const { status, headers } = await askHello(`/blobs/${digest}`, { method });
    assert.equal(status, 307);
    return headers.location!;
}

const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const claimsOf = ({ authorization }: { authorization: string }) =>
    JSON.parse(Buffer.from(authorization.split(".")[1]!, "base64url").toString());
const firstError = ({ body }: Answer) => JSON.parse(body.toString()).errors[0];
const challenge = (rest: string) => `Bearer realm="https://auth.docker.io/token",service="registry.docker.io"${rest}`;

describe("The Hub double's registry", () => {
    it("challenges a caller without a token, with the scope that is needed", async () => {
        for (const method of ["GET", "HEAD"]) {
            const { status, headers } = await ask(`${HELLO}/manifests/1.0`, { method });
            assert.equal(status, 401);
            assert.equal(headers["www-authenticate"], challenge(',scope="repository:library/hello:pull"'));
        }
        assert.equal((await ask(`${REGISTRY}/v2/`)).headers["www-authenticate"], challenge(""));
    });

    it("lets any token in at /v2/", async () => {
        assert.equal((await ask(`${REGISTRY}/v2/`, { headers: await tokenFor("nobody/nothing") })).status, 200);
    });

    const invalid: Record<string, () => Promise<Record<string, string>>> = {
        "a token that is too old": async () => {
            const token = await tokenFor("library/hello");
            clock += 300_000;
            return token;
        },
        "a token with another signature": async () => ({
            authorization: `${(await tokenFor("library/hello")).authorization}x`,
        }),
        "a token with other claims": async () => {
            const [head, , signature] = (await tokenFor("library/hello")).authorization.split(".");
            const access = [{ type: "repository", name: "library/hello", actions: ["pull"] }];
            const claims = { access, aud: "registry.docker.io", sub: "", exp: clock / 1000 + 300 };
            return {
                authorization: `${head}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`,
            };
        },
        "a token of another upstream": async () => {
            const { body } = await ask("https://quay.io/v2/auth?service=quay.io&scope=repository:owner/app:pull");
            return { authorization: `Bearer ${JSON.parse(body.toString()).token}` };
        },
        "something that is no token": async () => ({ authorization: "Bearer x" }),
    };
    for (const [what, headers] of Object.entries(invalid)) {
        it(`refuses ${what} as invalid`, async () => {
            const answer = await ask(`${HELLO}/manifests/1.0`, { headers: { ...ACCEPT, ...(await headers()) } });
            assert.equal(answer.status, 401);
            assert.match(answer.headers["www-authenticate"] ?? "", /,error="invalid_token"$/);
        });
    }

    it("takes a token until its last second", async () => {
        const token = await tokenFor("library/hello");
        clock += 298_000;
        assert.equal((await ask(`${HELLO}/tags/list`, { headers: token })).status, 200);
    });

    it("refuses a token of another repository as insufficient", async () => {
        const headers = await tokenFor("library/big");
        for (const path of ["manifests/1.0", `blobs/${layer.digest}`, "tags/list", `referrers/${hello.digest}`]) {
            const answer = await ask(`${HELLO}/${path}`, { headers });
            assert.equal(answer.status, 401, path);
            assert.match(answer.headers["www-authenticate"] ?? "", /,error="insufficient_scope"$/);
        }
    });

    it("refuses user and password, which are for the token service", async () => {
        assert.equal((await ask(`${HELLO}/manifests/1.0`, { headers: basic("alice:pat") })).status, 401);
    });

    it("answers 401 for a repository that is not there, as for a private one", async () => {
        for (const repository of ["library/absent", "acme/secret", "hello"]) {
            const headers = await tokenFor(repository);
            assert.deepEqual(claimsOf(headers).access, []);
            const { status } = await ask(`${REGISTRY}/v2/${repository}/manifests/1.0`, { headers });
            assert.equal(status, 401, repository);
        }
    });

    it("opens a private repository to an account", async () => {
        const headers = { ...ACCEPT, ...(await tokenFor("acme/secret", basic("alice:pat"))) };
        assert.equal((await ask(`${REGISTRY}/v2/acme/secret/manifests/1.0`, { headers })).status, 200);
    });

    it("serves a manifest by tag and digest, and HEAD with the same headers", async () => {
        for (const reference of ["1.0", hello.digest]) {
            const get = await askHello(`/manifests/${reference}`);
            const head = await askHello(`/manifests/${reference}`, { method: "HEAD" });
            assert.equal(digestOf(get.body), hello.digest);
            assert.equal(head.body.length, 0);
            for (const { status, headers } of [get, head]) {
                assert.equal(status, 200);
                assert.equal(headers["docker-content-digest"], hello.digest);
                assert.equal(headers.etag, `"${hello.digest}"`);
                assert.equal(headers["content-type"], OCI_INDEX);
                assert.equal(headers["content-length"], String(get.body.length));
            }
        }
    });

    it("answers If-None-Match by 304", async () => {
        const { status } = await askHello("/manifests/1.0", { headers: { "if-none-match": `"${hello.digest}"` } });
        assert.equal(status, 304);
    });

    it("hides OCI types from those who do not name them, as the Hub does", async () => {
        for (const accept of ["*/*", OCI_MANIFEST, undefined]) {
            const answer = await askHello("/manifests/1.0", { headers: { accept } });
            assert.equal(answer.status, 404);
            assert.match(firstError(answer).message, /^OCI index found, but Accept header/);
        }
        const accept = `text/plain, ${OCI_INDEX};q=0.5`;
        assert.equal((await askHello("/manifests/1.0", { headers: { accept } })).status, 200);
    });

    it("says what is not there", async () => {
        const unknown: Record<string, string> = {
            "/manifests/absent": "MANIFEST_UNKNOWN",
            [`/manifests/sha256:${"0".repeat(64)}`]: "MANIFEST_UNKNOWN",
            [`/blobs/sha256:${"0".repeat(64)}`]: "BLOB_UNKNOWN",
            "/blobs/1.0": "BLOB_UNKNOWN",
            "/manifests/constructor": "MANIFEST_UNKNOWN",
        };
        for (const [path, code] of Object.entries(unknown)) {
            const answer = await askHello(path);
            assert.equal(answer.status, 404, path);
            assert.equal(firstError(answer).code, code);
        }
        assert.equal((await askHello("/tags/other")).status, 404);
        assert.equal((await ask(`${REGISTRY}/v1/search`)).status, 404);
    });

    it("does not serve one repository's blob in another", async () => {
        const headers = await tokenFor("library/big");
        const { status } = await ask(`${REGISTRY}/v2/library/big/blobs/${layer.digest}`, { headers });
        assert.equal(status, 404);
    });

    it("takes nothing but GET and HEAD", async () => {
        for (const method of ["PUT", "POST", "PATCH", "DELETE"]) {
            assert.equal((await askHello("/manifests/1.0", { method })).status, 405, method);
        }
    });

    it("lists tags in order, page by page", async () => {
        const tagsOf = ({ body }: Answer) => JSON.parse(body.toString()).tags;
        assert.deepEqual(tagsOf(await askHello("/tags/list")), ["1.0", "10.0", "2.0"]);
        const first = await askHello("/tags/list?n=2");
        assert.deepEqual(tagsOf(first), ["1.0", "10.0"]);
        assert.equal(first.headers.link, '</v2/library/hello/tags/list?last=10.0&n=2>; rel="next"');
        const second = await askHello("/tags/list?last=10.0&n=2");
        assert.deepEqual(tagsOf(second), ["2.0"]);
        assert.equal(second.headers.link, undefined);
        assert.equal((await askHello("/tags/list?n=x")).status, 400);
    });

    it("lists referrers, and none of what nothing refers to", async () => {
        const manifestsOf = ({ body }: Answer) => JSON.parse(body.toString()).manifests;
        const none = await askHello(`/referrers/${hello.platforms[0]!.manifest.digest}`);
        assert.equal(none.status, 200);
        assert.equal(none.headers["content-type"], OCI_INDEX);
        assert.deepEqual(manifestsOf(none), []);
        const sbom = {
            mediaType: OCI_MANIFEST,
            artifactType: "application/x-sbom",
            subject: { digest: hello.digest },
            layers: [],
        };
        const digest = await store.addBlob(Buffer.from(JSON.stringify(sbom)));
        store.tag("docker.io", "library/hello", "sbom", digest);
        const found = await askHello(`/referrers/${hello.digest}?artifactType=application/x-sbom`);
        assert.equal(found.headers["oci-filters-applied"], "artifactType");
        assert.deepEqual(
            manifestsOf(found).map((entry: { digest: string }) => entry.digest),
            [digest],
        );
        assert.deepEqual(manifestsOf(await askHello(`/referrers/${hello.digest}?artifactType=other`)), []);
    });

    it("lists referrers page by page", async () => {
        const paged = await start({ referrersPage: 2 });
        const subject = { digest: hello.platforms[1]!.manifest.digest };
        const made: string[] = [];
        for (const title of ["a", "b", "c"]) {
            const artifact = { mediaType: OCI_MANIFEST, subject, layers: [], annotations: { title } };
            const digest = await store.addBlob(Buffer.from(JSON.stringify(artifact)));
            store.tag("docker.io", "library/hello", `artifact-${title}`, digest);
            made.push(digest);
        }
        const headers = { ...ACCEPT, ...(await tokenFor("library/hello")) };
        const page = async (query: string) => {
            const answer = await askAt(addressOf(paged), `${HELLO}/referrers/${subject.digest}${query}`, { headers });
            const { manifests } = JSON.parse(answer.body.toString());
            return { digests: manifests.map((entry: { digest: string }) => entry.digest), link: answer.headers.link };
        };
        const path = `/v2/library/hello/referrers/${subject.digest}`;
        const next = `?${new URLSearchParams({ last: made[1]! })}`;
        assert.deepEqual(await page(""), { digests: made.slice(0, 2), link: `<${path}${next}>; rel="next"` });
        assert.deepEqual(await page(next), { digests: made.slice(2), link: undefined });
        await paged.close();
    });

    it("lists no referrers where an upstream has no such list", async () => {
        const { digest } = await makeImage(store, {
            upstream: "nvcr.io",
            repository: "owner/app",
            tag: "1",
            layers: [{ bytes: 10, seed: "nvcr.io" }],
        });
        const token = await ask("https://nvcr.io/proxy_auth?service=nvcr.io&scope=repository:owner/app:pull");
        const headers = { ...ACCEPT, authorization: `Bearer ${JSON.parse(token.body.toString()).token}` };
        assert.equal((await ask("https://nvcr.io/v2/owner/app/manifests/1", { headers })).status, 200);
        assert.equal((await ask(`https://nvcr.io/v2/owner/app/referrers/${digest}`, { headers })).status, 404);
    });

    it("counts GETs of manifests and nothing else, until the limit is used up", async () => {
        const remaining = ({ headers }: Answer) => headers["ratelimit-remaining"];
        const first = await askHello("/manifests/1.0");
        assert.equal(first.headers["ratelimit-limit"], "20;w=21600");
        assert.equal(first.headers["docker-ratelimit-source"], hub.requests[0]?.source);
        assert.equal(remaining(first), "19;w=21600");
        await askHello(`/blobs/${layer.digest}`);
        assert.equal(remaining(await askHello("/manifests/1.0", { method: "HEAD" })), "19;w=21600");
        for (let left = 18; left >= 0; left--) {
            assert.equal(remaining(await askHello("/manifests/1.0")), `${left};w=21600`);
        }
        const refused = await askHello("/manifests/1.0");
        assert.equal(refused.status, 429);
        assert.equal(firstError(refused).code, "TOOMANYREQUESTS");
        const headers = { ...ACCEPT, ...(await tokenFor("library/hello", basic("alice:pat"))) };
        const asAlice = await ask(`${HELLO}/manifests/1.0`, { headers });
        assert.equal(remaining(asAlice), "29;w=21600");
        assert.equal(asAlice.headers["docker-ratelimit-source"], "alice");
        clock += SIX_HOURS_MS;
        assert.equal(remaining(await askHello("/manifests/1.0")), "19;w=21600");
    });
});

describe("The Hub double's token service", () => {
    it("gives a token with its claims and its life, about as long as the Hub's", async () => {
        const { status, body } = await ask(`${AUTH}&scope=repository:library/hello:pull`);
        assert.equal(status, 200);
        const answer = JSON.parse(body.toString());
        assert.equal(answer.access_token, answer.token);
        assert.equal(answer.expires_in, 300);
        assert.equal(answer.issued_at, new Date(clock).toISOString());
        assert.ok(body.length > 4096, "a token answer of the Hub does not fit into a page of memory");
        const { access, exp, iat, aud } = claimsOf({ authorization: answer.token });
        assert.deepEqual(access, [{ type: "repository", name: "library/hello", actions: ["pull"] }]);
        assert.deepEqual([exp, iat, aud], [iat + 300, Math.floor(clock / 1000), "registry.docker.io"]);
    });

    it("grants of several scopes what there is to grant, and never a push", async () => {
        const scopes =
            "scope=repository:library/hello:pull,push%20repository:absent/x:pull&scope=repository:library/big:pull";
        const { body } = await ask(`${AUTH}&${scopes}`);
        const { access } = claimsOf({ authorization: JSON.parse(body.toString()).token });
        assert.deepEqual(access, [
            { type: "repository", name: "library/hello", actions: ["pull"] },
            { type: "repository", name: "library/big", actions: ["pull"] },
        ]);
    });

    it("refuses wrong credentials, another service and other methods", async () => {
        for (const credentials of ["alice:wrong", "bob:pat", ":", "alice"]) {
            assert.equal((await ask(AUTH, { headers: basic(credentials) })).status, 401, credentials);
        }
        assert.equal((await ask("https://auth.docker.io/token?service=other")).status, 400);
        assert.equal((await ask(AUTH, { method: "POST" })).status, 405);
        assert.equal((await ask("https://auth.docker.io/v2/")).status, 404);
    });
});

describe("The Hub double's CDN", () => {
    it("gives the bytes for a signed URL, which is another one each time", async () => {
        const urls = [await signedUrl(layer.digest), await signedUrl(layer.digest)];
        assert.notEqual(urls[0], urls[1]);
        for (const url of urls) {
            assert.equal(new URL(url).host, "production.cloudflare.docker.com");
            const { status, body, headers } = await ask(url);
            assert.equal(status, 200);
            assert.equal(digestOf(body), layer.digest);
            assert.equal(headers["content-length"], String(layer.bytes.length));
        }
    });

    it("answers HEAD with the length, for a URL that was signed for HEAD", async () => {
        const { status, headers, body } = await ask(await signedUrl(layer.digest, "HEAD"), { method: "HEAD" });
        assert.equal(status, 200);
        assert.equal(headers["content-length"], String(layer.bytes.length));
        assert.equal(body.length, 0);
        assert.equal(hub.requests.at(-1)?.bytes, 0);
    });

    it("refuses every Authorization header, also with a good URL", async () => {
        const url = await signedUrl(layer.digest);
        for (const authorization of ["Bearer x", "Basic x", ""]) {
            const { status, body } = await ask(url, { headers: { authorization } });
            assert.equal(status, 400);
            assert.match(body.toString(), /InvalidArgument/);
        }
    });

    const changed: Record<string, (url: string) => string> = {
        "without its query": (url) => url.split("?")[0]!,
        "without its signature": (url) => url.split("&Signature")[0]!,
        "with an escape spelt otherwise": (url) => url.replace("%2f", "%2F"),
        "with an escape decoded": (url) => url.replace("%7E", "~"),
        "with a plus for a space": (url) => url.replace("b%20c", "b+c"),
        "with a longer life": (url) => url.replace(/Expires=(\d)/, "Expires=9$1"),
        "with another blob's path": (url) => url.replace(/[a-f0-9]{2}\/[a-f0-9]{64}/, `00/${"0".repeat(64)}`),
        "with something added": (url) => `${url}&x=1`,
        "at another host": (url) => url.replace(new URL(url).host, "cdn01.quay.io"),
    };
    for (const [what, change] of Object.entries(changed)) {
        it(`refuses a URL ${what}`, async () => {
            const url = await signedUrl(layer.digest);
            assert.notEqual(change(url), url);
            assert.equal((await ask(change(url))).status, 403);
        });
    }

    it("refuses a URL for another method, or when it is too old", async () => {
        const url = await signedUrl(layer.digest);
        assert.equal((await ask(url, { method: "HEAD" })).status, 403);
        clock += 300_000;
        assert.equal((await ask(url)).status, 403);
    });

    const size = () => layer.bytes.length;
    const ranges: Record<string, () => [status: number, start?: number, end?: number]> = {
        "bytes=0-0": () => [206, 0, 0],
        "bytes=5-9": () => [206, 5, 9],
        "bytes=100-": () => [206, 100, size() - 1],
        "bytes=-7": () => [206, size() - 7, size() - 1],
        "bytes=-999999999": () => [206, 0, size() - 1],
        "bytes=10-999999999": () => [206, 10, size() - 1],
        "bytes=999999999-": () => [416],
        "bytes=-0": () => [416],
        "bytes=9-5": () => [200],
        "bytes=0-1,5-6": () => [200],
        "bytes=a-b": () => [200],
        "bytes=-": () => [200],
        "items=0-5": () => [200],
    };
    for (const [range, expected] of Object.entries(ranges)) {
        it(`answers Range: ${range} as RFC 9110 says`, async () => {
            const [status, start, end] = expected();
            const answer = await ask(await signedUrl(layer.digest), { headers: { range } });
            assert.equal(answer.status, status);
            if (start !== undefined && end !== undefined) {
                assert.equal(answer.headers["content-range"], `bytes ${start}-${end}/${size()}`);
                assert.deepEqual(answer.body, layer.bytes.subarray(start, end + 1));
            } else if (status === 200) {
                assert.deepEqual(answer.body, layer.bytes);
            } else {
                assert.equal(answer.headers["content-range"], `bytes */${size()}`);
            }
        });
    }

    it("serves a blob of 0 bytes, but no range of it", async () => {
        const url = await signedUrl(hello.platforms[0]!.layers[1]!.digest);
        const { status, body, headers } = await ask(url);
        assert.deepEqual([status, body.length, headers["content-length"]], [200, 0, "0"]);
        const ranged = await ask(url, { headers: { range: "bytes=0-" } });
        assert.deepEqual([ranged.status, ranged.headers["content-range"]], [416, "bytes */0"]);
    });

    it("has another ETag at each edge, and a range If-Range only for its own", async () => {
        const [one, two] = [await signedUrl(layer.digest), await signedUrl(layer.digest)];
        const [ownTag, otherTag] = [(await ask(one)).headers.etag!, (await ask(two)).headers.etag!];
        assert.notEqual(ownTag, otherTag);
        const resume = (tag: string) => ask(one, { headers: { range: "bytes=5-9", "if-range": tag } });
        assert.equal((await resume(ownTag)).status, 206);
        assert.equal((await resume(otherTag)).status, 200);
        assert.equal((await ask(one, { headers: { "if-none-match": ownTag } })).status, 304);
    });
});

describe("The Hub double", () => {
    for (const upstream of UPSTREAMS) {
        it(`gives an image of ${upstream.name} to a client that keeps to the rules`, async () => {
            const base = `https://${upstream.registry}/v2/owner/app`;
            const scope = "scope=repository:owner/app:pull";
            const service = upstream.tokenService;
            const token = service && (await ask(`${service.realm}?service=${service.service}&${scope}`));
            const headers = token ? { authorization: `Bearer ${JSON.parse(token.body.toString()).token}` } : {};
            const follow = async (url: string): Promise<Answer> => {
                let answer = await ask(url, { headers: { ...ACCEPT, ...headers } });
                for (let at = url; answer.headers.location; answer = await ask(at, { headers: ACCEPT })) {
                    const next = new URL(answer.headers.location, at);
                    assert.ok(mayRedirectTo(upstream, next.host), next.host);
                    at = next.href;
                }
                return answer;
            };
            const manifest = await follow(`${base}/manifests/1`);
            const { layers } = JSON.parse(manifest.body.toString());
            assert.equal(digestOf((await follow(`${base}/blobs/${layers[0].digest}`)).body), layers[0].digest);
            assert.equal(hub.requests.at(-1)?.host, mannersOf(upstream).blobHost);
            assert.equal(hub.requests.at(-1)?.role, "cdn");
            assert.ok(hub.requests.every(({ role, authorization }) => role !== "cdn" || !authorization));
            if (service) assert.equal((await ask(`${base}/manifests/1`)).status, 401);
        });
    }

    it("redirects manifests and tags of registry.k8s.io without their query, and blobs elsewhere", async () => {
        const { status, headers } = await ask("https://registry.k8s.io/v2/owner/app/tags/list?n=1");
        const there =
            /^https:\/\/us-west1-docker\.pkg\.dev\/v2\/k8s-artifacts-prod\/images\/owner\/app\/tags\/list\?rid=\w{32}$/;
        assert.equal(status, 307);
        assert.match(headers.location ?? "", there);
        const { layers } = JSON.parse(
            (await ask(headers.location!.replace("tags/list", "manifests/1"), { headers: ACCEPT })).body.toString(),
        );
        const blob = await ask(`https://registry.k8s.io/v2/owner/app/blobs/${layers[0].digest}`);
        assert.match(blob.headers.location ?? "", /^https:\/\/d39mqg4b1dx9z1\.cloudfront\.net\//);
    });

    it("redirects blobs of gcr.io to a path of its own, which wants no token", async () => {
        const token = await ask("https://gcr.io/v2/token?service=gcr.io&scope=repository:owner/app:pull");
        const headers = { ...ACCEPT, authorization: `Bearer ${JSON.parse(token.body.toString()).token}` };
        const manifest = await ask("https://gcr.io/v2/owner/app/manifests/1", { headers });
        const [{ digest }] = JSON.parse(manifest.body.toString()).layers;
        const { status, headers: answered } = await ask(`https://gcr.io/v2/owner/app/blobs/${digest}`, { headers });
        assert.equal(status, 302);
        assert.match(answered.location ?? "", /^\/artifacts-downloads\//);
        assert.equal((await ask(`https://gcr.io${answered.location}`)).status, 200);
    });

    it("knows an account at its own upstream only", async () => {
        const accounts = { alice: "pat", "ghcr.io/alice": "other", "ghcr.io/bob": "pat" };
        const own = await start({ accounts });
        const status = async (realm: string, credentials: string) =>
            (await askAt(addressOf(own), `${realm}&scope=repository:owner/app:pull`, { headers: basic(credentials) }))
                .status;
        try {
            assert.equal(await status(AUTH, "alice:pat"), 200);
            for (const wrong of ["alice:other", "bob:pat", "ghcr.io/bob:pat"])
                assert.equal(await status(AUTH, wrong), 401);
            const ghcr = "https://ghcr.io/token?service=ghcr.io";
            assert.equal(await status(ghcr, "bob:pat"), 200);
            assert.equal(await status(ghcr, "alice:pat"), 401);
        } finally {
            await own.close();
        }
    });

    const strangers: Record<string, [realm: string, token: number, manifest: number]> = {
        "docker.io": ["https://auth.docker.io/token?service=registry.docker.io", 200, 401],
        "ghcr.io": ["https://ghcr.io/token?service=ghcr.io", 403, 401],
        "quay.io": ["https://quay.io/v2/auth?service=quay.io", 200, 401],
        "gcr.io": ["https://gcr.io/v2/token?service=gcr.io", 403, 401],
        "public.ecr.aws": ["https://public.ecr.aws/token/?service=public.ecr.aws", 200, 404],
        "nvcr.io": ["https://nvcr.io/proxy_auth?service=nvcr.io", 403, 401],
        "docker.elastic.co": ["https://docker-auth.elastic.co/auth?service=token-service", 200, 401],
    };
    for (const [name, [realm, tokenStatus, manifestStatus]] of Object.entries(strangers)) {
        it(`answers for a repository that ${name} does not have by ${tokenStatus}, then by ${manifestStatus}`, async () => {
            const token = await ask(`${realm}&scope=repository:owner/absent:pull`);
            assert.equal(token.status, tokenStatus);
            const authorization = `Bearer ${JSON.parse(token.body.toString()).token ?? "none"}`;
            const { registry } = UPSTREAMS.find((upstream) => upstream.name === name)!;
            const headers = { ...ACCEPT, authorization };
            const manifest = await ask(`https://${registry}/v2/owner/absent/manifests/1`, { headers });
            assert.equal(manifest.status, manifestStatus);
        });
    }

    it("gives GitHub's tokens as GitHub does: closed, without a life, and none for what is not there", async () => {
        const scope = (name: string) => `https://ghcr.io/token?service=ghcr.io&scope=repository:${name}:pull`;
        const answer = JSON.parse((await ask(scope("owner/app"))).body.toString());
        assert.deepEqual(Object.keys(answer), ["token"]);
        assert.doesNotMatch(answer.token, /\./);
        assert.equal((await ask(scope("owner/absent"))).status, 403);
    });

    it("answers 403 and a page to whoever has no User-Agent, at every host", async () => {
        for (const url of [`${HELLO}/manifests/1.0`, AUTH, await signedUrl(layer.digest)]) {
            const { status, headers } = await ask(url, { headers: { "user-agent": undefined } });
            assert.equal(status, 403);
            assert.equal(headers["content-type"], "text/html");
        }
    });

    it("answers 421 to a host that it does not play and to a server name that is not the host's", async () => {
        const foreign = await ask(`${REGISTRY}/v2/`, { headers: { host: "example.com" } });
        assert.equal(foreign.status, 421);
        assert.equal(hub.requests.at(-1)?.role, "unknown");
        const mismatched = await ask(`${REGISTRY}/v2/`, { servername: "auth.docker.io" });
        assert.equal(mismatched.status, 421);
        assert.match(
            mismatched.body.toString(),
            /Host header says registry-1\.docker\.io.*server name says auth\.docker\.io/,
        );
    });

    it("sends no body byte after the headers of a HEAD", async () => {
        const socket = connect({ ...addressOf(hub), servername: "registry-1.docker.io" });
        const { authorization } = await tokenFor("library/hello");
        const lines = [
            "HEAD /v2/library/hello/manifests/1.0 HTTP/1.1",
            "Host: registry-1.docker.io",
            "User-Agent: test",
            "Connection: close",
            `Accept: ${OCI_INDEX}`,
            `Authorization: ${authorization}`,
        ];
        socket.write(`${lines.join("\r\n")}\r\n\r\n`);
        const answer = await text(socket);
        assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
        assert.match(answer, /content-length: [1-9]/);
        assert.equal(answer.indexOf("\r\n\r\n"), answer.length - 4);
    });

    it("records each request as it was", async () => {
        const url = await signedUrl(layer.digest);
        hub.clear();
        await ask(url, { headers: { range: "bytes=5-9", "X-Own": "1" } });
        const [record, ...more] = hub.requests;
        assert.deepEqual(more, []);
        const { time, headers, source, ...rest } = record!;
        assert.equal(time, new Date(clock).toISOString());
        assert.match(source, /^127\./);
        assert.equal(headers["x-own"], "1");
        assert.deepEqual(rest, {
            role: "cdn",
            host: "production.cloudflare.docker.com",
            method: "GET",
            path: url.slice(new URL(url).origin.length),
            authorization: false,
            userAgent: "test",
            range: "bytes=5-9",
            status: 206,
            bytes: 5,
        });
    });

    it("records that there was a credential, but not the credential", async () => {
        const headers = await tokenFor("library/hello");
        await ask(`${HELLO}/tags/list`, { headers });
        const record = hub.requests.at(-1)!;
        assert.equal(record.authorization, true);
        assert.equal(record.headers.authorization, "Bearer");
        assert.ok(!JSON.stringify(record).includes(headers.authorization.slice(-20)));
    });

    it("sends no faster than its reader reads", async () => {
        const headers = { ...ACCEPT, ...(await tokenFor("library/big")) };
        const manifest = await ask(`${REGISTRY}/v2/library/big/manifests/1.0`, { headers });
        const { digest } = JSON.parse(manifest.body.toString()).layers[0];
        const redirect = () => ask(`${REGISTRY}/v2/library/big/blobs/${digest}`, { headers });
        const [slow, quick] = [(await redirect()).headers.location!, (await redirect()).headers.location!];
        const [response] = (await once(requestAt(addressOf(hub), slow).end(), "response")) as [IncomingMessage];
        // Nothing reads this response; by the time that another reader has it all, an unbounded writer would too.
        assert.equal(digestOf((await ask(quick)).body), digest);
        const record = hub.requests.find(({ path }) => slow.endsWith(path))!;
        assert.ok(
            record.bytes < BIG_BYTES / 2,
            `${record.bytes} bytes were handed over to a reader that reads nothing`,
        );
        response.destroy();
    });

    it("refuses a private repository whose upstream is not said", async () => {
        await assert.rejects(
            start({ privateRepositories: ["acme/secret"] }),
            /named with their upstream.*got "acme\/secret"/,
        );
    });
});

describe("A fault at the Hub double", () => {
    const cdn = { role: "cdn" } as const;

    it("of kind status replaces the answer", async () => {
        const headers = { "retry-after": "7" };
        hub.faults.push({
            match: { role: "registry" },
            action: { kind: "status", status: 429, headers, body: "slow" },
        });
        const answer = await ask(`${REGISTRY}/v2/`);
        assert.deepEqual([answer.status, answer.headers["retry-after"], answer.body.toString()], [429, "7", "slow"]);
    });

    it("of kind redirect sends elsewhere", async () => {
        hub.faults.push({ match: {}, action: { kind: "redirect", location: "http://example.com/x" } });
        const { status, headers } = await ask(`${REGISTRY}/v2/`);
        assert.deepEqual([status, headers.location], [307, "http://example.com/x"]);
    });

    it("of kind close closes before a byte", async () => {
        hub.faults.push({ match: {}, action: { kind: "close" } });
        await assert.rejects(ask(`${REGISTRY}/v2/`), /socket hang up|ECONNRESET/);
        assert.equal(hub.requests[0]?.status, 0);
    });

    it("of kind hang sends nothing until the double closes", async () => {
        const own = await start();
        own.faults.push({ match: {}, action: { kind: "hang" } });
        const socket = connect({ ...addressOf(own), servername: "registry-1.docker.io" });
        const received = text(socket);
        socket.write("GET /v2/ HTTP/1.1\r\nHost: registry-1.docker.io\r\nUser-Agent: test\r\n\r\n");
        await eventually("the request at the double", () => own.requests[0]);
        await own.close();
        assert.equal(await received, "");
        assert.equal(own.requests[0]?.status, 0);
    });

    it("of kind cut breaks the connection after so many bytes", async () => {
        const url = await signedUrl(layer.digest);
        for (const afterBytes of [0, 1000, 150_000]) {
            hub.clear();
            hub.faults.push({ match: cdn, action: { kind: "cut", afterBytes } });
            const { bytes, complete } = await readAll(url);
            assert.deepEqual(bytes, layer.bytes.subarray(0, afterBytes));
            assert.equal(complete, false);
            assert.equal(hub.requests[0]?.bytes, afterBytes);
        }
    });

    it("of kind stall stops after so many bytes and keeps the connection until the double closes", async () => {
        const url = await signedUrl(layer.digest);
        const own = await start();
        own.faults.push({ match: cdn, action: { kind: "stall", afterBytes: 1000 } });
        let ended = false;
        const received = readAll(url, own).finally(() => {
            ended = true;
        });
        await eventually("the bytes before the stall", () => own.requests[0]?.bytes === 1000 || undefined);
        await askAt(addressOf(own), `${REGISTRY}/v2/`);
        assert.equal(ended, false);
        await own.close();
        assert.deepEqual(await received, { bytes: layer.bytes.subarray(0, 1000), complete: false });
    });

    it("of kind wrong-bytes keeps headers and length and changes one bit, of what is sent only", async () => {
        const url = await signedUrl(layer.digest);
        hub.faults.push({ match: { times: 1 }, action: { kind: "wrong-bytes" } });
        const wrong = await ask(url);
        assert.equal(wrong.status, 200);
        assert.equal(wrong.body.length, layer.bytes.length);
        assert.equal(wrong.body[0], layer.bytes[0]! ^ 1);
        assert.deepEqual(wrong.body.subarray(1), layer.bytes.subarray(1));
        assert.deepEqual((await ask(url)).body, layer.bytes);
        hub.faults.push({ match: { path: "/manifests/", times: 1 }, action: { kind: "wrong-bytes" } });
        assert.notEqual(digestOf((await askHello("/manifests/1.0")).body), hello.digest);
        assert.equal(digestOf((await askHello("/manifests/1.0")).body), hello.digest);
    });

    it("of kind throttle still gives it all", async () => {
        hub.faults.push({ match: cdn, action: { kind: "throttle", bytesPerSecond: 4_000_000 } });
        assert.equal(digestOf((await ask(await signedUrl(layer.digest))).body), layer.digest);
    });

    it("of kind ignore-range gives the whole", async () => {
        hub.faults.push({ match: cdn, action: { kind: "ignore-range" } });
        const { status, body } = await ask(await signedUrl(layer.digest), { headers: { range: "bytes=5-9" } });
        assert.deepEqual([status, body.length], [200, layer.bytes.length]);
        assert.equal(hub.requests.at(-1)?.range, "bytes=5-9");
    });

    it("happens only to what matches it, and only so often", async () => {
        const action = { kind: "status", status: 500 } as const;
        hub.faults.push({
            match: { host: "registry-1.docker.io", method: "GET", path: "^/v2/\\?a$", times: 2 },
            action,
        });
        const statusOf = async (url: string, method = "GET") => (await ask(url, { method })).status;
        assert.equal(await statusOf("https://ghcr.io/v2/?a"), 401);
        assert.equal(await statusOf(`${REGISTRY}/v2/?a`, "HEAD"), 401);
        assert.equal(await statusOf(`${REGISTRY}/v2/`), 401);
        assert.equal(await statusOf(`${REGISTRY}/v2/?a`), 500);
        assert.equal(await statusOf(`${REGISTRY}/v2/?a`), 500);
        assert.equal(await statusOf(`${REGISTRY}/v2/?a`), 401);
    });

    it("gives way to the first in the list, and all end with clear", async () => {
        hub.faults.push({ match: { times: 1 }, action: { kind: "status", status: 500 } });
        hub.faults.push({ match: {}, action: { kind: "status", status: 501 } });
        const statusOf = async () => (await ask(`${REGISTRY}/v2/`)).status;
        assert.deepEqual([await statusOf(), await statusOf()], [500, 501]);
        hub.clear();
        assert.deepEqual([await statusOf(), hub.requests.length], [401, 1]);
    });
});

/** What arrives, also when the connection breaks. */
function readAll(url: string, from = hub): Promise<{ bytes: Buffer; complete: boolean }> {
    return new Promise((resolve, reject) => {
        requestAt(addressOf(from), url)
            .once("error", reject)
            .once("response", (response) => {
                const chunks: Buffer[] = [];
                response.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => {});
                response.once("close", () => resolve({ bytes: Buffer.concat(chunks), complete: response.complete }));
            })
            .end();
    });
}
