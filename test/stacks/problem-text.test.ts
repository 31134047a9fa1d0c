/** What is said of settings that cannot be used: the exact words, one row a kind of mistake. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { inLanguage } from "../../language/say";
import { UPSTREAMS } from "../../services/registry/upstreams";
import { AWS_REGIONS } from "../../stacks/aws-regions";
import { settingsProblems } from "../../stacks/settings";

const PROJECT = "dockermirror";
const EDGE = { accountId: "0123456789abcdef0123456789abcdef", hostname: "hub.example.com" };
const HOST = { kind: "host", hostname: "vm.example.com", address: "198.51.100.7" };
const EC2 = { kind: "ec2", hostname: "vm.example.com", region: "ap-northeast-1", sshFrom: ["203.0.113.7/32"] };
const ONPREM = { docker: "ssh://ops@10.1.0.5", hostname: "mirror.acme.lan" };
const ZONE = { zone: "example.com" };
const KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleE";

/** As Pulumi hands a file's values over, the project's name put before a key that has none. */
function problems(config: Record<string, unknown>): readonly string[] {
    const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
    const entries = Object.entries(config).map(([key, value]) => [
        key.includes(":") ? key : `${PROJECT}:${key}`,
        text(value),
    ]);
    pulumi.runtime.setAllConfig(Object.fromEntries(entries), []);
    return settingsProblems(new pulumi.Config(PROJECT));
}

const edge = (hostname: unknown) => ({ ...ZONE, edge: { ...EDGE, hostname } });
const host = (more: object) => ({ ...ZONE, overseas: { ...HOST, ...more } });
const ec2 = (more: object) => ({ ...ZONE, overseas: { ...EC2, ...more } });
const office = (more: object) => ({ onprem: { ...ONPREM, ...more }, relays: [{ stack: "acme-tokyo" }] });
const LINE = "/etc/ssh/ssh_host_*_key.pub";

const NAMES = UPSTREAMS.map(({ name }) => name).join(", ");
const SETTINGS =
    "zone, createZone, zoneReady, edge, overseas, onprem, relays, upstreams, redirectHosts, publicMirrors, keys, access, abuseContact, publicLimit, hub, privateAccounts, hubToken, privateTokens, relayKey, relayKeys, sshPrivateKey, overseasCertificateKey, onpremCertificateKey, onpremCaKey, acmeDnsToken";
const OVERSEAS_FIELDS =
    "kind, hostname, tls, certificate, acmeServer, acmeEmail, acmeChallenge, address, ipv6Address, user, port, hostKey, sshFrom, sshFromAnywhere, generation, rebootAt, ipv6, region, instanceType, diskGiB, subnetId, availabilityZone, bundle";
const PRIVATE = (range: string) =>
    `overseas.sshFrom  has private addresses (${range}), which no connection to a machine at AWS comes from: name the public ones that your network goes out by (npm run preflight shows this machine's)`;

