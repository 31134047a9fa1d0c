/** Referrers by the whole chain: the uplink, a real Nginx relay, the Hub double. No client of a user's is asked here. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hub, startHub } from "../../../rehearsal/hub/hub";
import { type MadeImage, makeImage } from "../../../rehearsal/hub/image";
import { type Descriptor, ImageStore, OCI_INDEX, OCI_MANIFEST } from "../../../rehearsal/hub/store";
import { HUB_HOSTS } from "../../../rehearsal/hub/upstream-hosts";
import { issue, makeCa } from "../../../rehearsal/pki";
import { parseConfig } from "../../../services/uplink/config";
import { startUplink, type Uplink } from "../../../services/uplink/uplink";
import { startNginxRelay } from "../../support/nginx-relay";
import type { RelayUnderTest } from "../../support/relay";

const HUB_ADDRESS = `127.82.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const KEY = "A1kPq7Zr0sT5uVw2xYb4cDe6fGh8iJk1lMn3oPq5";
const SBOM = "application/spdx+json";
const SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAGE = 2;

/** With a list of the API, with the tag alone, and with both. */
const LISTING = { upstream: "ghcr.io", repository: "acme/app", tag: "1" };
const TAGGING = { upstream: "nvcr.io", repository: "acme/app", tag: "1" };
const BOTH = { upstream: "docker.io", repository: "acme/app", tag: "1" };
type Place = typeof LISTING;

