/** templates/vm/doctor.sh on a folder with real nginx. The timer and the machine's own state: the rehearsal. */
import assert from "node:assert/strict";
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RelayFilesArgs, relayFiles } from "../../components/overseas/relay-files";
import { issue, type KeyPair, makeCa } from "../../rehearsal/pki";
import { UPSTREAMS } from "../../services/registry/upstreams";
import { freePort } from "../support/free-port";
import { makeRelayMachine, type RelayMachine } from "../support/relay-machine";

const HOSTNAME = "vm.example.com";

describe("doctor.sh", function () {
    this.timeout(60_000);

    let ca: KeyPair;
    let leaf: KeyPair;
    let machine: RelayMachine;
    let port: number;

    before(() => {
        ca = makeCa("doctor");
        leaf = issue(ca, [HOSTNAME]);
    });
    beforeEach(async () => {
        machine = makeRelayMachine();
        port = await freePort();
    });
    afterEach(() => machine.remove());

    const lay = async (change: Partial<RelayFilesArgs> = {}) => {
        const release = relayFiles({
            hostname: HOSTNAME,
            port,
            upstreams: UPSTREAMS,
            keys: { "acme.2": "K3yOfAcmeSecondGenerationSentinel0123456789ab" },
            tls: { certificate: leaf.cert, key: leaf.key, ca: ca.cert },
            machine: machine.paths,
            ...change,
        });
        const { status, err } = await machine.apply(release);
        assert.equal(status, 0, err);
    };
    /** What it finds, by what was looked at: `<ok, note or wrong> <what it says>`. */
    const findings = async () => {
        const { out, err } = await machine.run("doctor.sh");
        assert.equal(err, "");
        const lines = out
            .trimEnd()
            .split("\n")
            .map((line) => /^(ok|note|wrong) +(\w+) +(\S.*)$/.exec(line) ?? assert.fail(line));
        return Object.fromEntries(lines.map(([, verdict, what = "", says]) => [what, `${verdict} ${says}`]));
    };
    const inRelease = (file: string) => join(machine.folder, "relay", file);

    it("finds nothing wrong with a relay that was just laid", async () => {
        await lay();
        const { files, links, configuration, nginx, certificate, ...others } = await findings();
        assert.equal(files, "ok as they were laid");
        assert.equal(links, `ok ${machine.folder}/nginx.conf leads to the release`);
        assert.equal(configuration, "ok nginx accepts it");
        assert.match(nginx ?? "", /^ok answers with release [0-9a-f]{32}$/);
        assert.match(certificate ?? "", /^ok 39[67] days left, until \d{4}-\d\d-\d\d$/);
        assert.deepEqual(Object.keys(others), ["disk", "reboot", "upgrades"]);
    });

    it("ends with 1 when something is wrong, and changes nothing", async () => {
        await lay();
        appendFileSync(inRelease("server.conf"), "# by hand\n");
        writeFileSync(inRelease("mine.conf"), "");
        rmSync(inRelease("logrotate"));
        const { status, out } = await machine.run("doctor.sh");
        assert.equal(status, 1);
        const [, names = ""] =
            /^wrong +files +edited by hand, which the next change of the stack's files replaces: (.*) \(/m.exec(out) ??
            [];
        assert.deepEqual(names.split(" ").sort(), ["logrotate", "mine.conf", "server.conf"]);
        assert.match(readFileSync(inRelease("server.conf"), "utf8"), /# by hand\n$/);
        const { out: edits } = await machine.run("doctor.sh", ["--edits"]);
        assert.match(edits, /^\+# by hand$/m);
    });

    it("tells that nginx does not run, or runs with something else", async () => {
        await lay();
        const release = readFileSync(inRelease("release"), "utf8");
        writeFileSync(inRelease("release"), release.replace(/^\w+/, "0".repeat(32)));
        assert.match((await findings()).nginx ?? "", /^wrong does not answer with the release that lies here/);
        await machine.stopNginx();
        const { nginx, certificate } = await findings();
        assert.match(nginx ?? "", /^wrong curl: .*connect/);
        assert.match(certificate ?? "", /^wrong nginx does not serve the one that lies here/);
    });

    it("tells what nginx would refuse", async () => {
        await lay();
        writeFileSync(inRelease("tls.conf"), "oops;\n");
        assert.match((await findings()).configuration ?? "", /^wrong .*\[emerg\] .*"oops"/);
    });

    it("tells that a link was replaced by a file", async () => {
        await lay();
        const conf = join(machine.folder, "nginx.conf");
        const text = readFileSync(conf, "utf8");
        rmSync(conf);
        writeFileSync(conf, text);
        assert.match((await findings()).links ?? "", /^wrong /);
    });

    it("tells that there is only a placeholder yet, and that nobody has tried", async () => {
        await lay({ tls: { acme: { server: "https://acme.example.com/directory" } } });
        const { certificate, renewal } = await findings();
        assert.match(
            certificate ?? "",
            /^wrong none yet but a placeholder that nobody trusts: sh .*renew\.sh --force$/,
        );
        assert.match(renewal ?? "", /^wrong never tried: sh .*renew\.sh$/);
    });

    it("names the hosts that upstreams redirect to and that the relay does not know, how often", async () => {
        await lay();
        const line = (upstream: string, refusedRedirect: string) =>
            `${JSON.stringify({ key: "acme.2", upstream, status: 502, ratelimitRemaining: "", refusedRedirect })}\n`;
        appendFileSync(machine.paths.accessLog, `${line("quay.io", "")}not JSON\n`);
        assert.equal((await findings()).redirects, undefined);
        const refused = [
            ["quay.io", "cdn.example.com"],
            ["ghcr.io", "[2001:db8::1]"],
            ["quay.io", "cdn.example.com"],
        ] as const;
        for (const [upstream, host] of refused) appendFileSync(machine.paths.accessLog, line(upstream, host));
        assert.match(
            (await findings()).redirects ?? "",
            /^note quay\.io redirects to cdn\.example\.com \(2\), ghcr\.io redirects to \[2001:db8::1\] \(1\): refused, .*redirectHosts$/,
        );
    });

    it("prints no secret", async () => {
        await lay({ hubAccount: { username: "acme", token: "dckr_pat_sentinel" } });
        for (const file of ["account.conf", "keys.conf", "key.pem"]) appendFileSync(inRelease(file), "\n");
        const texts = [await machine.run("doctor.sh"), await machine.run("doctor.sh", ["--edits"])];
        for (const { out, err } of texts) {
            const credentials = Buffer.from("acme:dckr_pat_sentinel").toString("base64");
            assert.ok(!`${out}${err}`.includes(credentials));
            assert.ok(!`${out}${err}`.includes(leaf.key.split("\n")[1] ?? ""));
        }
        assert.match(texts[1]?.out ?? "", /^edited by hand: .*account\.conf$/m);
    });
});
