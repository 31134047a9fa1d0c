/** What the manifests that passed say about blobs: their sizes, and which belong together. */

/** A blob as a manifest describes it. */
export interface Descriptor {
    readonly digest: string;
    readonly size: number;
}

/** A blob that a manifest of the same repository named. */
export interface Known {
    /**
     * A hint: anybody can write any size into a manifest of their own. `undefined` when two manifests differ.
     */
    readonly size: number | undefined;
    /** The layers of the same image, this one among them; none for a config. */
    readonly layers: readonly Descriptor[];
}

/** Bounds the memory; an image has some ten blobs. */
const REMEMBERED = 50_000;

const DIGEST = /^sha256:[a-f0-9]{64}$/;

/** Of no bytes. */
const EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

export class Descriptors {
    /** By repository and digest: what one repository's manifest says is nothing to another. */
    private readonly known = new Map<string, { readonly sizes: Set<number>; layers: readonly Descriptor[] }>();

    /**
     * Learns from the text of a manifest; an index names manifests, not blobs, and teaches nothing.
     *
     * @param repository With its upstream's name.
     */
    learn(repository: string, manifest: Buffer): void {
        const { config, layers } = readManifest(manifest);
        for (const descriptor of config) this.remember(repository, descriptor, []);
        for (const layer of layers) this.remember(repository, layer, layers);
    }

    private remember(repository: string, { digest, size }: Descriptor, layers: readonly Descriptor[]): void {
        const key = `${repository} ${digest}`;
        const found = this.known.get(key) ?? { sizes: new Set(), layers };
        // Only one blob has no bytes. Two sizes that differ are enough to believe neither.
        if ((size === 0) === (digest === EMPTY) && found.sizes.size < 2) found.sizes.add(size);
        found.layers = layers;
        // Taken out and put in again: the Map's order is the order of last use.
        this.known.delete(key);
        this.known.set(key, found);
        if (this.known.size <= REMEMBERED) return;
        for (const oldest of this.known.keys()) {
            this.known.delete(oldest);
            return;
        }
    }

    get(repository: string, digest: string): Known | undefined {
        const found = this.known.get(`${repository} ${digest}`);
        if (!found) return undefined;
        const [size] = found.sizes;
        return { size: found.sizes.size === 1 ? size : undefined, layers: found.layers };
    }
}

/** Config and layers of an image manifest (OCI image spec, "Image Manifest"; Docker schema 2 has the same fields). */
function readManifest(text: Buffer): { config: Descriptor[]; layers: Descriptor[] } {
    const none = { config: [], layers: [] };
    try {
        const manifest: unknown = JSON.parse(text.toString("utf8"));
        if (typeof manifest !== "object" || manifest === null) return none;
        const { config, layers } = manifest as { config?: unknown; layers?: unknown };
        return {
            config: [config].filter(isDescriptor),
            // A layer with `urls` is not in the registry.
            layers: Array.isArray(layers) ? layers.filter(isDescriptor).filter((layer) => !("urls" in layer)) : [],
        };
    } catch {
        // Not JSON: the engine will say so; there is nothing to learn.
        return none;
    }
}

function isDescriptor(value: unknown): value is Descriptor {
    if (typeof value !== "object" || value === null) return false;
    const { digest, size } = value as Partial<Descriptor>;
    return typeof digest === "string" && DIGEST.test(digest) && Number.isSafeInteger(size) && Number(size) >= 0;
}
