/** `preflight` and `doctor` as processes: a proxy that lets nothing through, stand-ins for pulumi, npm and ssh. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Finding } from "../../checks/finding";
import { issue } from "../../rehearsal/pki";
import { attempt } from "../../rehearsal/run";
import { testCa } from "../support/fake-relay";
import { Programs } from "../support/world";

const ROOT = join(__dirname, "../..");
const KEY = "k".repeat(48);
/** That of the machine; ssh-agent takes no other than a real one. */
const SSH_KEY = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "pkcs1", format: "pem" },
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
}).privateKey;
const CONFIG = {
    "dockermirror:zone": { value: "example.com", secret: false },
    "dockermirror:overseas": {
        value: JSON.stringify({
            kind: "ec2",
            region: "ap-northeast-1",
            hostname: "vm.example.com",
            sshFrom: ["203.0.113.7/32"],
        }),
        secret: false,
    },
    "dockermirror:onprem": {
        value: JSON.stringify({ docker: "ssh://ops@10.1.0.5", hostname: "mirror.acme.lan" }),
        secret: false,
    },
};

/** Runs a program of checks/, and what it wrote as JSON. */
async function run(
    program: string,
    programs: Programs,
    env: NodeJS.ProcessEnv = {},
    flags: string[] = [],
    onLine?: (line: string) => void,
    stack = ["--stack", "tokyo"],
) {
    const file = join(programs.folder, "found.json");
    const path = join(ROOT, "checks", program);
    const args = ["--require", "tsx/cjs", path, ...stack, "--json", file, ...flags];
    const ran = await attempt(process.execPath, args, { cwd: ROOT, env: { ...programs.env, ...env }, onLine });
    const findings = () => (JSON.parse(readFileSync(file, "utf8")) as { findings: Finding[] }).findings;
    return { ...ran, findings };
}

