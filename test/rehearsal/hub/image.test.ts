import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { extract, type Header } from "tar-stream";
import { type ImageArgs, importLayout, makeImage } from "../../../rehearsal/hub/image";
import { ImageStore, OCI_INDEX, OCI_MANIFEST } from "../../../rehearsal/hub/store";

const HELLO: ImageArgs = {
    upstream: "docker.io",
    repository: "library/hello",
    tag: "1.0",
    layers: [
        { bytes: 3_000_000, seed: 1 },
        { bytes: 0, seed: 2 },
    ],
};

let folder: string;
let store: ImageStore;
beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "hub-image-"));
    store = new ImageStore(join(folder, "store"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("makeImage", () => {
    it("makes the same image from the same arguments, and leaves nothing unfinished", async () => {
        const other = new ImageStore(join(folder, "other"));
        assert.deepEqual(await makeImage(store, HELLO), await makeImage(other, HELLO));
        assert.deepEqual(readdirSync(join(store.dir, "blobs")), ["sha256"]);
    });

    it("gives digests and sizes that are those of the bytes", async () => {
        const { platforms } = await makeImage(store, { ...HELLO, platforms: ["linux/amd64", "linux/arm64/v8"] });
        for (const { manifest, config, layers, size } of platforms) {
            for (const content of [manifest, config, ...layers]) {
                const bytes = readFileSync(store.blobPath(content.digest));
                assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, content.digest);
                assert.equal(bytes.length, content.size);
            }
            assert.equal(
                size,
                [config, ...layers].reduce((sum, content) => sum + content.size, 0),
            );
        }
    });

    it("makes an index whose platforms differ in every layer of noise", async () => {
        const { digest, platforms } = await makeImage(store, {
            ...HELLO,
            platforms: ["linux/amd64", "linux/arm64/v8"],
        });
        const index = store.manifest(digest);
        assert.equal(index.mediaType, OCI_INDEX);
        assert.deepEqual(
            index.json.manifests?.map(({ platform }) => platform),
            [
                { os: "linux", architecture: "amd64" },
                { os: "linux", architecture: "arm64", variant: "v8" },
            ],
        );
        const [amd64, arm64] = platforms.map(({ layers }) => layers.map((layer) => layer.digest));
        assert.ok(amd64?.every((layer) => !arm64?.includes(layer)));
    });

    it("lists an attestation for each platform after the images, and leads to what it says", async () => {
        const platforms = ["linux/amd64", "linux/arm64/v8"];
        const made = await makeImage(store, { ...HELLO, platforms, attested: true });
        const entries = store.manifest(made.digest).json.manifests ?? [];
        const images = made.platforms.map(({ manifest }) => manifest.digest);
        assert.deepEqual(
            entries.map(({ digest }) => digest),
            [...images, ...made.platforms.map(({ attestation }) => attestation?.manifest.digest)],
        );
        for (const [index, image] of images.entries()) {
            const entry = entries[images.length + index]!;
            assert.deepEqual(entry.platform, { os: "unknown", architecture: "unknown" });
            assert.deepEqual(entry.annotations, {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": image,
            });
            const [layer] = store.manifest(entry.digest).json.layers ?? [];
            assert.equal(layer?.mediaType, "application/vnd.in-toto+json");
            const statement = JSON.parse(readFileSync(store.blobPath(layer.digest), "utf8"));
            assert.equal(`sha256:${statement.subject[0].digest.sha256}`, image);
            assert.ok(store.holds("docker.io/library/hello", layer.digest));
        }
    });

    it("makes an index of an attested image of one platform, and none of one that is not attested", async () => {
        const attested = await makeImage(store, { ...HELLO, tag: "attested", attested: true });
        assert.equal(store.manifest(attested.digest).json.manifests?.length, 2);
        const plain = await makeImage(store, HELLO);
        assert.equal(plain.digest, attested.platforms[0]?.manifest.digest);
        assert.equal(plain.platforms[0]?.attestation, undefined);
    });

    it("shares a layer between images that are made on the same seed", async () => {
        const one = await makeImage(store, HELLO);
        const two = await makeImage(store, {
            ...HELLO,
            repository: "library/two",
            layers: [{ bytes: 3_000_000, seed: 1 }],
        });
        assert.equal(one.platforms[0]?.layers[0]?.digest, two.platforms[0]?.layers[0]?.digest);
        assert.notEqual(one.platforms[0]?.layers[0]?.digest, one.platforms[0]?.layers[1]?.digest);
    });

    it("makes a single manifest of Docker's media types when asked to", async () => {
        const { digest } = await makeImage(store, { ...HELLO, format: "docker" });
        const { mediaType, json } = store.manifest(digest);
        assert.equal(mediaType, "application/vnd.docker.distribution.manifest.v2+json");
        assert.equal(json.config?.mediaType, "application/vnd.docker.container.image.v1+json");
        assert.equal(json.layers?.[0]?.mediaType, "application/vnd.docker.image.rootfs.diff.tar");
    });

    it("lays real files, links and their folders into a layer, with their modes", async () => {
        const program = join(folder, "program");
        writeFileSync(program, "#!/bin/sh\n", { mode: 0o700 });
        const { platforms } = await makeImage(store, {
            ...HELLO,
            layers: [
                {
                    files: {
                        "/usr/bin/own-mode": { from: program },
                        "usr/bin/given-mode": { from: program, mode: 0o755 },
                        "usr/link": { linkTo: "bin/own-mode" },
                        "etc/secret": { content: "secret", mode: 0o600 },
                        "etc/text": "text",
                        empty: "",
                    },
                },
            ],
        });
        const entries = await untar(store.blobPath(platforms[0]!.layers[0]!.digest));
        assert.deepEqual(
            entries.map(({ header: { name, type, mode, linkname }, content }) => [
                name,
                type,
                mode,
                linkname ?? content,
            ]),
            [
                ["empty", "file", 0o644, ""],
                ["etc/", "directory", 0o755, ""],
                ["etc/secret", "file", 0o600, "secret"],
                ["etc/text", "file", 0o644, "text"],
                ["usr/", "directory", 0o755, ""],
                ["usr/bin/", "directory", 0o755, ""],
                ["usr/bin/given-mode", "file", 0o755, "#!/bin/sh\n"],
                ["usr/bin/own-mode", "file", 0o700, "#!/bin/sh\n"],
                ["usr/link", "symlink", 0o777, "bin/own-mode"],
            ],
        );
    });

    it("takes a tar file as a layer, byte for byte", async () => {
        const tar = join(folder, "layer.tar");
        writeFileSync(tar, Buffer.alloc(1024));
        const { platforms } = await makeImage(store, { ...HELLO, layers: [{ tar }] });
        assert.deepEqual(readFileSync(store.blobPath(platforms[0]!.layers[0]!.digest)), readFileSync(tar));
    });

    it("writes command, environment and the layers' diff ids into the config", async () => {
        const args = { ...HELLO, cmd: ["run"], entrypoint: ["/bin/busybox"], env: ["A=b"], workingDir: "/tmp" };
        const { platforms } = await makeImage(store, args);
        const config = JSON.parse(readFileSync(store.blobPath(platforms[0]!.config.digest), "utf8"));
        assert.deepEqual(config.config, {
            Cmd: ["run"],
            Entrypoint: ["/bin/busybox"],
            Env: ["A=b"],
            WorkingDir: "/tmp",
        });
        assert.equal(config.architecture, "amd64");
        assert.deepEqual(
            config.rootfs.diff_ids,
            platforms[0]!.layers.map(({ digest }) => digest),
        );
    });

    it("fails when a file to lay in is not there", async () => {
        const layers = [{ files: { a: { from: join(folder, "absent") } } }];
        await assert.rejects(makeImage(store, { ...HELLO, layers }), /ENOENT.*absent/);
        assert.equal(store.tags("docker.io/library/hello"), undefined);
    });
});

describe("importLayout", () => {
    const target = { upstream: "quay.io", repository: "owner/app", tag: "2" };

    /** An OCI layout with one image, as skopeo writes it. */
    async function writeLayout(tags: readonly string[]): Promise<{ layout: string; digest: string }> {
        const layout = join(folder, "layout");
        const source = new ImageStore(layout);
        const { digest } = await makeImage(source, { ...HELLO, platforms: ["linux/amd64"] });
        const manifests = tags.map((tag) => ({
            mediaType: OCI_INDEX,
            digest,
            size: source.size(digest),
            annotations: { "org.opencontainers.image.ref.name": tag },
        }));
        writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
        return { layout, digest };
    }

    it("takes an index with everything that it leads to", async () => {
        const { layout, digest } = await writeLayout(["2"]);
        assert.equal(await importLayout(store, layout, target), digest);
        assert.equal(store.resolve("quay.io/owner/app", "2"), digest);
        const inLayout = readdirSync(join(layout, "blobs", "sha256")).sort();
        assert.deepEqual(readdirSync(join(store.dir, "blobs", "sha256")).sort(), inLayout);
    });

    it("says which images a layout has when the one asked for is not among them", async () => {
        const { layout } = await writeLayout(["1", "3"]);
        await assert.rejects(importLayout(store, layout, target), /has no image named "2"; it has 1, 3$/);
    });

    it("refuses a blob that is not what its digest says", async () => {
        const { layout, digest } = await writeLayout(["2"]);
        writeFileSync(join(layout, "blobs", ...digest.split(":")), "{}");
        await assert.rejects(importLayout(store, layout, target), /the blob named sha256:\S+ has the digest sha256:/);
    });
});

describe("ImageStore", () => {
    it("sees what another process adds", async () => {
        assert.equal(store.tags("docker.io/library/hello"), undefined);
        const { digest } = await makeImage(new ImageStore(store.dir), HELLO);
        assert.deepEqual(store.tags("docker.io/library/hello"), ["1.0"]);
        assert.ok(store.holds("docker.io/library/hello", digest));
        const second = await makeImage(new ImageStore(store.dir), { ...HELLO, tag: "0.9", layers: [] });
        assert.deepEqual(store.tags("docker.io/library/hello"), ["0.9", "1.0"]);
        assert.ok(store.holds("docker.io/library/hello", second.digest));
    });

    it("reads a tag that was written by hand", async () => {
        const { digest } = await makeImage(store, HELLO);
        writeFileSync(join(store.dir, "tags.json"), JSON.stringify({ "ghcr.io/a/b": { x: digest } }));
        assert.equal(store.resolve("ghcr.io/a/b", "x"), digest);
        assert.equal(store.resolve("ghcr.io/a/b", digest), digest);
    });

    it("keeps what a tag has moved away from, by digest", async () => {
        const old = await makeImage(store, HELLO);
        const fresh = await makeImage(store, { ...HELLO, layers: [] });
        assert.equal(store.resolve("docker.io/library/hello", "1.0"), fresh.digest);
        assert.equal(store.resolve("docker.io/library/hello", old.digest), old.digest);
    });

    it("knows which content is of which repository", async () => {
        const { platforms } = await makeImage(store, HELLO);
        await makeImage(store, { ...HELLO, repository: "library/other", layers: [] });
        const layer = platforms[0]!.layers[0]!.digest;
        assert.ok(store.holds("docker.io/library/hello", layer));
        assert.ok(!store.holds("docker.io/library/other", layer));
    });

    it("refuses a tag for what is not there or is no manifest", async () => {
        assert.throws(() => store.tag("docker.io", "a/b", "1", `sha256:${"0".repeat(64)}`), /ENOENT/);
        const digest = await store.addBlob(Buffer.from('{"hello":"world"}'));
        assert.throws(() => store.tag("docker.io", "a/b", "1", digest), /neither an image manifest nor an index/);
        assert.throws(() => store.blobPath("sha256:../../etc/passwd"), /is not a digest/);
    });

    it("takes the type of a manifest from its shape when it does not say", async () => {
        const manifest = await store.addBlob(Buffer.from('{"schemaVersion":2,"layers":[]}'));
        const index = await store.addBlob(Buffer.from('{"schemaVersion":2,"manifests":[]}'));
        assert.equal(store.manifest(manifest).mediaType, OCI_MANIFEST);
        assert.equal(store.manifest(index).mediaType, OCI_INDEX);
    });

    it("leaves nothing behind of a blob that could not be read to its end", async () => {
        mkdirSync(join(folder, "a-folder"));
        await assert.rejects(store.addBlob({ file: join(folder, "a-folder") }), /EISDIR/);
        assert.deepEqual(readdirSync(join(store.dir, "blobs")), ["sha256"]);
    });
});

async function untar(file: string): Promise<{ header: Header; content: string }[]> {
    const entries: { header: Header; content: string }[] = [];
    const tar = extract();
    tar.on("entry", async (header, stream, next) => {
        entries.push({ header, content: (await buffer(stream)).toString() });
        next();
    });
    createReadStream(file).pipe(tar as unknown as NodeJS.WritableStream);
    await once(tar as unknown as NodeJS.EventEmitter, "finish");
    return entries;
}
