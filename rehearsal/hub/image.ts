/** Makes images for the Hub double: the same arguments give the same digests, on any machine and at any time. */
import { createCipheriv, createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { type Pack, pack } from "tar-stream";
import { type Content, type Descriptor, type ImageStore, type Manifest, OCI_INDEX, OCI_MANIFEST } from "./store";

/** A file of a layer: its text or bytes (mode 0644), or where to take it from, or both with a mode of its own. */
export type LayerFile =
    | string
    | Uint8Array
    | { readonly from: string; readonly mode?: number }
    | { readonly content: string | Uint8Array; readonly mode?: number }
    | { readonly linkTo: string };

/**
 * A layer: one file of `bytes` incompressible bytes that depend on `seed` and the platform, real files by their path,
 * a tar file that there is already (not compressed), or a blob that is laid in as it is (any bytes, also none: good for
 * transport, not for `docker run`).
 */
export type Layer =
    | { readonly bytes: number; readonly seed: string | number }
    | { readonly files: Readonly<Record<string, LayerFile>> }
    | { readonly tar: string }
    | { readonly blob: Uint8Array };

/** What to make. */
export interface ImageArgs {
    /** Such as `docker.io`. */
    readonly upstream: string;
    /** Such as `library/hello`. */
    readonly repository: string;
    readonly tag: string;
    /** Such as `["linux/amd64", "linux/arm64"]`, which makes an index. @default one manifest for linux/amd64 */
    readonly platforms?: readonly string[];
    readonly layers: readonly Layer[];
    /** Media types: of OCI, or of Docker's schema 2. @default "oci" */
    readonly format?: "oci" | "docker";
    readonly cmd?: readonly string[];
    readonly entrypoint?: readonly string[];
    /** `NAME=value` */
    readonly env?: readonly string[];
    readonly workingDir?: string;
    /**
     * An attestation manifest for each platform, as BuildKit makes them unless it is asked not to; makes an index.
     * https://docs.docker.com/build/metadata/attestations/attestation-storage/
     *
     * @default false
     */
    readonly attested?: boolean;
}

/** The image of one platform. */
export interface PlatformImage {
    readonly platform: string;
    readonly manifest: Content;
    readonly config: Content;
    readonly layers: readonly Content[];
    /** Config and layers together, bytes: what a client without any of it downloads. */
    readonly size: number;
    /** What vouches for it: config and layers are those of the attestation manifest. */
    readonly attestation?: Attestation;
}

/** An attestation manifest with its content. */
export type Attestation = Pick<PlatformImage, "manifest" | "config" | "layers">;

/** What was made. */
export interface MadeImage {
    /** What the tag points at: the index when `platforms` was given or the image is attested, else the manifest. */
    readonly digest: string;
    readonly platforms: readonly PlatformImage[];
}

const MEDIA_TYPES = {
    oci: {
        index: OCI_INDEX,
        manifest: OCI_MANIFEST,
        config: "application/vnd.oci.image.config.v1+json",
        layer: "application/vnd.oci.image.layer.v1.tar",
    },
    docker: {
        index: "application/vnd.docker.distribution.manifest.list.v2+json",
        manifest: "application/vnd.docker.distribution.manifest.v2+json",
        config: "application/vnd.docker.container.image.v1+json",
        layer: "application/vnd.docker.image.rootfs.diff.tar",
    },
};
const EPOCH = new Date(0);
const CHUNK_BYTES = 1024 * 1024;

/** Makes an image, puts it into the store and tags it. Layers go to disk as they are made. */
export async function makeImage(store: ImageStore, args: ImageArgs): Promise<MadeImage> {
    const types = MEDIA_TYPES[args.format ?? "oci"];
    const platforms: PlatformImage[] = [];
    for (const platform of args.platforms ?? ["linux/amd64"]) platforms.push(await makePlatform(store, args, platform));
    const [only] = platforms;
    if (!only) throw new Error("an image needs at least one platform, got an empty list");
    const digest =
        args.platforms || args.attested
            ? (await addJson(store, { schemaVersion: 2, mediaType: types.index, manifests: entries(platforms, types) }))
                  .digest
            : only.manifest.digest;
    store.tag(args.upstream, args.repository, args.tag, digest);
    return { digest, platforms };
}

/** Where to put an imported image. */
export interface ImportTarget {
    readonly upstream: string;
    readonly repository: string;
    readonly tag: string;
}

/**
 * Takes an image, with everything that it leads to, out of an OCI layout folder such as
 * `skopeo copy --all docker://… oci:<folder>:<tag>` writes. A layout with several images is asked for the one whose
 * `org.opencontainers.image.ref.name` is the target's tag.
 *
 * @returns the digest of the manifest or index.
 * @throws Error when the image is not found in the layout, or a blob of it is missing or not what its digest says.
 */
export async function importLayout(store: ImageStore, folder: string, target: ImportTarget): Promise<string> {
    const { manifests = [] } = JSON.parse(await readFile(join(folder, "index.json"), "utf8")) as Manifest;
    const named = (entry: Descriptor) => entry.annotations?.["org.opencontainers.image.ref.name"];
    const entry = manifests.length === 1 ? manifests[0] : manifests.find((each) => named(each) === target.tag);
    if (!entry) {
        const names = manifests.map((each) => named(each) ?? each.digest).join(", ") || "nothing";
        throw new Error(`${folder} has no image named "${target.tag}"; it has ${names}`);
    }
    const add = async (digest: string): Promise<void> => {
        const got = await store.addBlob({ file: join(folder, "blobs", ...digest.split(":")) });
        if (got !== digest) throw new Error(`${folder}: the blob named ${digest} has the digest ${got}`);
    };
    const addManifest = async (digest: string): Promise<void> => {
        await add(digest);
        const { json } = store.manifest(digest);
        for (const child of json.manifests ?? []) await addManifest(child.digest);
        for (const content of [json.config, ...(json.layers ?? [])]) if (content) await add(content.digest);
    };
    await addManifest(entry.digest);
    store.tag(target.upstream, target.repository, target.tag, entry.digest);
    return entry.digest;
}

async function makePlatform(store: ImageStore, args: ImageArgs, platform: string): Promise<PlatformImage> {
    const types = MEDIA_TYPES[args.format ?? "oci"];
    const layers: Content[] = [];
    for (const layer of args.layers) layers.push(await store.addChunks(layerChunks(layer, platform)));
    const config = await addJson(store, {
        ...parsePlatform(platform),
        created: EPOCH.toISOString(),
        config: { Cmd: args.cmd, Entrypoint: args.entrypoint, Env: args.env, WorkingDir: args.workingDir },
        // Layers are not compressed, so a layer's digest is also its diff id.
        rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
        history: layers.map((_, i) => ({ created: EPOCH.toISOString(), created_by: `rehearsal layer ${i + 1}` })),
    });
    const manifest = await addJson(store, {
        schemaVersion: 2,
        mediaType: types.manifest,
        config: { mediaType: types.config, ...config },
        layers: layers.map((layer) => ({ mediaType: types.layer, ...layer })),
    });
    const size = [config, ...layers].reduce((sum, content) => sum + content.size, 0);
    const attestation = args.attested
        ? await attest(store, `${args.upstream}/${args.repository}`, manifest)
        : undefined;
    return { platform, manifest, config, layers, size, attestation };
}

/** What an index lists: the images, then what vouches for each, as BuildKit orders and annotates them. */
function entries(platforms: readonly PlatformImage[], types: { readonly manifest: string }): object[] {
    const images = platforms.map(({ platform, manifest }) => ({
        mediaType: types.manifest,
        ...manifest,
        platform: parsePlatform(platform),
    }));
    const attestations = platforms.flatMap(({ manifest, attestation }) =>
        attestation === undefined
            ? []
            : {
                  mediaType: OCI_MANIFEST,
                  ...attestation.manifest,
                  annotations: {
                      "vnd.docker.reference.digest": manifest.digest,
                      "vnd.docker.reference.type": "attestation-manifest",
                  },
                  platform: { architecture: "unknown", os: "unknown" },
              },
    );
    return [...images, ...attestations];
}

async function attest(store: ImageStore, name: string, { digest }: Content): Promise<Attestation> {
    const predicateType = "https://slsa.dev/provenance/v1";
    const statement = await addJson(store, {
        _type: "https://in-toto.io/Statement/v0.1",
        predicateType,
        subject: [{ name: `pkg:docker/${name}`, digest: { sha256: digest.slice("sha256:".length) } }],
        predicate: { buildDefinition: { buildType: "rehearsal" } },
    });
    const config = await addJson(store, {
        architecture: "unknown",
        os: "unknown",
        config: {},
        rootfs: { type: "layers", diff_ids: [statement.digest] },
    });
    const manifest = await addJson(store, {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: { mediaType: MEDIA_TYPES.oci.config, ...config },
        layers: [
            {
                mediaType: "application/vnd.in-toto+json",
                ...statement,
                annotations: { "in-toto.io/predicate-type": predicateType },
            },
        ],
    });
    return { manifest, config, layers: [statement] };
}

function parsePlatform(platform: string): { os: string; architecture: string; variant?: string } {
    const [os, architecture, variant] = platform.split("/");
    if (!os || !architecture) throw new Error(`a platform is <os>/<architecture>[/<variant>], got "${platform}"`);
    return { os, architecture, variant };
}

async function addJson(store: ImageStore, value: object): Promise<Content> {
    const bytes = Buffer.from(JSON.stringify(value));
    return { digest: await store.addBlob(bytes), size: bytes.length };
}

function layerChunks(layer: Layer, platform: string): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
    if ("blob" in layer) return [layer.blob];
    if ("tar" in layer) return createReadStream(layer.tar);
    return tarOf((tar) => ("files" in layer ? packFiles(tar, layer.files) : packNoise(tar, layer, platform)));
}