/** Each with what is said, `dockermirror:` left out. */
const ROWS: Readonly<Record<string, readonly [Record<string, unknown>, readonly string[]]>> = {
    "a missing field": [
        { ...ZONE, edge: { hostname: "hub.example.com" } },
        ["edge.accountId  is missing: Cloudflare account, 32 hex digits"],
    ],
    "a missing kind": [
        { ...ZONE, overseas: { hostname: "vm.example.com" } },
        [
            "overseas.kind  is missing: the machine: made at EC2 or at Lightsail, or one that is there; one of host, ec2, lightsail",
        ],
    ],
    "a kind that is nearly right": [
        ec2({ kind: "ec3" }),
        ['overseas.kind  must be one of host, ec2, lightsail, got "ec3"; did you mean "ec2"?'],
    ],
    "a kind that is not known, beside mistakes that have nothing to do with it": [
        {
            ...ZONE,
            overseas: {
                kind: "vultr",
                hostname: "vm.example.com/",
                adress: "198.51.100.7",
                port: 0,
                region: "tokyo",
                sshFrom: ["10.0.0.1/32"],
                acmeEmail: "ops",
            },
        },
        [
            'overseas.kind  must be one of host, ec2, lightsail, got "vultr"',
            'overseas.hostname  must be a host name without a path (/): write "vm.example.com", got "vm.example.com/"',
            'overseas.acmeEmail  must be an e-mail address, got "ops"',
            "overseas.port  must be a whole number from 1 to 65535, got 0",
            `overseas.region  must be an AWS region outside mainland China (${AWS_REGIONS.join(", ")}), got "tokyo"`,
            'overseas.adress  is not a setting; did you mean "address"?',
            PRIVATE("10.0.0.1/32"),
        ],
    ],
    "a kind that is nearly right, beside what that kind needs and has": [
        {
            ...ZONE,
            overseas: { kind: "lightsial", hostname: "vm.example.com", bundle: "win_1", adress: "x", address: "y" },
        },
        [
            'overseas.kind  must be one of host, ec2, lightsail, got "lightsial"; did you mean "lightsail"?',
            "overseas.sshFrom  is missing: address ranges that may log in, an IPv4 one among them",
            "overseas.region  is missing: AWS region; Lightsail is not in all",
            'overseas.bundle  must be a Linux bundle with IPv4 such as micro_3_0, got "win_1"',
            'overseas.adress  is not a setting; did you mean "address"?',
        ],
    ],
    "a kind of another type, and none": [
        { ...ZONE, overseas: { kind: 7, hostname: "vm", colour: "red" } },
        [
            "overseas.kind  must be one of host, ec2, lightsail, got 7",
            'overseas.hostname  must be a name in full, with a domain, such as hub.example.com: other machines would look for this one elsewhere, got "vm"',
            `overseas.colour  is not a setting: overseas takes ${OVERSEAS_FIELDS}`,
        ],
    ],
    "a size of machine that is not known in a region, beside a mistake": [
        {
            ...ZONE,
            overseas: {
                kind: "lightsail",
                hostname: "vm.example.com",
                region: "sa-east-1",
                sshFrom: ["203.0.113.7/32"],
                rebootAt: "noon",
            },
        },
        [
            'overseas.rebootAt  must be a time of day in UTC such as "19:30", got "noon"',
            "overseas.bundle  must be said in sa-east-1: aws lightsail get-bundles --region sa-east-1 lists the names",
        ],
    ],
    "a source of images that is nearly right, beside mistakes": [
        office({ images: { from: "registery", registry: "Harbor!", path: "x" } }),
        [
            'onprem.images.from  must be one of relay, registry, archive, got "registery"; did you mean "registry"?',
            'onprem.images.registry  must be a registry with an optional path, such as harbor.acme.lan/library, got "Harbor!"',
            "onprem.images.path  is not a setting: onprem.images takes from, registry, archive",
        ],
    ],
    "an engine that is not there yet, beside mistakes": [
        office({ engine: "harbor", port: 0 }),
        [
            "onprem.port  must be a whole number from 1 to 65535, got 0",
            'onprem.engine  must be "registry" (harbor and nexus come later), got "harbor"',
        ],
    ],
    "entries of lists that are no mappings, and mappings where lists belong": [
        {
            ...edge("hub.example.com"),
            keys: ["acme", { nmae: "x" }, null],
            privateAccounts: { upstream: "ghcr.io" },
        },
        [
            'keys[0]  must be a mapping with name, generation, got "acme"',
            "keys[1].name  is missing: one key an office, a-z, 0-9 and -",
            'keys[1].nmae  is not a setting; did you mean "name"?',
            "keys[2]  has no value behind its colon: give it one, or leave the line out",
            'privateAccounts  must be a list of mappings with upstream, username, repositories, got {"upstream":"ghcr.io"}',
        ],
    ],
    "a text for a list of mappings, and for a mapping by name": [
        { onprem: ONPREM, relays: "acme-tokyo", redirectHosts: "a.b" },
        [
            'relays  must be a list of mappings with stack, relay, key, name, hostname, address, ca, got "acme-tokyo"',
            `redirectHosts  must be a mapping of ${NAMES}, got "a.b"`,
        ],
    ],
    "an upstream that is nearly right, as a key": [
        { ...edge("hub.example.com"), redirectHosts: { "docker.oi": ["a.example.com"] } },
        [`redirectHosts  must have names of upstreams for keys (${NAMES}), got "docker.oi"; did you mean "docker.io"?`],
    ],
    "a text that has no value, or several": [
        { zone: null, edge: EDGE, abuseContact: ["a"] },
        [
            "zone  has no value behind its colon: give it one, or leave the line out",
            'abuseContact  must be one text, got ["a"]',
            "abuseContact  is for access: public, which is not set",
        ],
    ],
    "two letters that are swapped": [
        { zoen: "example.com", ...edge("hub.example.com"), onprem: { ...ONPREM, limits: { fornt: {} } } },
        [
            `zoen  is not a setting; did you mean "zone"?; settings are ${SETTINGS}`,
            'onprem.limits.fornt  is not a setting; did you mean "front"?',
        ],
    ],
    "a field without a value": [
        edge(null),
        ["edge.hostname  has no value behind its colon: give it one, or leave the line out"],
    ],
    "a setting that is nearly right": [
        { ...edge("hub.example.com"), ovreseas: HOST, Keys: [] },
        ["ovreseas", "Keys"].map(
            (key, index) =>
                `${key}  is not a setting; did you mean "${["overseas", "keys"][index]}"?; settings are ${SETTINGS}`,
        ),
    ],
    "a field that is nearly right": [
        office({ allow_from: ["10.0.0.0/8"], registryversion: "3.1.2" }),
        [
            'onprem.allow_from  is not a setting; did you mean "allowFrom"?',
            'onprem.registryversion  is not a setting; did you mean "registryVersion"?',
        ],
    ],
    "a field that resembles none": [
        { ...ZONE, edge: { ...EDGE, colour: "red" } },
        ["edge.colour  is not a setting: edge takes accountId, hostname"],
    ],
    "a field of another kind of machine": [
        host({ address: undefined, region: "ap-northeast-1" }),
        [
            "overseas.address  is missing: its public IPv4 address, for SSH and DNS",
            "overseas.region  is only for kind: ec2 or kind: lightsail; what is here takes kind, hostname, tls, certificate, acmeServer, acmeEmail, acmeChallenge, address, ipv6Address, user, port, hostKey",
        ],
    ],
    "a text where fields belong": [
        { ...ZONE, edge: "hub.example.com" },
        ['edge  must be a mapping with accountId, hostname, got "hub.example.com"'],
    ],
    "a text where a list belongs": [
        office({ allowFrom: "10.0.0.0/8" }),
        ['onprem.allowFrom  must be a list such as [10.0.0.0/8], got "10.0.0.0/8"'],
    ],
    "a list where a text belongs": [edge(["a"]), ['edge.hostname  must be one text, got ["a"]']],
    "digits without quotes, all there": [
        office({ registryVersion: 3.1 }),
        [
            'onprem.registryVersion  must be a text, which YAML does not take this for without quotes: write "3.1", got 3.1',
        ],
    ],
    "digits without quotes, of which some are lost": [
        { ...ZONE, edge: { ...EDGE, accountId: 1.2345678901234567e31 } },
        [
            "edge.accountId  must be a text, which YAML does not take this for without quotes: write it in quotes, with all its digits, got 1.2345678901234567e+31",
        ],
    ],
    "quotes around a number": [
        office({ port: "8443" }),
        ['onprem.port  must be a whole number from 1 to 65535, without quotes, got "8443"'],
    ],
    "a word for a number, and a fraction": [
        office({ port: "https", spoolBudgetGiB: 0.5 }),
        [
            'onprem.port  must be a whole number from 1 to 65535, got "https"',
            "onprem.spoolBudgetGiB  must be a whole number of at least 1, got 0.5",
        ],
    ],
    "a word for a boolean": [
        office({ allowFromPublic: "yes" }),
        ['onprem.allowFromPublic  must be true or false, without quotes, got "yes"'],
    ],
    "an upstream that is nearly right": [
        { ...edge("hub.example.com"), upstreams: ["docker.io", "gchr.io"] },
        [
            `upstreams[1]  must be one of ${UPSTREAMS.map(({ name }) => name).join(", ")}, got "gchr.io"; did you mean "gcr.io"?`,
        ],
    ],
    "empty lists that could be meant as something else": [
        { ...edge("hub.example.com"), upstreams: [], keys: [] },
        ["upstreams  must have at least one entry, got []", "keys  must have at least one entry, got []"],
    ],
    "no settings at all": [
        {},
        [
            "edge  or overseas or onprem must be set: this stack has no settings, its file in stacks/ is empty or missing; npm run new-stack writes one",
        ],
    ],
    "a private key where a certificate belongs": [
        host({ certificate: "-----BEGIN PRIVATE KEY-----\nsentinel" }),
        [
            'overseas.certificate  must be a certificate chain in PEM, leaf first, got "-----BEGIN PRIVATE KEY----- …"',
            "overseas.certificate  needs its private key: pulumi config set --secret dockermirror:overseasCertificateKey",
        ],
    ],
    "a scheme": [
        edge("https://hub.example.com"),
        [
            'edge.hostname  must be a host name without a scheme (https://): write "hub.example.com", got "https://hub.example.com"',
        ],
    ],
    "a port": [
        edge("hub.example.com:8443"),
        [
            'edge.hostname  must be a host name without a port (:8443): write "hub.example.com", got "hub.example.com:8443"',
        ],
    ],
    "a path": [
        edge("hub.example.com/v2/"),
        [
            'edge.hostname  must be a host name without a path (/v2/): write "hub.example.com", got "hub.example.com/v2/"',
        ],
    ],
    "a trailing dot": [
        edge("hub.example.com."),
        [
            'edge.hostname  must be a host name without a dot at its end: write "hub.example.com", got "hub.example.com."',
        ],
    ],
    "upper case": [
        edge("Hub.Example.com"),
        ['edge.hostname  must be a host name without upper case: write "hub.example.com", got "Hub.Example.com"'],
    ],
    "several of these at once": [
        edge("HTTPS://Hub.example.com:443/"),
        [
            'edge.hostname  must be a host name without a scheme (HTTPS://), a path (/), a port (:443), upper case: write "hub.example.com", got "HTTPS://Hub.example.com:443/"',
        ],
    ],
    "a name of another script": [
        edge("镜像.example.com"),
        [
            'edge.hostname  must be a host name without characters outside ASCII (IDNA has a form for them): write "xn--o1q148n.example.com", got "镜像.example.com"',
        ],
    ],
    "an underscore": [
        edge("my_hub.example.com"),
        [
            'edge.hostname  must have no other characters than a-z, 0-9, - and dots, got "_" in it, got "my_hub.example.com"',
        ],
    ],
    "a wildcard": [
        edge("*.example.com"),
        ['edge.hostname  must be one host name, not a wildcard, got "*.example.com"'],
    ],
    "an address for a name": [
        office({ hostname: "10.1.0.5" }),
        ['onprem.hostname  must be a name, not an address: a certificate and a mirror go by a name, got "10.1.0.5"'],
    ],
    "an IPv6 address for a name": [
        office({ hostname: "[fd00::5]" }),
        ['onprem.hostname  must be a name, not an address: a certificate and a mirror go by a name, got "[fd00::5]"'],
    ],
    "what is nearly an address": [
        office({ hostname: "10.1.0.256" }),
        [
            'onprem.hostname  must not end with a number alone: programs take such a name for an IPv4 address, got "10.1.0.256"',
        ],
    ],
    "a name without a domain": [
        office({ hostname: "mirror" }),
        [
            'onprem.hostname  must be a name in full, with a domain, such as hub.example.com: other machines would look for this one elsewhere, got "mirror"',
        ],
    ],
    "a private address of a machine that others reach": [
        host({ address: "10.1.0.9", ipv6Address: "fd00::9" }),
        [
            'overseas.address  must be a public IPv4 address such as 198.51.100.7: this one is private, and is reached only within its own network, got "10.1.0.9"',
            'overseas.ipv6Address  must be a public IPv6 address such as 2001:db8::7: this one is private, and is reached only within its own network, got "fd00::9"',
        ],
    ],
    "an address that is none, of the wrong family, or of the link": [
        host({ address: "169.254.1.1", ipv6Address: "198.51.100.7" }),
        [
            'overseas.address  must be a public IPv4 address such as 198.51.100.7: the Internet has no way to this one, got "169.254.1.1"',
            'overseas.ipv6Address  must be a public IPv6 address such as 2001:db8::7, got "198.51.100.7"',
        ],
    ],
    "private addresses that are to log in to a cloud's machine": [
        ec2({ sshFrom: ["203.0.113.7/32", "192.168.1.0/24"] }),
        [
            "overseas.sshFrom  has private addresses (192.168.1.0/24), which no connection to a machine at AWS comes from: name the public ones that your network goes out by (npm run preflight shows this machine's)",
        ],
    ],
    "a region that AWS does not have": [
        ec2({ region: "ap-northeast-9" }),
        [
            'overseas.region  must be an AWS region outside mainland China (af-south-1, ap-east-1, ap-east-2, ap-northeast-1, ap-northeast-2, ap-northeast-3, ap-south-1, ap-south-2, ap-southeast-1, ap-southeast-2, ap-southeast-3, ap-southeast-4, ap-southeast-5, ap-southeast-6, ap-southeast-7, ca-central-1, ca-west-1, eu-central-1, eu-central-2, eu-north-1, eu-south-1, eu-south-2, eu-west-1, eu-west-2, eu-west-3, il-central-1, me-central-1, me-south-1, me-west-1, mx-central-1, sa-east-1, sa-west-1, us-east-1, us-east-2, us-west-1, us-west-2), got "ap-northeast-9"; did you mean "ap-northeast-1"?',
        ],
    ],
    "a host key that is cut off": [
        host({ hostKey: "ssh-ed25519 AAAA" }),
        [
            `overseas.hostKey  must be a line of ${LINE} in full: behind ssh-ed25519 there is no whole key of that kind, got "ssh-ed25519 AAAA"`,
        ],
    ],
    "a host key of another kind than it says": [
        host({ hostKey: `ssh-rsa ${KEY}` }),
        [
            `overseas.hostKey  must be a line of ${LINE} in full: behind ssh-rsa there is no whole key of that kind, got "ssh-rsa ${KEY}"`,
        ],
    ],
    "a fingerprint for a host key": [
        host({ hostKey: "SHA256:abcdef" }),
        [
            `overseas.hostKey  must be a line of ${LINE}, which starts with one of ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, got "SHA256:abcdef"`,
        ],
    ],
    "entries that are there twice": [
        {
            ...ec2({ sshFrom: ["203.0.113.7/32", "203.0.113.7/32"] }),
            ...office({ allowFrom: ["10.0.0.0/8", "10.0.0.0/8"] }),
            upstreams: ["docker.io", "docker.io"],
            redirectHosts: { "docker.io": ["cdn.example.com", "cdn.example.com"] },
            keys: [{ name: "acme" }, { name: "acme", generation: 2 }],
        },
        [
            'keys  must have one entry a name, got "acme" twice',
            'onprem.allowFrom  must have each entry once, got "10.0.0.0/8" twice',
            'overseas.sshFrom  must have each entry once, got "203.0.113.7/32" twice',
            'upstreams  must have each entry once, got "docker.io" twice',
            'redirectHosts["docker.io"]  must have each entry once, got "cdn.example.com" twice',
        ],
    ],
    "mistakes in fields and between fields, in one round": [
        {
            zone: "example.com",
            edge: { accountId: "abc", hostname: "hub.example.org" },
            overseas: { ...EC2, region: "nowhere", sshFrom: ["0.0.0.0/0"], subnet: "x" },
            onprem: { ...ONPREM, port: 0, allowFrom: ["8.8.8.0/24", "10.0.0.0"], key: "berlin" },
            hub: { username: "acme" },
            publicLimit: { requestsPerMinute: 60 },
        },
        [
            'edge.accountId  must be the 32 hex digits of a Cloudflare account id, got "abc"',
            "overseas.region",
            'overseas.subnet  is not a setting; did you mean "subnetId"?',
            "onprem.port  must be a whole number from 1 to 65535, got 0",
            'onprem.allowFrom[1]  must be an address range such as 10.0.0.0/8 or 203.0.113.7/32, got "10.0.0.0"',
            "onprem.allowFrom  has public addresses (8.8.8.0/24), which Docker opens past the host's firewall: if it is meant, also set onprem.allowFromPublic to true",
            'edge.hostname  must be example.com or end with .example.com, got "hub.example.org"',
            "overseas.sshFrom  lets the whole world try to log in (0.0.0.0/0): name your own public addresses, or, if it is meant, also set overseas.sshFromAnywhere to true",
            'onprem.key  must be the name of one of dockermirror:keys (default), got "berlin"',
            "publicLimit  is for access: public, which is not set",
            "hub  needs the account's access token: pulumi config set --secret dockermirror:hubToken",
        ],
    ],
};

