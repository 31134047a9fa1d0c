/** Settings: what is accepted, what is refused and how it is said. Proves nothing of what is made from them. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { readSettings, type Settings, warnings } from "../../stacks/settings";
import { PROJECT } from "../support/deploy";

const EDGE = { accountId: "0123456789abcdef0123456789abcdef", hostname: "hub.example.com" };
const OVERSEAS = { kind: "host", hostname: "vm.example.com", address: "198.51.100.7" };
const ONPREM = { docker: "ssh://ops@10.1.0.5", hostname: "mirror.acme.lan" };
const STACKS = join(__dirname, "../../stacks");
const WHOLE = { zone: "example.com", edge: EDGE, overseas: OVERSEAS, onprem: ONPREM };

function read(config: Record<string, unknown>, secretKeys: string[] = []): Settings {
    const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
    const entries = Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, text(value)]);
    pulumi.runtime.setAllConfig(
        Object.fromEntries(entries),
        secretKeys.map((key) => `${PROJECT}:${key}`),
    );
    return readSettings(new pulumi.Config(PROJECT));
}

/** The problems that a refusal lists. */
function problems(config: Record<string, unknown>, secretKeys: string[] = []): string[] {
    try {
        read(config, secretKeys);
    } catch (error) {
        assert.ok(pulumi.RunError.isInstance(error), String(error));
        const [head, ...lines] = error.message.split("\n");
        assert.equal(head, "this stack's configuration cannot be used:");
        assert.equal(lines.pop(), "  set one with: pulumi config set --path dockermirror:<key> <value>");
        return lines.map((line) => line.slice(2));
    }
    return assert.fail("the configuration was accepted");
}

