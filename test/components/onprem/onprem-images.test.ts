import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { OnpremImages, type OnpremImagesArgs } from "../../../components/onprem/onprem-images";
import { type Deployed, deploy, only } from "../../support/deploy";

const IMAGE = "docker:index/remoteImage:RemoteImage";
const COMMAND = "command:local:Command";
const REFERENCES = {
    uplink: "node:22-bookworm-slim",
    cache: "registry:3.1.2",
    front: `nginx:1.30-trixie@sha256:${"1".repeat(64)}`,
};
const TAGGED = ["node:22-bookworm-slim", "registry:3.1.2", "nginx:1.30-trixie"];

function make(args: Partial<OnpremImagesArgs> = {}): Promise<Deployed> {
    return deploy(
        () => {
            const { uplink, cache, front } = new OnpremImages("images", {
                docker: "ssh://ops@10.1.0.5",
                source: { from: "relay", hostname: pulumi.output("vm.example.com") },
                references: REFERENCES,
                ...args,
            });
            return { uplink, cache, front };
        },
        { outputs: { [IMAGE]: (_, name) => ({ imageId: `sha256:${name}` }) } },
    );
}

const names = ({ resources }: Deployed) =>
    resources.filter(({ type }) => type === IMAGE).map(({ inputs }) => inputs.name as string);

describe("OnpremImages", () => {
    it("pull through the relay, and tell the ids", async () => {
        const deployed = await make();
        assert.deepEqual(
            names(deployed).sort(),
            Object.values(REFERENCES)
                .map((reference) => `vm.example.com/library/${reference}`)
                .sort(),
        );
        assert.deepEqual(deployed.outputs, {
            uplink: "sha256:images-uplink",
            cache: "sha256:images-cache",
            front: "sha256:images-front",
        });
        assert.deepEqual(
            deployed.resources.filter(({ type }) => type === COMMAND),
            [],
        );
    });

    it("stay on the host when the stack goes, which may be the only place that has them", async () => {
        for (const { inputs, type } of (await make()).resources)
            if (type === IMAGE) assert.equal(inputs.keepLocally, true);
    });

    it("pull from another registry, whatever its path, by tag: its copies may have other digests", async () => {
        const source = { from: "registry", registry: "harbor.acme.lan:8443/mirror/library" } as const;
        assert.deepEqual(
            names(await make({ source })).sort(),
            TAGGED.map((reference) => `harbor.acme.lan:8443/mirror/library/${reference}`).sort(),
        );
    });

    it("are loaded from an archive before they are looked for, under their own names", async () => {
        const deployed = await make({ source: { from: "archive", archive: "it's here.tar" } });
        assert.deepEqual(names(deployed).sort(), TAGGED.sort());
        const { inputs, name: load } = only(deployed, COMMAND);
        assert.equal(inputs.create, String.raw`docker --host 'ssh://ops@10.1.0.5' load --input 'it'\''s here.tar'`);
        for (const { type, name, dependencies } of deployed.resources) {
            if (type !== IMAGE) continue;
            assert.ok(
                dependencies.some((urn) => urn.endsWith(`::${load}`)),
                name,
            );
        }
    });

    it("can be changed by transform", async () => {
        const deployed = await make({ transform: { image: { platform: "linux/arm64" } } });
        assert.equal(only(deployed, IMAGE, "front").inputs.platform, "linux/arm64");
    });
});
