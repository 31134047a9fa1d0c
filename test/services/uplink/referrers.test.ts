/**
 * What belongs to an image: always an index, soon. Not proven here: that clients are content with it, which the
 * rehearsal shows.
 */
import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "../../support/eventually";
import { FakeContent, type FakeImage, type Fault, INDEX, MANIFEST, randomBytes } from "../../support/fake-relay";
import { type Answer, Bench, type StartOptions } from "./started-uplink";

const SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SBOM = "application/spdx+json";
const EMPTY = { schemaVersion: 2, mediaType: INDEX, manifests: [] };

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const entry = (letter: string, artifactType: string = SIGNATURE) => ({
    mediaType: MANIFEST,
    digest: digest(letter),
    size: 700,
    artifactType,
    annotations: { "org.example.letter": letter },
});
const parsed = ({ body }: Answer) => JSON.parse(body.toString());
const letters = (answer: Answer): string[] =>
    parsed(answer).manifests.map((each: { digest: string }) => each.digest["sha256:".length]);

describe("Uplink, referrers", function () {
    this.timeout(20_000);

    let bench: Bench;
    let content: FakeContent;
    let image: FakeImage;

    beforeEach(() => {
        content = new FakeContent();
        image = content.image("library/app", "1.0", [randomBytes(1000, "layer")]);
    });
    afterEach(() => bench.stop());

    const start = async (options: StartOptions = {}): Promise<void> => {
        bench = await Bench.start(content, { config: { tagSeconds: 60 }, ...options });
    };
    const path = (query = "") => `/v2/library/app/referrers/${image.digest}${query}`;
    const listed = (...entries: object[]) => content.referrers.set(`library/app@${image.digest}`, entries);
    const tagged = (...entries: object[]) => {
        const index = content.manifest(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests: entries });
        content.tags.set(`library/app:${image.digest.replace(":", "-")}`, index.digest);
    };
    const everywhere = (fault: Fault, times?: number, of = /referrers/) => {
        for (const { faults } of bench.relays)
            faults.push({ path: of, fault, ...(times === undefined ? {} : { times }) });
    };
    const lacking = async () => {
        const { values } = await bench.uplink.metrics.referrersLacking.get();
        return values.map(({ labels, value }) => [labels.reason, labels.answer, value]);
    };
    const conditions = async (): Promise<string[]> =>
        JSON.parse((await bench.get("/status")).body.toString()).relays.map(
            ({ condition }: { condition: string }) => condition,
        );

    it("are the upstream's list, by GET and by HEAD, entries as they are", async () => {
        listed(entry("a"), { ...entry("b"), data: "e30=" });
        await start();
        const answer = await bench.get(path());
        assert.equal(answer.status, 200);
        assert.equal(answer.headers["content-type"], INDEX);
        assert.equal(answer.headers["oci-filters-applied"], undefined);
        assert.deepEqual(parsed(answer), { ...EMPTY, manifests: [entry("a"), { ...entry("b"), data: "e30=" }] });
        const head = await bench.get(path(), {}, "HEAD");
        assert.deepEqual(
            [head.status, head.headers["content-type"], head.headers["content-length"], head.body.length],
            [200, INDEX, String(answer.body.length), 0],
        );
        assert.deepEqual(await lacking(), []);
    });

    it("are found by prefix, by ?ns= and by the upstream's own endpoint", async () => {
        content.referrers.set(`ghcr.io/owner/app@${image.digest}`, [entry("a")]);
        await start();
        for (const place of ["/v2/ghcr.io/owner/app", "/ghcr.io/v2/owner/app", "/v2/owner/app"]) {
            const ns = place === "/v2/owner/app" ? "?ns=ghcr.io" : "";
            assert.deepEqual(letters(await bench.get(`${place}/referrers/${image.digest}${ns}`)), ["a"], place);
        }
        assert.equal(bench.first.asked(/referrers/).length, 1);
    });

    it("are merged with those of the fallback tag, each digest once", async () => {
        listed(entry("a"), entry("b"));
        tagged({ ...entry("b"), annotations: {} }, entry("c"));
        await start();
        const answer = await bench.get(path());
        assert.deepEqual(parsed(answer).manifests, [entry("a"), entry("b"), entry("c")]);
    });

    for (const status of [404, 400, 405]) {
        it(`are those of the fallback tag where the upstream's API answers ${status}`, async () => {
            tagged(entry("a"), entry("b", SBOM));
            await start();
            everywhere({ do: "status", status });
            assert.deepEqual(letters(await bench.get(path())), ["a", "b"]);
            assert.deepEqual(letters(await bench.get(path(`?artifactType=${encodeURIComponent(SBOM)}`))), ["b"]);
            assert.deepEqual(await lacking(), []);
        });
    }

    it("are none where the upstream knows neither list nor tag, which costs one request and one HEAD", async () => {
        await start();
        const answer = await bench.get(path());
        assert.deepEqual([answer.status, parsed(answer)], [200, EMPTY]);
        assert.deepEqual(
            bench.first
                .asked()
                .map(({ method }) => method)
                .sort(),
            ["GET", "HEAD"],
        );
        assert.deepEqual(await lacking(), []);
    });

    it("are none where the fallback tag is an image", async () => {
        content.tags.set(`library/app:${image.digest.replace(":", "-")}`, image.digest);
        await start();
        assert.deepEqual(parsed(await bench.get(path())), EMPTY);
    });

    for (const [query, expected] of [
        [`?artifactType=${encodeURIComponent(SIGNATURE)}`, ["a"]],
        // Nobody encodes by hand.
        [`?artifactType=${SIGNATURE}`, ["a"]],
        [`?artifactType=${encodeURIComponent(SBOM)}&ns=docker.io`, ["b"]],
        [`?artifactType=${encodeURIComponent(SIGNATURE)}&artifactType=${encodeURIComponent(SBOM)}`, ["a", "b"]],
        ["?artifactType=application/other", []],
    ] as const) {
        it(`are filtered here for ${query}, and one list serves all filters`, async () => {
            const { artifactType: _, ...untyped } = entry("c");
            listed(entry("a"), entry("b", SBOM), untyped);
            await start();
            assert.deepEqual(letters(await bench.get(path())), ["a", "b", "c"]);
            const answer = await bench.get(path(query));
            assert.deepEqual(letters(answer), expected);
            assert.equal(answer.headers["oci-filters-applied"], "artifactType");
            assert.deepEqual(
                bench.first.asked(/referrers/).map((request) => request.path),
                [path()],
            );
        });
    }

    it("are not filtered by an empty artifactType", async () => {
        listed(entry("a"));
        await start();
        const answer = await bench.get(path("?artifactType="));
        assert.deepEqual([letters(answer), answer.headers["oci-filters-applied"]], [["a"], undefined]);
    });

    it("are put together from all pages", async () => {
        listed(...[..."abcdef0"].map((letter) => entry(letter)));
        content.referrersPage = 3;
        await start();
        const answer = await bench.get(path("?n=1&last=x"));
        assert.deepEqual(letters(answer), [..."abcdef0"]);
        assert.equal(answer.headers.link, undefined);
    });

    it("are read as far as a list goes that does not end", async () => {
        const number = (at: number) => at.toString(16).padStart(64, "0");
        listed(...Array.from({ length: 60 }, (_, at) => ({ ...entry("a"), digest: `sha256:${number(at)}` })));
        content.referrersPage = 1;
        await start();
        assert.equal(parsed(await bench.get(path())).manifests.length, 20);
        assert.equal(bench.logged("referrers not read to their end").length, 1);
    });

    it("cost one question for 64 who ask at once, and for who asks a moment later", async () => {
        listed(entry("a"));
        await start();
        const answers = await Promise.all(Array.from({ length: 64 }, () => bench.get(path())));
        answers.push(await bench.get(path()));
        for (const answer of answers) assert.deepEqual(letters(answer), ["a"]);
        assert.equal(bench.first.asked().length, 2);
    });

    it("are asked for again when the time for sharing is over: what is gone is gone", async () => {
        listed(entry("a"));
        await start({ config: { tagSeconds: 0 } });
        await bench.get(path());
        listed();
        assert.deepEqual(letters(await bench.get(path())), []);
        for (const relay of bench.relays) await relay.refuse();
        assert.deepEqual(letters(await bench.get(path())), []);
    });

    const failures: [string, Fault | string, string][] = [
        ["429", { do: "status", status: 429, headers: { "Retry-After": "60" } }, "throttled"],
        ["500", { do: "status", status: 500 }, "unavailable"],
        ["502, a redirect that a relay does not follow", { do: "status", status: 502 }, "unavailable"],
        ["503", { do: "status", status: 503 }, "unavailable"],
        ["451", { do: "status", status: 451 }, "refused"],
        ["a page", "<html>login</html>", "not-an-index"],
        ["JSON of another kind", '{"referrers":[]}', "not-an-index"],
        ["an image", JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, layers: [] }), "not-an-index"],
        [
            "an entry without a digest",
            JSON.stringify({ ...EMPTY, manifests: [{ mediaType: MANIFEST }] }),
            "not-an-index",
        ],
        ["half an index", JSON.stringify(EMPTY).slice(0, 40), "not-an-index"],
    ];
    for (const [what, how, reason] of failures) {
        const fail = () => {
            if (typeof how === "string") content.referrers.set(`library/app@${image.digest}`, how);
            else everywhere(how);
        };

        it(`are none, counted and not remembered, when the upstream answers ${what}`, async () => {
            listed(entry("a"));
            await start();
            fail();
            const answer = await bench.get(path(`?artifactType=${encodeURIComponent(SIGNATURE)}`));
            assert.deepEqual([answer.status, parsed(answer)], [200, EMPTY]);
            assert.equal(answer.headers["content-type"], INDEX);
            assert.equal(answer.headers["oci-filters-applied"], "artifactType");
            assert.deepEqual(await lacking(), [[reason, "empty", 1]]);
            if (reason === "throttled") return;
            for (const { faults } of bench.relays) faults.length = 0;
            listed(entry("b"));
            assert.deepEqual(letters(await bench.get(path())), ["b"]);
        });

        it(`are those of last time, also after a restart, when the upstream answers ${what}`, async () => {
            listed(entry("a"), entry("b", SBOM));
            await start({ config: { tagSeconds: 0 } });
            await bench.get(path());
            await bench.restart();
            fail();
            for (let count = 0; count < 2; count++) assert.deepEqual(letters(await bench.get(path())), ["a", "b"]);
            assert.deepEqual(letters(await bench.get(path(`?artifactType=${encodeURIComponent(SBOM)}`))), ["b"]);
            assert.deepEqual(await lacking(), [[reason, "last-known", 3]]);
        });
    }

    it("have what the fallback tag lists when the API fails", async () => {
        tagged(entry("c"));
        await start();
        everywhere({ do: "status", status: 502 });
        assert.deepEqual(letters(await bench.get(path())), ["c"]);
        assert.deepEqual(await lacking(), [["unavailable", "partial", 1]]);
    });

    it("have what the API lists when the tag cannot be asked for, and what was known of the tag", async () => {
        listed(entry("a"));
        tagged(entry("c"));
        await start({ config: { tagSeconds: 0 } });
        await bench.get(path());
        listed(entry("b"));
        everywhere({ do: "status", status: 429, headers: { "Retry-After": "60" } }, undefined, /manifests/);
        assert.deepEqual(letters(await bench.get(path())), ["b", "a", "c"]);
        assert.deepEqual(await lacking(), [["throttled", "last-known", 1]]);
    });

    it("that are throttled leave manifests and blobs alone", async () => {
        await start();
        everywhere({ do: "status", status: 429, headers: { "Retry-After": "60" } });
        await bench.get(path());
        assert.equal((await bench.get("/v2/library/app/manifests/1.0")).status, 200);
        assert.equal((await bench.get(`/v2/library/app/blobs/${image.layers[0]}`)).status, 200);
        const asked = bench.relays.map((relay) => relay.asked(/referrers/).length);
        await bench.get(path());
        assert.deepEqual(
            bench.relays.map((relay) => relay.asked(/referrers/).length),
            asked,
        );
    });

    for (const known of [true, false]) {
        it(`are ${known ? "those of last time" : "none"} while every relay is stopped`, async () => {
            listed(entry("a"));
            await start({ config: { tagSeconds: 0 } });
            if (known) await bench.get(path());
            for (const relay of bench.relays) await relay.refuse();
            await bench.restart();
            const answer = await bench.get(path());
            assert.deepEqual([answer.status, letters(answer)], [200, known ? ["a"] : []]);
        });
    }

    it("are what is known while the upstream says nothing, and no relay is blamed for it", async () => {
        listed(entry("a"));
        await start({ config: { tagSeconds: 0 }, times: { answerMs: 60_000 } });
        await bench.get(path());
        everywhere({ do: "silence" });
        const began = performance.now();
        assert.deepEqual(letters(await bench.get(path())), ["a"]);
        // Far from answerMs: it was not the relay's time-out that ended the wait.
        assert.ok(performance.now() - began < 20_000);
        // Who asks while the question hangs does not wait as well.
        const asked = bench.first.asked(/referrers/).length;
        for (let count = 0; count < 20; count++) assert.deepEqual(letters(await bench.get(path())), ["a"]);
        assert.ok(performance.now() - began < 20_000);
        assert.equal(bench.first.asked(/referrers/).length, asked);
        assert.deepEqual((await lacking())[0]?.slice(0, 2), ["late", "last-known"]);
        assert.deepEqual(await conditions(), ["well", "well"]);
        assert.equal((await bench.get("/v2/library/app/manifests/1.0")).status, 200);
    });

    it("that come late are there for the next who asks", async () => {
        listed(entry("a"));
        await start({ times: { answerMs: 60_000 } });
        bench.first.faults.push({ path: /referrers/, times: 1, fault: { do: "wait", ms: 4000 } });
        assert.deepEqual(letters(await bench.get(path())), []);
        const answer = await eventually("the list is there", async () => {
            const found = await bench.get(path());
            return letters(found).length > 0 ? found : undefined;
        });
        assert.deepEqual(letters(answer), ["a"]);
        assert.equal(bench.first.asked(/referrers/).length, 1);
    });

    it("that were kept and have become unreadable are not given out", async () => {
        listed(entry("a"));
        await start({ config: { tagSeconds: 0 } });
        await bench.get(path());
        const folder = join(bench.spool, "referrers");
        const [name = ""] = await readdir(folder);
        await writeFile(join(folder, name), '{"schemaVersion":2');
        for (const relay of bench.relays) await relay.refuse();
        assert.deepEqual(parsed(await bench.get(path())), EMPTY);
    });
});
