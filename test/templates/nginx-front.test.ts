/** The front's configuration in real nginx, with a fake cache and a fake uplink. Not proven here: a real registry. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type RequestOptions, request } from "node:https";
import { dirname, join } from "node:path";
import { connect } from "node:tls";
import { CERTIFICATE, CONTAINER, frontFiles, type Places, versionFile } from "../../components/onprem/front-files";
import { type DnsServer, startDns } from "../../rehearsal/dns";
import { issue, type KeyPair, makeCa } from "../../rehearsal/pki";
import { locate } from "../../services/registry/names";
import { selectUpstreams } from "../../services/registry/upstreams";
import { readTemplate } from "../../templates/render";
import { eventually } from "../support/eventually";
import { freePort } from "../support/free-port";
import { nginxFolder, type RunningNginx, remove, startNginx, textOf } from "../support/nginx";
import { REFUSED } from "../support/refused-requests";

const HOSTNAME = "mirror.acme.lan";
const UPSTREAMS = selectUpstreams(["docker.io", "ghcr.io", "registry.k8s.io"]);
const CACHE = "127.81.0.1";
const UPLINK = "127.81.0.2";
const BLOB = Buffer.from("the bytes of a layer that the cache has");
const DIGEST = digestOf(BLOB);
const EMPTY = digestOf(Buffer.alloc(0));
const ELSEWHERE = `sha256:${"e".repeat(64)}`;
const INDEX = "application/vnd.oci.image.index.v1+json";
const NO_REFERRERS = { schemaVersion: 2, mediaType: INDEX, manifests: [] };

describe("The front's nginx", function () {
    this.timeout(30_000);

    let folder: string;
    let ca: KeyPair;
    let places: Places;
    let dns: DnsServer;
    let nginx: RunningNginx;
    let cache: Fake;
    let uplink: Fake;

    const lay = (allowFrom: string[]) => {
        const { cert, key } = issue(ca, [HOSTNAME]);
        const mirrorUrl = `https://${HOSTNAME}`;
        const shown = versionFile("1f2e3d");
        const files = {
            ...frontFiles({ hostname: HOSTNAME, mirrorUrl, upstreams: UPSTREAMS, allowFrom, places }),
            [shown.path]: shown.text,
            [CERTIFICATE.certificate]: cert,
            [CERTIFICATE.key]: key,
        };
        for (const [path, text] of Object.entries(files)) {
            const file = join(places.nginx, path);
            mkdirSync(dirname(file), { recursive: true });
            writeFileSync(file, text);
        }
    };
    const start = () => startNginx(join(places.nginx, "nginx.conf"), places.port);
    const ask = (path: string, options: RequestOptions = {}) => send(places.port, ca.cert, path, options);
    const lines = async () =>
        (await textOf(places.accessLog))
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => JSON.parse(line) as Record<string, unknown>);

    before(async () => {
        folder = nginxFolder();
        ca = makeCa("front");
        dns = await startDns((name) => ({ cache: CACHE, uplink: UPLINK })[name]);
        places = {
            ...CONTAINER,
            nginx: join(folder, "etc"),
            pid: join(folder, "nginx.pid"),
            temporary: folder,
            errorLog: join(folder, "error.log"),
            accessLog: join(folder, "access.json"),
            store: join(folder, "store"),
            resolver: dns.address,
            port: await freePort(),
            healthPort: await freePort(),
        };
        for (const bytes of [BLOB, Buffer.alloc(0)]) storeBlob(places.store, bytes);
        lay(["127.0.0.0/8"]);
        // Before cache and uplink are there: the front must start without them.
        nginx = await start();
    });
    after(async () => {
        await nginx?.stop();
        await dns?.close();
        remove(folder);
    });

    describe("while the cache is down", () => {
        it("serves the blobs that are on the disk", async () => {
            const answer = await ask(`/v2/library/hello/blobs/${DIGEST}`);
            assert.equal(answer.status, 200);
            assert.deepEqual(answer.body, BLOB);
        });

        for (const path of ["/v2/", "/v2/library/hello/manifests/1.0", `/v2/library/hello/blobs/${ELSEWHERE}`]) {
            it(`says so for ${path}`, async () => {
                const answer = await ask(path);
                assert.equal(answer.status, 503);
                assert.equal(errorCode(answer), "UNAVAILABLE");
            });
        }
    });

    it("lists no referrers while the uplink is down: a refusal would send the client to the upstream itself", async () => {
        for (const method of ["GET", "HEAD"]) {
            const answer = await ask(`/v2/library/hello/referrers/${DIGEST}`, { method });
            assert.deepEqual([answer.status, answer.headers["content-type"]], [200, INDEX]);
            assert.equal(answer.headers["docker-distribution-api-version"], "registry/2.0");
            if (method === "GET") assert.deepEqual(JSON.parse(answer.body.toString()), NO_REFERRERS);
        }
    });

    describe("with cache and uplink", () => {
        before(async () => {
            cache = await startFake(CACHE);
            uplink = await startFake(UPLINK);
        });
        after(async () => {
            await cache?.close();
            await uplink?.close();
        });
        beforeEach(() => {
            for (const fake of [cache, uplink]) {
                fake.requests.length = 0;
                fake.answer = ({ url }, response) =>
                    url?.startsWith("/stored/") ? response.writeHead(204).end() : response.end("from a fake");
            }
        });

        const names = [
            ["library/node", undefined],
            ["node", undefined],
            ["docker.io/node", undefined],
            ["node", "docker.io"],
            ["docker.io/owner/app", "docker.io"],
            ["owner/app", "ghcr.io"],
            ["ghcr.io/owner/app", undefined],
            ["ghcr.io/owner/app", "ghcr.io"],
            ["single", "ghcr.io"],
            ["pause", "registry.k8s.io"],
            ["owner/app", "DOCKER.IO"],
            ["owner/app", "ghcr.io:443"],
            ["owner/app", "Ghcr.io%3A443"],
            ["my.org/app", "ghcr.io"],
            ["index.docker.io/node", undefined],
            ["node", "registry-1.docker.io"],
            ["a-b_c__d/e.f", undefined],
        ] as const;
        for (const [name, ns] of names) {
            it(`asks the cache for ${name}${ns ? ` with ns=${ns}` : ""} by the canonical name`, async () => {
                await ask(`/v2/${name}/manifests/1.0${ns ? `?ns=${ns}` : ""}`);
                const place = locate(name, ns, UPSTREAMS);
                assert.ok("upstream" in place);
                const prefix = place.upstream.name === "docker.io" ? "" : `${place.upstream.name}/`;
                assert.deepEqual(cache.paths(), [`/v2/${prefix}${place.repository}/manifests/1.0`]);
            });
        }

        for (const [name, ns] of names) {
            it(`asks the uplink about referrers of ${name}${ns ? ` with ns=${ns}` : ""} by the canonical name`, async () => {
                await ask(`/v2/${name}/referrers/${DIGEST}${ns ? `?ns=${ns}` : ""}`);
                const place = locate(name, ns, UPSTREAMS);
                assert.ok("upstream" in place);
                const prefix = place.upstream.name === "docker.io" ? "" : `${place.upstream.name}/`;
                assert.deepEqual(uplink.paths(), [`/v2/${prefix}${place.repository}/referrers/${DIGEST}`]);
                assert.deepEqual(cache.paths(), []);
            });
        }

        for (const [query, passedOn] of [
            ["?artifactType=application/spdx%2Bjson", "?artifactType=application/spdx%2Bjson"],
            ["?ns=docker.io&artifactType=a/b&evil=1", "?artifactType=a/b"],
            ["?artifactType=a/b&artifactType=c/d&ns=docker.io", "?artifactType=a/b&artifactType=c/d"],
            // Side by side they are in a client's query; otherwise no filter is right too, one of them alone is not.
            ["?artifactType=a/b&ns=docker.io&artifactType=c/d", ""],
            ["?artifactType=a/b&n=2&last=x", "?n=2&last=x&artifactType=a/b"],
            ["?notArtifactType=a&ns=docker.io", ""],
        ] as const) {
            it(`hands ${query} on to the uplink as ${passedOn || "nothing"}`, async () => {
                await ask(`/v2/node/referrers/${DIGEST}${query}`);
                assert.deepEqual(uplink.paths(), [`/v2/library/node/referrers/${DIGEST}${passedOn}`]);
            });
        }

        it("hands the uplink's referrers on as they are, and nobody's login to it", async () => {
            const index = JSON.stringify({ ...NO_REFERRERS, manifests: [{ digest: ELSEWHERE }] });
            const headers = { "content-type": INDEX, "oci-filters-applied": "artifactType" };
            uplink.answer = (_, response) => response.writeHead(200, headers).end(index);
            const answer = await ask(`/v2/node/referrers/${DIGEST}?artifactType=a/b`, {
                headers: { authorization: "Basic c2VjcmV0" },
            });
            assert.deepEqual([answer.status, answer.body.toString()], [200, index]);
            assert.deepEqual(
                [answer.headers["content-type"], answer.headers["oci-filters-applied"]],
                [INDEX, "artifactType"],
            );
            assert.equal(uplink.requests[0]?.headers.authorization, undefined);
        });

        for (const [what, answerWith] of [
            ["fails", (response: ServerResponse) => response.writeHead(503).end("{}")],
            ["cuts the connection", (response: ServerResponse) => response.destroy()],
            ["says nothing", () => {}],
        ] as const) {
            it(`lists no referrers when the uplink ${what}`, async () => {
                uplink.answer = (_, response) => answerWith(response);
                const answer = await ask(`/v2/node/referrers/${DIGEST}?ns=docker.io`);
                assert.deepEqual([answer.status, answer.headers["content-type"]], [200, INDEX]);
                assert.deepEqual(JSON.parse(answer.body.toString()), NO_REFERRERS);
            });
        }

        for (const method of ["POST", "PUT", "DELETE"]) {
            it(`answers ${method} of referrers by 405`, async () => {
                assert.equal((await ask(`/v2/node/referrers/${DIGEST}`, { method })).status, 405);
                assert.deepEqual(uplink.paths(), []);
            });
        }

        it("has no referrers of what is no digest, and none of an unknown registry's", async () => {
            for (const [path, code] of [
                ["/v2/node/referrers/1.0", "NAME_INVALID"],
                ["/v2/node/referrers/sha256:abc", "NAME_INVALID"],
                [`/v2/quay.io/owner/app/referrers/${DIGEST}`, "NAME_UNKNOWN"],
                [`/v2/owner/app/referrers/${DIGEST}?ns=quay.io`, "NAME_UNKNOWN"],
                [`/v2/ghcr.io/owner/app/referrers/${DIGEST}?ns=docker.io`, "NAME_UNKNOWN"],
            ] as const) {
                const answer = await ask(path);
                assert.deepEqual([answer.status, errorCode(answer)], [404, code], path);
            }
            assert.deepEqual([...cache.paths(), ...uplink.paths()], []);
        });

        const unknown = [
            ["quay.io/owner/app", undefined],
            ["owner/app", "quay.io"],
            ["owner/app", "10.0.0.1"],
            ["owner/app", ""],
            ["ghcr.io/owner/app", "docker.io"],
            ["docker.io/owner/app", "ghcr.io"],
        ] as const;
        for (const [name, ns] of unknown) {
            it(`answers ${name} with ns=${ns} by NAME_UNKNOWN and asks nobody`, async () => {
                assert.ok("refusal" in locate(name, ns, UPSTREAMS));
                const answer = await ask(`/v2/${name}/manifests/1.0${ns === undefined ? "" : `?ns=${ns}`}`);
                assert.equal(answer.status, 404);
                assert.equal(errorCode(answer), "NAME_UNKNOWN");
                assert.deepEqual([...cache.paths(), ...uplink.paths()], []);
            });
        }

        for (const [path, [status, code]] of Object.entries(REFUSED)) {
            it(`refuses ${path.slice(0, 80)} as relays do: ${status}`, async () => {
                for (const method of ["GET", "HEAD"]) {
                    const answer = await ask(path, { method });
                    assert.equal(answer.status, status);
                    if (method === "GET" && code !== undefined) assert.equal(errorCode(answer), code);
                }
                assert.deepEqual([...cache.paths(), ...uplink.paths()], []);
            });
        }

        it("has no name for an unknown upstream's blob either, though the disk has it", async () => {
            const answer = await ask(`/v2/quay.io/owner/app/blobs/${DIGEST}`);
            assert.equal(answer.status, 404);
            assert.equal(errorCode(answer), "NAME_UNKNOWN");
        });

        const notOfThePullApi = [
            "/v2/_catalog",
            "/v2/library/Node/manifests/1.0",
            "/v2/library%2fnode/manifests/1.0",
            "/v2/library/../../etc/passwd",
            "/v2/library/node/blobs/uploads/",
            `/v2/${"a".repeat(256)}/manifests/1.0`,
            `/v2/library/node/blobs/sha256:..${"a".repeat(62)}`,
        ];
        for (const path of notOfThePullApi) {
            it(`answers ${path.slice(0, 50)} by 404 and asks nobody`, async () => {
                const answer = await ask(path);
                assert.equal(answer.status, 404);
                assert.equal(errorCode(answer), "NAME_INVALID");
                assert.deepEqual(cache.paths(), []);
            });
        }

        for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
            it(`answers ${method} by 405`, async () => {
                for (const path of ["/v2/", "/v2/library/node/manifests/1.0", "/v2/library/node/blobs/uploads/"]) {
                    const answer = await ask(path, { method });
                    assert.equal(answer.status, 405);
                    assert.equal(answer.headers.allow, "GET, HEAD");
                }
                assert.deepEqual(cache.paths(), []);
            });
        }

        it("sends a blob of the disk with the headers of a registry", async () => {
            const { status, headers, body } = await ask(`/v2/library/node/blobs/${DIGEST}`);
            assert.equal(status, 200);
            assert.deepEqual(body, BLOB);
            assert.equal(headers["docker-content-digest"], DIGEST);
            assert.equal(headers.etag, `"${DIGEST}"`);
            assert.equal(headers["content-type"], "application/octet-stream");
            assert.equal(headers["content-length"], String(BLOB.length));
            assert.equal(headers["accept-ranges"], "bytes");
            assert.equal(headers["last-modified"], undefined);
            assert.deepEqual(cache.paths(), []);
        });

        it("speaks TLS 1.2 with AEAD alone, and gives no session tickets", async () => {
            const path = `/v2/library/node/blobs/${DIGEST}`;
            const old = { maxVersion: "TLSv1.2", agent: false } as const;
            for (const ciphers of ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"]) {
                assert.equal((await ask(path, { ...old, ciphers })).status, 200);
            }
            for (const ciphers of ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256"]) {
                await assert.rejects(ask(path, { ...old, ciphers }), /handshake failure/, ciphers);
            }
            await assert.rejects(
                ask(path, { ...old, maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" }),
                /protocol version|unsupported protocol|wrong version/,
            );
            const where = {
                host: "127.0.0.1",
                port: places.port,
                servername: HOSTNAME,
                ca: ca.cert,
                maxVersion: "TLSv1.2",
            } as const;
            const socket = connect(where);
            await once(socket, "secureConnect");
            assert.equal(socket.getTLSTicket(), undefined);
            socket.destroy();
        });

        it("answers HEAD of a blob of the disk with its length and no body", async () => {
            const { status, headers, body } = await ask(`/v2/library/node/blobs/${DIGEST}`, { method: "HEAD" });
            assert.deepEqual([status, headers["content-length"], body.length], [200, String(BLOB.length), 0]);
        });

        it("sends ranges of a blob of the disk", async () => {
            const path = `/v2/library/node/blobs/${DIGEST}`;
            const part = await ask(path, { headers: { range: "bytes=4-8" } });
            assert.equal(part.status, 206);
            assert.equal(part.headers["content-range"], `bytes 4-8/${BLOB.length}`);
            assert.equal(part.headers["docker-content-digest"], DIGEST);
            assert.deepEqual(part.body, BLOB.subarray(4, 9));
            const outside = await ask(path, { headers: { range: `bytes=${BLOB.length}-` } });
            assert.equal(outside.status, 416);
            assert.equal(outside.headers["content-range"], `bytes */${BLOB.length}`);
            assert.equal(errorCode(outside), "UNSUPPORTED");
        });

        it("sends a blob of 0 bytes", async () => {
            const { status, headers, body } = await ask(`/v2/library/node/blobs/${EMPTY}`);
            assert.deepEqual([status, headers["content-length"], body.length], [200, "0", 0]);
        });

        it("asks the uplink for a blob that is not on the disk, with its Range, to be given to the cache", async () => {
            const answer = await ask(`/v2/node/blobs/${ELSEWHERE}?ns=docker.io`, { headers: { range: "bytes=0-1" } });
            assert.equal(answer.body.toString(), "from a fake");
            assert.deepEqual(uplink.paths(), [`/v2/library/node/blobs/${ELSEWHERE}`]);
            const { range, "x-hand-over": handOver } = uplink.requests.at(-1)?.headers ?? {};
            assert.deepEqual([range, handOver], ["bytes=0-1", "yes"]);
            assert.deepEqual(cache.paths(), []);
        });

        it("asks the uplink about each blob of the disk, by its canonical name, and nobody's login goes along", async () => {
            await ask(`/v2/owner/app/blobs/${DIGEST}?ns=ghcr.io`, { headers: { authorization: "Basic c2VjcmV0" } });
            const asked = uplink.requests.map(({ url, headers }) => [url, headers.authorization]);
            assert.deepEqual(asked, [[`/stored/v2/ghcr.io/owner/app/blobs/${DIGEST}`, undefined]]);
        });

        for (const method of ["GET", "HEAD"]) {
            it(`asks the uplink for a blob of the disk that is not as it was written: ${method}`, async () => {
                uplink.answer = ({ url }, response) =>
                    url?.startsWith("/stored/")
                        ? response.writeHead(403).end()
                        : response.writeHead(200, { "content-length": BLOB.length }).end(BLOB);
                const answer = await ask(`/v2/library/node/blobs/${DIGEST}`, { method });
                assert.deepEqual([answer.status, answer.headers["content-length"]], [200, String(BLOB.length)]);
                assert.deepEqual(uplink.paths(), [`/v2/library/node/blobs/${DIGEST}`]);
            });
        }

        for (const [what, answerWith] of [
            ["fails", (response: ServerResponse) => response.writeHead(503).end("{}")],
            [
                "does not know the question, as of an earlier release,",
                (response: ServerResponse) => response.writeHead(404).end(),
            ],
            ["cuts the connection", (response: ServerResponse) => response.destroy()],
            ["says nothing", () => {}],
        ] as const) {
            it(`sends a blob of the disk, and its ranges, while the uplink ${what}`, async () => {
                uplink.answer = (_, response) => answerWith(response);
                const path = `/v2/library/node/blobs/${DIGEST}`;
                assert.deepEqual((await ask(path)).body, BLOB);
                const part = await ask(path, { headers: { range: "bytes=4-8" } });
                assert.deepEqual([part.status, part.body], [206, BLOB.subarray(4, 9)]);
            });
        }

        it("hands every Accept line and nobody's login on to the cache", async () => {
            const headers = {
                accept: ["application/a", "application/b"],
                authorization: "Basic c2VjcmV0",
                cookie: "a=b",
            };
            await ask("/v2/library/node/manifests/1.0", { headers });
            const got = cache.requests[0]?.headers;
            assert.deepEqual(
                [got?.accept, got?.authorization, got?.cookie],
                ["application/a, application/b", undefined, undefined],
            );
        });

        it("hands n and last of a list on to the uplink, and nothing else", async () => {
            await ask("/v2/owner/app/tags/list?n=2&ns=ghcr.io&last=1.0&evil=1");
            assert.deepEqual(uplink.paths(), ["/v2/ghcr.io/owner/app/tags/list?n=2&last=1.0"]);
            assert.deepEqual(cache.paths(), []);
        });

        it("lists the tags that the cache has when the uplink cannot, and says why when it has none", async () => {
            const refusal = '{"errors":[{"code":"UNAVAILABLE","message":"both relays rest"}]}';
            uplink.answer = (_, response) => response.writeHead(503).end(refusal);
            cache.answer = (_, response) => response.end('{"name":"library/node","tags":["1.0"]}');
            const answer = await ask("/v2/library/node/tags/list");
            assert.deepEqual([answer.status, answer.body.toString()], [200, '{"name":"library/node","tags":["1.0"]}']);
            cache.answer = (_, response) => response.writeHead(404).end("{}");
            const none = await ask("/v2/library/node/tags/list");
            assert.deepEqual([none.status, none.body.toString()], [503, refusal]);
        });

        it("passes on what the upstream refuses about tags", async () => {
            uplink.answer = (_, response) => response.writeHead(404).end('{"errors":[{"code":"NAME_UNKNOWN"}]}');
            const answer = await ask("/v2/library/node/tags/list");
            assert.deepEqual([answer.status, errorCode(answer)], [404, "NAME_UNKNOWN"]);
            assert.deepEqual(cache.paths(), []);
        });

        it("asks the cache about /v2/", async () => {
            assert.equal((await ask("/v2/")).status, 200);
            assert.deepEqual(cache.paths(), ["/v2/"]);
        });

        for (const [status, code] of [
            [503, "UNAVAILABLE"],
            [429, "TOOMANYREQUESTS"],
            [404, "MANIFEST_UNKNOWN"],
        ] as const) {
            it(`says why a manifest is not there when the uplink says ${status}`, async () => {
                cache.answer = (_, response) => response.writeHead(404).end("{}");
                uplink.answer = (_, response) =>
                    response
                        .writeHead(status, { "content-type": "application/json", "retry-after": "7" })
                        .end(JSON.stringify({ errors: [{ code, message: "both relays rest" }] }));
                const answer = await ask("/v2/node/manifests/1.0?ns=docker.io");
                assert.equal(answer.status, status);
                assert.equal(errorCode(answer), code);
                assert.equal(answer.headers["retry-after"], "7");
                assert.deepEqual(uplink.paths(), ["/v2/library/node/manifests/1.0"]);
            });
        }

        for (const status of [400, 401, 403, 404, 429, 500, 502, 503, 504]) {
            for (const method of ["GET", "HEAD"]) {
                it(`gives the uplink's answer to ${method} of a manifest where the cache says ${status}`, async () => {
                    cache.answer = (_, response) => response.writeHead(status).end('{"errors":[{"code":"UNKNOWN"}]}');
                    uplink.answer = (_, response) =>
                        response.writeHead(200, { "content-type": "text/plain" }).end("{}");
                    const answer = await ask("/v2/node/manifests/1.0", { method, headers: { accept: "*/*" } });
                    assert.deepEqual([answer.status, answer.headers["content-type"]], [200, "text/plain"]);
                    assert.equal(uplink.requests.at(-1)?.headers.accept, "*/*");
                });
            }

            it(`gives the uplink's ${status} to a manifest in its own words`, async () => {
                const body = JSON.stringify({ errors: [{ code: "DENIED", message: "the upstream's own words" }] });
                cache.answer = (_, response) => response.writeHead(500).end('{"errors":[{"code":"UNKNOWN"}]}');
                uplink.answer = (_, response) => response.writeHead(status).end(body);
                const answer = await ask("/v2/node/manifests/1.0");
                assert.deepEqual([answer.status, answer.body.toString()], [status, body]);
            });
        }

        it("gives the uplink's answers while the cache breaks off", async () => {
            cache.answer = (_, response) => response.destroy();
            for (const path of ["/v2/", "/v2/library/node/manifests/1.0", `/v2/library/node/blobs/${ELSEWHERE}`]) {
                assert.deepEqual([(await ask(path)).body.toString(), path], ["from a fake", path]);
            }
        });

        for (const status of [403, 404, 429, 502, 503]) {
            it(`passes on the uplink's ${status} to a blob in its own words`, async () => {
                const body = JSON.stringify({ errors: [{ code: "DENIED", message: "the upstream's own words" }] });
                uplink.answer = ({ url }, response) =>
                    response.writeHead(url?.startsWith("/stored/") ? 403 : status).end(body);
                const answer = await ask(`/v2/library/node/blobs/${ELSEWHERE}`);
                assert.deepEqual([answer.status, answer.body.toString()], [status, body]);
            });
        }

        it("takes no orders of what stands behind it", async () => {
            const says = (response: ServerResponse) =>
                response
                    .writeHead(200, {
                        "X-Accel-Redirect": "/healthz",
                        "X-Accel-Limit-Rate": "1",
                        "X-Accel-Charset": "x",
                    })
                    .end("from a fake");
            uplink.answer = ({ url }, response) =>
                url?.startsWith("/stored/") ? response.writeHead(204).end() : says(response);
            cache.answer = (_, response) => says(response);
            for (const path of ["/v2/", "/v2/library/node/manifests/1.0", `/v2/library/node/blobs/${ELSEWHERE}`]) {
                const answer = await ask(path);
                assert.deepEqual([answer.status, answer.body.toString()], [200, "from a fake"]);
            }
        });

        it("lets a reader pause for as long as a relay does", () => {
            const pause = (template: string) => /\n {4}send_timeout ([0-9]+)s;\n/.exec(readTemplate(template))?.[1];
            assert.equal(pause("nginx/front/server.conf"), "330");
            // The mechanism: test/templates/nginx-relay.test.ts.
            assert.equal(pause("nginx/relay/server.conf"), "330");
        });

        it("breaks the connection where the uplink broke it", async () => {
            uplink.answer = ({ url }, response) => {
                response.writeHead(url?.startsWith("/stored/") ? 403 : 200, { "content-length": 100 });
                response.write("half", () => response.destroy());
            };
            await assert.rejects(ask(`/v2/library/node/blobs/${ELSEWHERE}`), /aborted/);
        });

        it("logs the digest of each blob and manifest, with the time", async () => {
            cache.answer = (_, response) => response.writeHead(200, { "docker-content-digest": ELSEWHERE }).end("{}");
            await ask("/v2/library/logged/manifests/1.0");
            await ask(`/v2/library/logged/blobs/${DIGEST}`);
            const logged = await eventually("two log lines", async () => {
                const found = (await lines()).filter(({ name }) => name === "library/logged");
                return found.length === 2 ? found : undefined;
            });
            const [manifest, blob] = logged;
            assert.deepEqual([manifest?.digest, manifest?.from, manifest?.status], [ELSEWHERE, "cache", 200]);
            assert.deepEqual([blob?.digest, blob?.from, blob?.bytes], [DIGEST, "disk", BLOB.length]);
            assert.ok(Math.abs(Date.parse(String(blob?.time)) - Date.now()) < 60_000);
        });
    });

    describe("with requests that are none", () => {
        for (const query of [
            "n=-1",
            "n=abc",
            "n=",
            "n",
            "n=1.5",
            "n=1&n=2",
            "n%73=ghcr.io",
            "ns=docker.io&ns=ghcr.io",
        ]) {
            it(`answers ?${query} by 400 and asks nobody`, async () => {
                const answer = await ask(`/v2/library/node/tags/list?${query}`);
                assert.deepEqual([answer.status, errorCode(answer)], [400, "UNSUPPORTED"]);
            });
        }

        for (const [text, status] of [
            ["GET /v2/library/node/manifests/1.0 HTTP/2.0\r\nHost: mirror.acme.lan", 505],
            ["GET /v2/library/node/manifests/1.0 HTTP/1.1\r\nHost: mirror.acme.lan\r\nTransfer-Encoding: gzip", 501],
            ["GET /v2/library/node/manifests/1.0 HTTP/1.1", 400],
            ["GET /v2/library/node/manifests/1.0 HTTP/1.1\r\nHost: a b", 400],
            ["\u0001\u0002", 400],
            [`GET /v2/${"a".repeat(40_000)} HTTP/1.1\r\nHost: mirror.acme.lan`, 414],
            [`GET /v2/ HTTP/1.1\r\nHost: mirror.acme.lan\r\nX: ${"a".repeat(40_000)}`, 400],
            ["GET /../.. HTTP/1.1\r\nHost: mirror.acme.lan", 404],
        ] as const) {
            it(`answers ${text.slice(0, 80).replaceAll(/[^ -~]+/g, " ")} by ${status} of its own`, async () => {
                const said = await sayRaw(places.port, ca.cert, text);
                assert.match(said, new RegExp(`^HTTP/1\\.1 ${status} `));
                assert.match(said, /\{"errors":\[\{"code":"(UNSUPPORTED|NAME_INVALID)","message":"[^"]+"\}\]\}$/);
            });
        }
    });

    describe("for people and health checks", () => {
        it("has a page for people at / that says what it is", async () => {
            const answer = await ask("/");
            assert.equal(answer.status, 200);
            assert.match(answer.headers["content-type"] ?? "", /^text\/plain/);
            assert.match(answer.body.toString(), /read-only cache.*\n.*not Docker Hub/);
        });

        it("is healthy on its own port, where it names the version of its files, and at /healthz", async () => {
            assert.equal((await ask("/healthz")).status, 200);
            const answer = await fetch(`http://127.0.0.1:${places.healthPort}/`);
            assert.equal(await answer.text(), "1f2e3d\n");
        });

        it("answers anything else by a plain 404", async () => {
            for (const path of ["/index.html", "/v1/_ping", "/_blob", "/_cache", "/_answer/denied"]) {
                const answer = await ask(path);
                assert.equal(answer.status, 404, path);
                assert.equal(answer.body.toString(), "not found\n");
            }
        });
    });

    describe("outside allowFrom", () => {
        before(async () => {
            await nginx.stop();
            lay(["10.0.0.0/8"]);
            nginx = await start();
        });

        for (const text of ["GET / HTTP/2.0", "GET /v2/ HTTP/1.1\r\nHost: a b", "GET /.. HTTP/1.1\r\nHost: x"]) {
            it(`refuses ${text.split("\r")[0]} of a client's own writing`, async () => {
                assert.match(await sayRaw(places.port, ca.cert, text), /^HTTP\/1\.1 403 /);
            });
        }

        for (const path of [
            "/",
            "/v2/",
            "/v2/library/node/manifests/1.0",
            `/v2/library/node/blobs/${DIGEST}`,
            `/v2/library/node/referrers/${DIGEST}`,
            "/v2/library/node/tags/list",
            "/v2/_catalog",
            "/healthz",
            "/_answer/not-found",
            "/_stored",
            "/nothing",
        ]) {
            it(`refuses ${path}`, async () => {
                const answer = await ask(path);
                assert.equal(answer.status, 403);
                assert.equal(errorCode(answer), "DENIED");
            });
        }
    });
});

interface Answer {
    readonly status: number;
    readonly headers: IncomingMessage["headers"];
    readonly body: Buffer;
}

interface Fake {
    readonly requests: IncomingMessage[];
    answer: (request: IncomingMessage, response: ServerResponse) => void;
    /** Without the questions whether a blob may be sent from the disk. */
    paths(): string[];
    close(): Promise<void>;
}

async function startFake(host: string): Promise<Fake> {
    const requests: IncomingMessage[] = [];
    const server: Server = createServer((request, response) => {
        requests.push(request);
        fake.answer(request, response);
    });
    const fake: Fake = {
        requests,
        answer: (_, response) => response.end(),
        paths: () => requests.map(({ url }) => url ?? "").filter((url) => !url.startsWith("/stored/")),
        close: async () => {
            server.close();
            server.closeAllConnections();
            await once(server, "close");
        },
    };
    server.listen(5000, host);
    await once(server, "listening");
    return fake;
}

function send(port: number, ca: string, path: string, options: RequestOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
        const headers = { host: HOSTNAME, ...(options.headers as Record<string, string>) };
        const all = { ...options, headers, host: "127.0.0.1", port, path, ca, servername: HOSTNAME, agent: false };
        request(all as RequestOptions, (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.once("error", reject);
            response.once("end", () =>
                resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
            );
        })
            .once("error", reject)
            .end();
    });
}

/** What comes back for the head of a request that no HTTP client would send. */
function sayRaw(port: number, ca: string, head: string): Promise<string> {
    return new Promise((resolve, reject) => {
        let said = "";
        const socket = connect({ host: "127.0.0.1", port, ca, servername: HOSTNAME }, () =>
            socket.write(`${head}\r\nConnection: close\r\n\r\n`),
        );
        socket.on("data", (data) => (said += data));
        socket.once("error", reject).once("close", () => resolve(said));
    });
}

function storeBlob(root: string, bytes: Buffer): void {
    const hex = digestOf(bytes).slice("sha256:".length);
    const file = join(root, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    chmodSync(file, 0o644);
}

function digestOf(bytes: Buffer): string {
    return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function errorCode({ body }: Answer): string {
    return (JSON.parse(body.toString()) as { errors: { code: string }[] }).errors[0]?.code ?? "";
}
