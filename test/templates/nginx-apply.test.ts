/**
 * templates/vm/apply.sh with real nginx, in a folder instead of /etc. Not proven here: the installation of packages,
 * systemd, sudo and SSH; the rehearsal runs it over SSH on a machine of its own.
 */
import assert from "node:assert/strict";
import {
    appendFileSync,
    existsSync,
    readdirSync,
    readFileSync,
    readlinkSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { type RelayFilesArgs, type ReleaseFile, relayFiles, releaseLines } from "../../components/overseas/relay-files";
import { issue, type KeyPair, makeCa } from "../../rehearsal/pki";
import { UPSTREAMS } from "../../services/registry/upstreams";
import { eventually } from "../support/eventually";
import { freePort } from "../support/free-port";
import { INSTALL, makeRelayMachine, type RelayMachine } from "../support/relay-machine";

const HOSTNAME = "vm.example.com";
const KEY = "K3yOfAcmeSecondGenerationSentinel0123456789ab";

describe("apply.sh", function () {
    this.timeout(60_000);

    let machine: RelayMachine;
    let folder: string;
    let ca: KeyPair;
    let leaf: KeyPair;
    let port: number;

    before(() => {
        ca = makeCa("apply");
        leaf = issue(ca, [HOSTNAME]);
    });
    beforeEach(async () => {
        machine = makeRelayMachine();
        folder = machine.folder;
        port = await freePort();
    });
    afterEach(() => machine.remove());

    const filesOf = (change: Partial<RelayFilesArgs> = {}): ReleaseFile[] =>
        relayFiles({
            hostname: HOSTNAME,
            port,
            upstreams: UPSTREAMS,
            keys: { "acme.2": KEY },
            hubAccount: { username: "acme", token: "dckr_pat_sentinel" },
            tls: { certificate: leaf.cert, key: leaf.key, ca: ca.cert },
            machine: machine.paths,
            ...change,
        });

    const apply = (input: string, patience?: number) => machine.apply(input, patience);

    const answeringRelease = () =>
        new Promise<string | undefined>((resolve, reject) => {
            const headers = { host: HOSTNAME, "x-relay-key": KEY };
            const options = { host: "127.0.0.1", port, path: "/v2/", servername: HOSTNAME, ca: ca.cert, headers };
            get({ ...options, agent: false }, (response) => {
                response.resume();
                resolve(response.headers["x-dockermirror-release"]?.toString());
            }).once("error", reject);
        });

    const hashOf = (files: readonly ReleaseFile[]) =>
        files.find(({ path }) => path === "release")?.content.split(" ")[0];

    describe("on a machine without nginx' module", () => {
        const asked = () => readFileSync(join(folder, "asked"), "utf8").trim().split("\n");
        const apt = (update: string) =>
            `echo "$*" >>${folder}/asked\ncase $* in *update) ${update} ;; *) ${INSTALL} ;; esac`;

        it("installs it, once nobody else holds the lock of apt's lists", async () => {
            const [refusal, held] = ["E: Could not get lock /var/lib/apt/lists/lock.", join(folder, "held")];
            writeFileSync(held, "");
            const update = `if [ -e ${held} ]; then rm ${held}; echo "${refusal}" >&2; exit 100; fi`;
            const { status, err } = await machine.applyBare(filesOf(), apt(update));
            assert.equal(status, 0, err);
            assert.deepEqual(asked().slice(0, 2), ["-q update", "-q update"]);
            assert.match(asked()[2] ?? "", / install nginx libnginx-mod-http-js curl openssl ca-certificates$/);
            assert.equal(asked().length, 3);
        });

        it("says at once what else apt has to say", async () => {
            const { status, err } = await machine.applyBare(filesOf(), apt('echo "E: no network" >&2; exit 100'));
            assert.deepEqual({ status, err }, { status: 1, err: "relay not changed: apt-get: E: no network\n" });
            assert.deepEqual(asked(), ["-q update"]);
        });
    });

    it("takes a first release into use and keeps what the machine had", async () => {
        const files = filesOf();
        const { status, out, err } = await apply(releaseLines(files));
        assert.deepEqual({ status, out, err }, { status: 0, out: `relay release ${hashOf(files)} answers\n`, err: "" });
        assert.equal(await answeringRelease(), hashOf(files));
        assert.equal(readFileSync(join(folder, "nginx.conf.before-dockermirror"), "utf8"), machine.original);
        assert.equal(
            readFileSync(join(folder, "relay/resolver.conf"), "utf8"),
            "resolver 192.0.2.53 [2001:db8::53] ipv6=off;\n",
        );
    });

    it("lets nobody but root read a secret, and leaves no key in plain", async () => {
        await apply(releaseLines(filesOf()));
        const release = readlinkSync(join(folder, "relay"));
        for (const directory of [join(folder, "home"), join(folder, "home/releases"), release]) {
            assert.equal(statSync(directory).mode & 0o777, 0o700, directory);
        }
        for (const file of ["keys.conf", "account.conf", "key.pem"]) {
            assert.equal(statSync(join(release, file)).mode & 0o777, 0o600, file);
        }
        const files = readdirSync(release, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
        for (const { parentPath, name } of files) {
            assert.ok(!readFileSync(join(parentPath, name), "utf8").includes(KEY), `${name} has the key`);
        }
        for (const file of ["keys.conf", "account.conf", "key.pem"]) {
            assert.ok(!existsSync(join(release, "as-laid", file)), `${file} is kept twice`);
        }
    });

    it("replaces a release, keeps the one before and no more", async () => {
        const first = filesOf();
        await apply(releaseLines(first));
        const second = filesOf({ keys: { "acme.2": KEY, "branch.1": "B".repeat(44) } });
        for (const files of [second, second]) {
            assert.equal((await apply(releaseLines(files))).status, 0);
            assert.equal(await answeringRelease(), hashOf(second));
        }
        assert.equal(readdirSync(join(folder, "home/releases")).length, 2);
        assert.equal(readFileSync(join(folder, "nginx.conf.before-dockermirror"), "utf8"), machine.original);
    });

    it("does not touch anything when nginx refuses the configuration, and says what nginx says", async () => {
        const before = filesOf();
        await apply(releaseLines(before));
        const broken = filesOf().map((file) =>
            file.path === "tls.conf" ? { ...file, content: `${file.content}no_such_directive on;\n` } : file,
        );
        const { status, out, err } = await apply(releaseLines(broken));
        assert.equal(status, 1);
        assert.equal(out, "");
        assert.match(err, /^relay not changed: .*unknown directive "no_such_directive" in .*tls\.conf/);
        assert.equal(await answeringRelease(), hashOf(before));
        assert.equal(readdirSync(join(folder, "home/releases")).length, 1);
    });

    it("tells what was edited by hand before it replaces it, but not what is in a secret file", async () => {
        await apply(releaseLines(filesOf()));
        const before = readlinkSync(join(folder, "relay"));
        appendFileSync(join(folder, "relay/server.conf"), "# tried something\n");
        appendFileSync(join(folder, "relay/account.conf"), "# another-sentinel\n");
        writeFileSync(join(folder, "relay/mine.conf"), "");
        rmSync(join(folder, "nginx.conf"));
        writeFileSync(join(folder, "nginx.conf"), `include relay/nginx.conf;\n`);
        const { status, err } = await apply(releaseLines(filesOf({ keys: { "acme.3": KEY } })));
        assert.equal(status, 0);
        for (const line of [
            `edited by hand: ${folder}/nginx.conf, a file where a link was`,
            "+include relay/nginx.conf;",
            `edited by hand: ${folder}/relay/server.conf`,
            "+# tried something",
            `edited by hand: ${folder}/relay/account.conf`,
            `edited by hand: ${folder}/relay/mine.conf`,
            `replaced now, kept until the next update in ${before}`,
        ]) {
            assert.ok(err.split("\n").includes(line), `${line}\nis not in\n${err}`);
        }
        assert.ok(!err.includes("another-sentinel"));
        assert.equal(readlinkSync(join(folder, "nginx.conf")), "relay/nginx.conf");
        assert.deepEqual((await apply(releaseLines(filesOf()))).err, "");
    });

    it("puts the release before back when the new one does not answer", async () => {
        const before = filesOf();
        await apply(releaseLines(before));
        const elsewhere = issue(ca, ["other.example.com"]);
        const { status, err } = await apply(
            releaseLines(filesOf({ tls: { certificate: elsewhere.cert, key: elsewhere.key, ca: ca.cert } })),
            // On a busy machine the release before answers for some seconds yet.
            6,
        );
        assert.equal(status, 1);
        assert.match(err, /^relay not changed: put back, because curl: .*vm\.example\.com/);
        await eventually("the release before answers", async () =>
            (await answeringRelease().catch(() => undefined)) === hashOf(before) ? true : undefined,
        );
    });

    it("puts the machine's own configuration back when a first release does not answer", async () => {
        const elsewhere = issue(ca, ["other.example.com"]);
        const { status } = await apply(
            releaseLines(filesOf({ tls: { certificate: elsewhere.cert, key: elsewhere.key, ca: ca.cert } })),
            2,
        );
        assert.equal(status, 1);
        assert.equal(readFileSync(join(folder, "nginx.conf"), "utf8"), machine.original);
        assert.ok(!existsSync(join(folder, "relay")));
    });

    for (const path of ["../outside", "/etc/outside", "a/../../outside", "with space", ""]) {
        it(`refuses a file named "${path}"`, async () => {
            const { status, err } = await apply(`0644 ${path} ${Buffer.from("x").toString("base64")}\n`);
            assert.equal(status, 1);
            assert.match(err, /relay not changed/);
            assert.deepEqual(readdirSync(join(folder, "home/releases")), []);
        });
    }

    it("prints no secret, whether it applies or refuses", async () => {
        const outputs = [await apply(releaseLines(filesOf()))];
        const broken = filesOf().map((file) => (file.path === "keys.conf" ? { ...file, content: "oops" } : file));
        outputs.push(await apply(releaseLines(broken)));
        const credentials = Buffer.from("acme:dckr_pat_sentinel").toString("base64");
        for (const { out, err } of outputs) {
            for (const secret of [KEY, "dckr_pat_sentinel", credentials, leaf.key]) {
                assert.ok(!`${out}${err}`.includes(secret));
            }
        }
    });
});
