/**
 * What the whole program makes of one stack after another: the real index.ts, every provider mocked. It does not prove
 * that a provider accepts it, nor that what it makes works; the rehearsal does.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { makeCa } from "../rehearsal/pki";
import { readStack } from "../rehearsal/stack-file";
import { UPSTREAMS } from "../services/registry/upstreams";
import { parseConfig } from "../services/uplink/config";
import { cacheConfig, containerFiles } from "./support/container-files";
import {
    type Deployed,
    type DeployOptions,
    type OtherStack,
    only,
    PROJECT,
    plainOccurrences,
    type Resource,
    reveal,
} from "./support/deploy";
import {
    ADDRESS,
    AUTHORITIES,
    type DeployedProgram,
    FUNCTIONS,
    IPV6_ADDRESS,
    NAME_SERVERS,
    OUTPUTS,
    runProgram,
    SENTINEL,
    ZONE_ID,
} from "./support/program";
import { unpacked } from "./support/release";

const CONTAINER = "docker:index/container:Container";
const IMAGE = "docker:index/remoteImage:RemoteImage";
const RECORD = "cloudflare:index/dnsRecord:DnsRecord";
const SCRIPT = "cloudflare:index/workersScript:WorkersScript";
const REMOTE = "command:remote:Command";
const LOCAL = "command:local:Command";
const PASSWORD = "random:index/randomPassword:RandomPassword";
const PRIVATE_KEY = "tls:index/privateKey:PrivateKey";
const ZONE = "cloudflare:index/zone:Zone";
const EC2_INSTANCE = "aws:ec2/instance:Instance";
const SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup";
const LIGHTSAIL_INSTANCE = "aws:lightsail/instance:Instance";
const GET_ZONE = "cloudflare:index/getZone:getZone";
const LIGHTSAIL_PORTS = "aws:lightsail/instancePublicPorts:InstancePublicPorts";

type Config = Readonly<Record<string, unknown>>;

const EDGE = { accountId: "0123456789abcdef0123456789abcdef", hostname: "hub.example.com" };
const OVERSEAS = { kind: "host", hostname: "vm.example.com", address: ADDRESS };
const SSH_FROM = ["203.0.113.7/32", "2001:db8:7::/48"];
const EC2 = { kind: "ec2", hostname: "vm.example.com", region: "ap-northeast-1", sshFrom: SSH_FROM };
const LIGHTSAIL = { ...EC2, kind: "lightsail" };
const ONPREM = { docker: "ssh://ops@10.1.0.5", hostname: "mirror.acme.lan" };
const HUB = { hub: { username: "acme" }, hubToken: `${SENTINEL}0hub` };
const WHOLE = { zone: "example.com", edge: EDGE, overseas: OVERSEAS, onprem: ONPREM, keys: [{ name: "acme" }], ...HUB };
const CREATE_ZONE = { createZone: { accountId: EDGE.accountId } };
const DNS_TOKEN = `${SENTINEL}0dns`.padEnd(40, "0");
const CHAIN = makeCa("the user's own").cert;
const OWN_KEY = `${SENTINEL}0OfTheUsersOwn0123456789abcdefghij012345`;
const ARCHIVE = "/srv/it's images.tar";
/** Where clients have their settings of each upstream. */
const HOSTS_FILES = UPSTREAMS.map(({ name }) => `/etc/docker/certs.d/${name}/hosts.toml`);

