/** Settings: what is accepted, what is refused and how it is said. Proves nothing of what is made from them. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { issue, makeCa } from "../../rehearsal/pki";
import { readStack } from "../../rehearsal/stack-file";
import type { AcmeSettings } from "../../stacks/overseas";
import { PLACEHOLDER, SECRETS } from "../../stacks/schema";
import { readSettings, type Settings, warnings } from "../../stacks/settings";
import { PROJECT } from "../support/deploy";

const EDGE = { accountId: "0123456789abcdef0123456789abcdef", hostname: "hub.example.com" };
const OVERSEAS = { kind: "host", hostname: "vm.example.com", address: "198.51.100.7" };
const EC2 = { kind: "ec2", hostname: "vm.example.com", region: "ap-northeast-1", sshFrom: ["203.0.113.7/32"] };
const LIGHTSAIL = { ...EC2, kind: "lightsail" };
const ONPREM = { docker: "ssh://ops@10.1.0.5", hostname: "mirror.acme.lan" };
const STACKS = join(__dirname, "../../stacks");
const CA = makeCa("acme");
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
        assert.deepEqual(settings.overseas?.machine, {
            kind: "host",
            connection: { host: OVERSEAS.address, user: "root", port: 22, hostKey: undefined, privateKey: undefined },
            ipv6Address: undefined,
        });
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
        assert.equal(read({ onprem: ONPREM, relays: [{ stack: "acme-tokyo" }] }).relays.length, 1);
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
            [
                "hubToken",
                "privateTokens",
                "relayKey",
                "relayKeys",
                "sshPrivateKey",
                "overseasCertificateKey",
                "onpremCertificateKey",
                "onpremCaKey",
                "acmeDnsToken",
            ],
        );
        assert.deepEqual(
            declared.filter((key) => !known.includes(key)),
            [],
        );
    });

    for (const file of readdirSync(STACKS).filter((name) => name.startsWith("Pulumi."))) {
        it(`accept stacks/${file}`, () => {
            const { config, secretKeys } = readStack(file.slice("Pulumi.".length, -".yaml".length), {});
            const short = (key: string) => key.replace(`${PROJECT}:`, "");
            const entries = Object.entries(config).map(([key, value]) => [short(key), value]);
            const { onprem, overseas, edge } = read(Object.fromEntries(entries), secretKeys.map(short));
            assert.ok(onprem ?? overseas ?? edge);
        });
    }

    it("tell every problem at once, with the key and what was got", () => {
        const edge = { accountId: "abc", hostname: "hub.example.com", hostnmae: "x" };
        assert.deepEqual(problems({ zone: "example.com", edge, overseas: { ...OVERSEAS, port: 0 } }), [
            'dockermirror:edge.accountId  must be the 32 hex digits of a Cloudflare account id, got "abc"',
            'dockermirror:edge.hostnmae  is not a setting; did you mean "hostname"?',
            "dockermirror:overseas.port  must be a whole number from 1 to 65535, got 0",
        ]);
    });

    it("take relays of other stacks by their names, in every form that means one stack", () => {
        const relays = [
            { stack: "acme-tokyo", relay: "nginx", key: "shanghai" },
            { stack: "organization/dockermirror/acme-frankfurt" },
            { name: "other", hostname: "other.example.com" },
            { stack: "acme-tokyo", relay: "worker", key: "shanghai" },
            { stack: "Acme_2.test" },
        ];
        assert.deepEqual(read({ onprem: ONPREM, relays, relayKey: "k".repeat(48) }, ["relayKey"]).relays, relays);
    });

    it("take a public service's contact and limit", () => {
        const open = { ...WHOLE, access: "public", publicLimit: { requestsPerMinute: 60 } };
        for (const abuseContact of [
            "mailto:abuse@example.org",
            "mailto:net.ops+abuse@mail.example.org",
            "https://example.org",
            "https://example.org/abuse?kind=relay",
        ]) {
            const { publicLimit, ...settings } = read({ ...open, abuseContact });
            assert.deepEqual([settings.abuseContact, publicLimit], [abuseContact, { requestsPerMinute: 60 }]);
        }
    });

    it("refuse in an office what only relays of its own would have", () => {
        const office = { onprem: { ...ONPREM, key: "acme" }, relays: [{ stack: "acme-tokyo" }] };
        const ofRelays = { keys: [{ name: "acme" }], hub: { username: "acme" }, access: "public" };
        const also = {
            abuseContact: "mailto:abuse@example.org",
            relayKeys: { "acme.1": "s".repeat(48) },
            hubToken: "t",
        };
        assert.deepEqual(
            problems({ ...office, ...ofRelays, ...also }, ["relayKeys", "hubToken"]).map((line) => line.split("  ")[0]),
            ["keys", "hub", "access", "relayKeys", "onprem.key"].map((key) => `dockermirror:${key}`),
        );
        const { key: _, ...onprem } = office.onprem;
        // What Pulumi.yaml has as its default is nothing that was said.
        assert.equal(
            read({ ...office, onprem, access: "keys", keys: [{ name: "default", generation: 1 }], hub: {} }).relays
                .length,
            1,
        );
    });

    const refused: Record<string, [Record<string, unknown>, RegExp]> = {
        "a relay that is neither": [
            { onprem: ONPREM, relays: [{ stak: "acme-tokyo" }] },
            /^dockermirror:relays\[0\]\.stak {2}is not a setting; did you mean "stack"\?$/,
        ],
        "a relay by stack and by host name": [
            { onprem: ONPREM, relays: [{ stack: "acme-tokyo", hostname: "vm.example.com" }] },
            /^dockermirror:relays\[0\]\.hostname {2}is only for an entry with name; what is here takes stack, relay, key$/,
        ],
        "a relay that is no object": [
            { onprem: ONPREM, relays: ["acme-tokyo"] },
            /^dockermirror:relays\[0\] {2}must be a mapping with stack, relay, .*got "acme-tokyo"$/,
        ],
        "a stack in a form that depends on the backend": [
            { onprem: ONPREM, relays: [{ stack: "acme/tokyo" }] },
            /^dockermirror:relays\[0\]\.stack {2}must be a stack of this project such as .*, got "acme\/tokyo"$/,
        ],
        "a name of a relay that no metric takes": [
            { onprem: ONPREM, relays: [{ stack: "acme-tokyo", relay: "Nginx" }] },
            /^dockermirror:relays\[0\]\.relay {2}must be 1 to 32 characters of a-z, 0-9 and -, got "Nginx"$/,
        ],
        "one relay twice": [
            {
                onprem: ONPREM,
                relays: [
                    { stack: "acme-tokyo", relay: "nginx" },
                    { stack: "acme-tokyo", relay: "nginx" },
                ],
            },
            /^dockermirror:relays\[1\] {2}must have a relay once, got nginx of "acme-tokyo" twice$/,
        ],
        "one relay by itself and among all": [
            { onprem: ONPREM, relays: [{ stack: "acme-tokyo", relay: "worker" }, { stack: "acme-tokyo" }] },
            /^dockermirror:relays\[1\] {2}must have a relay once, got worker of "acme-tokyo" twice$/,
        ],
        "relays by host name without their key": [
            { onprem: ONPREM, relays: [{ stack: "acme-tokyo" }, { name: "a", hostname: "a.example.com" }] },
            /^dockermirror:relays {2}need the key that those with a hostname ask for: .*relayKey$/,
        ],
        "a relay with the name of the stack's own": [
            { ...WHOLE, relays: [{ name: "nginx", hostname: "a.example.com" }] },
            /^dockermirror:relays {2}must have one entry a name, got "nginx" twice$/,
        ],
        "a public service without a contact": [
            { ...WHOLE, access: "public" },
            /^dockermirror:access {2}public needs abuseContact.*mailto:abuse@example\.org$/,
        ],
        "a contact that nobody can write to": [
            { ...WHOLE, access: "public", abuseContact: "abuse@example.org" },
            /^dockermirror:abuseContact {2}must be a mailto: or https: URL.*got "abuse@example\.org"$/,
        ],
        "a contact that would be taken for something else in a conf": [
            { ...WHOLE, access: "public", abuseContact: "https://example.org/$host'" },
            /^dockermirror:abuseContact {2}must be a mailto: or https: URL/,
        ],
        "a contact, and a limit, of relays that ask for keys": [
            { ...WHOLE, abuseContact: "https://example.org", publicLimit: { requestsPerMinute: 60 } },
            /^dockermirror:publicLimit {2}is for access: public, which is not set$/,
        ],
        "a limit that no pull fits into": [
            { ...WHOLE, access: "public", abuseContact: "https://example.org", publicLimit: { requestsPerMinute: 1 } },
            /^dockermirror:publicLimit\.requestsPerMinute {2}must be a whole number from 10 to 100000, got 1$/,
        ],
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
            /^dockermirror:edge {2}must be a mapping with accountId, hostname, got "hub\.example\.com"/,
        ],
        "an unknown upstream": [
            { ...WHOLE, upstreams: ["docker.io", "evil.example"] },
            /^dockermirror:upstreams\[1\] .*got "evil\.example"/,
        ],
        "public mirrors": [
            { ...WHOLE, publicMirrors: ["https://docker.m.daocloud.io"] },
            /^dockermirror:publicMirrors {2}is not supported yet/,
        ],
        "a kind of machine that there is not": [
            { overseas: { ...OVERSEAS, kind: "azure" } },
            /^dockermirror:overseas\.kind {2}must be one of host, ec2, lightsail, got "azure"$/,
        ],
        "an engine that is not there yet": [
            { ...WHOLE, onprem: { ...ONPREM, engine: "harbor" } },
            /^dockermirror:onprem\.engine {2}must be "registry"/,
        ],
        "a bad range": [
            { ...WHOLE, onprem: { ...ONPREM, allowFrom: ["10.0.0.0/33"] } },
            /^dockermirror:onprem\.allowFrom\[0\] .*got "10\.0\.0\.0\/33"/,
        ],
        "a canary that is no image with its registry and tag": [
            { ...WHOLE, onprem: { ...ONPREM, canary: "hello-world" } },
            /^dockermirror:onprem\.canary {2}must be an image with its registry and tag, such as docker\.io\//,
        ],
        "a canary of a registry that is not relayed": [
            { ...WHOLE, onprem: { ...ONPREM, canary: "registry.acme.lan/tools/hello:1" } },
            /^dockermirror:onprem\.canary {2}must be an image of one of upstreams \(docker\.io, .*got "registry\.acme\.lan"/,
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
        "a range with bits behind its prefix": [
            { zone: "example.com", overseas: { ...EC2, sshFrom: ["203.0.113.7/24"] } },
            /^dockermirror:overseas\.sshFrom\[0\] {2}must have nothing but zeros .*\/32, got "203\.0\.113\.7\/24"$/,
        ],
        "a made machine that nobody may log in to": [
            { zone: "example.com", overseas: { ...EC2, sshFrom: [] } },
            /^dockermirror:overseas\.sshFrom {2}/,
        ],
        "a made machine without a word on who may log in": [
            { zone: "example.com", overseas: { ...EC2, sshFrom: undefined } },
            /^dockermirror:overseas\.sshFrom {2}is missing: address ranges that may log in/,
        ],
        "SSH from everywhere said once": [
            { zone: "example.com", overseas: { ...EC2, sshFrom: ["203.0.113.7/32", "0.0.0.0/0", "::/0"] } },
            /^dockermirror:overseas\.sshFrom {2}lets the whole world try to log in \(0\.0\.0\.0\/0, ::\/0\): .*sshFromAnywhere/,
        ],
        "SSH from everywhere in pieces": [
            { zone: "example.com", overseas: { ...LIGHTSAIL, sshFrom: ["0.0.0.0/1", "128.0.0.0/1"] } },
            /^dockermirror:overseas\.sshFrom {2}lets the whole world/,
        ],
        "SSH from IPv6 alone": [
            { zone: "example.com", overseas: { ...EC2, sshFrom: ["2001:db8::/32"] } },
            /^dockermirror:overseas\.sshFrom {2}needs an IPv4 range/,
        ],
        "a region that Lightsail lacks": [
            { zone: "example.com", overseas: { ...LIGHTSAIL, region: "ap-northeast-3" } },
            /^dockermirror:overseas\.region {2}must be a region that Lightsail has \(.*kind ec2 works in all\), got "ap-northeast-3"$/,
        ],
        "a Lightsail region whose bundles have names that nobody knows": [
            { zone: "example.com", overseas: { ...LIGHTSAIL, region: "sa-east-1" } },
            /^dockermirror:overseas\.bundle {2}must be said in sa-east-1: aws lightsail get-bundles --region sa-east-1 /,
        ],
        "a bundle without IPv4": [
            { zone: "example.com", overseas: { ...LIGHTSAIL, bundle: "micro_ipv6_3_0" } },
            /^dockermirror:overseas\.bundle {2}must be a Linux bundle with IPv4.*got "micro_ipv6_3_0"$/,
        ],
        "a whole availability zone in place of its letter": [
            { zone: "example.com", overseas: { ...LIGHTSAIL, availabilityZone: "ap-northeast-1a" } },
            /^dockermirror:overseas\.availabilityZone {2}must be the last letter/,
        ],
        "a region that looks like none": [
            { zone: "example.com", overseas: { ...EC2, region: "Tokyo" } },
            /^dockermirror:overseas\.region {2}must be an AWS region.*got "Tokyo"$/,
        ],
        "an availability zone in place of a region": [
            { zone: "example.com", overseas: { ...EC2, region: "ap-northeast-1a" } },
            /^dockermirror:overseas\.region {2}must be an AWS region/,
        ],
        "a region in mainland China": [
            { zone: "example.com", overseas: { ...EC2, region: "cn-north-1" } },
            /^dockermirror:overseas\.region {2}must be an AWS region outside mainland China/,
        ],
        "an instance type without a size": [
            { zone: "example.com", overseas: { ...EC2, instanceType: "t4g" } },
            /^dockermirror:overseas\.instanceType {2}must be an EC2 instance type such as t4g\.micro, got "t4g"$/,
        ],
        "a disk smaller than the image": [
            { zone: "example.com", overseas: { ...EC2, diskGiB: 4 } },
            /^dockermirror:overseas\.diskGiB {2}must be a whole number from 8 to 16384, got 4$/,
        ],
        "IPv6 in a default VPC": [
            { zone: "example.com", overseas: { ...EC2, ipv6: true } },
            /^dockermirror:overseas\.ipv6 {2}needs subnetId/,
        ],
        "a reboot at no time of day": [
            { zone: "example.com", overseas: { ...EC2, rebootAt: "24:00" } },
            /^dockermirror:overseas\.rebootAt {2}must be a time of day in UTC such as "19:30", got "24:00"$/,
        ],
        "settings of one kind of machine on another": [
            { zone: "example.com", overseas: { ...EC2, address: "198.51.100.7" } },
            /^dockermirror:overseas\.address {2}is only for kind: host; what is here takes kind, /,
        ],
        "a certificate by ACME and one of one's own": [
            { overseas: { ...OVERSEAS, tls: "acme", certificate: "-----BEGIN CERTIFICATE-----\n" } },
            /^dockermirror:overseas\.tls {2}cannot be acme with a certificate of your own/,
        ],
        "ACME's settings without ACME": [
            { overseas: { ...OVERSEAS, acmeEmail: "ops@example.com" } },
            /^dockermirror:overseas\.acmeEmail {2}is for tls: acme/,
        ],
        "an ACME server without https": [
            { overseas: { ...OVERSEAS, tls: "acme", acmeServer: "http://acme.example.com/directory" } },
            /^dockermirror:overseas\.acmeServer {2}must be the https URL.*got "http:/,
        ],
        "ACME for a name that no public CA signs": [
            { overseas: { ...OVERSEAS, tls: "acme", hostname: "vm.acme.lan" } },
            /^dockermirror:overseas\.hostname {2}must be a name in the public DNS.*got "vm\.acme\.lan".*privateCa$/,
        ],
        "ACME for an address": [
            { overseas: { ...OVERSEAS, tls: "acme", hostname: "198.51.100.7" } },
            /^dockermirror:overseas\.hostname {2}must be a name, not an address/,
        ],
        "ACME on a made machine whose address nobody can enter into DNS": [
            { overseas: EC2 },
            /^dockermirror:overseas\.tls {2}acme needs zone with a machine that is made here.*privateCa$/,
        ],
        "DNS-01 without a zone": [
            { overseas: { ...OVERSEAS, tls: "acme", acmeChallenge: "dns-01" } },
            /^dockermirror:overseas\.acmeChallenge {2}dns-01 needs zone/,
        ],
        "DNS-01 without its token": [
            { zone: "example.com", overseas: { ...EC2, acmeChallenge: "dns-01" } },
            /^dockermirror:overseas\.acmeChallenge {2}dns-01 needs a Cloudflare token.*--secret dockermirror:acmeDnsToken$/,
        ],
        "a zone to make that has no name": [
            { overseas: OVERSEAS, createZone: { accountId: EDGE.accountId } },
            /^dockermirror:createZone {2}needs the name of the zone to make: set zone$/,
        ],
        "a zone that is said to be ready, and is not made here": [
            { ...WHOLE, zoneReady: true },
            /^dockermirror:zoneReady {2}is about the zone of createZone, which is not set/,
        ],
        "a Worker in another account than its zone": [
            { ...WHOLE, createZone: { accountId: "f".repeat(32) } },
            /^dockermirror:edge\.accountId {2}must be the account that the zone is made in, f{32}, got "0123/,
        ],
        "a CA without its key": [
            { ...WHOLE, onprem: { ...ONPREM, ca: CA.cert } },
            /^dockermirror:onprem\.ca {2}needs its private key: pulumi config set --secret dockermirror:onpremCaKey$/,
        ],
        "a CA beside a certificate": [
            { ...WHOLE, onprem: { ...ONPREM, ca: CA.cert, certificate: CA.cert } },
            /^dockermirror:onprem\.ca {2}cannot be set with a certificate of your own/,
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

    it("take a CA that was made before, as its resource would have it", async () => {
        const lines = { ca: CA.cert.trim(), onpremCaKey: CA.key.trim() };
        const config = { ...WHOLE, onprem: { ...ONPREM, ca: lines.ca }, onpremCaKey: lines.onpremCaKey };
        const { tls } = read(config, ["onpremCaKey"]).onprem!;
        assert.ok(typeof tls === "object" && "authority" in tls);
        assert.equal(tls.authority.certificate, `${lines.ca}\n`);
        assert.ok(await pulumi.isSecret(tls.authority.key));
        assert.equal(await new Promise((resolve) => tls.authority.key.apply(resolve)), `${lines.onpremCaKey}\n`);
    });

    it("refuse a CA that is none, and a key that is not its own, without repeating the key", () => {
        const other = makeCa("another");
        const leaf = issue(CA, ["mirror.acme.lan"]);
        const found = (ca: string, key: string) =>
            problems({ ...WHOLE, onprem: { ...ONPREM, ca }, onpremCaKey: key }, ["onpremCaKey"]);
        for (const [ca, key, expected] of [
            [
                CA.cert,
                other.key,
                /^dockermirror:onpremCaKey {2}must be the private key of onprem\.ca, and is another one$/,
            ],
            [CA.cert, "no key", /^dockermirror:onpremCaKey {2}must be a private key in PEM without a passphrase/],
            [leaf.cert, leaf.key, /^dockermirror:onprem\.ca {2}must be a certificate authority, /],
            [
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                CA.key,
                /^dockermirror:onprem\.ca {2}must be a certificate in PEM/,
            ],
        ] as const) {
            const [problem = "", ...more] = found(ca, key);
            assert.match(problem, expected);
            assert.deepEqual(more, []);
            assert.ok(!problem.includes(key));
        }
        const alone = problems({ ...WHOLE, onpremCaKey: CA.key }, ["onpremCaKey"]);
        assert.deepEqual(alone, ["dockermirror:onpremCaKey  needs its CA: set onprem.ca"]);
    });

    it("say of each placeholder of the examples which secret is missing, and how it is set", () => {
        const placeholders = Object.fromEntries(SECRETS.map((name) => [name, PLACEHOLDER]));
        const found = problems({ ...WHOLE, ...placeholders });
        for (const name of SECRETS) {
            const set = `pulumi config set --secret dockermirror:${name}`;
            const own = found.filter((line) => line.startsWith(`dockermirror:${name}  `));
            assert.equal(own[0], `dockermirror:${name}  must be set, got the example's placeholder: ${set}`);
            // Nor is it measured by what a value must be.
            assert.ok(!own.some((line) => /of some kind|must be JSON|encrypted/.test(line)), own.join());
        }
    });

    it("refuse a secret in plain, without repeating it", () => {
        const found = problems({ ...WHOLE, hub: { username: "acme" }, hubToken: "dckr_pat_sentinel" });
        assert.equal(found.length, 1);
        assert.match(
            found[0]!,
            /^dockermirror:hubToken {2}must be encrypted, got a plain value: pulumi config set --secret/,
        );
        assert.doesNotMatch(found[0]!, /sentinel/);
    });

    it("refuse secrets that belong to nothing", () => {
        const made = { zone: "example.com", overseas: EC2 };
        const token = "t".repeat(40);
        assert.deepEqual(problems({ ...made, acmeDnsToken: token }, ["acmeDnsToken"]), [
            "dockermirror:acmeDnsToken  is for overseas.acmeChallenge dns-01, which is not set",
        ]);
        assert.deepEqual(problems({ ...made, sshPrivateKey: "key" }, ["sshPrivateKey"]), [
            "dockermirror:sshPrivateKey  is for overseas.kind host: a machine that is made here gets a key of its own",
        ]);
    });

    it("refuse a DNS token that is no token, without repeating it", () => {
        const overseas = { ...EC2, acmeChallenge: "dns-01" };
        const [found = "", ...others] = problems({ zone: "example.com", overseas, acmeDnsToken: "sentinel" }, [
            "acmeDnsToken",
        ]);
        assert.deepEqual(others, []);
        assert.match(found, /^dockermirror:acmeDnsToken {2}must be a Cloudflare API token .*, got 8 of some kind$/);
        assert.doesNotMatch(found, /sentinel/);
    });

    describe("of private accounts", () => {
        const ACCOUNT = { upstream: "ghcr.io", username: "acme-bot", repositories: ["acme/*"] };
        const TOKENS = { "ghcr.io/acme-bot": "ghp_sentinel" };
        const config = (accounts: unknown, tokens: unknown, more: Record<string, unknown> = {}) => ({
            ...WHOLE,
            privateAccounts: accounts,
            privateTokens: tokens,
            ...more,
        });
        const wrong = (accounts: unknown, tokens: unknown, more?: Record<string, unknown>) =>
            problems(config(accounts, tokens, more), ["privateTokens"]);

        it("have each its token, as a secret", async () => {
            const nvidia = { upstream: "nvcr.io", username: "$oauthtoken", repositories: ["acme/app"] };
            const tokens = { "nvcr.io/$oauthtoken": "nvapi-sentinel", ...TOKENS };
            const { privateAccounts } = read(config([ACCOUNT, nvidia], tokens), ["privateTokens"]);
            assert.deepEqual(
                privateAccounts.map(({ token: _, ...account }) => account),
                [ACCOUNT, nvidia],
            );
            for (const [index, expected] of ["ghp_sentinel", "nvapi-sentinel"].entries()) {
                const { token } = privateAccounts[index]!;
                assert.equal(await pulumi.isSecret(token), true);
                assert.equal(await (token as unknown as { promise(): Promise<string> }).promise(), expected);
            }
        });

        const wrongs: Record<string, [string[], RegExp]> = {
            "without a token": [
                wrong([ACCOUNT], {}),
                /^dockermirror:privateAccounts\[0\] {2}needs its token: privateTokens has no "ghcr\.io\/acme-bot"$/,
            ],
            "with a token of somebody else": [
                wrong([ACCOUNT], { ...TOKENS, "ghcr.io/acme": "ghp_sentinel" }),
                /^dockermirror:privateTokens {2}has a token of "ghcr\.io\/acme", which is not in privateAccounts$/,
            ],
            "at a registry without accounts": [
                wrong([{ ...ACCOUNT, upstream: "registry.k8s.io" }], { "registry.k8s.io/acme-bot": "sentinel" }),
                /^dockermirror:privateAccounts\[0\] {2}registry\.k8s\.io has no accounts that a relay can use/,
            ],
            "at a registry that is not relayed": [
                wrong([ACCOUNT], TOKENS, { upstreams: ["docker.io"] }),
                /^dockermirror:privateAccounts\[0\]\.upstream {2}must be one of docker\.io, got "ghcr\.io"$/,
            ],
            "for everything": [
                wrong([{ ...ACCOUNT, repositories: ["*"] }], TOKENS),
                /^dockermirror:privateAccounts\[0\] {2}a private repository at ghcr\.io is a whole name.*got "\*"$/,
            ],
            "that is there twice": [
                wrong([ACCOUNT, ACCOUNT], TOKENS),
                /^dockermirror:privateAccounts\[1\] {2}must have an account once, got "ghcr\.io\/acme-bot" twice$/,
            ],
            "in a stack without relays of its own": [
                problems(
                    {
                        onprem: ONPREM,
                        relays: [{ stack: "acme-tokyo" }],
                        privateAccounts: [ACCOUNT],
                        privateTokens: TOKENS,
                    },
                    ["privateTokens"],
                ),
                /^dockermirror:privateAccounts {2}are what relays pull with/,
            ],
            "that are more than a Worker takes": [
                wrong(
                    [{ ...ACCOUNT, repositories: Array.from({ length: 500 }, (_, index) => `acme/app${index}`) }],
                    TOKENS,
                ),
                /^dockermirror:privateAccounts {2}must fit into 5000 bytes at Cloudflare, got \d{4}: list fewer/,
            ],
            "whose tokens are no JSON": [
                wrong([ACCOUNT], "sentinel"),
                /^dockermirror:privateTokens {2}must be JSON such as .*not repeated here$/,
            ],
            "whose token is longer than nginx takes": [
                wrong([ACCOUNT], { "ghcr.io/acme-bot": "s".repeat(3001) }),
                /^dockermirror:privateTokens {2}must be JSON/,
            ],
        };
        for (const [what, [found, expected]] of Object.entries(wrongs)) {
            it(`refuse one ${what}, without repeating its token`, () => {
                assert.ok(
                    found.some((line) => expected.test(line)),
                    found.join("\n"),
                );
                assert.doesNotMatch(found.join(), /sentinel|ssss/);
            });
        }

        it("may be many where there is no Worker", () => {
            const many = { ...ACCOUNT, repositories: Array.from({ length: 500 }, (_, index) => `acme/app${index}`) };
            const { edge: _, ...rest } = config([many], TOKENS);
            assert.equal(read(rest, ["privateTokens"]).privateAccounts.length, 1);
        });
    });

    describe("of redirect hosts", () => {
        const wrong = (redirectHosts: unknown, more: Record<string, unknown> = {}) =>
            problems({ ...WHOLE, redirectHosts, ...more }, []);

        it("are what the relays get", () => {
            const redirectHosts = {
                "quay.io": ["cdn.example.com", "*.blobs.example.com"],
                "docker.io": ["b.s3.*.amazonaws.com"],
            };
            assert.deepEqual(read({ ...WHOLE, redirectHosts }, []).redirectHosts, redirectHosts);
            assert.deepEqual(read(WHOLE, []).redirectHosts, {});
        });

        const wrongs: Record<string, [found: string[], expected: RegExp[]]> = {
            "with several mistakes, all at once": [
                wrong({
                    "quay.io": ["https://cdn.example.com", "*.cloudfront.net", "cdn.example.com"],
                    "ghcr.io": ["X"],
                }),
                [
                    /^dockermirror:redirectHosts\["quay\.io"\]\[0\] {2}must be a host name .* without a scheme, got "https:\/\/cdn\.example\.com"$/,
                    /^dockermirror:redirectHosts\["quay\.io"\]\[1\] {2}must not leave open whose host below cloudfront\.net it is, .*, got "\*\.cloudfront\.net"$/,
                    /^dockermirror:redirectHosts\["ghcr\.io"\]\[0\] {2}must be a host name .*, got "X"$/,
                ],
            ],
            "of what is no upstream": [
                wrong({ "quay.com": ["cdn.example.com"] }),
                [
                    /^dockermirror:redirectHosts {2}must have names of upstreams for keys \(docker\.io, .*\), got "quay\.com"; did you mean "quay\.io"\?$/,
                ],
            ],
            "of an upstream that is not relayed": [
                wrong({ "quay.io": ["cdn.example.com"] }, { upstreams: ["docker.io"] }),
                [
                    /^dockermirror:redirectHosts\["quay\.io"\] {2}is for an upstream that this stack does not relay: it relays docker\.io$/,
                ],
            ],
            "that are empty": [
                wrong({ "quay.io": [] }),
                [/^dockermirror:redirectHosts\["quay\.io"\] {2}.*, got \[\]$/],
            ],
            "that are no list": [
                wrong({ "quay.io": "cdn.example.com" }),
                [/^dockermirror:redirectHosts\["quay\.io"\] {2}.*, got "cdn\.example\.com"$/],
            ],
            "that are more than a Worker takes": [
                wrong({ "quay.io": Array.from({ length: 300 }, (_, index) => `cdn${index}.example.com`) }),
                [/^dockermirror:redirectHosts {2}must fit into 5000 bytes at Cloudflare, got \d{4}$/],
            ],
            "in a stack without relays of its own": [
                problems(
                    {
                        onprem: ONPREM,
                        relays: [{ stack: "acme-tokyo" }],
                        redirectHosts: { "quay.io": ["cdn.example.com"] },
                    },
                    [],
                ),
                [
                    /^dockermirror:redirectHosts {2}are where relays of this stack follow redirects to: set them where edge or overseas is$/,
                ],
            ],
        };
        for (const [what, [found, expected]] of Object.entries(wrongs)) {
            it(`refuse some ${what}`, () => {
                assert.equal(found.length, expected.length, found.join("\n"));
                for (const [index, line] of found.entries()) assert.match(line, expected[index]!);
            });
        }
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
        const keys = [{ name: "acme", generation: 2 }];
        const ofKeys = (relayKeys: object) => ({ ...WHOLE, keys, relayKeys });
        assert.ok(read(ofKeys({ "acme.1": "a".repeat(40) }), ["relayKeys"]).ownKeys);
        for (const id of ["acme.3", "acm.1", "default.1"]) {
            assert.deepEqual(problems(ofKeys({ [id]: "s".repeat(48) }), ["relayKeys"]), [
                `dockermirror:relayKeys  has "${id}", which dockermirror:keys does not (acme.2, and lower numbers)`,
            ]);
        }
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

    it("make a machine of what little must be said, with a certificate that it gets for itself", () => {
        const acme = {
            server: "https://acme-v02.api.letsencrypt.org/directory",
            email: undefined,
            challenge: "http-01",
            dnsToken: undefined,
        };
        const made = {
            region: "ap-northeast-1",
            sshFrom: ["203.0.113.7/32"],
            httpChallenge: true,
            generation: 1,
            rebootAt: "19:30",
            ipv6: false,
        };
        assert.deepEqual(read({ zone: "example.com", overseas: EC2 }).overseas, {
            hostname: "vm.example.com",
            machine: { kind: "ec2", ...made, instanceType: "t4g.micro", diskGiB: 8, subnetId: undefined },
            tls: { acme },
        });
        assert.deepEqual(read({ zone: "example.com", overseas: LIGHTSAIL }).overseas, {
            hostname: "vm.example.com",
            machine: { kind: "lightsail", ...made, availabilityZone: "ap-northeast-1a", bundle: "micro_3_0" },
            tls: { acme },
        });
    });

    it("know Lightsail's bundles where their names differ, and take those that are said", () => {
        const bundle = (more: Record<string, unknown>) => {
            const machine = read({ zone: "example.com", overseas: { ...LIGHTSAIL, ...more } }).overseas?.machine;
            return machine?.kind === "lightsail" ? [machine.availabilityZone, machine.bundle] : [];
        };
        assert.deepEqual(bundle({ region: "ap-east-1" }), ["ap-east-1a", "micro_3_1"]);
        assert.deepEqual(bundle({ region: "ap-southeast-2" }), ["ap-southeast-2a", "micro_3_2"]);
        assert.deepEqual(bundle({ availabilityZone: "c", bundle: "nano_3_0" }), ["ap-northeast-1c", "nano_3_0"]);
        assert.deepEqual(bundle({ region: "sa-east-1", bundle: "micro_9_9" }), ["sa-east-1a", "micro_9_9"]);
    });

    it("take everything that can be said of a made machine", () => {
        const overseas = {
            ...EC2,
            sshFrom: ["0.0.0.0/0", "::/0"],
            sshFromAnywhere: true,
            instanceType: "c7i-flex.large",
            diskGiB: 20,
            subnetId: "subnet-0123456789abcdef0",
            generation: 3,
            rebootAt: "03:05",
            ipv6: true,
            acmeServer: "https://dv.acme-v02.api.pki.goog/directory",
            acmeEmail: "ops@example.com",
            acmeChallenge: "dns-01",
        };
        const secrets = { acmeDnsToken: "t".repeat(40) };
        const settings = read({ zone: "example.com", overseas, ...secrets }, Object.keys(secrets));
        const { machine, tls } = settings.overseas!;
        assert.deepEqual(machine, {
            kind: "ec2",
            region: "ap-northeast-1",
            sshFrom: ["0.0.0.0/0", "::/0"],
            httpChallenge: false,
            generation: 3,
            rebootAt: "03:05",
            ipv6: true,
            instanceType: "c7i-flex.large",
            diskGiB: 20,
            subnetId: "subnet-0123456789abcdef0",
        });
        const { dnsToken, ...acme } = (tls as { acme: AcmeSettings }).acme;
        assert.deepEqual(acme, { server: overseas.acmeServer, email: "ops@example.com", challenge: "dns-01" });
        assert.ok(dnsToken);
    });

    it("open port 80 for HTTP-01 alone", () => {
        const opens = (config: Record<string, unknown>) => {
            const machine = read(config, ["acmeDnsToken", "overseasCertificateKey"]).overseas?.machine;
            return machine && "httpChallenge" in machine && machine.httpChallenge;
        };
        assert.equal(opens({ zone: "example.com", overseas: EC2 }), true);
        assert.equal(opens({ zone: "example.com", overseas: { ...EC2, tls: "privateCa" } }), false);
        assert.equal(
            opens({
                zone: "example.com",
                overseas: { ...EC2, certificate: "-----BEGIN CERTIFICATE-----\n" },
                overseasCertificateKey: "key",
            }),
            false,
        );
    });

    it("take a machine that is there for whatever TLS is said, and a made one without a zone for a private CA", () => {
        const { tls } = read({ overseas: { ...OVERSEAS, tls: "acme" } }).overseas!;
        assert.equal((tls as { acme: AcmeSettings }).acme.challenge, "http-01");
        assert.equal(read({ overseas: { ...EC2, tls: "privateCa" } }).overseas?.tls, "privateCa");
        const { machine } = read({ overseas: { ...OVERSEAS, ipv6Address: "2001:db8::7" } }).overseas!;
        assert.equal(machine.kind === "host" && machine.ipv6Address, "2001:db8::7");
    });

    it("leave out every site, and warn, in the run that makes the zone", () => {
        const createZone = { accountId: EDGE.accountId };
        const first = read({ ...WHOLE, createZone });
        assert.deepEqual([first.edge, first.overseas, first.onprem], [undefined, undefined, undefined]);
        assert.deepEqual(first.createZone, { name: "example.com", ...createZone, ready: false });
        const [warning = "", ...others] = warnings(first);
        assert.deepEqual(others, []);
        assert.match(
            warning,
            /makes the zone example\.com and none of the sites.*zoneNameServers.*dockermirror:zoneReady true/,
        );
        const second = read({ ...WHOLE, createZone, zoneReady: true });
        assert.ok(second.edge && second.overseas && second.onprem && second.createZone?.ready);
        assert.deepEqual(problems({ ...WHOLE, zone: "example.org", createZone }).length, 2);
    });

    it("warn of a Worker without a Hub account", () => {
        assert.equal(warnings(read(WHOLE)).length, 1);
        assert.deepEqual(warnings(read({ ...WHOLE, hub: { username: "acme" }, hubToken: "t" }, ["hubToken"])), []);
        assert.deepEqual(warnings(read({ overseas: OVERSEAS })), []);
    });
});