describe("Settings", () => {
    it("are accepted for all three sites, with their defaults", () => {
        const settings = read(WHOLE);
        assert.equal(settings.overseas?.tls, "privateCa");
        assert.deepEqual(
            { ...settings.overseas?.connection },
            { host: OVERSEAS.address, user: "root", port: 22, hostKey: undefined, privateKey: undefined },
        );
        assert.equal(settings.onprem?.port, 443);
        assert.equal(settings.onprem?.registryVersion, "3.1.2");
        assert.deepEqual(settings.onprem?.images, { from: "relay" });
        assert.equal(settings.onprem?.spoolBudgetGiB, 10);
        assert.deepEqual(settings.keys, [{ name: "default", generation: 1 }]);
        assert.equal(settings.access, "keys");
        assert.ok(settings.upstreams.some(({ name }) => name === "docker.io"));
    });

    it("are accepted for relays only, for an office only, and for a relay without a zone", () => {
        assert.equal(read({ zone: "example.com", edge: EDGE, overseas: OVERSEAS }).onprem, undefined);
        const office = {
            onprem: ONPREM,
            relays: [{ name: "tokyo", hostname: "vm.example.com" }],
            relayKey: "k".repeat(48),
        };
        assert.equal(read(office, ["relayKey"]).relays.length, 1);
        assert.equal(read({ overseas: OVERSEAS }).zone, undefined);
    });

    it("take Pulumi.yaml's defaults for not set", () => {
        const { config } = parse(readFileSync(join(__dirname, "../../Pulumi.yaml"), "utf8")) as {
            config: Record<string, { default: unknown }>;
        };
        const defaults = Object.fromEntries(Object.entries(config).map(([key, entry]) => [key, entry.default]));
        assert.deepEqual(read({ ...defaults, overseas: OVERSEAS }), read({ overseas: OVERSEAS }));
    });

    it("have one entry in Pulumi.yaml for each key that is not an optional secret", () => {
        const { config } = parse(readFileSync(join(__dirname, "../../Pulumi.yaml"), "utf8"));
        const [line = ""] = problems({ nonsense: "1", overseas: OVERSEAS });
        const known = line.split("settings are ")[1]?.split(", ") ?? [];
        const declared = Object.keys(config);
        assert.deepEqual(
            known.filter((key) => !declared.includes(key)),
            ["hubToken", "relayKey", "relayKeys", "sshPrivateKey", "overseasCertificateKey", "onpremCertificateKey"],
        );
        assert.deepEqual(
            declared.filter((key) => !known.includes(key)),
            [],
        );
    });

    for (const file of readdirSync(STACKS).filter((name) => name.startsWith("Pulumi."))) {
        it(`accept stacks/${file}`, () => {
            const { config } = parse(readFileSync(join(STACKS, file), "utf8")) as { config: Record<string, unknown> };
            const entries = Object.entries(config).map(([key, value]) => [key.replace(`${PROJECT}:`, ""), value]);
            const { onprem, overseas, edge } = read(Object.fromEntries(entries));
            assert.ok(onprem ?? overseas ?? edge);
        });
    }

    it("tell every problem at once, with the key and what was got", () => {
        const edge = { accountId: "abc", hostname: "hub.example.com", hostnmae: "x" };
        assert.deepEqual(problems({ zone: "example.com", edge, overseas: { ...OVERSEAS, port: 0 } }), [
            'dockermirror:edge.accountId  must be the 32 hex digits of a Cloudflare account id, got "abc"',
            'dockermirror:edge  Unrecognized key: "hostnmae"',
            "dockermirror:overseas.port  Too small: expected number to be >=1, got 0",
        ]);
    });

    const refused: Record<string, [Record<string, unknown>, RegExp]> = {
        "nothing at all": [{}, /^dockermirror:edge {2}or overseas or onprem must be set/],
        "an on-prem site without a relay": [{ onprem: ONPREM }, /^dockermirror:onprem {2}needs a relay/],
        "relays without an on-prem site": [
            { overseas: OVERSEAS, relays: [{ name: "a", hostname: "a.example.com" }] },
            /^dockermirror:relays {2}are what an on-prem site/,
        ],
        "a Worker without a zone": [{ edge: EDGE }, /^dockermirror:edge {2}needs zone/],
        "a host name outside the zone": [
            { ...WHOLE, zone: "example.org" },
            /^dockermirror:edge\.hostname {2}must be example\.org or end with \.example\.org, got "hub\.example\.com"/,
        ],
        "a host name that only ends like the zone": [
            { zone: "example.com", overseas: { ...OVERSEAS, hostname: "vm.notexample.com" } },
            /^dockermirror:overseas\.hostname/,
        ],
        "two tiers with one host name": [
            { ...WHOLE, overseas: { ...OVERSEAS, hostname: EDGE.hostname } },
            /^dockermirror:overseas\.hostname .*which dockermirror:edge\.hostname has/,
        ],
        "a key that is not a setting": [{ ...WHOLE, colour: "red" }, /^dockermirror:colour {2}is not a setting/],
        "text in place of an object": [
            { ...WHOLE, edge: "hub.example.com" },
            /^dockermirror:edge {2}.*expected object.*got "hub\.example\.com"/,
        ],
        "an unknown upstream": [
            { ...WHOLE, upstreams: ["docker.io", "evil.example"] },
            /^dockermirror:upstreams\[1\] .*got "evil\.example"/,
        ],
        "public mirrors": [
            { ...WHOLE, publicMirrors: ["https://docker.m.daocloud.io"] },
            /^dockermirror:publicMirrors {2}is not supported yet/,
        ],
        "a kind of machine that is not there yet": [
            { overseas: { ...OVERSEAS, kind: "ec2" } },
            /^dockermirror:overseas\.kind {2}must be "host".*got "ec2"/,
        ],
        "an engine that is not there yet": [
            { ...WHOLE, onprem: { ...ONPREM, engine: "harbor" } },
            /^dockermirror:onprem\.engine {2}must be "registry"/,
        ],
        "a bad range": [
            { ...WHOLE, onprem: { ...ONPREM, allowFrom: ["10.0.0.0/33"] } },
            /^dockermirror:onprem\.allowFrom\[0\] .*got "10\.0\.0\.0\/33"/,
        ],
        "public addresses said once": [
            { ...WHOLE, onprem: { ...ONPREM, allowFrom: ["0.0.0.0/0"] } },
            /^dockermirror:onprem\.allowFrom {2}has public addresses \(0\.0\.0\.0\/0\)/,
        ],
        "a wider range than a private one": [
            { ...WHOLE, onprem: { ...ONPREM, allowFrom: ["172.0.0.0/8"] } },
            /^dockermirror:onprem\.allowFrom {2}has public addresses/,
        ],
        "two keys of one name": [
            { ...WHOLE, keys: [{ name: "a" }, { name: "a" }] },
            /^dockermirror:keys {2}must have one entry a name/,
        ],
        "a site's key that is not in the list": [
            { ...WHOLE, onprem: { ...ONPREM, key: "b" }, keys: [{ name: "a" }] },
            /^dockermirror:onprem\.key {2}must be the name of one of/,
        ],
        "a Hub account without its token": [
            { ...WHOLE, hub: { username: "acme" } },
            /^dockermirror:hub {2}needs the account's access token: pulumi config set --secret dockermirror:hubToken/,
        ],
        "a certificate without its key": [
            { ...WHOLE, onprem: { ...ONPREM, certificate: "-----BEGIN CERTIFICATE-----\n" } },
            /^dockermirror:onprem\.certificate {2}needs its private key/,
        ],
    };
    for (const [what, [config, expected]] of Object.entries(refused)) {
        it(`refuse ${what}`, () => {
            const found = problems(config);
            assert.ok(
                found.some((line) => expected.test(line)),
                `${expected} is not in:\n${found.join("\n")}`,
            );
        });
    }

    it("refuse a secret in plain, without repeating it", () => {
        const found = problems({ ...WHOLE, hub: { username: "acme" }, hubToken: "dckr_pat_sentinel" });
        assert.equal(found.length, 1);
        assert.match(
            found[0]!,
            /^dockermirror:hubToken {2}must be encrypted, got a plain value: pulumi config set --secret/,
        );
        assert.doesNotMatch(found[0]!, /sentinel/);
    });

    it("refuse relay keys that nobody would take, without repeating them", () => {
        const office = { onprem: ONPREM, relays: [{ name: "tokyo", hostname: "vm.example.com" }] };
        const refusedKeys: [Record<string, unknown>, RegExp][] = [
            [{ ...office, relayKey: "sentinel" }, /^dockermirror:relayKey {2}must be at least 16/],
            [{ ...office, relayKey: "sentinel with a space" }, /^dockermirror:relayKey {2}must be/],
            [{ ...WHOLE, relayKeys: { "acme.1": "sentinel" } }, /^dockermirror:relayKeys {2}must be JSON/],
            [{ ...WHOLE, relayKeys: { acme: "s".repeat(48) } }, /^dockermirror:relayKeys {2}must be JSON/],
            [{ ...WHOLE, relayKeys: "sentinel" }, /^dockermirror:relayKeys {2}must be JSON/],
        ];
        for (const [config, expected] of refusedKeys) {
            const [found = "", ...others] = problems(config, ["relayKey", "relayKeys"]);
            assert.deepEqual(others, []);
            assert.match(found, expected);
            assert.doesNotMatch(found, /sentinel/);
        }
        assert.ok(read({ ...WHOLE, relayKeys: { "acme.1": "a".repeat(40) } }, ["relayKeys"]).ownKeys);
    });

    it("keep secrets secret", async () => {
        const { hubAccount } = read({ ...WHOLE, hub: { username: "acme" }, hubToken: "t" }, ["hubToken"]);
        assert.ok(hubAccount);
        assert.equal(await pulumi.isSecret(hubAccount.token), true);
    });

    it("accept public addresses that are said twice, and private ones of both families", () => {
        const allowFrom = ["192.168.7.0/24", "fd00::/8", "100.64.0.0/10", "203.0.113.0/24"];
        assert.ok(read({ ...WHOLE, onprem: { ...ONPREM, allowFrom, allowFromPublic: true } }));
        assert.ok(read({ ...WHOLE, onprem: { ...ONPREM, allowFrom: allowFrom.slice(0, 3) } }));
    });

    it("warn of a Worker without a Hub account", () => {
        assert.equal(warnings(read(WHOLE)).length, 1);
        assert.deepEqual(warnings(read({ ...WHOLE, hub: { username: "acme" }, hubToken: "t" }, ["hubToken"])), []);
        assert.deepEqual(warnings(read({ overseas: OVERSEAS })), []);
    });
});
