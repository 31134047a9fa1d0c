/** How OnpremSite wires its parts; what each of them asks for is in its own test. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { OnpremSite, type OnpremSiteArgs } from "../../../components/onprem/onprem-site";
import type { Endpoint, RelayEndpoint } from "../../../components/relay-endpoint";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { cacheConfig, containerFiles } from "../../support/container-files";
import { type Deployed, deploy, isSecret, only, plainOccurrences, type Resource, reveal } from "../../support/deploy";

const CONTAINER = "docker:index/container:Container";
const IMAGE = "docker:index/remoteImage:RemoteImage";
const VOLUME = "docker:index/volume:Volume";
const NETWORK = "docker:index/network:Network";
const PROVIDER = "pulumi:providers:docker";
const COMMAND = "command:local:Command";
const TRUST = "dockermirror:onprem:RelayTrust";

const OWN = { certificate: "the certificate", key: pulumi.secret("sEntiNel3") };
const ARGS: OnpremSiteArgs = {
    docker: "unix:///var/run/docker.sock",
    hostname: "mirror.acme.lan",
    relays: [
        {
            name: "nginx",
            hostname: "vm.example.com",
            key: pulumi.secret("sEntiNel1"),
            ca: pulumi.output("the relay's CA"),
        },
        { name: "worker", hostname: "hub.example.com", key: pulumi.secret("sEntiNel2") },
    ],
    upstreams: selectUpstreams(["docker.io", "ghcr.io"]),
    allowFrom: ["10.0.0.0/8"],
    registryVersion: "3.1.2",
    imageReferences: { uplink: "node:22-bookworm-slim", cache: "registry:3.1.2", front: "nginx:1.30-trixie" },
    spoolBudgetGiB: 7,
    images: { from: "relay" },
    tls: OWN,
};

function make(args: Partial<OnpremSiteArgs> = {}, preview = false): Promise<Deployed> {
    return deploy(
        () => {
            const { mirrorUrl, ca, clients } = new OnpremSite("onprem", { ...ARGS, ...args });
            return { mirrorUrl, ca, clients };
        },
        {
            preview,
            outputs: {
                [IMAGE]: (_, name) => ({ imageId: `sha256:${name}` }),
                [VOLUME]: ({ name }) => ({ name }),
            },
        },
    );
}

let made: Promise<Deployed> | undefined;

/** With nothing but what every site has: made once, for tests that only look at it. */
function whole(): Promise<Deployed> {
    made ??= make();
    return made;
}

const all = ({ resources }: Deployed, type: string) => resources.filter((resource) => resource.type === type);
const container = (deployed: Deployed, role: string): Resource =>
    all(deployed, CONTAINER).find(({ name }) => name === `onprem-${role}-container`)!;

