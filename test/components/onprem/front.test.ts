/** What Front asks Docker for. That its files work is proven in test/templates/nginx-front.test.ts. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { Front, type FrontArgs } from "../../../components/onprem/front";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { containerFiles } from "../../support/container-files";
import { type Deployed, deploy, only, plainOccurrences, reveal } from "../../support/deploy";

const CONTAINER = "docker:index/container:Container";
const VOLUME = "docker:index/volume:Volume";
const COMMAND = "command:local:Command";

function deployFront(args: Partial<FrontArgs> = {}): Promise<Deployed> {
    return deploy(() => {
        const { mirrorUrl, ca } = new Front("front", {
            docker: "unix:///var/run/docker.sock",
            hostname: "mirror.acme.lan",
            network: "home",
            storeVolume: "store",
            upstreams: selectUpstreams(["docker.io", "ghcr.io"]),
            tls: { certificate: "the certificate", key: "sEntiNelKey" },
            allowFrom: ["10.0.0.0/8", "192.168.0.0/16"],
            image: "sha256:nginx",
            ...args,
        });
        return { mirrorUrl, ca };
    });
}

const filesOf = (deployed: Deployed) => containerFiles(deployed, "front");

describe("Front", () => {
    it("publishes TLS, reads the store, and is called front on the network", async () => {
        const deployed = await deployFront();
        const { healthcheck, entrypoints, ...inputs } = only(deployed, CONTAINER).inputs;
        assert.deepEqual(inputs.ports, [{ ip: "0.0.0.0", internal: 8443, external: 443 }]);
        assert.deepEqual(inputs.networksAdvanced, [{ name: "home", aliases: ["front"] }]);
        assert.deepEqual(inputs.volumes, [
            { volumeName: "store", containerPath: "/var/lib/registry", readOnly: true },
            { volumeName: "dockermirror-front-config", containerPath: "/config", readOnly: true },
        ]);
        assert.match(entrypoints.join(" "), /^sh -c until \[ -e \/config\/current \]/);
        assert.match(healthcheck.tests.join(" "), /http:\/\/127\.0\.0\.1:8081\//);
        assert.equal(only(deployed, VOLUME).inputs.name, "dockermirror-front-config");
        assert.deepEqual(deployed.outputs, { mirrorUrl: "https://mirror.acme.lan", ca: undefined });
    });

    it("can publish another port, which is then part of the mirror's URL, on one address", async () => {
        const deployed = await deployFront({ port: 8443, listenOn: "10.1.0.5" });
        const { ports } = only(deployed, CONTAINER).inputs;
        assert.deepEqual(ports, [{ ip: "10.1.0.5", internal: 8443, external: 8443 }]);
        assert.equal(deployed.outputs.mirrorUrl, "https://mirror.acme.lan:8443");
    });

    it("takes limits, and keeps those that are not named", async () => {
        const deployed = await deployFront({ limits: { cpus: 1.5, pids: 50 } });
        const { memory, cpus } = only(deployed, CONTAINER).inputs;
        assert.deepEqual([memory, cpus], [1024, "1.5"]);
        assert.match(only(deployed, COMMAND, "-files").inputs.create, /docker update --pids-limit 50 "\$name"/);
    });

    it("lets in whom the settings name and nobody else", async () => {
        const conf = filesOf(await deployFront())["front/server.conf"] ?? "";
        assert.match(
            conf,
            /^geo \$admission \{\n {4}default {2}refused;\n {4}10\.0\.0\.0\/8 {2}admitted;\n {4}192\.168\.0\.0\/16 {2}admitted;\n\}$/m,
        );
    });

    it("has the certificate's key as a secret", async () => {
        const deployed = await deployFront();
        for (const { name, inputs } of deployed.resources)
            assert.deepEqual(plainOccurrences(inputs, "sEntiNel"), [], name);
        assert.match(filesOf(deployed)["front/key.pem"] ?? "", /^sEntiNel/);
    });

    it("shows the certificate that it is given, and says which CA signed it", async () => {
        const ca = pulumi.output("the CA");
        const deployed = await deployFront({ tls: { certificate: "a leaf", key: "sEntiNelKey", ca } });
        const files = filesOf(deployed);
        assert.deepEqual([files["front/certificate.pem"], files["front/key.pem"]], ["a leaf", "sEntiNelKey"]);
        assert.equal(deployed.outputs.ca, "the CA");
    });

    it("has its files checked before the container is made, and taken over afterwards", async () => {
        const deployed = await deployFront();
        const [trial, files] = ["-trial", "-files"].map((part) => only(deployed, COMMAND, part));
        assert.ok(trial && files);
        assert.equal(reveal(trial.inputs.stdin), reveal(files.inputs.stdin));
        assert.match(trial.inputs.create, /docker run --rm --interactive --network none --user 101:101 .*--read-only/);
        const { dependencies, deleteBeforeReplace } = only(deployed, CONTAINER);
        assert.ok(
            dependencies.some((urn) => urn.endsWith("::front-trial")),
            dependencies.join(),
        );
        assert.equal(deleteBeforeReplace, true);
        assert.equal(files.inputs.triggers[0], "front-container-id");
    });

    it("says in the triggers which file changes, and changes nothing of the container", async () => {
        const before = await deployFront();
        const after = await deployFront({ allowFrom: ["10.0.0.0/8"] });
        const triggers = (deployed: Deployed): string[] => only(deployed, COMMAND, "-files").inputs.triggers;
        const changed = triggers(after).filter((each) => !triggers(before).includes(each));
        assert.equal(changed.length, 1);
        assert.match(changed[0] ?? "", /^front\/server\.conf=[0-9a-f]{12}$/);
        assert.deepEqual(only(after, CONTAINER), only(before, CONTAINER));
    });

    it("runs its commands on the Docker host that the settings name", async () => {
        const there = await deployFront({ docker: "ssh://ops@10.1.0.5:2222" });
        assert.match(
            only(there, COMMAND, "-trial").inputs.create,
            /^'ssh' '-T' '-p' '2222' '-l' 'ops' '--' '10\.1\.0\.5' 'sh -c /,
        );
        const here = await deployFront({ docker: "unix:///run/user/1000/docker.sock" });
        assert.match(
            only(here, COMMAND, "-trial").inputs.create,
            /^DOCKER_HOST='unix:\/\/\/run\/user\/1000\/docker\.sock' sh -c '/,
        );
    });

    it("can be changed by transform", async () => {
        const deployed = await deployFront({ transform: { container: { memory: 512 } } });
        assert.equal(only(deployed, CONTAINER).inputs.memory, 512);
    });
});
