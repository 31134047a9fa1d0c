/** The digests of an image list: asked of the Hub double, which is as strict as Docker Hub. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "undici";
import { withDigests } from "../../checks/image-digests";
import type { Surroundings } from "../../checks/surroundings";
import { type Hub, startHub } from "../../rehearsal/hub/hub";
import { makeImage } from "../../rehearsal/hub/image";
import { ImageStore } from "../../rehearsal/hub/store";
import { HUB_HOSTS } from "../../rehearsal/hub/upstream-hosts";
import { issue, makeCa } from "../../rehearsal/pki";
import { onpremImages, readImageList } from "../../stacks/image-list";
import { CLOSED, everywhere, worldOf } from "../support/world";

const LIST = { node: { tag: "22" }, registry: { tag: "3.1.2" }, nginx: { tag: "1.30" } };
const OLD = `sha256:${"0".repeat(64)}`;

let folder: string;
let hub: Hub;
let where: Surroundings;
let digests: Record<string, string>;

before(async () => {
    folder = mkdtempSync(join(tmpdir(), "dockermirror-images-"));
    const store = new ImageStore(folder);
    digests = {};
    for (const [name, { tag }] of Object.entries(LIST)) {
        const layers = [{ files: { "/name": name } }];
        const platforms = ["linux/amd64", "linux/arm64"];
        const upstream = "docker.io";
        const made = await makeImage(store, { upstream, repository: `library/${name}`, tag, layers, platforms });
        digests[name] = made.digest;
    }
    const ca = makeCa("Images test");
    hub = await startHub({ store, ...issue(ca, HUB_HOSTS), host: "127.0.0.1", port: 0 });
    const lookup = ((_, __, found) => found(null, [{ address: hub.host, family: 4 }])) as LookupFunction;
    const { port } = hub;
    where = worldOf({
        dispatcher: new Agent({ connect: { ca: ca.cert, lookup } }),
        services: {
            ...everywhere(CLOSED),
            hubTokens: `https://auth.docker.io:${port}`,
            hubRegistry: `https://registry-1.docker.io:${port}`,
        },
    });
});
after(async () => {
    await where.dispatcher.destroy();
    await hub.close();
    rmSync(folder, { recursive: true });
});

describe("The digests of an image list", () => {
    it("are those of the tags' indexes, whatever was there before, and cost no pull", async () => {
        hub.clear();
        const before = { ...LIST, node: { ...LIST.node, digest: OLD } };
        assert.deepEqual(
            await withDigests(where, before),
            Object.fromEntries(Object.entries(LIST).map(([name, { tag }]) => [name, { tag, digest: digests[name] }])),
        );
        const manifests = hub.requests.filter(({ path }) => path.includes("/manifests/"));
        assert.deepEqual([...new Set(manifests.map(({ method }) => method))], ["HEAD"]);
    });

    it("are refused all together where a tag has none", async () => {
        const wrong = { ...LIST, node: { tag: "none" }, nginx: { tag: "neither" } };
        await assert.rejects(withDigests(where, wrong), {
            message: "nginx:neither  there is no such tag\nnode:none  there is no such tag",
        });
    });

    it("are not there where Docker Hub cannot be reached", async () => {
        await assert.rejects(withDigests(worldOf({}), LIST), /^Error: nginx:1\.30 {2}the connection is refused$/m);
    });
});

describe("An image list", () => {
    const write = (content: unknown): string => {
        const file = join(folder, "list.json");
        writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
        return file;
    };

    it("is that of the project", () => {
        assert.deepEqual(Object.keys(readImageList("images.json")).sort(), ["nginx", "node", "registry"]);
    });

    it("says everything that is wrong in it", () => {
        const wrong = { node: { tag: "a b" }, registry: { tag: "4.0.0" }, nginx: { tag: "1", digest: "sha256:12" } };
        const file = write({ ...wrong, apache: { tag: "2" } });
        assert.throws(
            () => readImageList(file),
            new Error(
                `${file}: ` +
                    [
                        "node.tag must be a tag such as 1.30-trixie",
                        "registry.tag must be a version such as 3.1.2, or 2.8.x",
                        "nginx.digest must be sha256: and 64 hex digits, or left out",
                        'Unrecognized key: "apache"',
                    ].join("; "),
            ),
        );
        assert.throws(() => readImageList("nowhere.json"), /^Error: nowhere\.json cannot be read: ENOENT/);
        assert.throws(() => readImageList(write("{")), /list\.json cannot be read: .*JSON/);
    });

    it("gives its digests to images of its own tags alone", () => {
        const list = { ...LIST, registry: { tag: "3.1.2", digest: OLD } };
        assert.deepEqual(onpremImages(list), {
            registryVersion: "3.1.2",
            imageReferences: { uplink: "node:22", cache: `registry:3.1.2@${OLD}`, front: "nginx:1.30" },
        });
        assert.equal(onpremImages(list, "2.8.3").imageReferences.cache, "registry:2.8.3");
    });
});