/** Every way of putting a stack together, by what it has. A value with the sentinel in it is encrypted. */
const STACKS = {
    "all three sites": localConfig(),
    "a machine that is there": WHOLE,
    "a machine of EC2": { zone: "example.com", overseas: EC2 },
    "a machine of EC2 anew": { zone: "example.com", overseas: { ...EC2, generation: 2 } },
    "a machine of EC2 with IPv6, and its certificate by DNS-01": {
        zone: "example.com",
        overseas: { ...EC2, subnetId: "subnet-01234567", ipv6: true, acmeChallenge: "dns-01" },
        acmeDnsToken: DNS_TOKEN,
    },
    "a machine of Lightsail": { zone: "example.com", overseas: { ...LIGHTSAIL, ipv6: true } },
    "a machine of Lightsail anew": { zone: "example.com", overseas: { ...LIGHTSAIL, ipv6: true, generation: 2 } },
    "a machine of Lightsail without a zone": { overseas: { ...LIGHTSAIL, tls: "privateCa" } },
    "a zone that is not active yet": { ...WHOLE, ...CREATE_ZONE },
    "a zone that was made": { ...WHOLE, ...CREATE_ZONE, zoneReady: true },
    "relays only": { zone: "example.com", edge: EDGE, overseas: OVERSEAS, ...HUB, sshPrivateKey: `${SENTINEL}0ssh` },
    "an office with another stack's relays": {
        onprem: ONPREM,
        relays: [
            { name: "tokyo", hostname: "vm.example.com", address: "198.51.100.7", ca: CHAIN },
            { name: "edge", hostname: "hub.example.com" },
        ],
        relayKey: `${SENTINEL}0ofAnotherStack`,
        sshPrivateKey: `${SENTINEL}0ssh`,
    },
    "one Nginx relay without a zone": { overseas: OVERSEAS },
    "an office with a stack's relays": {
        onprem: ONPREM,
        relays: [
            { stack: "acme-tokyo", relay: "worker", key: "shanghai" },
            { name: "edge", hostname: "other.example.com" },
            { stack: "acme-tokyo", relay: "nginx", key: "shanghai" },
        ],
        relayKey: `${SENTINEL}0ofAnotherStack`,
    },
    "relays that are open to all": {
        zone: "example.com",
        edge: EDGE,
        overseas: OVERSEAS,
        access: "public",
        abuseContact: "mailto:abuse@example.org",
        publicLimit: { requestsPerMinute: 120 },
        ...HUB,
    },
    "accounts for private repositories": {
        ...WHOLE,
        privateAccounts: [{ upstream: "ghcr.io", username: "acme-bot", repositories: ["acme/*"] }],
        privateTokens: { "ghcr.io/acme-bot": `${SENTINEL}0ghcr` },
    },
    "further redirect hosts": { ...WHOLE, redirectHosts: { "quay.io": ["cdn.example.com"] } },
    "certificates of the user's own": {
        ...WHOLE,
        overseas: { ...OVERSEAS, certificate: CHAIN },
        onprem: { ...ONPREM, certificate: CHAIN },
        overseasCertificateKey: `${SENTINEL}0overseas`,
        onpremCertificateKey: `${SENTINEL}0onprem`,
    },
    "keys of the user's own": { ...WHOLE, relayKeys: { "acme.1": OWN_KEY } },
    "distribution 2.8": { ...WHOLE, onprem: { ...ONPREM, registryVersion: "2.8.3" } },
    "images from another registry": {
        ...WHOLE,
        onprem: { ...ONPREM, images: { from: "registry", registry: "harbor.acme.lan/library" } },
    },
    "images from an archive": { ...WHOLE, onprem: { ...ONPREM, images: { from: "archive", archive: ARCHIVE } } },
    "the Docker of Pulumi's own machine": {
        ...WHOLE,
        onprem: { ...ONPREM, docker: "unix:///var/run/docker.sock", port: 8443 },
    },
    "a key that is rotated": { ...WHOLE, keys: [{ name: "acme", generation: 2 }, { name: "globex" }] },
} satisfies Record<string, Config>;

type StackName = keyof typeof STACKS;

/** What `acme-tokyo` exports; that the program does export this, test/stacks/examples.test.ts shows. */
const OTHER_STACKS: Record<string, OtherStack> = {
    "acme-tokyo": {
        outputs: {
            relays: [
                { name: "nginx", hostname: "vm.example.com", ca: CHAIN },
                { name: "worker", hostname: "hub.example.com" },
            ],
            relayKeys: { "shanghai.1": `${SENTINEL}0shanghai1`, "shanghai.2": `${SENTINEL}0shanghai2` },
        },
        secretOutputs: { relayKeys: true },
    },
};

/** The zone is asked for by its name where it was there, and by its id where it was made. */
const ZONES: NonNullable<DeployOptions["functions"]> = {
    ...FUNCTIONS,
    [GET_ZONE]: ({ filter, zoneId }) => {
        assert.deepEqual([filter?.name, zoneId], filter ? ["example.com", undefined] : [undefined, "zone-zone-id"]);
        return FUNCTIONS[GET_ZONE]!({ filter });
    },
};

const made = new Map<StackName, Promise<DeployedProgram>>();

/** The program on a stack: run once, whichever tests ask. */
function program(stack: StackName): Promise<DeployedProgram> {
    const known = made.get(stack) ?? run(STACKS[stack], { outputs: OUTPUTS });
    made.set(stack, known);
    return known;
}

function run(config: Config, options: DeployOptions): Promise<DeployedProgram> {
    const secretKeys = Object.keys(config).filter((key) => JSON.stringify(config[key]).includes(SENTINEL));
    return runProgram({ functions: ZONES, config, secretKeys, stacks: OTHER_STACKS, ...options });
}

function localConfig(): Config {
    const { config, secretKeys } = readStack("local", {});
    assert.deepEqual(secretKeys, []);
    const entries = Object.entries(config).map(([key, value]) => [key.slice(`${PROJECT}:`.length), value]);
    return Object.fromEntries(entries);
}

const all = (deployed: Deployed, type: string): Resource[] => deployed.resources.filter((each) => each.type === type);

/** The container of a role, not the one that tries its configuration. */
function container(deployed: Deployed, role: string): Resource {
    const [found, ...more] = all(deployed, CONTAINER).filter(({ name }) => name === `onprem-${role}-container`);
    assert.ok(found && more.length === 0, role);
    return found;
}

