/** What NginxRelay asks for. That its files work is proven in test/relays/nginx.test.ts and test/templates. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { NginxRelay, type NginxRelayArgs } from "../../../components/overseas/nginx-relay";
import { packedRelease, releaseLines, UNPACK } from "../../../components/overseas/relay-files";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { readTemplate } from "../../../templates/render";
import { type Deployed, deploy, isSecret, only, plainOccurrences, type Resource, reveal } from "../../support/deploy";
import { type SentFile, unpacked } from "../../support/release";

const COMMAND = "command:remote:Command";
const RECORD = "cloudflare:index/dnsRecord:DnsRecord";
const KEYS = { "acme.1": "sEntiNelKeyOfGenerationOne", "acme.2": "sEntiNelKeyOfGenerationTwo" };
const CONNECTION = { host: "198.51.100.7", user: "admin", privateKey: "sEntiNelSshKey" };
const HOST = { id: "i-1", address: "198.51.100.7", connection: CONNECTION };
const OWN_CERTIFICATE = { certificate: "the certificate", key: "sEntiNelCertificateKey" };
const PRIVATE_ACCOUNT = {
    upstream: "ghcr.io",
    username: "acme-bot",
    token: "sEntiNelPrivateToken",
    repositories: ["acme/*", "other/app"],
};
const TLS_OUTPUTS = {
    "tls:index/privateKey:PrivateKey": (_: unknown, name: string) => ({ privateKeyPem: `sEntiNel ${name}` }),
    "tls:index/selfSignedCert:SelfSignedCert": () => ({ certPem: "the CA" }),
    "tls:index/certRequest:CertRequest": () => ({ certRequestPem: "a request" }),
    "tls:index/locallySignedCert:LocallySignedCert": () => ({ certPem: "a leaf" }),
};

function deployRelay(args: Partial<NginxRelayArgs> = {}): Promise<Deployed> {
    return deploy(
        () => {
            const relay = new NginxRelay("nginx", {
                hostname: "vm.example.com",
                host: HOST,
                keys: KEYS,
                hubAccount: { username: "acme", token: "sEntiNelHubToken" },
                upstreams: selectUpstreams(["docker.io", "ghcr.io"]),
                tls: OWN_CERTIFICATE,
                ...args,
            });
            const { hostname, url, address, ca, dnsRecord } = relay;
            return { hostname, url, address, ca, dnsRecord };
        },
        { outputs: TLS_OUTPUTS },
    );
}

/** The files that go to the machine, by path. */
async function filesOf(args: Partial<NginxRelayArgs> = {}): Promise<Record<string, SentFile>> {
    return unpacked(reveal(only(await deployRelay(args), COMMAND, "apply").inputs.stdin)).files;
}

