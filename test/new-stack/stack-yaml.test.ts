/**
 * Files of new stacks, for each combination of sites and of kinds of machines: accepted as they are written, and the
 * program makes them, as it is and as a rehearsal adapts them. On mocks: nothing is really made.
 */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { draftOf, secretsOf } from "../../new-stack/draft";
import { withoutQuestions } from "../../new-stack/interview";
import { list } from "../../new-stack/questions";
import { stackYaml } from "../../new-stack/stack-yaml";
import { adapted, parseStack, type StackConfig } from "../../rehearsal/stack-file";
import { readSettings, settingsProblems } from "../../stacks/settings";
import { type Deployed, type OtherStack, PROJECT } from "../support/deploy";
import { OUTPUTS, runProgram } from "../support/program";

const HOST_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleE";
const OTHER_HOST_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAnotherAnotherAnotherAnotherAnotherAnotherA";
const NAME = { company: "acme", region: "shanghai" };
const EDGE = { "edge-account-id": "0123456789abcdef0123456789abcdef", "edge-hostname": "hub.example.com" };
const MADE = {
    "overseas-region": "ap-northeast-1",
    "overseas-hostname": "vm.example.com",
    "overseas-ssh-from": "203.0.113.7/32, 198.51.100.0/24",
};
const MACHINES = {
    ec2: { ...MADE, "overseas-kind": "ec2" },
    lightsail: { ...MADE, "overseas-kind": "lightsail" },
    host: {
        "overseas-kind": "host",
        "overseas-address": "198.51.100.9",
        "overseas-user": "admin",
        "overseas-port": "2222",
        "overseas-host-key": `ssh-ed25519 ${HOST_KEY}`,
        "overseas-hostname": "vm.example.com",
    },
};
const ZONE = { zone: "example.com" };
const DOCKERS = { ssh: "ssh://ops@10.1.0.5", "this machine's": "unix:///var/run/docker.sock" };

/** Every combination, by what it has. */
const COMBINATIONS: Record<string, Record<string, string>> = {};
const add = (kinds: string, what: string, answers: Record<string, string>) => {
    COMBINATIONS[what] = { ...NAME, kinds, keys: "acme,globex", ...answers };
    for (const [docker, url] of Object.entries(DOCKERS)) {
        const onprem = { "onprem-docker": url, "onprem-hostname": "mirror.acme.lan" };
        COMBINATIONS[`${what}, and onprem by ${docker} Docker`] = {
            ...{ ...NAME, kinds: `${kinds},onprem`, ...answers, ...onprem },
        };
    }
};
add("edge", "edge", { ...ZONE, ...EDGE });
for (const [kind, machine] of Object.entries(MACHINES)) {
    add("overseas", `overseas of kind ${kind}`, { ...ZONE, ...machine });
    add("overseas", `overseas of kind ${kind} without a zone`, { ...machine, "overseas-tls": "privateCa" });
    add("edge,overseas", `edge and overseas of kind ${kind}`, { ...ZONE, ...EDGE, ...machine });
}
for (const relays of [
    "acme-relays",
    "tokyo=vm.example.com, worker=hub.example.com",
    "acme-relays, tokyo=vm.example.net",
]) {
    const onprem = { "onprem-docker": DOCKERS.ssh, "onprem-hostname": "mirror.acme.lan" };
    COMBINATIONS[`onprem, on the relays ${relays}`] = {
        ...NAME,
        kinds: "onprem",
        ...onprem,
        relays,
        ...(relays.startsWith("acme-relays") && { "relays-key": "shanghai" }),
    };
}
add("edge", "edge with some upstreams and an account", {
    ...{ ...ZONE, ...EDGE, upstreams: "docker.io, ghcr.io", "hub-username": "acme" },
});

/** The file's configuration, and with the secrets that it asks for as `pulumi config set --secret` sets them. */
function configs(answers: Record<string, string>): { written: StackConfig; whole: StackConfig; text: string } {
    const draft = draftOf(withoutQuestions(answers, "/nowhere"));
    const text = stackYaml("acme-shanghai", draft);
    const written = parseStack(text, {});
    const needed = secretsOf(draft).flatMap(({ key, isNeeded }) => (isNeeded ? [key] : []));
    const secrets = Object.fromEntries(needed.map((key) => [key, "s".repeat(40)]));
    return { text, written, whole: { config: { ...written.config, ...secrets }, secretKeys: needed } };
}