describe("OnpremSite", () => {
    it("puts its three containers on one network, and what they share into two volumes, with the files of each", async () => {
        const deployed = await whole();
        assert.equal(only(deployed, NETWORK).inputs.name, "dockermirror");
        assert.deepEqual(
            all(deployed, VOLUME)
                .map(({ inputs }) => inputs.name)
                .sort(),
            ["front-config", "spool", "store", "uplink-config"].map((role) => `dockermirror-${role}`),
        );
        const placed = ["uplink", "cache", "front"].map((role) => {
            const { networksAdvanced, volumes, image } = container(deployed, role).inputs;
            return [
                image,
                networksAdvanced.map(({ name }: { name: string }) => name),
                volumes.map(({ volumeName, readOnly }: Record<string, any>) => [volumeName, readOnly === true]).sort(),
            ];
        });
        assert.deepEqual(placed, [
            [
                "sha256:onprem-images-uplink",
                ["dockermirror"],
                [
                    ["dockermirror-spool", false],
                    ["dockermirror-store", false],
                    ["dockermirror-uplink-config", true],
                ],
            ],
            ["sha256:onprem-images-cache", ["dockermirror"], [["dockermirror-store", false]]],
            [
                "sha256:onprem-images-front",
                ["dockermirror"],
                [
                    ["dockermirror-front-config", true],
                    ["dockermirror-store", true],
                ],
            ],
        ]);
    });

    it("frees the names of network and volumes before others take them", async () => {
        const deployed = await whole();
        for (const { name, deleteBeforeReplace } of [...all(deployed, NETWORK), ...all(deployed, VOLUME)]) {
            assert.equal(deleteBeforeReplace, true, name);
        }
    });

    it("points the cache to the uplink, and gives it the relays in their order", async () => {
        const deployed = await whole();
        assert.match(cacheConfig(deployed), /remoteurl: http:\/\/uplink:5000$/m);
        const config = JSON.parse(containerFiles(deployed, "onprem-uplink")["uplink.json"] ?? "");
        assert.deepEqual(config.relays, [
            { name: "nginx", url: "https://vm.example.com", key: "sEntiNel1", ca: "the relay's CA" },
            { name: "worker", url: "https://hub.example.com", key: "sEntiNel2" },
        ]);
        assert.deepEqual([config.upstreams, config.spool.budgetGiB], [["docker.io", "ghcr.io"], 7]);
    });

    it("trusts the relays with a CA of their own before it asks the first for an image", async () => {
        const deployed = await whole();
        const images = only(deployed, "dockermirror:onprem:OnpremImages");
        assert.ok(
            images.dependencies.some((urn) => urn.endsWith("::onprem-trust-file")),
            images.dependencies.join(),
        );
        const past = await make({ images: { from: "archive", archive: "images.tar" } });
        assert.deepEqual(all(past, TRUST), []);
    });

    it("can be given relays that only another stack knows, and makes the same of them", async () => {
        const known = await whole();
        const told = await make({ relays: [pulumi.secret(ARGS.relays as RelayEndpoint[])] });
        assert.deepEqual(reveal(told.resources), reveal(known.resources));
        // What is no key can be read in a preview.
        assert.equal(only(told, IMAGE, "front").inputs.name, "vm.example.com/library/nginx:1.30-trixie");
        assert.equal(isSecret(only(told, COMMAND, "trust").inputs.stdin), false);
        for (const { name, inputs } of told.resources) assert.deepEqual(plainOccurrences(inputs, "sEntiNel"), [], name);
    });

    it("makes as many resources in a preview in which the relays are not known", async () => {
        const unknown = pulumi.output(pulumi.unknown) as unknown as pulumi.Output<Endpoint[]>;
        const previewed = await make({ relays: [unknown] }, true);
        const names = ({ resources }: Deployed) => resources.map(({ type, name }) => `${type} ${name}`).sort();
        assert.deepEqual(names(previewed), names(await whole()));
    });

    it("logs its Docker in to the first relay, for images that come through it and for no others", async () => {
        const through = only(await whole(), PROVIDER).inputs;
        assert.equal(through.host, ARGS.docker);
        assert.ok(isSecret(through.registryAuth));
        assert.deepEqual(JSON.parse(reveal(through.registryAuth)), [
            { address: "vm.example.com", username: "dockermirror", password: "sEntiNel1" },
        ]);
        const past = await make({ images: { from: "registry", registry: "harbor.acme.lan" } });
        assert.equal(only(past, PROVIDER).inputs.registryAuth, undefined);
        assert.match(only(past, IMAGE, "front").inputs.name, /^harbor\.acme\.lan\/nginx:/);
    });

    it("names, trusts and reaches a relay in a preview whose key is not made yet", async () => {
        const key = pulumi.output(pulumi.unknown) as unknown as pulumi.Output<string>;
        const relays = (ARGS.relays as RelayEndpoint[]).map((relay) => ({ ...relay, key, pullKey: relay.key }));
        const previewed = await make({ relays }, true);
        assert.equal(only(previewed, IMAGE, "front").inputs.name, "vm.example.com/library/nginx:1.30-trixie");
        assert.match(only(previewed, COMMAND, "trust").inputs.stdin, /^vm\.example\.com /);
        assert.match(reveal(only(previewed, PROVIDER).inputs.registryAuth), /"password":"sEntiNel1"/);
    });

    it("asks no Docker host in a preview", async () => {
        assert.equal(only(await whole(), PROVIDER).inputs.disableDockerDaemonCheck, "true");
    });

    it("tells the mirror's URL, its CA and what to lay on clients", async () => {
        const hosts = ["docker.io", "ghcr.io"].map((name) => `/etc/docker/certs.d/${name}/hosts.toml`);
        const { outputs } = await make({ tls: { ...OWN, ca: pulumi.output("the mirror's CA") }, port: 8443 });
        assert.equal(outputs.mirrorUrl, "https://mirror.acme.lan:8443");
        assert.equal(outputs.ca, "the mirror's CA");
        assert.deepEqual(Object.keys(outputs.clients), [
            "/etc/docker/daemon.json",
            "/etc/docker/certs.d/mirror.acme.lan:8443/ca.crt",
            ...hosts,
        ]);
        const own = (await whole()).outputs;
        assert.deepEqual([own.ca, Object.keys(own.clients)], [undefined, ["/etc/docker/daemon.json", ...hosts]]);
    });

    it("needs a relay", async () => {
        await assert.rejects(make({ relays: [] }), /an on-prem site needs at least one relay, got none/);
    });
});
