/**
 * What the Hub double has to give: a folder of blobs by digest and a table of tags. Images can be added by another
 * process while the double runs; one process at a time may write.
 *
 *     <dir>/blobs/sha256/<hex>   every manifest, config and layer
 *     <dir>/tags.json            { "docker.io/library/hello": { "1.0": "sha256:…" } }
 *     <dir>/manifests.json       { "docker.io/library/hello": ["sha256:…"] }: also what a tag has moved away from
 */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";

/** The OCI media types of manifests, https://github.com/opencontainers/image-spec/blob/main/media-types.md. */
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Content by digest. Sizes are bytes. */
export interface Content {
    readonly digest: string;
    readonly size: number;
}

/** The parts of an image manifest or index that lead to other content. */
export interface Manifest {
    readonly mediaType?: string;
    readonly artifactType?: string;
    readonly subject?: { readonly digest: string };
    readonly annotations?: Readonly<Record<string, string>>;
    readonly manifests?: readonly Descriptor[];
    readonly config?: Descriptor;
    readonly layers?: readonly Descriptor[];
}

/** A reference from one piece of content to another, as the OCI image spec writes it. */
export interface Descriptor extends Content {
    readonly mediaType: string;
    readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
    readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest or index as stored. */
export interface StoredManifest {
    readonly digest: string;
    readonly mediaType: string;
    readonly bytes: Buffer;
    readonly json: Manifest;
}

type Tags = Readonly<Record<string, Readonly<Record<string, string>>>>;
type Manifests = Readonly<Record<string, readonly string[]>>;

const DIGEST = /^sha256:([a-f0-9]{64})$/;

/** A folder of images. Repositories are named with their upstream: `docker.io/library/hello`. */
export class ImageStore {
    private readonly tagsFile: JsonFile<Tags>;
    private readonly manifestsFile: JsonFile<Manifests>;
    private readonly parsed = new Map<string, StoredManifest>();
    private linked: { readonly tags: Tags; readonly manifests: Manifests; readonly byName: Map<string, Set<string>> };

    /** Opens the store in `dir`, which is made when missing. */
    constructor(readonly dir: string) {
        mkdirSync(join(dir, "blobs", "sha256"), { recursive: true });
        this.tagsFile = new JsonFile<Tags>(join(dir, "tags.json"), {});
        this.manifestsFile = new JsonFile<Manifests>(join(dir, "manifests.json"), {});
        this.linked = { tags: {}, manifests: {}, byName: new Map() };
    }

    /** Puts bytes, or the content of a file, into the store. Returns the digest. */
    async addBlob(content: Uint8Array | { readonly file: string }): Promise<string> {
        const chunks = content instanceof Uint8Array ? [content] : createReadStream(content.file);
        return (await this.addChunks(chunks)).digest;
    }

