/**
 * templates/vm/renew.sh with real nginx, real lego (Debian package `lego`) and a real ACME server. Not proven here: the
 * timer, systemd and SSH; the rehearsal runs them on a machine of its own.
 */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { createConnection } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect } from "node:tls";
import { type AcmeClient, type RelayFilesArgs, relayFiles } from "../../components/overseas/relay-files";
import { type Pebble, startPebble } from "../../rehearsal/acme";
import { type DnsRecords, type DnsServer, startDns } from "../../rehearsal/dns";
import { issue, type KeyPair, makeCa } from "../../rehearsal/pki";
import { UPSTREAMS } from "../../services/registry/upstreams";
import { type CloudflareDns, startCloudflareDns } from "../support/cloudflare-dns";
import { eventually } from "../support/eventually";
import { freePort } from "../support/free-port";
import { textOf } from "../support/nginx";
import { send } from "../support/relay";
import { makeRelayMachine, type RelayMachine } from "../support/relay-machine";

const HOSTNAME = "vm.example.com";
const ADDRESS = "127.0.0.1";
/** The zone's name server: lego and getent ask port 53 and no other. */
const NAME_SERVER = "127.90.2.1";
/** The machine's own resolver, which still remembers that there is no such name. */
const RESOLVER = "127.90.2.2";
const KEY = "K3yOfAcmeSecondGenerationSentinel0123456789ab";
const ZONE_ID = "0123456789abcdef0123456789abcdef";
const TOKEN = "t0ken-of-the-zone-sentinel-0123456789abcd";

