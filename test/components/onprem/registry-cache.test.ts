/** What RegistryCache asks Docker for. That its configuration works is proven in test/templates/registry.test.ts. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { RegistryCache, type RegistryCacheArgs } from "../../../components/onprem/registry-cache";
import { UPLINK_USER } from "../../../components/onprem/uplink";
import { Docker, removeLabelled } from "../../../rehearsal/docker";
import { goProgram } from "../../../rehearsal/go-programs";
import { makeBaseImages } from "../../../rehearsal/images";
import { createNetwork } from "../../../rehearsal/networks";
import { fill, readTemplate } from "../../../templates/render";
import { cacheConfig } from "../../support/container-files";
import { type Deployed, deploy, only } from "../../support/deploy";
import { eventually } from "../../support/eventually";

const CONTAINER = "docker:index/container:Container";
const REMOTE_URL = "http://uplink:5000";

function make(args: Partial<RegistryCacheArgs> = {}): Promise<Deployed> {
    return deploy(() => {
        const { url } = new RegistryCache("cache", {
            docker: "unix:///var/run/docker.sock",
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
        const { envs, entrypoints, healthcheck, networksAdvanced, volumes, user } = inputs;
        assert.deepEqual(networksAdvanced, [{ name: "home", aliases: ["cache"] }]);
        assert.deepEqual(volumes, [{ volumeName: "store", containerPath: "/var/lib/registry" }]);
        // What the uplink, which sets wrong blobs aside, is as well.
        assert.equal(user, UPLINK_USER);
        assert.deepEqual(envs, ["OTEL_TRACES_EXPORTER=none", `CONFIG=${cacheConfig(deployed)}`]);
        assert.match(entrypoints.at(-1), /exec registry serve \/tmp\/registry\.yml$/);
        assert.equal(healthcheck.tests.at(-1), "http://127.0.0.1:5000/");
        assert.match(parent, /dockermirror:onprem:RegistryCache::cache$/);
        assert.equal(deleteBeforeReplace, true);
        assert.equal(deployed.outputs.url, "http://cache:5000");
    });

    const templates = { "3.1.2": "config-3", "3.2.0": "config-3", "2.8.3": "config-2" };
    for (const [version, template] of Object.entries(templates)) {
        it(`has the ${template} form of configuration for ${version}`, async () => {
            const content = fill(readTemplate(`registry/${template}.yml`), { remoteUrl: REMOTE_URL });
            assert.equal(cacheConfig(await make({ version })), content);
        });
    }

    it("is waited for by a command that is run again for each container", async () => {
        const { inputs } = only(await make(), "command:local:Command", "-ready");
        assert.deepEqual(inputs.triggers, ["cache-container-id"]);
        assert.match(inputs.create, /docker update --pids-limit 1024 "\$name"/);
    });

    it("can be changed by transform", async () => {
        const { inputs } = only(await make({ transform: { container: { memory: 512 } } }), CONTAINER);
        assert.equal(inputs.memory, 512);
    });
});

describe("The cache while its uplink is being replaced", function () {
    this.timeout(60_000);
    const docker = new Docker();
    const name = `dockermirror-test-cache-${process.pid}`;
    const label = `${name}=1`;
    /** A resolver that is asked for an unknown name twice, for 5 s each, takes 10 s. */
    const bound = 5;

    before(async () => {
        await createNetwork(docker, name, [label], []);
    });
    after(async () => assert.deepEqual(await removeLabelled(docker, label), []));

    /** A container of the slim base image with programs of this machine mounted. */
    const start = async (role: string, flags: readonly string[], command: readonly string[]): Promise<string> => {
        const { slim } = await makeBaseImages(docker, () => {});
        const programs = [
            `${process.execPath}:/usr/local/bin/node:ro`,
            `${goProgram("registry")}:/usr/local/bin/registry:ro`,
        ];
        await docker.run([
            ...["run", "--detach", "--name", `${name}-${role}`, "--label", label, "--network", name, ...flags],
            ...[...programs.flatMap((mount) => ["--volume", mount]), slim.image, ...command],
        ]);
        const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        return (await docker.run(["inspect", "--format", format, `${name}-${role}`])).trim();
    };

    it("answers soon for what it has or has not, also where the host's name server is silent", async () => {
        const silent = 'require("node:dgram").createSocket("udp4").on("message", () => {}).bind(53)';
        const dns = await start("dns", [], ["node", "--eval", silent]);
        const uplink = 'require("node:http").createServer((_, answer) => answer.end("{}")).listen(5000)';
        await start("uplink", ["--network-alias", "uplink"], ["node", "--eval", uplink]);
        const deployed = await make();
        const { dnsOpts } = only(deployed, CONTAINER).inputs;
        const config = join(mkdtempSync(join(tmpdir(), "dockermirror-cache-")), "registry.yml");
        writeFileSync(config, cacheConfig(deployed));
        const options = (dnsOpts as string[]).flatMap((option) => ["--dns-option", option]);
        const flags = ["--dns", dns, ...options, "--volume", `${config}:/registry.yml:ro`];
        const address = await start("cache", flags, ["registry", "serve", "/registry.yml"]);
        const ask = (path: string) => fetch(`http://${address}:5000${path}`, { signal: AbortSignal.timeout(30_000) });
        await eventually(
            "the cache answers",
            async () => ((await ask("/v2/").catch(() => undefined))?.ok ? true : undefined),
            20_000,
        );

        await docker.run(["rm", "--force", `${name}-uplink`]);
        const began = performance.now();
        assert.equal((await ask("/v2/library/app/manifests/1.0")).status, 404);
        const seconds = (performance.now() - began) / 1000;
        assert.ok(seconds < bound, `${seconds.toFixed(1)} s`);
        rmSync(dirname(config), { recursive: true });
    });
});
