import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { Uplink, type UplinkArgs } from "../../../components/onprem/uplink";
import { makeCa } from "../../../rehearsal/pki";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { parseConfig } from "../../../services/uplink/config";
import { type Deployed, deploy, only, plainOccurrences, type Resource, reveal } from "../../support/deploy";
import { pronounce } from "../../support/verdict";

const KEY = "sentinel-key-sentinel-key-sentinel-key-1";
const ca = makeCa("relay CA").cert;

const args: UplinkArgs = {
    relays: [
        { name: "nginx", hostname: "vm.example.com", key: pulumi.secret(KEY), address: "198.51.100.7", ca },
        { name: "worker", hostname: "hub.example.com", key: pulumi.secret(KEY) },
    ],
    upstreams: selectUpstreams(["docker.io", "ghcr.io"]),
    network: "home",
    storeVolume: "store",
    spoolVolume: "spool",
    image: "sha256:node",
};

function make(change: Partial<UplinkArgs> = {}, exitCode = 0): Promise<Deployed> {
    const container = (_: unknown, name: string) =>
        name.endsWith("-trial") ? { exitCode, containerLogs: "uplink.json cannot be used" } : {};
    return deploy(
        () => {
            const uplink = new Uplink("uplink", { ...args, ...change });
            return { remoteUrl: uplink.remoteUrl };
        },
        { outputs: { [CONTAINER]: container } },
    );
}

const CONTAINER = "docker:index/container:Container";

function container({ resources }: Deployed): Resource {
    return resources.find(({ type, name }) => type === CONTAINER && !name.endsWith("-trial"))!;
}
const upload = (deployed: Deployed, file: string) =>
    reveal(container(deployed).inputs.uploads).find((each: { file: string }) => each.file === file);

describe("Uplink component", () => {
    it("has its configuration tried by the program itself before the old container goes", async () => {
        const trial = only(await make(), CONTAINER, "-trial");
        assert.deepEqual(trial.inputs.command, [
            "node",
            "/opt/dockermirror/uplink.js",
            "--check",
            "/etc/dockermirror/uplink.json",
        ]);
        const { code, stderr } = await pronounce(await make({}, 1));
        assert.equal(code, 1);
        assert.match(stderr, /the uplink's configuration is not usable.*\n.*uplink\.json cannot be used/s);
    });

    it("makes one container under itself, replaced by deleting first because of its name", async () => {
        const made = container(await make());
        assert.match(made.parent, /dockermirror:onprem:Uplink::uplink$/);
        assert.equal(made.deleteBeforeReplace, true);
        assert.equal(made.inputs.image, "sha256:node");
    });

    it("lays in a configuration that the uplink itself accepts, with all of its arguments", async () => {
        const { content } = upload(await make(), "/etc/dockermirror/uplink.json");
        assert.deepEqual(parseConfig(content, "uplink.json"), {
            source: "uplink.json",
            port: 5000,
            upstreams: args.upstreams,
            relays: [
                { name: "nginx", url: "https://vm.example.com", key: KEY, address: "198.51.100.7", ca },
                { name: "worker", url: "https://hub.example.com", key: KEY },
            ],
            spool: { path: "/var/spool/dockermirror", budgetBytes: 10 * 1024 ** 3 },
            store: "/var/lib/registry",
            cache: "http://cache:5000",
            tagSeconds: 5,
        });
    });

    it("takes a spool budget", async () => {
        const { content } = upload(await make({ spoolBudgetGiB: 3 }), "/etc/dockermirror/uplink.json");
        assert.equal(JSON.parse(content).spool.budgetGiB, 3);
    });

    it("keeps the key in a secret, in a file that only root reads, and out of the command line", async () => {
        const made = container(await make());
        assert.deepEqual(plainOccurrences(made.inputs, KEY), []);
        assert.ok(JSON.stringify(reveal(made.inputs)).includes(KEY));
        const { permissions } = reveal(made.inputs.uploads).find(({ file }: { file: string }) =>
            file.endsWith(".json"),
        );
        assert.equal(permissions, "0600");
        assert.deepEqual(made.inputs.command, ["node", "/opt/dockermirror/uplink.js", "/etc/dockermirror/uplink.json"]);
    });

    it("is on the private network only, publishes nothing, and can set aside what is wrong in the store", async () => {
        const { inputs } = container(await make());
        assert.deepEqual(inputs.networksAdvanced, [{ name: "home", aliases: ["uplink"] }]);
        assert.equal(inputs.ports, undefined);
        assert.deepEqual(inputs.volumes, [
            { volumeName: "spool", containerPath: "/var/spool/dockermirror" },
            { volumeName: "store", containerPath: "/var/lib/registry" },
        ]);
        assert.deepEqual(inputs.capabilities, { drops: ["ALL"] });
    });

    it("says where the cache finds it, once it is there", async () => {
        const { outputs } = await make();
        assert.equal(outputs.remoteUrl, "http://uplink:5000");
    });

    it("can be changed by transform", async () => {
        const deployed = await make({ transform: { container: { memory: 512 } } });
        assert.equal(container(deployed).inputs.memory, 512);
    });
});
