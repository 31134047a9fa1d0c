/** What RegistryCache asks Docker for. That its configuration works is proven in test/templates/registry.test.ts. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { RegistryCache, type RegistryCacheArgs } from "../../../components/onprem/registry-cache";
import { fill, readTemplate } from "../../../templates/render";
import { type Deployed, deploy, only } from "../../support/deploy";

const CONTAINER = "docker:index/container:Container";
const REMOTE_URL = "http://uplink:5000";

function make(args: Partial<RegistryCacheArgs> = {}): Promise<Deployed> {
    return deploy(() => {
        const { url } = new RegistryCache("cache", {
            remoteUrl: pulumi.output(REMOTE_URL),
            version: "3.1.2",
            image: "sha256:registry",
            network: "home",
            storeVolume: "store",
            ...args,
        });
        return { url };
    });
}

describe("RegistryCache", () => {
    it("runs the image with its configuration, where front and uplink find it and its files", async () => {
        const deployed = await make();
        const { inputs, parent, deleteBeforeReplace } = only(deployed, CONTAINER);
        const { uploads, healthcheck, logOpts, ...rest } = inputs;
        assert.deepEqual(rest, {
            name: "dockermirror-cache",
            image: "sha256:registry",
            command: ["serve", "/etc/dockermirror/registry.yml"],
            envs: ["OTEL_TRACES_EXPORTER=none"],
            networksAdvanced: [{ name: "home", aliases: ["cache"] }],
            dnsOpts: ["timeout:1", "attempts:1"],
            volumes: [{ volumeName: "store", containerPath: "/var/lib/registry" }],
            logDriver: "json-file",
            restart: "unless-stopped",
            wait: true,
        });
        assert.equal(healthcheck.tests.at(-1), "http://127.0.0.1:5000/");
        assert.ok(logOpts["max-size"] && logOpts["max-file"]);
        assert.equal(uploads.length, 1);
        assert.match(parent, /dockermirror:onprem:RegistryCache::cache$/);
        assert.equal(deleteBeforeReplace, true);
        assert.equal(deployed.outputs.url, "http://cache:5000");
    });

    const templates = { "3.1.2": "config-3", "3.2.0": "config-3", "2.8.3": "config-2" };
    for (const [version, template] of Object.entries(templates)) {
        it(`has the ${template} form of configuration for ${version}`, async () => {
            const [upload] = only(await make({ version }), CONTAINER).inputs.uploads;
            const content = fill(readTemplate(`registry/${template}.yml`), { remoteUrl: REMOTE_URL });
            assert.deepEqual(upload, { file: "/etc/dockermirror/registry.yml", content });
        });
    }

    it("can be changed by transform", async () => {
        const { inputs } = only(await make({ transform: { container: { memory: 512 } } }), CONTAINER);
        assert.equal(inputs.memory, 512);
    });
});
