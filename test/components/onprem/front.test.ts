/** What Front asks Docker for. That its files work is proven in test/templates/nginx-front.test.ts. */
import assert from "node:assert/strict";
import { Front, type FrontArgs } from "../../../components/onprem/front";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { type Deployed, deploy, only, plainOccurrences, reveal } from "../../support/deploy";
import { pronounce } from "../../support/verdict";

const CONTAINER = "docker:index/container:Container";
const REFUSED = 'nginx: [emerg] unknown directive "oops" in /etc/nginx/front/server.conf:7';

function deployFront(args: Partial<FrontArgs> = {}, trial = { exitCode: 0, containerLogs: "" }): Promise<Deployed> {
    const outputs = {
        [CONTAINER]: (inputs: { attach?: boolean }) => (inputs.attach ? trial : {}),
        "tls:index/privateKey:PrivateKey": (_: unknown, name: string) => ({ privateKeyPem: `sEntiNel ${name}` }),
        "tls:index/selfSignedCert:SelfSignedCert": () => ({ certPem: "the CA" }),
        "tls:index/certRequest:CertRequest": () => ({ certRequestPem: "a request" }),
        "tls:index/locallySignedCert:LocallySignedCert": () => ({ certPem: "a leaf" }),
    };
    return deploy(
        () => {
            const { mirrorUrl, ca } = new Front("front", {
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
        },
        { outputs },
    );
}

const trialOf = (deployed: Deployed) => only(deployed, CONTAINER, "-trial");
const realOf = ({ resources }: Deployed) => {
    const [real, ...more] = resources.filter(({ type, name }) => type === CONTAINER && !name.endsWith("-trial"));
    assert.ok(real && more.length === 0);
    return real;
};

describe("Front", () => {
    it("publishes TLS, reads the store, and is called front on the network", async () => {
        const deployed = await deployFront();
        const { uploads: _, labels: __, healthcheck, ...inputs } = realOf(deployed).inputs;
        assert.deepEqual(inputs, {
            name: "dockermirror-front",
            image: "sha256:nginx",
            command: ["nginx", "-g", "daemon off;"],
            networksAdvanced: [{ name: "home", aliases: ["front"] }],
            ports: [{ ip: "0.0.0.0", internal: 443, external: 443 }],
            volumes: [{ volumeName: "store", containerPath: "/var/lib/registry", readOnly: true }],
            logDriver: "json-file",
            logOpts: { "max-size": "20m", "max-file": "5" },
            restart: "unless-stopped",
            wait: true,
        });
        assert.match(healthcheck.tests.join(" "), /http:\/\/127\.0\.0\.1:8081\//);
        assert.deepEqual(deployed.outputs, { mirrorUrl: "https://mirror.acme.lan", ca: undefined });
    });

    it("can publish another port, which is then part of the mirror's URL", async () => {
        const deployed = await deployFront({ port: 8443 });
        assert.deepEqual(realOf(deployed).inputs.ports, [{ ip: "0.0.0.0", internal: 443, external: 8443 }]);
        assert.equal(deployed.outputs.mirrorUrl, "https://mirror.acme.lan:8443");
    });

    it("lets in whom the settings name and nobody else", async () => {
        const uploads: { file: string; content: string }[] = reveal(realOf(await deployFront()).inputs.uploads);
        const conf = uploads.find(({ file }) => file === "/etc/nginx/front/server.conf")?.content ?? "";
        assert.match(
            conf,
            /^geo \$admission \{\n {4}default {2}refused;\n {4}10\.0\.0\.0\/8 {2}admitted;\n {4}192\.168\.0\.0\/16 {2}admitted;\n\}$/m,
        );
    });

    it("has the certificate's key as a secret that only root can read", async () => {
        for (const tls of [{ certificate: "the certificate", key: "sEntiNelKey" }, "privateCa"] as const) {
            const { resources } = await deployFront({ tls });
            for (const { type, inputs } of resources) {
                if (type === CONTAINER) assert.deepEqual(plainOccurrences(inputs, "sEntiNel"), []);
            }
            const { uploads } = reveal(realOf({ resources, outputs: {} }).inputs);
            const key = uploads.find(({ file }: { file: string }) => file === "/etc/nginx/front/key.pem");
            assert.match(key.content, /^sEntiNel/);
            assert.equal(key.permissions, "0600");
        }
    });

    it("has a certificate of a private CA of its own, if wanted", async () => {
        const deployed = await deployFront({ tls: "privateCa" });
        const uploads: { file: string; content: string }[] = reveal(realOf(deployed).inputs.uploads);
        const content = (file: string) => uploads.find((upload) => upload.file === `/etc/nginx/front/${file}`)?.content;
        assert.deepEqual([content("certificate.pem"), content("key.pem")], ["a leaf", "sEntiNel front-ca-key"]);
        assert.equal(deployed.outputs.ca, "the CA");
    });

    it("tries the same files on the same image first, where nobody can reach it", async () => {
        const deployed = await deployFront();
        const [trial, real] = [trialOf(deployed), realOf(deployed)];
        const { uploads, ...inputs } = trial.inputs;
        assert.deepEqual(uploads, real.inputs.uploads);
        assert.deepEqual(inputs, {
            image: "sha256:nginx",
            command: ["nginx", "-t", "-q"],
            networksAdvanced: [{ name: "home" }],
            attach: true,
            logs: true,
            mustRun: false,
            restart: "no",
        });
        assert.ok(
            real.dependencies.some((urn) => urn.endsWith("::front-container-verdict")),
            real.dependencies.join(),
        );
    });

    it("replaces the container only after the trial, and the trial beside the old one", async () => {
        const deployed = await deployFront();
        assert.equal(trialOf(deployed).deleteBeforeReplace, false);
        assert.equal(realOf(deployed).deleteBeforeReplace, true);
    });

    it("fails before it touches the container when the trial fails, and says what nginx says", async () => {
        const { code, stderr } = await pronounce(await deployFront({}, { exitCode: 1, containerLogs: `${REFUSED}\n` }));
        assert.equal(code, 1);
        assert.match(stderr, /the front's configuration is not usable, what ran before still runs/);
        assert.ok(stderr.includes(REFUSED), stderr);
    });

    it("replaces the container when a file changes and only then", async () => {
        const label = async (args: Partial<FrontArgs>) => realOf(await deployFront(args)).inputs.labels;
        const [first] = await label({});
        assert.deepEqual(Object.keys(first), ["label", "value"]);
        assert.deepEqual(await label({}), [first]);
        assert.notDeepEqual(await label({ allowFrom: ["10.0.0.0/8"] }), [first]);
    });

    it("tries what the user adds as well", async () => {
        const snippet = { file: "/etc/nginx/front/own.conf", content: "oops" };
        const deployed = await deployFront({
            transform: { container: (args) => (args.uploads = [...(args.uploads as object[]), snippet] as never) },
        });
        assert.deepEqual(reveal(trialOf(deployed).inputs.uploads).at(-1), snippet);
    });
});