/** What `acme-relays` exports. */
const ACME_RELAYS: OtherStack = {
    outputs: { relays: [{ name: "worker", hostname: "hub.example.com" }], relayKeys: { "shanghai.1": "k".repeat(48) } },
    secretOutputs: { relayKeys: true },
};

/** Runs the program on a configuration. */
function run({ config, secretKeys }: StackConfig): Promise<Deployed> {
    const short = (key: string) => key.slice(`${PROJECT}:`.length);
    return runProgram({
        config: Object.fromEntries(Object.entries(config).map(([key, value]) => [short(key), value])),
        secretKeys: secretKeys.map(short),
        outputs: OUTPUTS,
        stacks: { "acme-relays": ACME_RELAYS },
    });
}

/** The configuration, where the settings' rules read it. */
function set({ config, secretKeys }: StackConfig): pulumi.Config {
    pulumi.runtime.setAllConfig(config, secretKeys);
    return new pulumi.Config(PROJECT);
}

describe("A new stack's file", () => {
    for (const [what, answers] of Object.entries(COMBINATIONS)) {
        it(`is accepted, and what a rehearsal makes of it is made, with ${what}`, async () => {
            const { written, whole } = configs(answers);
            // Nothing is missing but the secrets that it names.
            const missing = settingsProblems(set(written));
            assert.ok(whole.secretKeys.length > 0 || missing.length === 0, missing.join("\n"));
            const { edge, overseas, onprem, keys } = readSettings(set(whole));
            const sites = Object.entries({ edge, overseas, onprem }).flatMap(([name, site]) => (site ? [name] : []));
            assert.deepEqual(sites.sort(), list(answers.kinds).sort());
            assert.deepEqual(
                keys.map(({ name }) => name),
                list(answers.keys ?? "default"),
            );
            const machine = {
                sshFrom: "203.0.113.9",
                address: "198.51.100.20",
                hostKey: `ssh-ed25519 ${OTHER_HOST_KEY}`,
            };
            const { outputs } = await run(adapted(whole, machine, () => {}));
            assert.equal(outputs.relayUrls.length, [edge, overseas].filter(Boolean).length);
            assert.equal(outputs.mirrorUrl, onprem && "https://mirror.acme.lan");
        });
    }

    it("says what each setting is, and which secrets belong to it without their values", () => {
        const { text } = configs({
            ...{ ...NAME, kinds: "edge,overseas", ...ZONE, ...EDGE, ...MACHINES.host },
            ...{ keys: "shanghai, chengdu", "hub-username": "acme" },
        });
        assert.deepEqual(text.split("\n"), [
            "# acme-shanghai: two relays, for offices that have stacks of their own. Begun by npm run new-stack; yours to edit.",
            "# Every setting with its meaning: Pulumi.example.yaml. Mistakes are told all at once, by npm run preflight too.",
            "config:",
            "  # The zone in Cloudflare that the relays' host names are in.",
            "  dockermirror:zone: example.com",
            "  # The relay at Cloudflare: a Worker, which gets the custom domain `hostname`.",
            "  dockermirror:edge:",
            "    accountId: 0123456789abcdef0123456789abcdef # the account in Cloudflare",
            "    hostname: hub.example.com # host name of the relay at Cloudflare",
            "  # The relay overseas: Nginx on a machine.",
            "  dockermirror:overseas:",
            "    kind: host # kind of the machine overseas",
            "    address: 198.51.100.9 # the machine's public IPv4 address",
            "    user: admin # who logs in there",
            "    port: 2222 # port of its SSH",
            `    hostKey: ssh-ed25519 ${HOST_KEY} # its SSH host key`,
            "    hostname: vm.example.com # host name of the relay on the machine",
            "  # Names of the relays' keys, one an office.",
            "  dockermirror:keys: [{name: shanghai}, {name: chengdu}]",
            "  # Who the relays are to Docker Hub; with the account's access token in the secret hubToken.",
            "  dockermirror:hub:",
            "    username: acme # Docker Hub account that the relays pull with",
            "# Secrets, only by pulumi config set --secret:",
            "#   cloudflare:apiToken: the API token; or the environment variable CLOUDFLARE_API_TOKEN has it",
            "#   dockermirror:sshPrivateKey: the key that logs in, from standard input; or your SSH agent has it",
            "#   dockermirror:hubToken: the account's access token",
            "",
        ]);
    });
});