describe("Uplink, referrers by a real relay", function () {
    this.timeout(60_000);

    let folder: string;
    let hub: Hub;
    let relay: RelayUnderTest;
    let uplink: Uplink;
    let store: ImageStore;
    const images = new Map<Place, MadeImage>();

    before(async () => {
        folder = await mkdtemp(join(tmpdir(), "referrers-chain-"));
        store = new ImageStore(join(folder, "hub"));
        for (const place of [LISTING, TAGGING, BOTH]) {
            images.set(place, await makeImage(store, { ...place, layers: [{ bytes: 10, seed: place.upstream }] }));
        }
        for (const type of [SIGNATURE, SBOM, "a/b", "c/d", "e/f"]) await attach(LISTING, type);
        await tagged(TAGGING, [await attach(TAGGING, SIGNATURE), await attach(TAGGING, SBOM)]);
        await tagged(BOTH, [await attach(BOTH, SIGNATURE), await attach(BOTH, "x/tagged", "no subject")]);

        const ca = makeCa("referrers chain");
        hub = await startHub({ store, ...issue(ca, HUB_HOSTS), host: HUB_ADDRESS, referrersPage: PAGE });
        relay = await startNginxRelay({ hub, hubAddress: HUB_ADDRESS, ca, keys: { "acme.1": KEY } });
    });
    beforeEach(async () => {
        const url = `https://${relay.hostname}:${new URL(relay.origin).port}`;
        const config = {
            port: 0,
            upstreams: ["docker.io", "ghcr.io", "nvcr.io"],
            relays: [{ name: "vm", url, key: KEY, address: "127.0.0.1", ca: relay.ca }],
            // Each test begins with nothing known.
            spool: { path: await mkdtemp(join(folder, "spool-")), budgetGiB: 1 },
            tagSeconds: 0,
        };
        uplink = await startUplink(parseConfig(JSON.stringify(config), "test"), () => {});
    });
    afterEach(async () => {
        await uplink.close();
        hub.clear();
    });
    after(async () => {
        await relay?.stop();
        await hub?.close();
        await rm(folder, { recursive: true, force: true });
    });
    /** An artifact about an image, as `oras attach` makes it, or one whose manifest does not say so: its entry in a list. */
    async function attach(place: Place, artifactType: string, about?: "no subject"): Promise<Descriptor> {
        const { upstream, repository } = place;
        const { digest: image, size } = images.get(place)?.platforms[0]?.manifest ?? { digest: "", size: 0 };
        const subject = about === "no subject" ? undefined : { mediaType: OCI_MANIFEST, digest: image, size };
        const layer = Buffer.from(`${artifactType} of ${upstream}`);
        const config = {
            mediaType: "application/vnd.oci.empty.v1+json",
            digest: await store.addBlob(Buffer.from("{}")),
            size: 2,
        };
        const layers = [{ mediaType: artifactType, digest: await store.addBlob(layer), size: layer.length }];
        const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType, config, layers, subject };
        const bytes = Buffer.from(JSON.stringify(manifest));
        const digest = await store.addBlob(bytes);
        store.tag(upstream, repository, artifactType.replaceAll(/[^a-z0-9]/g, "-"), digest);
        return { mediaType: OCI_MANIFEST, digest, size: bytes.length, artifactType } as Descriptor;
    }

    async function tagged(place: Place, manifests: readonly object[]): Promise<void> {
        const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
        const digest = await store.addBlob(Buffer.from(JSON.stringify(index)));
        store.tag(place.upstream, place.repository, tagOf(place), digest);
    }

    const tagOf = (place: Place) => (images.get(place)?.digest ?? "").replace(":", "-");
    const pathOf = ({ upstream, repository }: Place, digest: string) =>
        `/v2/${upstream === "docker.io" ? "" : `${upstream}/`}${repository}/referrers/${digest}`;
    const types = async (place: Place, query = "") => {
        const path = pathOf(place, images.get(place)?.digest ?? "");
        const answer = await fetch(`http://127.0.0.1:${uplink.port}${path}${query}`);
        assert.equal(answer.status, 200);
        assert.equal(answer.headers.get("content-type"), OCI_INDEX);
        const { manifests } = (await answer.json()) as { manifests: { artifactType: string }[] };
        return manifests.map(({ artifactType }) => artifactType);
    };

    it("are all pages of ghcr.io's list, and one type of it", async () => {
        assert.deepEqual(await types(LISTING), [SIGNATURE, SBOM, "a/b", "c/d", "e/f"]);
        assert.deepEqual(await types(LISTING, `?artifactType=${encodeURIComponent(SBOM)}`), [SBOM]);
    });

    it("are those of the fallback tag where an upstream has no list", async () => {
        assert.deepEqual(await types(TAGGING), [SIGNATURE, SBOM]);
        assert.deepEqual(await types(TAGGING, `?artifactType=${encodeURIComponent(SBOM)}`), [SBOM]);
    });

    it("are those of list and tag, each once, and cost no pull at Docker Hub where they are known", async () => {
        assert.deepEqual(await types(BOTH), [SIGNATURE, "x/tagged"]);
        hub.clear();
        assert.deepEqual(await types(BOTH), [SIGNATURE, "x/tagged"]);
        const counted = hub.requests.filter(({ method, path }) => method === "GET" && /\/manifests\//.test(path));
        assert.deepEqual(counted, []);
    });

    it("are none where there are none", async () => {
        const digest = store.resolve("ghcr.io/acme/app", "e-f") ?? "";
        const answer = await fetch(`http://127.0.0.1:${uplink.port}${pathOf(LISTING, digest)}`);
        assert.deepEqual(await answer.json(), { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
    });

    const faults = {
        "redirects to another site": { kind: "redirect", status: 303, location: "https://www.example.com/login" },
        "allows no more": { kind: "status", status: 429, headers: { "retry-after": "1" } },
        "is broken": { kind: "status", status: 500, body: "<html>oops</html>" },
        "closes the connection": { kind: "close" },
        "says nothing": { kind: "hang" },
    } as const;
    for (const [what, action] of Object.entries(faults)) {
        it(`are those of last time when the upstream ${what}, and none of what was never asked`, async () => {
            await types(LISTING);
            hub.faults.push({ match: { path: "/referrers/" }, action });
            assert.deepEqual(await types(LISTING), [SIGNATURE, SBOM, "a/b", "c/d", "e/f"]);
            const digest = `sha256:${"d".repeat(64)}`;
            const answer = await fetch(`http://127.0.0.1:${uplink.port}${pathOf(LISTING, digest)}`);
            assert.equal(answer.status, 200);
            assert.deepEqual(await answer.json(), { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
        });
    }
});
