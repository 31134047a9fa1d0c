import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { stringify } from "yaml";
import type * as stackFile from "../../rehearsal/stack-file";
import { readSettings } from "../../stacks/settings";
import { PROJECT } from "../support/deploy";
import { projectCopy } from "../support/project-copy";

const EDGE = { accountId: "0123456789abcdef0123456789abcdef", hostname: "hub.example.com" };
const OVERSEAS = { kind: "host", hostname: "vm.example.com", address: "198.51.100.7" };
const ONPREM = { docker: "ssh://ops@10.1.0.5", hostname: "mirror.acme.lan" };
const EC2 = { kind: "ec2", hostname: "vm.example.com", region: "ap-northeast-1", sshFrom: ["203.0.113.7/32"] };
const MACHINE = { address: "172.18.0.2", hostKey: "ssh-ed25519 REHEARSAL" };
const SSH_FROM = "172.18.0.1";
const SECURE = { secure: "v1:AAAA:BBBB" };

describe("readStack", () => {
    let project: string;
    let rehearsal: typeof stackFile;

    // The module reads the folder beside its own: in a copy of the project there are the stacks of the test.
    before(() => {
        project = projectCopy({ stacks: false });
        rehearsal = require(join(project, "rehearsal/stack-file"));
    });
    after(() => rmSync(project, { recursive: true, force: true }));

    function stack(config: Record<string, unknown>): void {
        const entries = Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, value]);
        const file = { secretsprovider: "passphrase", encryptionsalt: "v1:x", config: Object.fromEntries(entries) };
        writeFileSync(join(project, "stacks/Pulumi.acme-shanghai.yaml"), stringify(file));
    }

    const read = (secrets: Record<string, string> = {}) => rehearsal.readStack("acme-shanghai", secrets);

    it("hands configuration over in the form in which Pulumi does: text as it is, the rest as JSON", () => {
        stack({ zone: "example.com", overseas: OVERSEAS, upstreams: ["docker.io"], port: 8443, on: true });
        assert.deepEqual(read(), {
            config: {
                "dockermirror:zone": "example.com",
                "dockermirror:overseas": JSON.stringify(OVERSEAS),
                "dockermirror:upstreams": '["docker.io"]',
                "dockermirror:port": "8443",
                "dockermirror:on": "true",
            },
            secretKeys: [],
        });
    });

    it("takes a key without a namespace for the project's, as Pulumi does", () => {
        const text = stringify({ config: { zone: "example.com", "aws:region": "ap-northeast-1" } });
        writeFileSync(join(project, "stacks/Pulumi.acme-shanghai.yaml"), text);
        assert.deepEqual(read().config, { "dockermirror:zone": "example.com", "aws:region": "ap-northeast-1" });
    });

    for (const [what, text, reason] of [
        ["is no YAML", "config:\n  dockermirror:zone: [a\n", /at line \d+, column \d+/],
        ["is a text", "hello", /must have a mapping "config:"/],
        ["has a list for its configuration", "config: [a, b]", /must have a mapping "config:"/],
    ] as const) {
        it(`names the file that ${what}, and what is wrong`, () => {
            writeFileSync(join(project, "stacks/Pulumi.acme-shanghai.yaml"), text);
            assert.throws(read, (error: Error) => {
                assert.match(error.message, /^stacks\/Pulumi\.acme-shanghai\.yaml cannot be read: /);
                assert.match(error.message, reason);
                return true;
            });
        });
    }

    it("has no names of sites that are no mappings", () => {
        stack({ edge: "hub.example.com", overseas: 7, relays: ["acme-tokyo"] });
        const { edge, overseas, relays } = rehearsal.stackNames(read());
        assert.deepEqual([edge, overseas, relays], [undefined, undefined, []]);
    });

    it("makes values up for what is encrypted, tells which, and never hands out what is in the file", () => {
        stack({ overseas: OVERSEAS, hub: { username: "acme" }, hubToken: SECURE, relayKey: SECURE });
        const { config, secretKeys } = read();
        assert.deepEqual(secretKeys, ["dockermirror:hubToken", "dockermirror:relayKey"]);
        const [token, key] = secretKeys.map((name) => config[name] ?? "");
        for (const value of [token, key]) assert.match(value ?? "", /^[0-9a-f]{48}$/);
        assert.notEqual(token, key);
        assert.ok(!JSON.stringify(config).includes(SECURE.secure));
    });

    it("takes the secrets that must fit something from the caller", () => {
        stack({ overseas: OVERSEAS, sshPrivateKey: SECURE, hubToken: SECURE });
        const { config } = read({ sshPrivateKey: "the rehearsal's own" });
        assert.equal(config["dockermirror:sshPrivateKey"], "the rehearsal's own");
        assert.match(config["dockermirror:hubToken"] ?? "", /^[0-9a-f]{48}$/);
    });

    it("gives the settings what they accept, secrets as secrets", async () => {
        const office = { onprem: ONPREM, relays: [{ name: "tokyo", hostname: "vm.example.com" }], relayKey: SECURE };
        stack(office);
        const { config, secretKeys } = read();
        pulumi.runtime.setAllConfig(config, secretKeys);
        const { onprem, relayKey } = readSettings(new pulumi.Config(PROJECT));
        assert.equal(onprem?.hostname, ONPREM.hostname);
        assert.equal(await pulumi.isSecret(relayKey as pulumi.Output<string>), true);
    });

    it("accepts a file without any configuration, and an empty one", () => {
        for (const text of ["encryptionsalt: v1:x\n", ""]) {
            writeFileSync(join(project, "stacks/Pulumi.acme-shanghai.yaml"), text);
            assert.deepEqual(read(), { config: {}, secretKeys: [] });
        }
    });

    it("tells which stacks there are when it is asked for another", () => {
        stack({});
        assert.throws(
            () => rehearsal.readStack("acme-beijing", {}),
            new Error('there is no stack "acme-beijing" in stacks/; there are acme-shanghai'),
        );
    });

    it("finds the names that machines are needed for, of the sites that there are", () => {
        stack({ edge: EDGE, onprem: ONPREM });
        assert.deepEqual(rehearsal.stackNames(read()), {
            edge: EDGE,
            overseas: undefined,
            onprem: ONPREM,
            hub: undefined,
            isPublic: false,
            relays: undefined,
        });
    });

    it("replaces only what cannot be the same on the rehearsal's machines, and tells each", () => {
        const changed: string[] = [];
        const adapt = () => rehearsal.adapted(read(), { ...MACHINE, sshFrom: SSH_FROM }, (what) => changed.push(what));
        stack({ edge: EDGE, onprem: ONPREM });
        assert.deepEqual(adapt(), read());
        assert.deepEqual(changed, []);
        stack({
            overseas: { ...OVERSEAS, hostKey: "ssh-ed25519 REAL", certificate: "PEM" },
            overseasCertificateKey: SECURE,
            onprem: { ...ONPREM, docker: "unix:///var/run/docker.sock" },
        });
        const adapted = adapt();
        assert.deepEqual(changed, ["onprem.docker", "overseas.address", "overseas.hostKey", "overseas.certificate"]);
        assert.deepEqual(rehearsal.stackNames(adapted).overseas, { ...OVERSEAS, ...MACHINE });
        assert.equal(rehearsal.stackNames(adapted).onprem?.docker, "ssh://root@onprem.rehearsal");
        assert.equal(adapted.config[`${PROJECT}:overseasCertificateKey`], undefined);
    });

    it("lets this machine log in to a machine that is made, and has it ask for its certificate as the rehearsal can", () => {
        const replaced: string[] = [];
        stack({
            overseas: { ...EC2, ipv6: true, acmeServer: "https://acme.example.net/directory", acmeChallenge: "dns-01" },
            acmeDnsToken: SECURE,
        });
        const { config } = rehearsal.adapted(read(), { sshFrom: SSH_FROM }, (what) => replaced.push(what));
        assert.deepEqual(replaced, [
            "overseas.sshFrom",
            "overseas.acmeServer",
            "overseas.acmeChallenge",
            "overseas.ipv6",
        ]);
        assert.deepEqual(JSON.parse(config[`${PROJECT}:overseas`] ?? ""), {
            ...EC2,
            sshFrom: [`${SSH_FROM}/32`],
            acmeChallenge: "http-01",
            ipv6: false,
        });
        assert.equal(config[`${PROJECT}:acmeDnsToken`], undefined);
    });

    it("puts other settings into what is there", () => {
        stack({ zone: "example.com", overseas: EC2 });
        const { config } = rehearsal.changed(read(), {
            zone: "example.net",
            overseas: { generation: 2 },
            access: "public",
            keys: [{ name: "acme" }],
        });
        assert.deepEqual(config, {
            "dockermirror:zone": "example.net",
            "dockermirror:overseas": JSON.stringify({ ...EC2, generation: 2 }),
            "dockermirror:access": "public",
            "dockermirror:keys": '[{"name":"acme"}]',
        });
    });

    it("makes up secrets that are JSON so that they fit the other settings", () => {
        const privateAccounts = [{ upstream: "ghcr.io", username: "acme-bot", repositories: ["acme/*"] }];
        stack({ overseas: OVERSEAS, privateAccounts, privateTokens: SECURE, relayKeys: SECURE });
        const { config } = read();
        const tokens = JSON.parse(config[`${PROJECT}:privateTokens`] ?? "");
        assert.deepEqual(Object.keys(tokens), ["ghcr.io/acme-bot"]);
        assert.match(tokens["ghcr.io/acme-bot"], /^[0-9a-f]{48}$/);
        assert.equal(config[`${PROJECT}:relayKeys`], "{}");
        assert.deepEqual(rehearsal.hubAccounts(read()), tokens, "the same each time");
    });

    it("makes up secrets also where the other settings are no use", () => {
        stack({ hub: "acme", hubToken: SECURE, edge: "acme", privateAccounts: [null, "acme"], privateTokens: SECURE });
        const { config } = read();
        assert.match(config[`${PROJECT}:hubToken`] ?? "", /^[0-9a-f]{48}$/);
        assert.equal(config[`${PROJECT}:privateTokens`], "{}");
    });

    it("gives an account the same token wherever it is, and Docker Hub's no upstream", () => {
        const privateAccounts = [{ upstream: "docker.io", username: "acme", repositories: ["acme/app"] }];
        stack({ overseas: OVERSEAS, hub: { username: "acme" }, hubToken: SECURE });
        const accounts = rehearsal.hubAccounts(read());
        assert.deepEqual(Object.keys(accounts), ["acme"]);
        stack({ overseas: OVERSEAS, privateAccounts, privateTokens: SECURE });
        assert.deepEqual(rehearsal.hubAccounts(read()), accounts);
    });

    it("names the Hub account with the token that was made up for it", () => {
        stack({ hub: { username: "acme" }, hubToken: SECURE });
        assert.deepEqual(rehearsal.hubAccounts(rehearsal.readStack("acme-shanghai", { hubToken: "made-up" })), {
            acme: "made-up",
        });
        stack({ overseas: OVERSEAS });
        assert.deepEqual(rehearsal.hubAccounts(read()), {});
    });
});