/** Resources whose inputs have the secret, in whatever form. */
function whoKnows({ resources }: Deployed, secret: string): Resource[] {
    return resources.filter(({ inputs }) => plainOccurrences(reveal(inputs), secret).length > 0);
}

/** A file of the release that goes to the relay's machine. */
function relayFile(deployed: Deployed, wanted: string): string {
    const file = unpacked(reveal(only(deployed, REMOTE, "nginx-apply").inputs.stdin)).files[wanted];
    assert.ok(file, `no ${wanted}`);
    return file.content;
}

function bindings(deployed: Deployed): Record<string, string> {
    const list: { name: string; text: string }[] = reveal(only(deployed, SCRIPT).inputs.bindings);
    return Object.fromEntries(list.map(({ name, text }) => [name, text]));
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const uplinkConfig = (deployed: Deployed) =>
    parseConfig(containerFiles(deployed, "onprem-uplink")["uplink.json"] ?? "", "uplink.json");

/** Which resources one deployment has and the other does not, by type and name. */
function difference(before: Deployed, after: Deployed): { gone: string[]; come: string[] } {
    const names = ({ resources }: Deployed) => resources.map(({ type, name }) => `${type} ${name}`);
    const [old, now] = [names(before), names(after)];
    return { gone: old.filter((each) => !now.includes(each)), come: now.filter((each) => !old.includes(each)) };
}

/** Ports of made machines that are open, and to whom. */
function openPorts(deployed: Deployed): [number, string[]][] {
    const rules = [
        ...all(deployed, SECURITY_GROUP).flatMap(({ inputs }) => inputs.ingress),
        ...all(deployed, LIGHTSAIL_PORTS).flatMap(({ inputs }) => inputs.portInfos),
    ];
    return rules.map(({ protocol, fromPort, toPort, cidrBlocks, ipv6CidrBlocks, cidrs, ipv6Cidrs }) => {
        assert.deepEqual([protocol, fromPort], ["tcp", toPort]);
        return [fromPort, [cidrBlocks, ipv6CidrBlocks, cidrs, ipv6Cidrs].flat().filter((range) => range !== undefined)];
    });
}

/** Whatever must be there before `resource`: its dependencies, its parents', and theirs. */
function mustPrecede({ resources }: Deployed, resource: Resource): Set<string> {
    const found = new Set<string>();
    const byUrn = (urn: string) =>
        resources.find(
            ({ type, name }) => urn.endsWith(`::${name}`) && urn.split("::").at(-2)?.split("$").at(-1) === type,
        );
    const follow = ({ dependencies, parent }: Resource) => {
        for (const urn of [...dependencies, parent]) {
            const next = byUrn(urn);
            if (!next || found.has(next.name)) continue;
            found.add(next.name);
            follow(next);
        }
    };
    follow(resource);
    return found;
}

describe("The program", () => {
    it("makes this of the local stack, and nothing else", async () => {
        const { resources } = await program("all three sites");
        const list = resources.map(({ type, name }) => `${type.replace(/:index\/\w+:/, ":")} ${name}`);
        assert.deepEqual(list.sort(), LOCAL_RESOURCES);
    });

    it("exports what people and clients need to know, and every key as a secret", async () => {
        const { outputs, secretOutputs } = await program("a machine that is there");
        const { clients, ...rest } = outputs;
        assert.deepEqual(rest, {
            zoneNameServers: NAME_SERVERS,
            relayUrls: ["https://vm.example.com", "https://hub.example.com"],
            relays: [
                { name: "nginx", hostname: "vm.example.com", ca: AUTHORITIES["nginx-ca-authority"] },
                { name: "worker", hostname: "hub.example.com", ca: undefined },
            ],
            relayKeys: { "acme.1": `${SENTINEL}0keysacme1` },
            relaySsh: { host: ADDRESS, port: 22, user: "root", hostKey: undefined, privateKey: undefined },
            relayClients: { "/etc/docker/certs.d/vm.example.com/ca.crt": AUTHORITIES["nginx-ca-authority"] },
            mirrorUrl: "https://mirror.acme.lan",
            mirrorCa: AUTHORITIES["onprem-front-ca-authority"],
        });
        assert.deepEqual(Object.keys(clients), [
            "/etc/docker/daemon.json",
            "/etc/docker/certs.d/mirror.acme.lan/ca.crt",
            ...HOSTS_FILES,
        ]);
        assert.deepEqual(
            Object.keys(outputs).filter((name) => secretOutputs[name]),
            ["relayKeys", "relaySsh"],
        );
        assert.deepEqual((await program("a machine of EC2")).outputs.relayClients, {});
    });

    it("lets the uplink ask the relay on the machine first, then the Worker, with the key that both know", async () => {
        const deployed = await program("a machine that is there");
        const key = `${SENTINEL}0keysacme1`;
        assert.deepEqual(uplinkConfig(deployed).relays, [
            { name: "nginx", url: "https://vm.example.com", key, ca: AUTHORITIES["nginx-ca-authority"] },
            { name: "worker", url: "https://hub.example.com", key },
        ]);
        assert.deepEqual(JSON.parse(bindings(deployed).KEYS!), { "acme.1": key });
        assert.ok(relayFile(deployed, "keys.conf").includes(sha256(key)));
        const provider = all(deployed, "pulumi:providers:docker")[0]!;
        assert.deepEqual(JSON.parse(reveal(provider.inputs.registryAuth)), [
            { address: "vm.example.com", username: "dockermirror", password: key },
        ]);
    });

    it("knows the same upstreams at the Worker, the relay, the uplink and the front", async () => {
        const deployed = await program("all three sites");
        const names = ["docker.io", "ghcr.io", "quay.io", "registry.k8s.io"];
        assert.deepEqual(JSON.parse(bindings(deployed).UPSTREAMS!), names);
        assert.deepEqual(
            uplinkConfig(deployed).upstreams.map((upstream) => upstream.name),
            names,
        );
        const relay = relayFile(deployed, "names.conf");
        assert.equal(containerFiles(deployed, "onprem-front")["front/names.conf"], relay);
        for (const { name } of UPSTREAMS) {
            assert.equal(relay.includes(name.replaceAll(".", "\\.")), names.includes(name), name);
        }
    });

    it("gives the Hub account to both relays and to nobody else", async () => {
        const deployed = await program("keys of the user's own");
        assert.equal(bindings(deployed).HUB_TOKEN, HUB.hubToken);
        const basic = Buffer.from(`acme:${HUB.hubToken}`).toString("base64");
        assert.ok(relayFile(deployed, "account.conf").includes(basic));
        const knowing = whoKnows(deployed, HUB.hubToken);
        assert.deepEqual(knowing.map(({ name }) => name).sort(), ["nginx-apply", "worker-script"]);
    });

    it("waits for each relay as clients will see it: its name at the zone's name servers, its CA, its refusal", async () => {
        const gate = async (stack: StackName, relay: string) =>
            JSON.parse(reveal(only(await program(stack), LOCAL, `${relay}-gate`).inputs.stdin));
        const { seconds: _, ...nginx } = await gate("a machine that is there", "nginx");
        assert.deepEqual(nginx, {
            hostname: "vm.example.com",
            nameServers: NAME_SERVERS,
            address: "198.51.100.7",
            ca: AUTHORITIES["nginx-ca-authority"],
            status: 401,
        });
        const { seconds: __, ...worker } = await gate("all three sites", "worker");
        assert.deepEqual(worker, { hostname: "hub.example.com", nameServers: NAME_SERVERS, status: 401 });
        const deployed = await program("all three sites");
        const first = (relay: string) => mustPrecede(deployed, only(deployed, LOCAL, `${relay}-gate`));
        assert.ok(first("nginx").has("nginx-record") && first("nginx").has("nginx-apply"));
        assert.ok(first("worker").has("worker-domain") && first("worker").has("worker-script"));
        assert.equal((await gate("relays that are open to all", "worker")).status, 200);
        const nameless = await gate("one Nginx relay without a zone", "nginx");
        assert.deepEqual([nameless.nameServers, nameless.address], [[], "198.51.100.7"]);
    });

    it("makes nothing at home where there are only relays", async () => {
        const { resources, outputs } = await program("relays only");
        assert.deepEqual(
            resources.filter(({ type, name }) => type.startsWith("docker:") || name.startsWith("onprem")),
            [],
        );
        assert.deepEqual([outputs.mirrorUrl, outputs.mirrorCa, outputs.clients], [undefined, undefined, undefined]);
        assert.deepEqual(outputs.relayUrls, ["https://vm.example.com", "https://hub.example.com"]);
    });

    it("makes no relay and no key for an office that has another stack's", async () => {
        const deployed = await program("an office with another stack's relays");
        const relayTypes = [SCRIPT, RECORD, PASSWORD, "dockermirror:overseas:NginxRelay"];
        assert.deepEqual(
            deployed.resources.filter(({ type }) => relayTypes.includes(type)),
            [],
        );
        const key = `${SENTINEL}0ofAnotherStack`;
        assert.deepEqual(uplinkConfig(deployed).relays, [
            { name: "tokyo", url: "https://vm.example.com", key, address: "198.51.100.7", ca: CHAIN },
            { name: "edge", url: "https://hub.example.com", key },
        ]);
        assert.deepEqual([deployed.outputs.relayUrls, deployed.outputs.relayKeys], [[], {}]);
        const trust = only(deployed, LOCAL, "trust").inputs;
        assert.equal(trust.stdin, `vm.example.com ${Buffer.from(CHAIN).toString("base64")}\n`);
        assert.match(trust.create, /^'ssh' .*'ops'.*'10\.1\.0\.5' /);
    });

    it("pulls through another stack's relays in the order of the settings, with that stack's current key", async () => {
        const deployed = await program("an office with a stack's relays");
        const key = `${SENTINEL}0shanghai2`;
        assert.deepEqual(uplinkConfig(deployed).relays, [
            { name: "acme-tokyo-worker", url: "https://hub.example.com", key },
            { name: "edge", url: "https://other.example.com", key: `${SENTINEL}0ofAnotherStack` },
            { name: "acme-tokyo-nginx", url: "https://vm.example.com", key, ca: CHAIN },
        ]);
        assert.equal(only(deployed, IMAGE, "cache").inputs.name, "hub.example.com/library/registry:3.1.2");
        const provider = all(deployed, "pulumi:providers:docker")[0]!;
        assert.deepEqual(JSON.parse(reveal(provider.inputs.registryAuth)), [
            { address: "hub.example.com", username: "dockermirror", password: key },
        ]);
        assert.deepEqual([deployed.outputs.relays, deployed.outputs.relayKeys], [[], {}]);
    });

    it("previews an office before the stack of its relays is up", async () => {
        const { resources } = await run(STACKS["an office with a stack's relays"], {
            preview: true,
            stacks: { "acme-tokyo": { outputs: {}, secretOutputs: {} } },
        });
        const names = (list: readonly Resource[]) => list.map(({ type, name }) => `${type} ${name}`).sort();
        assert.deepEqual(names(resources), names((await program("an office with a stack's relays")).resources));
    });

    it("says which DNS record to enter where there is no zone, and enters it where there is one", async () => {
        const without = await program("one Nginx relay without a zone");
        assert.equal(without.outputs.dnsRecord, "vm.example.com. 60 IN A 198.51.100.7");
        assert.deepEqual(all(without, RECORD), []);
        const { inputs } = only(await program("all three sites"), RECORD);
        assert.deepEqual([inputs.name, inputs.type, inputs.content], ["vm.example.com", "A", "198.51.100.7"]);
    });

    it("opens relays to callers without a key by a setting of its own, with a limit at each", async () => {
        const open = await program("relays that are open to all");
        const closed = await program("relays only");
        assert.deepEqual([bindings(open).ACCESS, bindings(closed).ACCESS], ["public", "keys"]);
        const limited = ({ inputs }: Resource) =>
            reveal(inputs.bindings).some((binding: { type: string }) => binding.type === "ratelimit");
        assert.deepEqual([limited(only(open, SCRIPT)), limited(only(closed, SCRIPT))], [true, false]);
        assert.match(relayFile(open, "keys.conf"), /^ {4}" ?" +yes;$/m);
        assert.match(relayFile(closed, "keys.conf"), /^ {4}" ?" +no;$/m);
    });

    it("tells of a public relay whom to complain to, and how much an address may ask, at each", async () => {
        const deployed = await program("relays that are open to all");
        assert.equal(bindings(deployed).ABUSE_CONTACT, "mailto:abuse@example.org");
        assert.match(relayFile(deployed, "public.conf"), /mailto:abuse@example\.org/);
        const limit = reveal(only(deployed, SCRIPT).inputs.bindings).find(({ type }: any) => type === "ratelimit");
        assert.deepEqual(limit.simple, { limit: 120, period: 60 });
        assert.match(relayFile(deployed, "keys.conf"), /zone=strangers:10m rate=120r\/m;$/m);
        assert.match(relayFile(deployed, "server.conf"), /limit_req zone=strangers burst=120 nodelay;$/m);
    });

    it("gives accounts for private repositories to both relays and to nobody else", async () => {
        const deployed = await program("accounts for private repositories");
        const token = `${SENTINEL}0ghcr`;
        const account = { upstream: "ghcr.io", username: "acme-bot", repositories: ["acme/*"], token };
        assert.deepEqual(JSON.parse(bindings(deployed).PRIVATE_ACCOUNTS!), [account]);
        const basic = Buffer.from(`acme-bot:${token}`).toString("base64");
        assert.ok(relayFile(deployed, "account.conf").includes(basic));
        const knowing = whoKnows(deployed, token);
        assert.deepEqual(knowing.map(({ name }) => name).sort(), ["nginx-apply", "worker-script"]);
    });

    it("uses the user's own certificates, and then makes no authority and has none trusted", async () => {
        const deployed = await program("certificates of the user's own");
        assert.deepEqual(
            deployed.resources.filter(({ type }) => type.startsWith("tls:")),
            [],
        );
        assert.equal(only(deployed, LOCAL, "trust").inputs.stdin, "");
        const front = containerFiles(deployed, "onprem-front");
        assert.equal(front["front/certificate.pem"], CHAIN);
        assert.equal(front["front/key.pem"], `${SENTINEL}0onprem`);
        assert.equal(relayFile(deployed, "certificate.pem"), CHAIN);
        assert.equal(relayFile(deployed, "key.pem"), `${SENTINEL}0overseas`);
        const { clients } = deployed.outputs;
        assert.deepEqual(Object.keys(clients), ["/etc/docker/daemon.json", ...HOSTS_FILES]);
        for (const file of HOSTS_FILES) assert.doesNotMatch(clients[file], /^ *ca =/m);
        assert.ok(uplinkConfig(deployed).relays.every((relay) => relay.ca === undefined));
    });

    it("uses the user's own keys", async () => {
        const deployed = await program("keys of the user's own");
        assert.deepEqual(deployed.outputs.relayKeys, { "acme.1": OWN_KEY });
        assert.deepEqual(JSON.parse(bindings(deployed).KEYS!), { "acme.1": OWN_KEY });
        assert.ok(relayFile(deployed, "keys.conf").includes(sha256(OWN_KEY)));
        assert.deepEqual(
            uplinkConfig(deployed).relays.map(({ key }) => key),
            [OWN_KEY, OWN_KEY],
        );
    });

    it("keeps the key before a rotation valid at both relays, and shows them the new one", async () => {
        const deployed = await program("a key that is rotated");
        const key = (id: string) => `${SENTINEL}0keys${id}`;
        const valid = { "acme.1": key("acme1"), "acme.2": key("acme2"), "globex.1": key("globex1") };
        assert.deepEqual(deployed.outputs.relayKeys, valid);
        assert.deepEqual(JSON.parse(bindings(deployed).KEYS!), valid);
        const conf = relayFile(deployed, "keys.conf");
        const digests = [...conf.matchAll(/^ {4}([0-9a-f]{64}) {2}"(.+)";$/gm)].map(([, digest, id]) => [id, digest]);
        assert.deepEqual(
            digests,
            Object.entries(valid).map(([id, value]) => [id, sha256(value)]),
        );
        assert.deepEqual(
            uplinkConfig(deployed).relays.map((relay) => relay.key),
            [key("acme2"), key("acme2")],
        );
    });

    it("leaves the keys that are there alone when one is added or rotated", async () => {
        const keysOf = async (name: StackName) =>
            Object.fromEntries(all(await program(name), PASSWORD).map(({ name: key, inputs }) => [key, inputs]));
        const [before, after] = [await keysOf("all three sites"), await keysOf("a key that is rotated")];
        assert.deepEqual(Object.keys(before), ["keys-acme.1"]);
        assert.deepEqual(after["keys-acme.1"], before["keys-acme.1"]);
    });

    it("has the image and the configuration of the distribution that the settings name", async () => {
        const [old, current] = [await program("distribution 2.8"), await program("all three sites")];
        const image = (deployed: Deployed) => only(deployed, IMAGE, "cache").inputs.name;
        assert.equal(image(old), "vm.example.com/library/registry:2.8.3");
        assert.equal(image(current), "vm.example.com/library/registry:3.1.2");
        const proxy = (deployed: Deployed) => parse(cacheConfig(deployed)).proxy;
        assert.deepEqual(proxy(old), { remoteurl: "http://uplink:5000" });
        assert.deepEqual(proxy(current), { remoteurl: "http://uplink:5000", ttl: "0s" });
    });

    it("pulls the images through the first relay, from another registry or loads them from an archive", async () => {
        const sources: Record<string, StackName> = {
            "vm.example.com/library/": "all three sites",
            "harbor.acme.lan/library/": "images from another registry",
            "": "images from an archive",
        };
        for (const [prefix, stack] of Object.entries(sources)) {
            const deployed = await program(stack);
            const images = all(deployed, IMAGE);
            assert.equal(images.length, 3);
            for (const { inputs } of images) {
                assert.match(inputs.name.slice(prefix.length), /^(node|nginx|registry):[\w.-]+$/);
                assert.ok(inputs.name.startsWith(prefix), inputs.name);
                assert.equal(inputs.keepLocally, true);
            }
            // Whoever the key is not for does not get it.
            const { registryAuth } = all(deployed, "pulumi:providers:docker")[0]!.inputs;
            assert.equal(registryAuth !== undefined, stack === "all three sites");
        }
        const archived = await program("images from an archive");
        const load = only(archived, LOCAL, "archive");
        assert.equal(
            load.inputs.create,
            String.raw`docker --host 'ssh://ops@10.1.0.5' load --input '/srv/it'\''s images.tar'`,
        );
        for (const image of all(archived, IMAGE)) assert.ok(mustPrecede(archived, image).has(load.name), image.name);
    });

    it("works on the Docker of its own machine without SSH", async () => {
        const deployed = await program("the Docker of Pulumi's own machine");
        const provider = all(deployed, "pulumi:providers:docker")[0]!;
        assert.equal(provider.inputs.host, "unix:///var/run/docker.sock");
        assert.doesNotMatch(only(deployed, LOCAL, "trust").inputs.create, /\bssh\b/);
        assert.equal(deployed.outputs.mirrorUrl, "https://mirror.acme.lan:8443");
        assert.ok("/etc/docker/certs.d/mirror.acme.lan:8443/ca.crt" in deployed.outputs.clients);
    });

    it("makes everything of the on-prem host by the provider of that host", async () => {
        const deployed = await program("all three sites");
        for (const { type, name, provider, custom } of deployed.resources) {
            if (custom && type.startsWith("docker:")) assert.match(provider ?? "", /::onprem-docker::/, name);
        }
    });

    it("starts uplink, cache and front one after another, each after its image", async () => {
        const deployed = await program("all three sites");
        const chain = ["uplink", "cache", "front"];
        for (const [index, role] of chain.entries()) {
            const first = mustPrecede(deployed, container(deployed, role));
            assert.ok(first.has(`onprem-images-${role}`), `${role} without its image`);
            for (const [other, name] of chain.entries()) {
                assert.equal(first.has(`onprem-${name}-container`), other < index, `${role} after ${name}`);
            }
        }
    });

    it("makes a machine of EC2, waits for it, and gets its certificate where its name leads to it", async () => {
        const deployed = await program("a machine of EC2");
        const order = ["vm-instance-1-arm64", "vm-ready", "nginx-apply", "nginx-record", "nginx-certificate"];
        const gate = mustPrecede(deployed, only(deployed, LOCAL, "nginx-gate"));
        for (const each of order) assert.ok(gate.has(each), `the gate does not wait for ${each}`);
        const resource = (name: string) => deployed.resources.find((each) => each.name === name)!;
        for (const [index, name] of order.entries()) {
            const first = mustPrecede(deployed, resource(name));
            for (const [other, each] of order.entries())
                assert.equal(first.has(each), other < index, `${name}, ${each}`);
        }
        assert.deepEqual(Object.fromEntries(openPorts(deployed)), {
            22: SSH_FROM,
            80: ["0.0.0.0/0", "::/0"],
            443: ["0.0.0.0/0", "::/0"],
        });
        assert.equal(uplinkConfig(await program("all three sites")).relays[0]?.ca, undefined);
        assert.equal(JSON.parse(reveal(only(deployed, LOCAL, "nginx-gate").inputs.stdin)).ca, undefined);
        const { host, port, user, hostKey, privateKey } = deployed.outputs.relaySsh;
        assert.deepEqual([host, port, user, hostKey], [ADDRESS, 22, "dockermirror", "ssh-ed25519 vm-host-key-1"]);
        assert.equal(privateKey, `${SENTINEL}0vm-login-key`);
    });

    it("makes everything of a made machine by the provider of its region", async () => {
        for (const stack of ["a machine of EC2", "a machine of Lightsail"] as const) {
            const deployed = await program(stack);
            assert.equal(only(deployed, "pulumi:providers:aws").inputs.region, "ap-northeast-1");
            for (const { type, name, provider } of deployed.resources)
                if (type.startsWith("aws:")) assert.match(provider ?? "", /::vm-aws::/, name);
        }
    });

    it("enters both addresses where IPv6 is wanted", async () => {
        for (const stack of [
            "a machine of EC2 with IPv6, and its certificate by DNS-01",
            "a machine of Lightsail",
        ] as const) {
            const records = all(await program(stack), RECORD).map(({ inputs }) => [
                inputs.type,
                inputs.content,
                inputs.ttl,
            ]);
            assert.deepEqual(records, [
                ["A", ADDRESS, 60],
                ["AAAA", IPV6_ADDRESS, 60],
            ]);
        }
        assert.equal(all(await program("a machine of EC2"), RECORD).length, 1);
    });

    it("gives the DNS token to the machine whose certificate needs it, and to nobody else", async () => {
        const deployed = await program("a machine of EC2 with IPv6, and its certificate by DNS-01");
        assert.equal(relayFile(deployed, "dns-token"), DNS_TOKEN);
        const knowing = whoKnows(deployed, DNS_TOKEN);
        assert.deepEqual(
            knowing.map(({ name }) => name),
            ["nginx-apply"],
        );
    });

    it("makes another machine and another host key of another generation, and no other resource", async () => {
        const kinds = { EC2: [EC2_INSTANCE, "-arm64"], Lightsail: [LIGHTSAIL_INSTANCE, ""] } as const;
        for (const kind of ["EC2", "Lightsail"] as const) {
            const [instance, suffix] = kinds[kind];
            const { gone, come } = difference(
                await program(`a machine of ${kind}`),
                await program(`a machine of ${kind} anew`),
            );
            assert.deepEqual(gone.sort(), [`${instance} vm-instance-1${suffix}`, `${PRIVATE_KEY} vm-host-key-1`]);
            assert.deepEqual(come.sort(), [`${instance} vm-instance-2${suffix}`, `${PRIVATE_KEY} vm-host-key-2`]);
        }
    });

    it("fills another machine again: what is laid on one is triggered by it", async () => {
        const triggers = async (stack: StackName, name: string) =>
            reveal(only(await program(stack), REMOTE, name).inputs.triggers);
        for (const name of ["vm-ready", "nginx-apply", "nginx-certificate"]) {
            assert.ok((await triggers("a machine of EC2", name)).includes("vm-instance-1-arm64-id"), name);
            assert.ok((await triggers("a machine of EC2 anew", name)).includes("vm-instance-2-arm64-id"), name);
        }
    });

    it("makes a zone and nothing else in the run before the zone is active", async () => {
        const { resources, outputs } = await program("a zone that is not active yet");
        assert.deepEqual(resources.map(({ name }) => name).sort(), ["keys", "zone", "zone-zone"]);
        assert.deepEqual(outputs.zoneNameServers, NAME_SERVERS);
        assert.deepEqual([outputs.relayUrls, outputs.relayKeys, outputs.mirrorUrl], [[], {}, undefined]);
    });

    it("makes the same in a zone of its own as in one that was there", async () => {
        const { gone, come } = difference(
            await program("a machine that is there"),
            await program("a zone that was made"),
        );
        assert.deepEqual([gone, come], [[], ["dockermirror:index:DnsZone zone", `${ZONE} zone-zone`]]);
    });

    it("puts nothing into a zone that Cloudflare does not call active, whatever the settings say", async () => {
        const functions = {
            ...FUNCTIONS,
            [GET_ZONE]: () => ({
                id: ZONE_ID,
                name: "example.com",
                status: "pending",
                nameServers: NAME_SERVERS,
            }),
        };
        await assert.rejects(
            run(STACKS["a zone that was made"], { outputs: OUTPUTS, functions }),
            /the zone example\.com must be active before anything is put into it/,
        );
    });

    it("refuses a stack that cannot be used, with the key", async () => {
        await assert.rejects(run({ edge: EDGE }, {}), (error: Error) => {
            assert.ok(pulumi.RunError.isInstance(error));
            assert.match(error.message, /^ {2}dockermirror:edge {2}needs zone/m);
            return true;
        });
    });
});

/** Sorted; a new resource is a new line here. */
const LOCAL_RESOURCES = [
    "aws:ec2/eip:Eip vm-eip",
    "aws:ec2/eipAssociation:EipAssociation vm-association",
    "aws:ec2/instance:Instance vm-instance-1-arm64",
    "aws:ec2/securityGroup:SecurityGroup vm-security-group",
    "cloudflare:DnsRecord nginx-record",
    "cloudflare:WorkersCustomDomain worker-domain",
    "cloudflare:WorkersScript worker-script",
    "cloudflare:WorkersScriptSubdomain worker-subdomain",
    "command:local:Command nginx-gate-command",
    "command:local:Command onprem-cache-ready",
    "command:local:Command onprem-canary-command",
    "command:local:Command onprem-front-files",
    "command:local:Command onprem-front-trial",
    "command:local:Command onprem-trust-file",
    "command:local:Command onprem-uplink-files",
    "command:local:Command onprem-uplink-trial",
    "command:local:Command onprem-volumes-owner",
    "command:local:Command worker-gate-command",
    "command:remote:Command nginx-apply",
    "command:remote:Command nginx-certificate",
    "command:remote:Command vm-ready",
    "docker:Container onprem-cache-container",
    "docker:Container onprem-front-container",
    "docker:Container onprem-uplink-container",
    "docker:Network onprem-network",
    "docker:RemoteImage onprem-images-cache",
    "docker:RemoteImage onprem-images-front",
    "docker:RemoteImage onprem-images-uplink",
    "docker:Volume onprem-front-config",
    "docker:Volume onprem-spool",
    "docker:Volume onprem-store",
    "docker:Volume onprem-uplink-config",
    "dockermirror:edge:WorkerRelay worker",
    "dockermirror:index:PrivateCa onprem-front-ca",
    "dockermirror:index:RelayGate nginx-gate",
    "dockermirror:index:RelayGate worker-gate",
    "dockermirror:index:RelayKeys keys",
    "dockermirror:onprem:Canary onprem-canary",
    "dockermirror:onprem:Front onprem-front",
    "dockermirror:onprem:OnpremImages onprem-images",
    "dockermirror:onprem:OnpremSite onprem",
    "dockermirror:onprem:RegistryCache onprem-cache",
    "dockermirror:onprem:RelayTrust onprem-trust",
    "dockermirror:onprem:Uplink onprem-uplink",
    "dockermirror:onprem:VolumeOwners onprem-volumes",
    "dockermirror:overseas:Ec2Machine vm",
    "dockermirror:overseas:NginxRelay nginx",
    "dockermirror:overseas:RelayHost vm",
    "pulumi:providers:aws vm-aws",
    "pulumi:providers:docker onprem-docker",
    "random:RandomPassword keys-acme.1",
    "tls:CertRequest onprem-front-ca-request",
    "tls:LocallySignedCert onprem-front-ca-leaf",
    "tls:PrivateKey onprem-front-ca-authority-key",
    "tls:PrivateKey onprem-front-ca-key",
    "tls:PrivateKey vm-host-key-1",
    "tls:PrivateKey vm-login-key",
    "tls:SelfSignedCert onprem-front-ca-authority",
];
