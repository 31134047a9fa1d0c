/** What a step costs on the relay link, what an image is worth there, and who has asked at its far end. */
import { strict as assert } from "node:assert";
import type { Catalogue, CatalogueEntry } from "../catalogue";
import type { RecordedRequest } from "../hub/hub";
import type { PlatformImage } from "../hub/image";
import type { Scene } from "../scene";
import type { Finding } from "./step";

/** A finding with the counters of the relay link. */
export type Measured = Required<Pick<Finding, "linkBytes" | "linkRequests" | "seconds">> & Finding;

/** Does `work` and says what it cost on the relay link; `image` is what went over it at most. */
export async function measured(scene: Scene, work: () => Promise<unknown>, image?: PlatformImage): Promise<Measured> {
    const before = await scene.meters();
    const started = Date.now();
    await work();
    const seconds = (Date.now() - started) / 1000;
    const after = await scene.meters();
    return {
        linkBytes: after.bytes - before.bytes,
        linkRequests: after.requests - before.requests,
        seconds,
        ...(image ? { imageBytes: image.size } : {}),
    };
}

/** An image of the catalogue, of one platform. */
export function platformOf({ repository, made }: CatalogueEntry, platform = "linux/amd64"): PlatformImage {
    const found = made.platforms.find((image) => image.platform === platform);
    if (!found) throw new Error(`${repository} was not made for ${platform}`);
    return found;
}

/** Bytes that a pull of an image reads besides its config and layers: manifests, and what vouches for the image. */
export function manifestBytes({ store }: Catalogue, { made }: CatalogueEntry): number {
    const digests = made.platforms.flatMap(({ manifest, attestation }) => [
        manifest.digest,
        ...(attestation ? [attestation.manifest, attestation.config, ...attestation.layers] : []).map(
            ({ digest }) => digest,
        ),
    ]);
    return [...new Set([made.digest, ...digests])].reduce((sum, digest) => sum + (store.size(digest) ?? 0), 0);
}

/** No client and nothing at home has reached the doubles: each request came from an address that a relay has had. */
export function onlyRelays(scene: Scene, requests: readonly RecordedRequest[]): void {
    const sources = [...new Set(requests.map(({ source }) => source))];
    const others = sources.filter((source) => !scene.relayAddresses.has(source));
    assert.deepEqual(others, [], "addresses at the double that are no relay's");
}
