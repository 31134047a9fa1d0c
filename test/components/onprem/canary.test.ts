/** What an on-prem site ends with: what is asked for, where that runs, and when it runs again. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { Canary, type CanaryArgs, canaryImage, idsOf, withCanary } from "../../../components/onprem/canary";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { deploy, isSecret, only, plainOccurrences, reveal } from "../../support/deploy";

const COMMAND = "command:local:Command";
const ARGS: CanaryArgs = {
    docker: "ssh://ops@10.1.0.5",
    reference: "docker.io/library/hello-world:latest",
    hostname: "mirror.acme.lan",
    trust: { ca: "the mirror's CA" },
    front: "dockermirror-front",
    uplink: "http://uplink:5000",
    relays: [{ name: "nginx", hostname: "vm.example.com", key: pulumi.secret("sEntiNel1"), address: "192.0.2.1" }],
    image: "sha256:node",
    triggers: ["a", "b"],
};

async function made(args: Partial<CanaryArgs> = {}) {
    const { inputs } = only(await deploy(() => ({ canary: new Canary("canary", { ...ARGS, ...args }) })), COMMAND);
    const [, json = "", program = ""] = /^globalThis\.canary = (.*);\n([\s\S]*)$/.exec(reveal(inputs.stdin)) ?? [];
    return { inputs, asked: JSON.parse(json), program };
}

describe("Canary", () => {
    it("runs within the front's network on the Docker host, with nothing of the host", async () => {
        const { inputs } = await made();
        assert.match(
            inputs.create,
            /^'ssh' .*'ops' .*'10\.1\.0\.5' 'sh -c .*docker run --rm --interactive --network=container:dockermirror-front /,
        );
        for (const flag of ["--read-only", "--cap-drop=ALL", "--user=65534:65534", "--pull=never"])
            assert.ok(inputs.create.includes(` ${flag} `), flag);
        assert.match(inputs.create, / sha256:node node -[\\']*$/);
    });

    it("is told what to ask, with the keys in a secret and nowhere else", async () => {
        const { inputs, asked, program } = await made();
        assert.deepEqual(asked, {
            image: "docker.io/library/hello-world:latest",
            path: "/v2/library/hello-world/manifests/latest",
            front: { hostname: "mirror.acme.lan", address: "127.0.0.1", port: 8443, ca: "the mirror's CA" },
            uplink: "http://uplink:5000",
            relays: [{ name: "nginx", hostname: "vm.example.com", key: "sEntiNel1", address: "192.0.2.1" }],
        });
        assert.match(program, /runCanary/);
        assert.ok(isSecret(inputs.stdin));
        assert.deepEqual(plainOccurrences(inputs, "sEntiNel"), []);
        const { front } = (await made({ trust: { certificate: "the certificate" } })).asked;
        assert.deepEqual([front.ca, front.certificate], [undefined, "the certificate"]);
    });

    it("asks for images of other upstreams by their full name", async () => {
        const { asked } = await made({ reference: "quay.io/prometheus/busybox:latest" });
        assert.equal(asked.path, "/v2/quay.io/prometheus/busybox/manifests/latest");
    });

    it("runs again when something of the site changed, and for nothing else", async () => {
        assert.deepEqual((await made()).inputs.triggers, ["a", "b"]);
        const { outputs } = await deploy(() => {
            const { nodes } = new Canary("one", ARGS);
            return { ids: pulumi.all(idsOf({ nodes }, { nodes: { absent: undefined, ...nodes } })) };
        });
        assert.equal(reveal(outputs.ids).length, 2);
    });

    it("asks for what is named, else for what one of the upstreams is known to have", () => {
        const all = selectUpstreams(["docker.io", "quay.io"]);
        assert.equal(canaryImage("ghcr.io/acme/tool:1", all), "ghcr.io/acme/tool:1");
        assert.equal(canaryImage(undefined, all), "docker.io/library/hello-world:latest");
        assert.equal(
            canaryImage(undefined, selectUpstreams(["ghcr.io", "quay.io"])),
            "quay.io/prometheus/busybox:latest",
        );
        assert.equal(canaryImage(undefined, selectUpstreams(["ghcr.io"])), undefined);
    });

    it("is let in by the front", () => {
        assert.deepEqual(withCanary(["10.0.0.0/8"]), ["10.0.0.0/8", "127.0.0.1/32"]);
        assert.deepEqual(withCanary(["10.0.0.0/8", "127.0.0.0/8"]), ["10.0.0.0/8", "127.0.0.0/8"]);
    });
});
