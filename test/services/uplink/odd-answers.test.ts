/** Odd but legal answers about manifests and tags: each is passed on, and no relay rests for it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { eventually } from "../../support/eventually";
import { digestOf, FakeContent, type FaultRule, MANIFEST, randomBytes } from "../../support/fake-relay";
import { Bench } from "./started-uplink";

const MIB = 1024 * 1024;
const SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws";
const ARTIFACTS = [
    "application/vnd.oci.artifact.manifest.v1+json",
    "application/vnd.cncf.oras.artifact.manifest.v1+json",
];

describe("Uplink, odd answers", () => {
    let bench: Bench;
    let content: FakeContent;
    let repositories = 0;
    /** A repository of each test's own. */
    let name: string;

    before(async () => {
        content = new FakeContent();
        bench = await Bench.start(content, { marks: true, config: { tagSeconds: 0 } });
    });
    after(() => bench.stop());
    beforeEach(() => {
        repositories += 1;
        name = `owner/app${repositories}`;
        bench.lines.length = 0;
        for (const relay of bench.relays) relay.requests.length = 0;
    });
    afterEach(() => {
        for (const relay of bench.relays) relay.faults.length = 0;
        assert.deepEqual(bench.logged("relay rests"), []);
        assert.deepEqual(bench.logged("relay hands out wrong bytes"), []);
    });

    const manifest = (reference: string) => `/v2/${name}/manifests/${reference}`;
    const onAll = (rule: FaultRule) => {
        for (const relay of bench.relays) relay.faults.push({ ...rule });
    };
    const asked = () => bench.relays.map((relay) => relay.asked().map(({ method, path }) => `${method} ${path}`));
    const code = (body: Buffer) => JSON.parse(body.toString()).errors[0].code;

    /** What a relay says to a manifest's tag. */
    function says(headers: Record<string, string | string[]>, body: string | Buffer, method?: "GET" | "HEAD"): void {
        const answer = { do: "status", status: 200, headers, body, answer: "upstream" } as const;
        onAll({ path: /manifests/, ...(method && { method }), fault: answer });
    }

    describe("signed manifests of schema 1", () => {
        const payload = JSON.stringify({ schemaVersion: 1, name: "owner/app", tag: "1.0", fsLayers: [] }, undefined, 3);
        const body = signed(payload);
        const digest = digestOf(Buffer.from(payload));

        it("pass as given, by tag and by digest, by GET and by HEAD, also after a restart", async () => {
            says(
                { "Content-Type": SIGNED, "Docker-Content-Digest": digest, "Content-Length": String(body.length) },
                body,
            );
            for (const reference of ["1.0", digest]) {
                for (const method of ["HEAD", "GET"]) {
                    const answer = await bench.get(manifest(reference), {}, method);
                    assert.equal(answer.status, 200);
                    assert.equal(answer.headers["docker-content-digest"], digest);
                    assert.equal(answer.headers["content-type"], SIGNED);
                    assert.equal(answer.headers["content-length"], String(body.length));
                    if (method === "GET") assert.ok(answer.body.equals(body));
                }
            }
            await bench.restart();
            for (const relay of bench.relays) relay.requests.length = 0;
            const again = await bench.get(manifest(digest));
            assert.ok(again.body.equals(body));
            assert.deepEqual(asked(), [[], []]);
        });

        it("have their payload's digest where the registry says none", async () => {
            says({ "Content-Type": SIGNED }, body);
            assert.equal((await bench.get(manifest("1.0"))).headers["docker-content-digest"], digest);
        });
    });

    it("answers 502, and blames no relay, where a signature is hung on to a manifest of schema 2", async () => {
        const payload = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, name });
        says({ "Content-Type": MANIFEST }, signed(payload));
        assert.equal((await bench.get(manifest(digestOf(Buffer.from(payload))))).status, 502);
    });

    describe("digests by another algorithm", () => {
        const body = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST });
        const sha512 = `sha512:${createHash("sha512").update(body).digest("hex")}`;

        for (const method of ["HEAD", "GET"]) {
            it(`make a tag a 415 that names the algorithm (${method})`, async () => {
                says({ "Content-Type": MANIFEST, "Docker-Content-Digest": sha512 }, body);
                const answer = await bench.get(manifest("1.0"), {}, method);
                assert.equal(answer.status, 415);
                if (method === "GET") {
                    assert.equal(code(answer.body), "UNSUPPORTED");
                    assert.match(answer.body.toString(), /sha512.*sha256/);
                }
                assert.deepEqual(asked(), [[`${method} ${manifest("1.0")}`], []]);
            });
        }

        for (const kind of ["manifests", "blobs", "referrers"]) {
            it(`make a path of ${kind} a 415 that names the algorithm`, async () => {
                const answer = await bench.get(`/v2/${name}/${kind}/${sha512}`);
                assert.equal(answer.status, 415);
                assert.equal(code(answer.body), "UNSUPPORTED");
                assert.match(answer.body.toString(), /sha512/);
                assert.deepEqual(asked(), [[], []]);
            });
        }

        it("do no harm beside the digest by SHA-256", async () => {
            const digest = digestOf(Buffer.from(body));
            says({ "Content-Type": MANIFEST, "Docker-Content-Digest": [sha512, digest] }, body);
            assert.equal((await bench.get(manifest("1.0"), {}, "HEAD")).headers["docker-content-digest"], digest);
        });
    });

    describe("Docker-Content-Digest", () => {
        const body = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, odd: true });
        const digest = digestOf(Buffer.from(body));

        for (const method of ["HEAD", "GET"]) {
            for (const reference of ["1.0", digest]) {
                const by = reference === "1.0" ? "tag" : "digest";
                it(`twice, not the same, is a 502 that says so (${method} by ${by})`, async () => {
                    const other = digestOf(Buffer.from("other"));
                    says({ "Content-Type": MANIFEST, "Docker-Content-Digest": [digest, other] }, body);
                    const answer = await bench.get(manifest(reference), {}, method);
                    assert.equal(answer.status, 502);
                    if (method === "GET") assert.match(answer.body.toString(), /says several digests/);
                });
            }
        }

        for (const [what, value] of [
            ["twice, the same", [digest, digest]],
            ["twice in one line", `${digest}, ${digest}`],
            ["in upper case", digest.toUpperCase()],
            ["that is no digest", "unknown"],
            ["that is empty", ""],
        ] as const) {
            for (const method of ["HEAD", "GET"]) {
                it(`${what}, is the digest (${method})`, async () => {
                    const said = typeof value === "string" ? value : [...value];
                    says({ "Content-Type": MANIFEST, "Docker-Content-Digest": said }, body);
                    const answer = await bench.get(manifest("1.0"), {}, method);
                    assert.equal(answer.status, 200);
                    assert.equal(answer.headers["docker-content-digest"], digest);
                });
            }
        }
    });

    describe("media types", () => {
        for (const type of [...ARTIFACTS, "application/json", "text/plain; charset=utf-8", undefined]) {
            it(`pass as given: ${type ?? "none"}`, async () => {
                const body = JSON.stringify({ mediaType: ARTIFACTS[0], name });
                const digest = digestOf(Buffer.from(body));
                says({ ...(type && { "Content-Type": type }), "Docker-Content-Digest": digest }, body);
                for (const reference of ["1.0", digest]) {
                    for (const method of ["HEAD", "GET", "GET"]) {
                        const answer = await bench.get(manifest(reference), {}, method);
                        assert.equal(answer.status, 200);
                        assert.equal(answer.headers["content-type"], type);
                        assert.equal(answer.headers["docker-content-digest"], digest);
                        assert.equal(answer.headers["content-length"], String(body.length));
                        if (method === "GET") assert.equal(answer.body.toString(), body);
                    }
                }
            });
        }

        for (const accept of [undefined, "*/*", "application/json", "application/*;q=0.8, text/plain"]) {
            it(`are all asked for where the caller names none of a manifest: ${accept}`, async () => {
                let got = "";
                onAll({
                    path: /manifests/,
                    fault: {
                        do: "give",
                        give: (request, response) => {
                            got = request.headers.accept ?? "";
                            response.writeHead(404).end();
                        },
                    },
                });
                content.image(name, "1.0", []);
                await bench.get(manifest("1.0"), accept ? { accept } : {});
                for (const type of [MANIFEST, SIGNED, ...ARTIFACTS]) assert.ok(got.includes(type), type);
            });
        }
    });

    for (const status of [400, 403, 405, 406, 501]) {
        it(`asks by GET for a tag where the registry answers ${status} to HEAD`, async () => {
            const image = content.image(name, "1.0", []);
            onAll({ method: "HEAD", path: /manifests/, fault: { do: "status", status, answer: "upstream" } });
            const answer = await bench.get(manifest("1.0"), {}, "HEAD");
            assert.equal(answer.status, 200);
            assert.equal(answer.headers["docker-content-digest"], image.digest);
        });
    }

    describe("the size of a blob", () => {
        const blob = randomBytes(300_000, "sized");
        const path = () => `/v2/${name}/blobs/${digestOf(blob)}`;

        before(() => content.blob(blob));

        for (const status of [403, 405, 501]) {
            it(`is had by a range of one byte where HEAD is answered ${status}`, async () => {
                onAll({ method: "HEAD", fault: { do: "status", status, answer: "upstream" } });
                const answer = await bench.get(path(), {}, "HEAD");
                assert.equal(answer.status, 200);
                assert.equal(answer.headers["content-length"], String(blob.length));
                const ranges = bench.first.asked().map(({ range }) => range);
                assert.deepEqual(ranges, [undefined, "bytes=0-0"]);
            });
        }

        it("is had from the plain answer where Range is ignored too, without its bytes", async () => {
            onAll({ method: "HEAD", fault: { do: "status", status: 403, answer: "upstream" } });
            const large = randomBytes(8 * MIB, "ranges are ignored");
            onAll({ fault: { do: "ignore-range" } });
            const answer = await bench.get(`/v2/${name}/blobs/${content.blob(large)}`, {}, "HEAD");
            assert.equal(answer.headers["content-length"], String(large.length));
            assert.ok(bench.first.sentBytes() < large.length);
        });

        it("is a refusal where the blob is refused by GET as well", async () => {
            onAll({ fault: { do: "status", status: 403, answer: "upstream" } });
            assert.equal((await bench.get(path(), {}, "HEAD")).status, 403);
        });
    });

    describe("tag lists", () => {
        const list = (query = "") => `/v2/${name}/tags/list${query}`;
        const tagsOf = (body: Buffer): string[] => JSON.parse(body.toString()).tags;
        const all = Array.from({ length: 250 }, (_, index) => `v${1000 + index}`);

        it("of 9 MiB pass", async () => {
            const tags = Array.from({ length: 80_000 }, (_, index) => `${index}`.padStart(120, "0"));
            content.tagLists.set(name, { tags });
            const answer = await bench.get(list());
            assert.equal(answer.status, 200);
            assert.ok(answer.body.length > 9 * MIB);
            assert.deepEqual(tagsOf(answer.body), tags);
        });

        for (const [what, headers] of [
            ["that says so", { "Content-Length": String(33 * MIB) }],
            ["that does not say so", { "Content-Type": "application/json" }],
        ] as const) {
            it(`of more than 32 MiB are an error that says what to do, from a registry ${what}`, async () => {
                content.tagLists.set(name, { tags: [] });
                const body = Buffer.alloc(33 * MIB, "x");
                onAll({ path: /tags/, fault: { do: "status", status: 200, headers, body, answer: "upstream" } });
                const answer = await bench.get(list());
                assert.equal(answer.status, 502);
                assert.match(answer.body.toString(), /longer than the 32 MiB.*\?n=1000/);
                assert.deepEqual(bench.second.asked(), []);
            });
        }

        for (const [what, link] of [
            ["quoted", (next: string) => `<${next}>; rel="next"`],
            ["unquoted", (next: string) => `<${next}>; rel=next`],
            ["without blanks, in upper case", (next: string) => `<${next}>;REL="NEXT"`],
            ["with a title", (next: string) => `<${next}>; title="the <next>, or; last page"; rel="next"`],
            ["of several relations", (next: string) => `<${next}>; rel="prefetch next"`],
            ["behind another link", (next: string) => `</v2/x/tags/list>; rel="first", <${next}>; rel="next"`],
            ["in a second line", (next: string) => ["</v2/x/tags/list>; rel=first", `<${next}>; rel=next`]],
            ["absolute", (next: string) => `<https://registry.test${next}>; rel="next"`],
            ["of a query alone", (next: string) => `<${next.replace(/^[^?]*/, "")}>; rel="next"`],
            ["without a relation", (next: string) => `<${next}>`],
        ] as const) {
            it(`come to their end in pages of 100: a link ${what}`, async () => {
                content.tagLists.set(name, { tags: all, link });
                const got: string[] = [];
                let path: string | undefined = list("?ns=docker.io");
                for (let page = 1; path !== undefined; page++) {
                    assert.ok(page <= 3);
                    const answer = await bench.get(path);
                    got.push(...tagsOf(answer.body));
                    const header: string | undefined = answer.headers.link?.toString();
                    path = /^<(\/v2\/[^>]*ns=docker\.io)>; rel="next"$/.exec(header ?? "")?.[1];
                    assert.equal(path === undefined, header === undefined);
                }
                assert.deepEqual(got, all);
            });
        }

        it("come to their end in pages by Quay's former name for them", async () => {
            const page = (tags: string[], headers: Record<string, string>) =>
                ({ do: "status", status: 200, headers, body: JSON.stringify({ tags }), answer: "upstream" }) as const;
            const link = `<https://quay.io${list("?n=2&next_page=gAAA_-%3D")}>; rel="next"`;
            onAll({ path: /tags\/list\?n=2&next_page=gAAA_-%3D$/, fault: page(["c"], {}) });
            onAll({ path: /tags/, fault: page(["a", "b"], { Link: link }) });
            const first = await bench.get(list("?ns=docker.io"));
            const [, next = ""] = /^<([^>]+)>; rel="next"$/.exec(`${first.headers.link ?? ""}`) ?? [];
            const second = await bench.get(next);
            assert.deepEqual([tagsOf(first.body), tagsOf(second.body)], [["a", "b"], ["c"]]);
            assert.equal(second.headers.link, undefined);
        });

        it("have no link to the page that it stands on", async () => {
            content.tagLists.set(name, { tags: all, link: () => `<${list("?page=2")}>; rel="next"` });
            assert.equal((await bench.get(list())).headers.link, undefined);
        });

        for (const [what, tags, last, rest] of [
            ["that is in the list", all, "v1240", all.slice(241)],
            ["that is not in the list", all, "v1240a", all.slice(241)],
            ["that is the last one", all, "v1249", []],
            ["that is in a list of another order", ["b", "c", "a"], "c", ["a"]],
        ] as const) {
            for (const needsCount of [true, false]) {
                if (!needsCount && what.includes("another order")) continue;
                it(`begin after a tag ${what}, asked for without n (${needsCount ? "not " : ""}by the registry)`, async () => {
                    content.tagLists.set(name, { tags, needsCount });
                    const answer = await bench.get(list(`?last=${last}`));
                    assert.deepEqual(tagsOf(answer.body), rest);
                    assert.equal(answer.headers["content-length"], String(answer.body.length));
                });
            }
        }

        for (const query of [
            "n=-1",
            "n=abc",
            "n=1.5",
            "n=",
            "n=1e3",
            "n=9999999999",
            "n=%201",
            "n=1&n=2",
            "last=%00",
        ]) {
            it(`are not asked for with ?${query}: 400`, async () => {
                const answer = await bench.get(list(`?${query}`));
                assert.equal(answer.status, 400);
                assert.equal(JSON.parse(answer.body.toString()).errors.length, 1);
                assert.deepEqual(asked(), [[], []]);
            });
        }
    });

    describe("a manifest that one relay's registry does not have", () => {
        const missing = { do: "status", status: 404, answer: "upstream" } as const;

        for (const by of ["tag", "digest"]) {
            for (const method of ["HEAD", "GET"]) {
                it(`is had from the next relay (${method} by ${by})`, async () => {
                    const image = content.image(name, "1.0", [Buffer.from(name)]);
                    bench.first.faults.push({ path: /manifests/, fault: missing });
                    const reference = by === "tag" ? "1.0" : image.digest;
                    const answer = await bench.get(manifest(reference), {}, method);
                    assert.equal(answer.status, 200);
                    assert.equal(answer.headers["docker-content-digest"], image.digest);
                    const again = await bench.get(manifest(reference), {}, method);
                    assert.equal(again.status, 200);
                });
            }

            it(`and no other's costs one request more, and none for 10 seconds (by ${by})`, async () => {
                const reference = by === "tag" ? "none" : digestOf(Buffer.from(name));
                for (let time = 0; time < 3; time++) assert.equal((await bench.get(manifest(reference))).status, 404);
                const once = [`GET ${manifest(reference)}`];
                assert.deepEqual(asked(), [once, once]);
                for (const accept of [MANIFEST, SIGNED]) {
                    assert.equal((await bench.get(manifest(reference), { accept })).status, 404);
                }
                assert.equal(asked()[1]?.length, 1);
            });
        }

        it("is a 404 when the next relay does not answer soon, and is had from there afterwards", async () => {
            const image = content.image(name, "1.0", [Buffer.from(name)]);
            bench.first.faults.push({ path: /manifests/, fault: missing });
            bench.second.faults.push({ path: /manifests/, times: 1, fault: { do: "wait", ms: 900 } });
            assert.equal((await bench.get(manifest("1.0"))).status, 404);
            await eventually("the relay has answered", () => (bench.second.sentBytes() > 0 ? true : undefined));
            await eventually("the image is had", async () => {
                const { status, headers } = await bench.get(manifest("1.0"));
                return status === 200 && headers["docker-content-digest"] === image.digest ? true : undefined;
            });
        });

        it("is a 404 when the next relay fails", async () => {
            bench.first.faults.push({ path: /manifests/, fault: missing });
            bench.second.faults.push({ path: /manifests/, fault: { do: "status", status: 503, answer: "upstream" } });
            assert.equal((await bench.get(manifest("1.0"))).status, 404);
        });
    });
});

/** As libtrust signs: the signature goes before the payload's last bytes. */
function signed(payload: string): Buffer {
    const formatLength = payload.length - 2;
    const tail = Buffer.from(payload.slice(formatLength)).toString("base64url");
    const protectedPart = Buffer.from(JSON.stringify({ formatLength, formatTail: tail })).toString("base64url");
    const signatures = [{ header: { alg: "ES256" }, signature: "c2ln", protected: protectedPart }];
    return Buffer.from(`${payload.slice(0, formatLength)},\n   "signatures": ${JSON.stringify(signatures)}\n}`);
}
