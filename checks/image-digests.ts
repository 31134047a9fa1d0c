/** The digests that Docker Hub has for the tags of an image list. */
import type { ImageList, ListedImage } from "../stacks/image-list";
import { ask } from "./ask";
import { pullTokenUrl } from "./hub";
import type { Surroundings } from "./surroundings";

/** As clients ask, so that a tag of several platforms gives the digest of its index. */
const MANIFEST_TYPES = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/**
 * The list with the digests that its tags have now. Asks without an account, by HEAD, which Docker Hub does not count.
 *
 * @throws Error with every tag that has none, and why.
 */
export async function withDigests(where: Surroundings, list: ImageList): Promise<ImageList> {
    const problems: string[] = [];
    const asked = Object.entries(list).map(async ([name, { tag }]): Promise<[string, ListedImage]> => {
        const digest = await digestOf(where, name, tag).catch((error: Error) => {
            problems.push(`${name}:${tag}  ${error.message}`);
            return undefined;
        });
        return [name, { tag, digest }];
    });
    const all = Object.fromEntries(await Promise.all(asked));
    if (problems.length > 0) throw new Error(problems.sort().join("\n"));
    return all as ImageList;
}

async function digestOf(where: Surroundings, name: string, tag: string): Promise<string> {
    const { hubTokens, hubRegistry } = where.services;
    const granted = await ask(where, { url: pullTokenUrl(where, `library/${name}`) });
    if (granted.status !== 200) throw new Error(`${new URL(hubTokens).host} answers ${granted.status}`);
    const { token } = JSON.parse(granted.text) as { token: string };
    const { status, header } = await ask(where, {
        url: `${hubRegistry}/v2/library/${name}/manifests/${tag}`,
        method: "HEAD",
        headers: { Authorization: `Bearer ${token}`, Accept: MANIFEST_TYPES },
    });
    const digest = header("docker-content-digest");
    if (status === 404) throw new Error("there is no such tag");
    if (status !== 200) throw new Error(`${new URL(hubRegistry).host} answers ${status}`);
    if (!/^sha256:[0-9a-f]{64}$/.test(digest ?? ""))
        throw new Error(`Docker-Content-Digest must be a SHA-256, got ${digest}`);
    return digest ?? "";
}
