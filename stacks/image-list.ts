/** The images that an on-prem host runs: official ones of Docker Hub, by tag and, where it is known, by digest. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";

const ROOT = resolve(__dirname, "..");

/** Raised by hand; `npm run images` writes the digests. */
export const IMAGE_LIST = "images.json";

/** Versions of distribution that the cache knows the configuration of. */
export const REGISTRY_VERSION = /^(3\.[1-9]\d*|2\.8)\.\d+$/;

const image = z.strictObject({
    tag: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, "must be a tag such as 1.30-trixie"),
    digest: z
        .string()
        .regex(/^sha256:[0-9a-f]{64}$/, "must be sha256: and 64 hex digits, or left out")
        .optional(),
});

const imageList = z.strictObject({
    node: image,
    registry: image.extend({ tag: z.string().regex(REGISTRY_VERSION, "must be a version such as 3.1.2, or 2.8.x") }),
    nginx: image,
});

/** An image of a list: the digest is of its index, for all platforms. */
export type ListedImage = z.infer<typeof image>;

/** What is in such a file, by repository below `library/`. */
export type ImageList = z.infer<typeof imageList>;

/**
 * Reads a list.
 *
 * @param file From the project's folder, or absolute.
 * @throws Error with everything that is wrong in it.
 */
export function readImageList(file: string): ImageList {
    let content: unknown;
    try {
        content = JSON.parse(readFileSync(resolve(ROOT, file), "utf8"));
    } catch (error) {
        throw new Error(`${file} cannot be read: ${(error as Error).message}`);
    }
    const { success, data, error } = imageList.safeParse(content);
    if (success) return data;
    const problems = error.issues.map(({ path, message }) => [path.map(String).join("."), message].join(" ").trim());
    throw new Error(`${file}: ${problems.join("; ")}`);
}

/** What the containers of an on-prem site are made of: `nginx:1.30-trixie`, with `@sha256:…` where its digest is known. */
export interface ImageReferences {
    readonly uplink: string;
    readonly cache: string;
    readonly front: string;
}

/** @param registryVersion Where it is not the list's. */
export function onpremImages(
    { node, registry, nginx }: ImageList,
    registryVersion = registry.tag,
): { readonly registryVersion: string; readonly imageReferences: ImageReferences } {
    const cache = registryVersion === registry.tag ? registry : { tag: registryVersion };
    const imageReferences = {
        uplink: reference("node", node),
        cache: reference("registry", cache),
        front: reference("nginx", nginx),
    };
    return { registryVersion, imageReferences };
}

function reference(repository: string, { tag, digest }: ListedImage): string {
    return `${repository}:${tag}${digest ? `@${digest}` : ""}`;
}
