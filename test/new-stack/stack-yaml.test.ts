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
import { PROJECT } from "../support/deploy";

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
        "overseas-host-key": `ssh-ed25519 ${"A".repeat(68)}`,
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

/** The configuration, where the settings' rules read it. */
function set({ config, secretKeys }: StackConfig): pulumi.Config {
    pulumi.runtime.setAllConfig(config, secretKeys);
    return new pulumi.Config(PROJECT);
}

describe("A new stack's file", () => {
    for (const [what, answers] of Object.entries(COMBINATIONS)) {
        it(`is accepted, and can be rehearsed, with ${what}`, () => {
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
                hostKey: `ssh-ed25519 ${"B".repeat(68)}`,
            };
            readSettings(set(adapted(whole, machine, () => {})));
        });
    }
});