/** The bytes of a tar while it is being filled. A failure to fill it is one of whoever reads it. */
async function* tarOf(fill: (tar: Pack) => Promise<void>): AsyncIterable<Uint8Array> {
    const tar = pack();
    const filled = fill(tar).then(
        () => tar.finalize(),
        (error: Error) => tar.destroy(error),
    );
    // Its declarations promise chunks of `unknown`; a tar's chunks are buffers.
    yield* tar as AsyncIterable<Buffer>;
    await filled;
}

async function packNoise(tar: Pack, { bytes, seed }: { bytes: number; seed: string | number }, platform: string) {
    const key = createHash("sha256").update(`${seed} ${platform}`).digest();
    await packEntry(tar, `noise/${key.toString("hex").slice(0, 16)}`, 0o644, bytes, noise(key, bytes));
}

/** A key stream: as incompressible as any real layer, repeatable, and made faster than a disk writes. */
function* noise(key: Buffer, bytes: number): Iterable<Uint8Array> {
    const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
    const zeros = Buffer.alloc(CHUNK_BYTES);
    for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
        yield cipher.update(left < CHUNK_BYTES ? zeros.subarray(0, left) : zeros);
    }
}

async function packFiles(tar: Pack, files: Readonly<Record<string, LayerFile>>): Promise<void> {
    const made = new Set<string>();
    const named = Object.entries(files).map(([path, file]) => ({ name: posix.normalize(`/${path}`).slice(1), file }));
    for (const { name, file } of named.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        for (const folder of parents(name)) {
            if (made.has(folder)) continue;
            made.add(folder);
            tar.entry({ name: `${folder}/`, type: "directory", mode: 0o755, mtime: EPOCH });
        }
        if (typeof file === "string" || file instanceof Uint8Array) {
            await packBytes(tar, name, 0o644, file);
        } else if ("linkTo" in file) {
            tar.entry({ name, type: "symlink", linkname: file.linkTo, mode: 0o777, mtime: EPOCH });
        } else if ("content" in file) {
            await packBytes(tar, name, file.mode ?? 0o644, file.content);
        } else {
            const stat = statSync(file.from);
            await packEntry(tar, name, file.mode ?? stat.mode & 0o7777, stat.size, createReadStream(file.from));
        }
    }
}

/** `a/b/c` → `a`, `a/b` */
function parents(name: string): string[] {
    const parts = name.split("/").slice(0, -1);
    return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}

async function packBytes(tar: Pack, name: string, mode: number, content: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(content);
    await packEntry(tar, name, mode, bytes.length, [bytes]);
}

async function packEntry(
    tar: Pack,
    name: string,
    mode: number,
    size: number,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
    const entry = tar.entry({ name, mode, size, mtime: EPOCH });
    for await (const chunk of chunks) if (!entry.write(chunk)) await once(entry, "drain");
    const done = once(entry, "finish");
    entry.end(undefined);
    await done;
}
