/** What the manifests that passed told about blobs: their sizes, and which belong together. */

/** A blob as a manifest describes it. */
export interface Descriptor {
    readonly digest: string;
    readonly size: number;
}

/** A blob that a manifest named. */
export interface Known {
    readonly size: number;
    /** The layers of the same image, this one among them; none for a config. */
    readonly layers: readonly Descriptor[];
}

/** Bounds the memory; an image has some ten blobs. */
const REMEMBERED = 50_000;

const DIGEST = /^sha256:[a-f0-9]{64}$/;

export class Descriptors {
    private readonly known = new Map<string, Known>();

    /** Learns from the text of a manifest; an index names manifests, not blobs, and teaches nothing. */
    learn(manifest: Buffer): void {
        const { config, layers } = readManifest(manifest);
        for (const descriptor of config) this.remember(descriptor, []);
        for (const layer of layers) this.remember(layer, layers);
    }

    private remember({ digest, size }: Descriptor, layers: readonly Descriptor[]): void {
        // Taken out and put in again: the Map's order is the order of last use.
        this.known.delete(digest);
        this.known.set(digest, { size, layers });
        if (this.known.size <= REMEMBERED) return;
        for (const oldest of this.known.keys()) {
            this.known.delete(oldest);
            return;
        }
    }

    get(digest: string): Known | undefined {
        return this.known.get(digest);
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
