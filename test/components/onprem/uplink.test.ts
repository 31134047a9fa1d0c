import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { gunzipSync } from "node:zlib";
import * as pulumi from "@pulumi/pulumi";
import { Uplink, type UplinkArgs } from "../../../components/onprem/uplink";
import { uplinkBundle } from "../../../components/onprem/uplink-bundle";
import { makeCa } from "../../../rehearsal/pki";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { parseConfig } from "../../../services/uplink/config";
import { containerFiles } from "../../support/container-files";
import { type Deployed, deploy, only, plainOccurrences, reveal } from "../../support/deploy";
import { FakeContent, FakeRelay } from "../../support/fake-relay";

const KEY = "sentinel-key-sentinel-key-sentinel-key-1";
const ca = makeCa("relay CA").cert;

const args: UplinkArgs = {
    docker: "unix:///var/run/docker.sock",
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

function make(change: Partial<UplinkArgs> = {}): Promise<Deployed> {
    return deploy(() => {
        const uplink = new Uplink("uplink", { ...args, ...change });
        return { remoteUrl: uplink.remoteUrl };
    });
}

const CONTAINER = "docker:index/container:Container";
const COMMAND = "command:local:Command";

const container = (deployed: Deployed) => only(deployed, CONTAINER);
const configOf = (deployed: Deployed) => containerFiles(deployed, "uplink")["uplink.json"] ?? "";

/** In a mount namespace of its own, as root: a process knows no other way to another name server. */
const WITH_NAMES = 'mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/hosts && shift && exec "$@"';
/** Of name servers that take questions and answer none. */
const SILENT = `127.87.${(process.pid >> 8) & 255}.${process.pid & 255}`;

describe("Uplink component", () => {
    it("has its configuration checked by the program itself before the container is made", async () => {
        const deployed = await make();
        const { create } = only(deployed, COMMAND, "-trial").inputs;
        const folder = "/config/current";
        const words = ["node", `${folder}/uplink.js`, "--check", `${folder}/uplink.json`];
        // Three shells deep: the host's, the container's, and the words themselves.
        const quoted = create.replaceAll("\\", "").replaceAll("'", "");
        assert.ok(quoted.includes(`exec ${words.join(" ")}`), create);
        const { parent, deleteBeforeReplace, dependencies } = container(deployed);
        assert.ok(dependencies.some((urn) => urn.endsWith("::uplink-trial")));
        assert.match(parent, /dockermirror:onprem:Uplink::uplink$/);
        assert.equal(deleteBeforeReplace, true);
    });

    it("has the program in a file, so that no state holds it, and its hash as a trigger", async () => {
        const deployed = await make();
        for (const part of ["-trial", "-files"]) {
            const { create, stdin, triggers } = only(deployed, COMMAND, part).inputs;
            assert.match(create, /^cat - '\.dockermirror\/uplink\.js\.line' \| DOCKER_HOST=/);
            assert.ok(reveal(stdin).length < 10_000);
            assert.match(triggers.at(-1), /^uplink\.js=[0-9a-f]{12}$/);
        }
        const [path, content = ""] = readFileSync(".dockermirror/uplink.js.line", "utf8").trimEnd().split(" ");
        assert.equal(path, "uplink.js");
        assert.equal(gunzipSync(Buffer.from(content, "base64")).toString(), uplinkBundle());
    });

    it("brings in a configuration that the uplink itself accepts, with all of its arguments", async () => {
        assert.deepEqual(parseConfig(configOf(await make()), "uplink.json"), {
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
        assert.equal(JSON.parse(configOf(await make({ spoolBudgetGiB: 3 }))).spool.budgetGiB, 3);
    });

    it("keeps the key in a secret, and out of the command line", async () => {
        const deployed = await make();
        for (const { name, inputs } of deployed.resources) assert.deepEqual(plainOccurrences(inputs, KEY), [], name);
        assert.ok(configOf(deployed).includes(KEY));
        assert.deepEqual(container(deployed).inputs.command, [
            "node",
            "/config/current/uplink.js",
            "/config/current/uplink.json",
        ]);
    });

    it("is on the private network only, publishes nothing, and can set aside what is wrong in the store", async () => {
        const { inputs } = container(await make());
        assert.deepEqual(inputs.networksAdvanced, [{ name: "home", aliases: ["uplink"] }]);
        assert.equal(inputs.ports, undefined);
        assert.deepEqual(inputs.volumes, [
            { volumeName: "spool", containerPath: "/var/spool/dockermirror" },
            { volumeName: "store", containerPath: "/var/lib/registry" },
            { volumeName: "dockermirror-uplink-config", containerPath: "/config", readOnly: true },
        ]);
        assert.deepEqual(inputs.capabilities, { drops: ["ALL"] });
        assert.deepEqual([inputs.user, inputs.readOnly, inputs.memory], ["1000:1000", true, 1024]);
    });

    it("says where the cache finds it, once it is there", async () => {
        const { outputs } = await make();
        assert.equal(outputs.remoteUrl, "http://uplink:5000");
    });

    it("runs its program so that relays whose names hang in DNS keep none waiting whose name is known", async () => {
        const folder = mkdtempSync(join(tmpdir(), "dockermirror-names-"));
        const write = (name: string, text: string) => {
            writeFileSync(join(folder, name), text);
            return join(folder, name);
        };
        const content = new FakeContent();
        content.image("library/app", "1.0", []);
        const relay = await FakeRelay.start("third", content);
        const { address, ...known } = relay.config();
        const hanging = ["first", "second"].map((name) => ({ ...known, name, url: `https://${name}.relay.test` }));
        const names = createSocket("udp4").bind(53, SILENT);
        const config = { port: 0, upstreams: ["docker.io"], spool: { path: folder, budgetGiB: 1 }, tagSeconds: 5 };
        const files = [
            write("resolv.conf", `nameserver ${SILENT}\noptions timeout:30 attempts:1\n`),
            write("hosts", `${address} ${new URL(known.url).hostname}\n`),
            process.execPath,
            write("uplink.js", uplinkBundle()),
            write("uplink.json", JSON.stringify({ ...config, relays: [...hanging, known] })),
        ];
        const env = Object.fromEntries(container(await make()).inputs.envs.map((each: string) => each.split("=")));
        const program = spawn("unshare", ["--mount", "sh", "-c", WITH_NAMES, ...files], {
            env: { ...process.env, ...env },
            stdio: ["ignore", "pipe", "inherit"],
        });
        try {
            const [line] = await once(createInterface({ input: program.stdout }), "line");
            const { port } = JSON.parse(line);
            const answer = await fetch(`http://127.0.0.1:${port}/v2/library/app/manifests/1.0`);
            assert.equal(answer.status, 200, await answer.text());
        } finally {
            program.kill("SIGKILL");
            names.close();
            await relay.stop();
            rmSync(folder, { recursive: true });
        }
    });

    it("can be changed by transform", async () => {
        const deployed = await make({ transform: { container: { memory: 512 } } });
        assert.equal(container(deployed).inputs.memory, 512);
    });
});