describe("NginxRelay", () => {
    it("makes one command and the gate behind it, and its children are its own", async () => {
        const { resources, outputs } = await deployRelay();
        assert.deepEqual(
            resources.map(({ type, name }) => [type, name]),
            [
                ["dockermirror:overseas:NginxRelay", "nginx"],
                [COMMAND, "nginx-apply"],
                ["dockermirror:index:RelayGate", "nginx-gate"],
                ["command:local:Command", "nginx-gate-command"],
            ],
        );
        assert.match(resources[1]?.parent ?? "", /::dockermirror:overseas:NginxRelay::nginx$/);
        assert.deepEqual(outputs, {
            hostname: "vm.example.com",
            url: "https://vm.example.com",
            address: "198.51.100.7",
            ca: undefined,
            dnsRecord: "vm.example.com. 60 IN A 198.51.100.7",
        });
    });

    it("runs apply.sh as it is, and nothing when it is destroyed", async () => {
        const { inputs } = only(await deployRelay(), COMMAND);
        assert.equal(unpacked(reveal(inputs.stdin)).script, readTemplate("vm/apply.sh"));
        assert.match(inputs.create, /exec sudo -n sh -c "\$script"; fi$/);
        assert.equal(inputs.delete, undefined);
        assert.equal(inputs.update, undefined);
    });

    it("sends what a shell on the machine takes apart again: the script, and the files as its standard input", () => {
        const files = [{ mode: "0600" as const, path: "a.conf", content: 'it\'s a "text"\n' }];
        const script = `printf '%s|' "it's" "$0" "$#"; cat; exit 7`;
        const { status, stdout, stderr } = spawnSync("sh", ["-c", UNPACK], { input: packedRelease(script, files) });
        assert.deepEqual([status, stdout.toString(), stderr.toString()], [7, `it's|sh|0|${releaseLines(files)}`, ""]);
        assert.notEqual(spawnSync("sh", ["-c", UNPACK], { input: "no release" }).status, 0);
    });

    it("has a command that an error message can repeat, and names in its triggers the files that change", async () => {
        const triggersOf = async (args: Partial<NginxRelayArgs>) => {
            const { create, triggers } = only(await deployRelay(args), COMMAND).inputs;
            assert.ok(create.length < 500, create);
            return triggers as string[];
        };
        const [before, after] = [await triggersOf({}), await triggersOf({ keys: { "acme.2": "k".repeat(48) } })];
        const changed = after.filter((trigger) => !before.includes(trigger)).map((trigger) => trigger.split(" ")[0]);
        assert.deepEqual(changed, ["keys.conf", "key.curl"]);
        assert.equal(after.at(-1), HOST.id);
    });

    it("hands every secret over as a secret, and by standard input alone", async () => {
        const deployed = await deployRelay();
        assert.ok(isSecret(only(deployed, COMMAND).inputs.stdin));
        for (const { inputs } of deployed.resources) {
            const { connection: _, ...ours } = inputs;
            assert.deepEqual(plainOccurrences(ours, "sEntiNel"), []);
        }
        const files = await filesOf();
        const secrets = ["sEntiNel", Buffer.from("acme:sEntiNelHubToken").toString("base64")];
        for (const [path, { mode, content }] of Object.entries(files)) {
            if (secrets.some((secret) => content.includes(secret))) assert.equal(mode, "0600", path);
        }
        assert.ok(files["account.conf"]?.content.includes(secrets[1]!));
    });

    it("puts of the keys only digests into nginx' files", async () => {
        const files = await filesOf();
        const holders = Object.keys(files).filter((path) =>
            Object.values(KEYS).some((key) => files[path]?.content.includes(key)),
        );
        assert.deepEqual(holders, ["key.curl"]);
        assert.match(
            files["keys.conf"]?.content ?? "",
            /^ {4}[0-9a-f]{64} {2}"acme\.1";\n {4}[0-9a-f]{64} {2}"acme\.2";$/m,
        );
    });

    it("has no account where none is given", async () => {
        const files = await filesOf({ hubAccount: undefined });
        assert.ok(!files["account.conf"]?.content.includes("Basic"));
    });

    it("lays accounts for private repositories beside the Hub account, for root alone", async () => {
        const { "account.conf": file } = await filesOf({ privateAccounts: [PRIVATE_ACCOUNT] });
        assert.equal(file?.mode, "0600");
        const lines = file.content.split("\n").filter((line) => line.startsWith('    "'));
        assert.deepEqual(lines, [
            '    "~^ghcr\\.io/(?:acme/.+|other/app)$"  yes;',
            `    "~^ghcr\\.io/(?:acme/.+|other/app)$"  "Basic ${btoa("acme-bot:sEntiNelPrivateToken")}";`,
            `    "~^docker\\.io/"  "Basic ${btoa("acme:sEntiNelHubToken")}";`,
        ]);
    });

    it("refuses an account for private repositories that could not be used", async () => {
        const privateAccounts = [{ ...PRIVATE_ACCOUNT, repositories: ["*"] }];
        await assert.rejects(deployRelay({ privateAccounts }), /privateAccounts cannot be used: .* got "\*"/);
    });

    const changes: Record<string, Partial<NginxRelayArgs>> = {
        "a new key": { keys: { ...KEYS, "acme.3": "sEntiNelKeyOfGenerationThree" } },
        "another upstream": { upstreams: selectUpstreams(["docker.io"]) },
        "another account": { hubAccount: { username: "acme", token: "sEntiNelNewToken" } },
        "an account for private repositories": { privateAccounts: [PRIVATE_ACCOUNT] },
        "a renewed certificate": { tls: { ...OWN_CERTIFICATE, certificate: "a renewed certificate" } },
        "public access": { access: "public" },
    };
    for (const [what, change] of Object.entries(changes)) {
        it(`is applied again for ${what}`, async () => {
            const triggers = async (args: Partial<NginxRelayArgs>) =>
                only(await deployRelay(args), COMMAND).inputs.triggers;
            assert.deepEqual(await triggers({}), await triggers({}));
            assert.notDeepEqual(await triggers(change), await triggers({}));
        });
    }

    it("lets strangers in only where access is public, and expects what it should of itself", async () => {
        const { release: closed } = await filesOf();
        const { release: open, "keys.conf": keys } = await filesOf({ access: "public" });
        assert.match(closed?.content ?? "", /^[0-9a-f]{32} 401\n$/);
        assert.match(open?.content ?? "", /^[0-9a-f]{32} 200\n$/);
        assert.match(keys?.content ?? "", /^ {4}" " {6}yes;$/m);
    });

    it("has a certificate of a private CA of its own, if wanted", async () => {
        const deployed = await deployRelay({ tls: "privateCa" });
        assert.equal(deployed.outputs.ca, "the CA");
        const files = await filesOf({ tls: "privateCa" });
        assert.equal(files["certificate.pem"]?.content, "a leaf");
        assert.equal(files["key.pem"]?.content, "sEntiNel nginx-ca-key");
        assert.match(files["ask.curl"]?.content ?? "", /^cacert = "ca\.pem"$/m);
    });

    it("enters its name in the zone, grey, once the relay answers", async () => {
        const deployed = await deployRelay({ zone: { id: "zone", nameServers: ["ns.example.com"] } });
        const { inputs, dependencies } = only(deployed, RECORD);
        assert.deepEqual(inputs, {
            zoneId: "zone",
            name: "vm.example.com",
            type: "A",
            content: "198.51.100.7",
            ttl: 60,
            proxied: false,
        });
        assert.ok(
            dependencies.some((urn) => urn.endsWith("::nginx-apply")),
            dependencies.join(),
        );
    });

    describe("with ACME", () => {
        const ZONE = { id: "zone", nameServers: ["ns.example.com"] };
        const SERVER = "https://acme.example.com/directory";
        const http = { acme: { server: SERVER, challenge: "http-01" } } as const;
        const dns = { acme: { server: SERVER, challenge: "dns-01", dnsToken: "sEntiNelDnsToken" } } as const;
        const waitsFor = ({ dependencies }: Resource) =>
            dependencies.map((urn) => urn.split("::").at(-1)).filter((name) => name !== "nginx");
        const scriptOf = ({ inputs }: Resource) =>
            execFileSync("sh", ["-c", `${inputs.create.split("; if ")[0]}; printf %s "$script"`]).toString();

        it("gets its first certificate once its name is entered, and the gate comes after it", async () => {
            const deployed = await deployRelay({ tls: http, zone: ZONE });
            const certificate = only(deployed, COMMAND, "certificate");
            assert.deepEqual(waitsFor(only(deployed, RECORD)), ["nginx-apply"]);
            assert.deepEqual(waitsFor(certificate).sort(), ["nginx-apply", "nginx-record"]);
            const gate = only(deployed, "dockermirror:index:RelayGate");
            assert.ok(waitsFor(gate).includes("nginx-certificate"), waitsFor(gate).join());
            const { stdin } = only(deployed, "command:local:Command").inputs;
            assert.equal(JSON.parse(reveal(stdin)).ca, undefined);
            assert.equal(scriptOf(certificate), "exec sh /etc/nginx/relay/renew.sh --first");
            const { triggers } = certificate.inputs;
            assert.match(triggers[0], /^[0-9a-f]{32}$/);
            assert.deepEqual(triggers.slice(1), [HOST.id]);
        });

        it("waits for its name where a person enters it, and only there: a resolver remembers what was missing", async () => {
            const argumentOf = async (args: Partial<NginxRelayArgs>) =>
                scriptOf(only(await deployRelay(args), COMMAND, "certificate")).split("renew.sh ")[1];
            assert.equal(await argumentOf({ tls: http }), "--for '198.51.100.7'");
            assert.equal(await argumentOf({ tls: http, zone: ZONE }), "--first");
            assert.equal(await argumentOf({ tls: dns, zone: ZONE }), "--first");
        });

        it("gets it before its name is entered by DNS-01, so that nobody meets the placeholder", async () => {
            const deployed = await deployRelay({ tls: dns, zone: ZONE });
            assert.deepEqual(waitsFor(only(deployed, COMMAND, "certificate")), ["nginx-apply"]);
            assert.deepEqual(waitsFor(only(deployed, RECORD)), ["nginx-certificate"]);
        });

        it("hands the zone's token over as a secret file, and port 80 only to HTTP-01", async () => {
            const byDns = await filesOf({ tls: dns, zone: ZONE });
            assert.deepEqual(byDns["dns-token"], { mode: "0600", content: "sEntiNelDnsToken" });
            assert.match(byDns["dns.sh"]?.content ?? "", /^zone_id='zone'$/m);
            assert.equal(byDns["challenge.conf"], undefined);
            const byHttp = await filesOf({ tls: http });
            assert.match(byHttp["challenge.conf"]?.content ?? "", /^ {4}listen 80;$/m);
            assert.equal(byHttp["dns-token"], undefined);
            for (const files of [byDns, byHttp]) {
                assert.equal(files["key.pem"], undefined);
                assert.match(files["tls.conf"]?.content ?? "", /^ssl_certificate \/etc\/dockermirror\/certificate\//m);
                assert.match(files["acme.sh"]?.content ?? "", /^email='hostmaster@vm\.example\.com'$/m);
            }
            const own = await filesOf({ tls: { acme: { ...http.acme, email: "o'ps@example.com" } } });
            assert.match(own["acme.sh"]?.content ?? "", /^email='o'\\''ps@example\.com'$/m);
        });

        it("refuses DNS-01 without a zone or a token", async () => {
            const refusal = /"dns-01" needs zone and acme\.dnsToken/;
            await assert.rejects(deployRelay({ tls: dns }), refusal);
            const { dnsToken: _, ...acme } = dns.acme;
            await assert.rejects(deployRelay({ tls: { acme }, zone: ZONE }), refusal);
        });
    });

    it("is laid again on another machine", async () => {
        const triggers = async (id: string) =>
            only(await deployRelay({ host: { ...HOST, id } }), COMMAND).inputs.triggers;
        assert.notDeepEqual(await triggers("i-1"), await triggers("i-2"));
    });

    it("listens on IPv6 and enters it where the machine has it", async () => {
        const host = { ...HOST, ipv6Address: "2001:db8::7" };
        const deployed = await deployRelay({ host, zone: { id: "zone", nameServers: ["ns.example.com"] } });
        const { inputs } = only(deployed, RECORD, "ipv6Record");
        assert.deepEqual([inputs.type, inputs.content, inputs.ttl], ["AAAA", "2001:db8::7", 60]);
        assert.equal(
            deployed.outputs.dnsRecord,
            "vm.example.com. 60 IN A 198.51.100.7\nvm.example.com. 60 IN AAAA 2001:db8::7",
        );
        const listening = async (args: Partial<NginxRelayArgs>) =>
            (await filesOf(args))["server.conf"]?.content.match(/listen .*/g);
        assert.deepEqual(await listening({ host }), [
            "listen 443 ssl default_server;",
            "listen [::]:443 ssl default_server;",
            "listen 443 ssl;",
            "listen [::]:443 ssl;",
        ]);
        assert.deepEqual(await listening({}), ["listen 443 ssl default_server;", "listen 443 ssl;"]);
    });

    it("lets the user change what it makes", async () => {
        const deployed = await deployRelay({
            zone: { id: "zone", nameServers: ["ns.example.com"] },
            transform: { record: { ttl: 120 } },
        });
        assert.equal(only(deployed, RECORD).inputs.ttl, 120);
    });
});