/** Fails where a line is not in Chinese as a whole: values, names and commands are left as they are. */
function isChinese(line: string): void {
    const chinese = inLanguage(line, "zh");
    assert.match(chinese, /\p{Script=Han}/u, line);
    const words = chinese.replace(/"[^"]*"|“[^”]*”|（[^）]*）|\(.*\)|dockermirror:\S+/g, "");
    assert.doesNotMatch(words, / (must|needs?|is|are|has|be|which|that|or|and|the) /, chinese);
}

describe("What is said of settings", () => {
    for (const [what, [config, expected]] of Object.entries(ROWS)) {
        it(`names ${what}`, () => {
            const lines = problems(config);
            lines.forEach(isChinese);
            const found = lines.map((line) => line.replace(`${PROJECT}:`, ""));
            // A row may leave the words of one line to another row.
            const shown = found.map((line, index) => {
                const wanted = expected[index] ?? "";
                return wanted.includes("  ") || !line.startsWith(`${wanted}  `) ? line : wanted;
            });
            assert.deepEqual(shown, expected);
        });
    }

    it("names settings under a prefix that nothing reads", () => {
        const found = problems({
            ...edge("hub.example.com"),
            "docker-mirror:zone": "example.com",
            "DockerMirror:upstreams": ["docker.io"],
            "mirror:overseas": HOST,
            "aws:region": "ap-northeast-1",
            "cloudflare:apiToken": "t",
        });
        assert.deepEqual(found, [
            "docker-mirror:zone  is not read: write dockermirror:zone",
            "DockerMirror:upstreams  is not read: write dockermirror:upstreams",
            "mirror:overseas  is not read: write dockermirror:overseas",
        ]);
    });

    it("takes whole host keys of each kind, with a comment and without", () => {
        for (const hostKey of [
            `ssh-ed25519 ${KEY}`,
            `ssh-ed25519 ${KEY} root@vm`,
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOwL5t0bwTSAL1c3sFYI0k4I8cH4rkp4nKMgwB5+MDKs1H0+aYgBjcqw4r911RT+SMcVNtwbH03NLtD+mCAcVsg= root@vm",
        ]) {
            assert.deepEqual(problems(host({ hostKey })), []);
        }
    });

    it("says nothing of the defaults of Pulumi.yaml, whose lists are those of the program", () => {
        const { config } = parse(readFileSync(join(__dirname, "../../Pulumi.yaml"), "utf8")) as {
            config: Record<string, { default: unknown }>;
        };
        const defaults = Object.fromEntries(Object.entries(config).map(([key, entry]) => [key, entry.default]));
        assert.deepEqual(problems({ ...defaults, ...office({}) }), []);
    });
});