describe("preflight", () => {
    it("asks by the proxy of the environment, and exits with 1 when nothing can be reached", async () => {
        const hosts = new Set<string>();
        const proxy = createHttpServer().listen(0, "127.0.0.1");
        proxy.on("connect", (request, socket) => {
            hosts.add(request.url ?? "");
            socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
        });
        await once(proxy, "listening");
        const programs = new Programs({
            pulumi: `case $1 in config) echo '${JSON.stringify(CONFIG)}' ;; version) echo v3.248.0 ;; esac`,
            npm: "echo https://registry.test/",
            ssh: "echo 20.10.24",
        });
        const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
        const credentials = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret" };
        const { code, stdout, stderr, findings } = await run("preflight.ts", programs, {
            ...credentials,
            HTTPS_PROXY: url,
            CLOUDFLARE_API_TOKEN: "t".repeat(40),
        });
        proxy.close();
        assert.equal(code, 1, stderr);
        assert.deepEqual([...hosts].sort(), [
            "api.cloudflare.com:443",
            "checkip.amazonaws.com:443",
            "get.pulumi.com:443",
            "github.com:443",
            "sts.us-east-1.amazonaws.com:443",
        ]);
        const states = Object.fromEntries(findings().map(({ what, state }) => [what, state]));
        assert.equal(states.settings, "ok");
        assert.equal(states.proxy, "ok");
        assert.equal(states["Pulumi CLI"], "ok");
        assert.equal(states["Cloudflare's API"], "failed");
        assert.equal(states["AWS credentials"], "failed");
        assert.equal(states["right to RunInstances"], "skipped");
        assert.equal(states["Docker at home"], "ok");
        assert.match(stdout, /^FAIL {2}Cloudflare's API {2,}api\.cloudflare\.com/m);
        const [lines = "", rows = ""] = stdout.split("\n\n");
        assert.match(lines, /^ok {4}settings, stacks\/Pulumi\.tokyo\.yaml$/m);
        assert.match(lines, /^FAIL {2}Cloudflare's API, api\.cloudflare\.com {2}\d+\.\d s$/m);
        assert.equal(lines.split("\n").length, findings().length, "a line for each check");
        assert.match(rows, /^ +what +where +seconds$/m);
        assert.match(stdout, /^\d+ ok, \d+ failed, \d+ to be known, \d+ skipped$/m);
        programs.remove();
    });

    it("speaks Chinese where the locale does, and English in JSON all the same", async () => {
        const programs = new Programs({ npm: "echo https://registry.test/" });
        const credentials = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret" };
        const nowhere = { ...credentials, HTTPS_PROXY: "http://127.0.0.1:2", CLOUDFLARE_API_TOKEN: "no token" };
        const chinese = { ...nowhere, LANG: "zh_CN.UTF-8" };
        const { code, stdout, findings } = await run("preflight.ts", programs, chinese, [], undefined, []);
        assert.equal(code, 1);
        const [lines = "", rows = ""] = stdout.split("\n\n");
        for (const line of [...lines.split("\n"), ...rows.split("\n")]) {
            assert.match(line.replace("Pulumi CLI", "程序"), /\p{Script=Han}/u);
            // Names, addresses and commands: no two English words of ours after each other outside of them.
            assert.doesNotMatch(
                line.replace(/npm .*|pulumi .*|Pulumi CLI|API Tokens|My Profile/g, ""),
                / (is|the|not|or) /,
            );
        }
        assert.match(
            stdout,
            /^FAIL {2}Cloudflare 的 API，127|^warn {2}Cloudflare 的 API，api\.cloudflare\.com {2}\d+\.\d s$/m,
        );
        assert.match(stdout, /^ +检查项 +对象 +秒$/m);
        assert.match(stdout, /^\d+ 项正常，\d+ 项失败，\d+ 项要注意，\d+ 项跳过$/m);
        const { findings: english } = await run("preflight.ts", programs, nowhere, [], undefined, []);
        const plain = (found: readonly Finding[]) => found.map(({ seconds: _, ...rest }) => rest);
        assert.deepEqual(plain(findings()), plain(english()));
        programs.remove();
    });

    it("shows its use, and what is wrong with it, in Chinese too", async () => {
        const programs = new Programs({});
        const chinese = { LC_ALL: "zh_CN.UTF-8" };
        const { stdout } = await run("check.ts", programs, chinese, ["--help"]);
        assert.match(stdout, /^npm run check -- --stack NAME\n\n.*\p{Script=Han}/u);
        assert.doesNotMatch(stdout, / the /);
        const wrong = await run("doctor.ts", programs, chinese, ["--no-such-flag", "stray"]);
        assert.equal(wrong.code, 2);
        assert.match(
            wrong.stderr,
            /^没有 --no-such-flag 这个参数\n“stray” 不属于任何参数.*\n\nnpm run doctor .*\n\n检查/,
        );
        programs.remove();
    });

    it("tells of each check as it ends, while others are waited for", async () => {
        const programs = new Programs({
            pulumi: `case $1 in config) echo '${JSON.stringify(CONFIG)}' ;; version) echo v3.248.0 ;; esac`,
            npm: "echo https://registry.test/",
            // Ends once the line of another check has been seen.
            ssh: `until [ -e "$HOME/seen" ]; do sleep 0.05; done; echo 20.10.24`,
        });
        const env = { HTTPS_PROXY: "http://127.0.0.1:2", AWS_ACCESS_KEY_ID: "A", AWS_SECRET_ACCESS_KEY: "s" };
        const { stdout } = await run("preflight.ts", programs, env, [], (line) => {
            if (line.startsWith("FAIL  Cloudflare's API, ")) programs.write("seen", "");
        });
        assert.match(stdout, /^ok {4}Docker at home, ssh:\/\/ops@10\.1\.0\.5 /m);
        programs.remove();
    });

    it("does not fail without a stack on clouds that nobody has asked for", async () => {
        const programs = new Programs({ npm: "echo https://registry.test/" });
        const nowhere = { HTTPS_PROXY: "http://127.0.0.1:2", CLOUDFLARE_API_TOKEN: "no token" };
        const { findings } = await run("preflight.ts", programs, nowhere, [], undefined, []);
        const states = Object.fromEntries(findings().map(({ what, state }) => [what, state]));
        assert.equal(states["Pulumi CLI"], "failed");
        assert.deepEqual(
            [states["Cloudflare's API"], states["Cloudflare token"], states["AWS credentials"]],
            ["warning", "skipped", "warning"],
        );
        programs.remove();
    });

    const refusals: Record<string, [flags: string[], env: NodeJS.ProcessEnv, message: RegExp]> = {
        "an archive in a folder that is not there": [
            ["--fetch-plugins", "/nonexist/p.tar"],
            {},
            /^--fetch-plugins \/nonexist\/p\.tar cannot be written: ENOENT: there is no folder \/nonexist\n$/,
        ],
        "an archive that is a folder": [
            ["--fetch-plugins", "/tmp"],
            {},
            /^--fetch-plugins \/tmp cannot be written: EISDIR/,
        ],
        "a proxy that is no URL, without its password": [
            [],
            { HTTPS_PROXY: "acme:secret@proxy" },
            /^the environment's HTTPS_PROXY must be a URL such as http:\/\/proxy\.example:3128\n$/,
        ],
        "sources of plugins that are no expression": [
            [],
            { PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES: "(=https://mirror.lan" },
            /^PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES cannot be read: /,
        ],
    };
    for (const [what, [flags, env, message]] of Object.entries(refusals)) {
        it(`refuses ${what}`, async () => {
            const programs = new Programs({});
            const { code, stdout, stderr } = await run("preflight.ts", programs, env, flags, undefined, []);
            programs.remove();
            assert.deepEqual([code, stdout], [1, ""], stderr);
            assert.match(stderr, message);
        });
    }

    it("tells its flags, and refuses others", async () => {
        const programs = new Programs({});
        const help = await run("preflight.ts", programs, {}, ["--help"]);
        assert.equal(help.code, 0);
        assert.match(help.stdout, /--fetch-plugins FILE\.tar/);
        const wrong = await run("preflight.ts", programs, {}, ["--platform", "amiga"]);
        assert.equal(wrong.code, 2);
        assert.match(wrong.stderr, /^--platform must be one of linux-amd64, .*, got "amiga"/);
        programs.remove();
    });
});

describe("doctor", () => {
    /** A relay and mirror in one, on loopback, and a stack that says so. */
    async function examined(machine: string, config: object = CONFIG, env: NodeJS.ProcessEnv = {}) {
        const server = createServer(issue(testCa(), ["localhost"]), ({ url, headers }, response) => {
            if (url === "/healthz" || headers["x-relay-key"] === KEY) response.writeHead(200).end();
            else response.writeHead(401, { "WWW-Authenticate": 'Basic realm="localhost"' }).end();
        }).listen(0, "127.0.0.1");
        await once(server, "listening");
        const host = `localhost:${(server.address() as AddressInfo).port}`;
        const outputs = {
            relaySsh: { host: "198.51.100.7", user: "dockermirror", hostKey: "ssh-ed25519 AAAA", privateKey: SSH_KEY },
            relayUrls: [`https://${host}`],
            relayKeys: { "default.1": KEY },
            relayClients: { [`/etc/docker/certs.d/${host}/ca.crt`]: testCa().cert },
            mirrorUrl: `https://${host}`,
            mirrorCa: testCa().cert,
        };
        const status = { relays: [{ name: "nginx", condition: "well" }] };
        const programs = new Programs({
            pulumi: `case $1 in config) echo '${JSON.stringify(config)}' ;; stack) cat "$HOME/outputs" ;; esac`,
            ssh: `case "$*" in
                *doctor.sh*) ${machine} ;;
                *exec*) echo '${JSON.stringify(status)}' ;;
                *ps*) echo 'dockermirror-front: Up 2 hours (healthy)' ;;
                *) echo 20.10.24 ;;
            esac`,
        });
        programs.write("outputs", JSON.stringify(outputs));
        const { code, stdout, stderr, findings } = await run("doctor.ts", programs, env);
        server.closeAllConnections();
        server.close();
        const rows = findings().map(({ what, where, state }) => [what, where.replace(host, "relay"), state]);
        programs.remove();
        return { code, said: stdout + stderr, rows };
    }

    it("looks at the machine, the relays, the mirror and the containers", async () => {
        const { code, said, rows } = await examined("echo 'ok     files         as they were laid'");
        assert.equal(code, 0, said);
        assert.deepEqual(rows, [
            ["settings", "stacks/Pulumi.tokyo.yaml", "ok"],
            ["machine: files", "198.51.100.7:22", "ok"],
            ["relay: TLS", "relay", "ok"],
            ["relay: without a key", "relay", "ok"],
            ["relay: with a key", "relay", "ok"],
            ["mirror: TLS", "relay", "ok"],
            ["mirror: health", "relay", "ok"],
            ["Docker at home", "ssh://ops@10.1.0.5", "ok"],
            ["containers at home", "ssh://ops@10.1.0.5", "ok"],
            ["uplink", "ssh://ops@10.1.0.5", "ok"],
        ]);
        assert.doesNotMatch(said, new RegExp(`${KEY}|PRIVATE KEY`), "a secret is in what it says");
    });

    it("speaks Chinese where the locale does, also for the machine", async () => {
        const said = await examined("echo 'ok     files         as they were laid'", CONFIG, { LANG: "zh_CN.UTF-8" });
        assert.equal(said.code, 0, said.said);
        assert.match(said.said, /^ok +境外机器：文件 +198\.51\.100\.7:22 .*和安装时一致$/m);
        assert.match(said.said, /^ok +中继：不带密钥 .*被拒绝$/m);
        assert.match(said.said, /^ok +uplink .*nginx 状态为 well$/m);
        assert.ok(said.rows.some(([what]) => what === "machine: files"));
    });

    it("exits with 1 for a machine that was edited by hand", async () => {
        const { code, said } = await examined("echo 'wrong  files         edited by hand: server.conf'; exit 1");
        assert.equal(code, 1);
        assert.match(said, /^FAIL {2}machine: files .*edited by hand: server\.conf$/m);
    });

    it("looks at the relays of others that an office pulls through", async () => {
        const relays = { value: JSON.stringify([{ stack: "acme-relays" }]), secret: false };
        const office = { "dockermirror:onprem": CONFIG["dockermirror:onprem"], "dockermirror:relays": relays };
        const { code, rows } = await examined("echo 'ok     files         as they were laid'", office);
        assert.equal(code, 1);
        assert.deepEqual(
            rows.find(([what]) => what === "relays of acme-relays"),
            ["relays of acme-relays", "relays[0]", "failed"],
        );
    });

    it("says when there is no Pulumi to ask for the stack", async () => {
        const programs = new Programs({});
        const { code, stderr } = await run("doctor.ts", programs);
        assert.equal(code, 1);
        assert.match(stderr, /there is no pulumi on this machine yet/);
        programs.remove();
    });
});