    /** Puts a stream into the store without holding it in memory. */
    async addChunks(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Content> {
        const unfinished = join(this.dir, "blobs", `unfinished-${randomUUID()}`);
        const hash = createHash("sha256");
        let size = 0;
        try {
            const file = await open(unfinished, "wx");
            try {
                for await (const chunk of chunks) {
                    hash.update(chunk);
                    await file.writeFile(chunk);
                    size += chunk.length;
                }
            } finally {
                await file.close();
            }
            const digest = `sha256:${hash.digest("hex")}`;
            await rename(unfinished, this.blobPath(digest));
            return { digest, size };
        } catch (error) {
            await rm(unfinished, { force: true });
            throw error;
        }
    }

    /** Points `tag` at a manifest or index that is in the store. Throws when it is not. */
    tag(upstream: string, repository: string, tag: string, digest: string): void {
        const name = `${upstream}/${repository}`;
        this.manifest(digest);
        const manifests = this.manifestsFile.read();
        const known = manifests[name] ?? [];
        if (!known.includes(digest)) this.manifestsFile.write({ ...manifests, [name]: [...known, digest] });
        const tags = this.tagsFile.read();
        this.tagsFile.write({ ...tags, [name]: { ...tags[name], [tag]: digest } });
    }

    /** The tags of a repository in the order of the distribution spec (by byte); `undefined`: no such repository. */
    tags(name: string): string[] | undefined {
        const tags = this.tagsFile.read()[name];
        return tags && Object.keys(tags).sort();
    }

    /** The digest that a tag or digest stands for in a repository; `undefined` when it is not there. */
    resolve(name: string, reference: string): string | undefined {
        if (DIGEST.test(reference)) return this.holds(name, reference) ? reference : undefined;
        const tags = this.tagsFile.read()[name];
        return tags && Object.hasOwn(tags, reference) ? tags[reference] : undefined;
    }

    /** True when content with this digest belongs to the repository, through any manifest that it has or had. */
    holds(name: string, digest: string): boolean {
        return this.reachable(name).has(digest);
    }

    /** The manifests of a repository that say `subject` is what they are about. */
    referrers(name: string, subject: string): StoredManifest[] {
        return (this.manifestsFile.read()[name] ?? [])
            .map((digest) => this.manifest(digest))
            .filter(({ json }) => json.subject?.digest === subject);
    }

    /** A manifest or index, read once. Throws when the store has no such content or it is no manifest. */
    manifest(digest: string): StoredManifest {
        const known = this.parsed.get(digest);
        if (known) return known;
        const bytes = readFileSync(this.blobPath(digest));
        const json = JSON.parse(bytes.toString("utf8")) as Manifest;
        const mediaType = json.mediaType ?? (json.manifests ? OCI_INDEX : OCI_MANIFEST);
        if (!json.manifests && !json.layers) throw new Error(`${digest} is neither an image manifest nor an index`);
        const manifest = { digest, mediaType, bytes, json };
        this.parsed.set(digest, manifest);
        return manifest;
    }

    /** Where the content with this digest is, or would be. Throws on what is not a SHA-256 digest. */
    blobPath(digest: string): string {
        const [, hex] = DIGEST.exec(digest) ?? [];
        if (hex === undefined) throw new Error(`"${digest}" is not a digest of the form sha256:<64 hex digits>`);
        return join(this.dir, "blobs", "sha256", hex);
    }

    /** Bytes of the content with this digest; `undefined` when the store does not have it. */
    size(digest: string): number | undefined {
        return statSync(this.blobPath(digest), { throwIfNoEntry: false })?.size;
    }

    private reachable(name: string): Set<string> {
        const tags = this.tagsFile.read();
        const manifests = this.manifestsFile.read();
        if (this.linked.tags !== tags || this.linked.manifests !== manifests) {
            this.linked = { tags, manifests, byName: new Map() };
        }
        const known = this.linked.byName.get(name);
        if (known) return known;
        const found = new Set<string>();
        for (const digest of [...(manifests[name] ?? []), ...Object.values(tags[name] ?? {})]) this.walk(digest, found);
        this.linked.byName.set(name, found);
        return found;
    }

    private walk(digest: string, found: Set<string>): void {
        if (found.has(digest)) return;
        found.add(digest);
        const { json } = this.manifest(digest);
        for (const child of json.manifests ?? []) this.walk(child.digest, found);
        for (const content of [json.config, ...(json.layers ?? [])]) if (content) found.add(content.digest);
    }
}

/** A small JSON file that other processes replace: read again whenever it is another one. */
class JsonFile<T> {
    private seen = "";
    private value: T;

    constructor(
        private readonly path: string,
        private readonly missing: T,
    ) {
        this.value = missing;
    }

    read(): T {
        const stat = statSync(this.path, { throwIfNoEntry: false, bigint: true });
        const version = stat ? `${stat.ino} ${stat.size} ${stat.mtimeNs}` : "";
        if (version !== this.seen) {
            this.value = stat ? (JSON.parse(readFileSync(this.path, "utf8")) as T) : this.missing;
            this.seen = version;
        }
        return this.value;
    }

    /** By rename, so that a reader sees the old file or the new one and never half of it. */
    write(value: T): void {
        const unfinished = `${this.path}.${randomUUID()}`;
        writeFileSync(unfinished, `${JSON.stringify(value, undefined, 4)}\n`);
        renameSync(unfinished, this.path);
    }
}