describe("renew.sh", function () {
    this.timeout(90_000);

    let ca: KeyPair;
    let dns: DnsServer;
    let pebble: Pebble;
    let machine: RelayMachine;
    let port: number;
    let challengePort: number;
    let records: Record<string, DnsRecords | string>;
    let caFile: string;
    /** Names that somebody asked for. */
    const asked = new Set<string>();

    before(async () => {
        ca = makeCa("renew");
        challengePort = await freePort();
        dns = await startDns(
            (name) => {
                asked.add(name);
                return records[name];
            },
            NAME_SERVER,
            53,
        );
        pebble = await start();
        port = await freePort();
        machine = makeRelayMachine();
        caFile = join(machine.folder, "acme-ca.pem");
        writeFileSync(caFile, ca.cert);
    });
    after(async () => {
        await machine?.remove();
        await pebble?.stop();
        await dns?.close();
    });
    beforeEach(() => {
        records = { [HOSTNAME]: ADDRESS };
    });

    const start = async (validitySeconds?: number) =>
        startPebble({
            ca,
            dns: dns.address,
            httpPort: challengePort,
            port: await freePort(),
            managementPort: await freePort(),
            validitySeconds,
        });
    const filesOf = (acme: Partial<AcmeClient> = {}, change: Partial<RelayFilesArgs> = {}) =>
        relayFiles({
            hostname: HOSTNAME,
            port,
            challengePort,
            upstreams: UPSTREAMS,
            keys: { "acme.2": KEY },
            tls: { acme: { server: pebble.directory, ...acme } },
            machine: machine.paths,
            ...change,
        });
    const lay = async (acme: Partial<AcmeClient> = {}) => {
        const { status, err } = await machine.apply(filesOf(acme));
        assert.equal(status, 0, err);
    };
    const renew = (args: readonly string[] = [], env: Record<string, string> = {}, nameServer = NAME_SERVER) => {
        const patience = { DOCKERMIRROR_NAME_SECONDS: "0", DOCKERMIRROR_TRY_PAUSE: "0" };
        return machine.run("renew.sh", args, { LEGO_CA_CERTIFICATES: caFile, ...patience, ...env }, nameServer);
    };
    /** The certificate that nginx shows. */
    const served = () =>
        new Promise<X509Certificate>((resolve, reject) => {
            const socket = connect({ host: ADDRESS, port, servername: HOSTNAME, rejectUnauthorized: false }, () => {
                resolve(new X509Certificate(socket.getPeerCertificate().raw));
                socket.destroy();
            });
            socket.once("error", reject);
        });
    const serial = async () => (await served()).serialNumber;
    const metrics = async () => {
        const lines = (await textOf(join(machine.paths.metrics, "dockermirror.prom"))).split("\n");
        const values = lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => line.split(" "));
        return Object.fromEntries(
            values.map(([name = "", value]) => [name.replace("dockermirror_certificate_", ""), Number(value)]),
        );
    };
    /** Orders that the ACME server has had. */
    const orders = () => pebble.output().split("Added order").length;
    /** Status of `/v2/` for a caller with a key who trusts the ACME server alone. */
    const ask = () =>
        new Promise<number | undefined>((resolve, reject) => {
            const headers = { host: HOSTNAME, "x-relay-key": KEY };
            get(
                { host: ADDRESS, port, path: "/v2/", servername: HOSTNAME, ca: pebble.root, agent: false, headers },
                (response) => {
                    response.resume();
                    response.once("end", () => resolve(response.statusCode)).once("error", reject);
                },
            ).once("error", reject);
        });

    describe("by HTTP-01", () => {
        const link = () => readlinkSync(join(machine.paths.home, "certificate"));

        it("waits until the name leads here, then gets one certificate in place of the placeholder", async () => {
            await lay();
            assert.equal((await served()).subject, "CN=placeholder");
            delete records[HOSTNAME];
            const before = orders();
            const patient = { DOCKERMIRROR_NAME_SECONDS: "60", DOCKERMIRROR_NAME_PAUSE: "1" };
            // At once: the update and the timer may meet.
            const runs = [1, 2, 3].map(() => renew(["--for", ADDRESS], patient));
            await eventually("the name is asked for", () => asked.has(HOSTNAME) || undefined);
            assert.equal(orders(), before);
            records[HOSTNAME] = ADDRESS;
            const ended = await Promise.all(runs);
            assert.deepEqual(
                ended.map(({ status, err }) => ({ status, err })),
                runs.map(() => ({ status: 0, err: "" })),
            );
            const said = ended.map(({ out }) => out.replace(/\d{4}-\d\d-\d\d/, "DAY")).sort();
            assert.deepEqual(said, [
                "certificate of vm.example.com good until DAY, nothing to do\n",
                "certificate of vm.example.com good until DAY, nothing to do\n",
                "certificate of vm.example.com renewed, good until DAY\n",
            ]);
            assert.equal(orders(), before + 1);
            assert.equal(await ask(), 200);
            const challenges = (await textOf(machine.paths.accessLog)).match(/"method":"GET","status":200/g) ?? [];
            assert.ok(challenges.length > 0, "the ACME server was not in the log");
        });

        it("keeps key and account for root alone, each in one place", () => {
            assert.equal(statSync(link()).mode & 0o777, 0o700);
            assert.equal(statSync(join(link(), "key.pem")).mode & 0o777, 0o600);
            assert.equal(statSync(join(machine.paths.state, "acme")).mode & 0o777, 0o700);
            assert.ok(!existsSync(join(machine.paths.state, "acme/certificates")));
        });

        it("has nothing on port 80 but challenges", async () => {
            const port80 = { origin: `http://${ADDRESS}:${challengePort}`, hostname: HOSTNAME };
            const challenge = "/.well-known/acme-challenge/nobody-asked";
            assert.equal((await send(port80, "GET", challenge)).body.toString(), "not found\n");
            for (const request of [
                `GET ${challenge} HTTP/1.1\r\n\r\n`,
                "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                `GET / HTTP/2.0\r\nHost: ${HOSTNAME}\r\n\r\n`,
                "noise\r\n\r\n",
            ]) {
                assert.equal(await sendRaw(challengePort, request), "", request);
            }
            assert.equal((await send(port80, "GET", challenge)).status, 404);
            for (const path of ["/", "/v2/", "/.well-known/other"]) {
                await assert.rejects(send(port80, "GET", path), /socket hang up/, path);
            }
            await assert.rejects(
                send({ ...port80, hostname: "other.example.com" }, "GET", challenge),
                /socket hang up/,
            );
        });

        it("renews by a new key, without a request that fails", async () => {
            const before = await served();
            let [good, done] = [0, false];
            const failed: unknown[] = [];
            const caller = async () => {
                while ((!done || good < 1000) && failed.length < 10) {
                    try {
                        assert.equal(await ask(), 200);
                        good += 1;
                    } catch (error) {
                        failed.push(error);
                    }
                }
            };
            const callers = Array.from({ length: 4 }, caller);
            const { status, err } = await renew(["--force"]);
            done = true;
            await Promise.all(callers);
            assert.equal(status, 0, err);
            assert.deepEqual(failed, []);
            assert.ok(good >= 1000, `${good} requests`);
            const after = await served();
            assert.notEqual(after.serialNumber, before.serialNumber);
            assert.ok(!after.publicKey.equals(before.publicKey), "the key is the one of before");
            assert.equal(
                readdirSync(join(machine.paths.home, "certificates")).length,
                2,
                "this one and the one before",
            );
        });

        it("goes on with the certificate that it has when the challenge is refused, and tells so", async () => {
            const first = await serial();
            const { renewal_last_success_seconds: success, expires_seconds: expires, ...good } = await metrics();
            assert.equal(good.renewal_failed, 0);
            assert.equal(expires, Date.parse((await served()).validTo) / 1000);
            assert.ok(success && success <= Date.now() / 1000);

            delete records[HOSTNAME];
            const { status, out, err } = await renew(["--force"]);
            assert.deepEqual({ status, out }, { status: 1, out: "" });
            assert.match(
                err,
                /^certificate not renewed: lego, try 1: Could not obtain .*acme:error:(dns|connection).*\n$/,
            );
            assert.equal(await serial(), first);
            const { renewal_last_run_seconds: ran, ...after } = await metrics();
            assert.deepEqual(after, {
                renewal_failed: 1,
                renewal_last_success_seconds: success,
                expires_seconds: expires,
            });
            assert.ok(ran && ran >= success);
            assert.match((await machine.run("doctor.sh")).out, /^wrong +renewal +failed .* UTC: lego, try 1: /m);
        });

        it("gets another certificate for another account, and is well again", async () => {
            const first = await serial();
            await lay({ email: "ops@example.org" });
            assert.equal((await renew()).status, 0);
            assert.notEqual(await serial(), first);
            assert.equal((await metrics()).renewal_failed, 0);
        });

        it("does not ask the ACME server while the name leads elsewhere, and says which record is missing", async () => {
            await lay();
            const before = orders();
            const wrong = await renew(["--for", "192.0.2.7"]);
            assert.equal(wrong.status, 1);
            assert.match(wrong.err, /leads to 127\.0\.0\.1 .* has to lead to 192\.0\.2\.7/);
            delete records[HOSTNAME];
            const none = await renew(["--for", ADDRESS]);
            assert.match(none.err, /leads to no address .* "vm\.example\.com\. 60 IN A 127\.0\.0\.1"/);
            assert.equal(orders(), before);
        });

        it("leaves it to the ACME server whether a name that is in the zone can be found", async () => {
            const resolver = await startDns(() => undefined, RESOLVER, 53);
            try {
                await lay({ email: "first@example.org" });
                const before = orders();
                assert.match((await renew(["--for", ADDRESS], {}, RESOLVER)).err, /leads to no address/);
                assert.equal(orders(), before);
                assert.deepEqual((await renew(["--first"], {}, RESOLVER)).err, "");
                assert.equal(orders(), before + 1);
                assert.match((await renew(["--first"], {}, RESOLVER)).out, /nothing to do/);
                assert.equal(orders(), before + 1);
                await lay();
                assert.equal((await renew()).status, 0);
            } finally {
                await resolver.close();
            }
        });

        it("does not ask for what nginx could not take up", async () => {
            const [before, had, link] = [await serial(), orders(), join(machine.folder, "relay/tls.conf")];
            const conf = readFileSync(link, "utf8");
            writeFileSync(link, "oops;\n");
            const { status, err } = await renew(["--force"]);
            writeFileSync(link, conf);
            assert.equal(status, 1);
            assert.match(err, /^certificate not renewed: nginx refuses the configuration that it has: .*"oops"/);
            assert.equal(orders(), had);
            assert.equal(await serial(), before);
        });

        it("puts the certificate before back when nginx does not take the new one up", async () => {
            const before = link();
            // Nobody finds this nginx to tell it to reload.
            const pid = readFileSync(machine.paths.pid, "utf8");
            writeFileSync(machine.paths.pid, "");
            const { status, err } = await renew(["--force"]);
            writeFileSync(machine.paths.pid, pid);
            assert.equal(status, 1);
            assert.match(
                err,
                /^certificate not renewed: nginx does not take the new one up, the one before is put back: .*\n$/,
            );
            assert.equal(link(), before);
        });

        it("asks three times for a first certificate, and only for what DNS may have to do with", async () => {
            await lay({ email: "ops@example.com" });
            await machine.stopNginx();
            const before = orders();
            const { status, out, err } = await renew(["--for", ADDRESS]);
            assert.equal(status, 1);
            assert.equal(out.match(/^the ACME server did not find this machine at vm\.example\.com/gm)?.length, 2);
            assert.match(err, /^certificate not renewed: lego, try 3: .*acme:error:connection.*\n$/);
            assert.equal(orders(), before + 3);
            await lay({ server: `https://127.0.0.1:${await freePort()}/dir` });
            const unreachable = await renew(["--for", ADDRESS]);
            assert.match(
                unreachable.err,
                /^certificate not renewed: lego, try 1: Could not create client: .*connection refused\n$/,
            );
        });

        it("refuses an argument that it does not know", async () => {
            const { status, err } = await renew(["--fore"]);
            assert.equal(status, 2);
            assert.equal(err, "renew.sh: got --fore, allowed are --force, --first and --for ADDRESS\n");
        });

        it("leaves no metrics when the relay gets another kind of certificate", async () => {
            const { cert: certificate, key } = issue(ca, [HOSTNAME]);
            const { status, err } = await machine.apply(filesOf({}, { tls: { certificate, key, ca: ca.cert } }));
            assert.equal(status, 0, err);
            assert.ok(!existsSync(join(machine.paths.metrics, "dockermirror.prom")));
        });
    });

    describe("of a short-lived certificate", () => {
        it("renews by itself when a third of the lifetime is left, and not before", async () => {
            const short = await start(24);
            try {
                await lay({ server: short.directory });
                assert.equal((await renew(["--for", ADDRESS])).status, 0);
                const first = await serial();
                assert.match((await renew()).out, /nothing to do/);
                assert.equal(await serial(), first);
                const { out, err } = await eventually(
                    "a renewal",
                    async () => {
                        const ended = await renew();
                        return ended.out.includes("nothing to do") ? undefined : ended;
                    },
                    30_000,
                );
                assert.match(out, /renewed/, err);
                assert.notEqual(await serial(), first);
            } finally {
                await short.stop();
            }
        });
    });

    describe("by DNS-01", () => {
        const challenge = `_acme-challenge.${HOSTNAME}`;
        let cloudflare: CloudflareDns;

        const renewByDns = (token: string) => {
            records = {
                "example.com": { SOA: "ns.example.com", NS: ["ns.example.com"] },
                "ns.example.com": NAME_SERVER,
                get [challenge]() {
                    return { TXT: cloudflare.texts[challenge] ?? [] };
                },
            };
            return lay({ dns: { zoneId: ZONE_ID, token } }).then(() =>
                renew(["--first"], { HTTPS_PROXY: cloudflare.proxy, CURL_CA_BUNDLE: caFile }),
            );
        };

        beforeEach(async () => {
            cloudflare = await startCloudflareDns(ca, ZONE_ID, TOKEN);
        });
        afterEach(() => cloudflare.close());

        it("tells when the token is refused, and not what it is", async () => {
            const { status, out, err } = await renewByDns("another-token-sentinel");
            assert.equal(status, 1);
            assert.match(err, /^certificate not renewed: lego, try 1: cloudflare: .*Invalid access token.*\n$/);
            assert.ok(!`${out}${err}`.includes("sentinel"));
        });

        it("gets a certificate before the name leads anywhere, and takes its record away again", async () => {
            const { status, out, err } = await renewByDns(TOKEN);
            assert.deepEqual({ status, err }, { status: 0, err: "" });
            assert.match(out, /renewed/);
            assert.equal(await ask(), 200);
            assert.deepEqual(cloudflare.entered, [challenge]);
            assert.deepEqual(cloudflare.texts, {});
            await assert.rejects(fetch(`http://${ADDRESS}:${challengePort}/`), /fetch failed/);
        });
    });
});

/** All that comes back for bytes that are sent without TLS. */
async function sendRaw(port: number, bytes: string): Promise<string> {
    const socket = createConnection({ host: ADDRESS, port });
    socket.write(bytes);
    return await text(socket);
}
