/**
 * The first boot of a made machine: what is said, whether the programs that read it take it, and what becomes of a machine
 * that boots with it. Real cloud-init, systemd, sshd and nftables in containers; not AWS, and no kernel of its own, so
 * that the kernel settings are only read here.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { MACHINE, packedRelease, relayFiles, UNPACK } from "../../../components/overseas/relay-files";
import {
    BASE_PACKAGES,
    launchScript,
    MACHINE_USER,
    USER_DATA_MAX,
    type UserDataArgs,
    userData,
} from "../../../components/overseas/user-data";
import { quote } from "../../../components/shell";
import { DEBIANS } from "../../../rehearsal/debian";
import { Docker } from "../../../rehearsal/docker";
import { makeVm } from "../../../rehearsal/images";
import { issue, makeCa } from "../../../rehearsal/pki";
import { attempt, run } from "../../../rehearsal/run";
import { dialAndRun } from "../../../rehearsal/ssh";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { fill, readTemplate } from "../../../templates/render";
import { startCloud, type TestCloud } from "../../support/cloud";

/** Failed dials, each after at most 5 s: a machine boots within 2 minutes, also on a busy one. */
const BOOT_DIALS = 30;
const RELAY = "vm.example.com";
/** Of requests, and of errors. */
const LOGS = [MACHINE.accessLog, MACHINE.errorLog] as const;
const FAKE_APT = "/usr/local/sbin/apt-get";
const ASKED_OF_APT = "/root/asked-of-apt";
const WITHOUT_LOGROTATE = `mv /usr/sbin/logrotate /usr/sbin/logrotate.away
cat >${FAKE_APT} <<'END'
#!/bin/sh
echo "$*" >>${ASKED_OF_APT}
case $* in *install*) mv /usr/sbin/logrotate.away /usr/sbin/logrotate ;; esac
END
chmod 755 ${FAKE_APT}`;
const ARGS: UserDataArgs = {
    authorizedKey: "ssh-ed25519 AAAAlogin\n",
    hostKey: {
        private: "-----BEGIN OPENSSH PRIVATE KEY-----\nsEntiNel\n-----END OPENSSH PRIVATE KEY-----\n",
        public: "ssh-ed25519 AAAAhost\n",
    },
    rebootAt: "04:05",
};

describe("userData", () => {
    it("says who logs in, by what key the machine is known, what it installs and what it starts", () => {
        const { write_files: _, ...said } = parse(userData(ARGS));
        assert.deepEqual(said, {
            users: [
                {
                    name: "dockermirror",
                    gecos: "dockermirror",
                    shell: "/bin/bash",
                    lock_passwd: true,
                    sudo: "ALL=(ALL) NOPASSWD:ALL",
                    ssh_authorized_keys: ["ssh-ed25519 AAAAlogin"],
                },
            ],
            disable_root: true,
            ssh_pwauth: false,
            ssh_deletekeys: true,
            ssh_keys: { ed25519_private: ARGS.hostKey.private, ed25519_public: "ssh-ed25519 AAAAhost" },
            no_ssh_fingerprints: true,
            ssh: { emit_keys_to_console: false },
            package_update: true,
            packages: [...BASE_PACKAGES],
            runcmd: [
                "set -e",
                "systemctl restart systemd-sysctl systemd-journald",
                "systemctl enable nftables",
                "systemctl reload-or-restart nftables",
                "systemctl restart ssh",
            ],
        });
    });

    it("lays the templates, filled", () => {
        const filled = (path: string, view = {}) => fill(readTemplate(path), view);
        assert.deepEqual(filesOf(userData(ARGS)), {
            "/etc/ssh/sshd_config.d/00-dockermirror.conf": filled("vm/sshd.conf", { user: MACHINE_USER }),
            "/etc/sysctl.d/60-dockermirror.conf": filled("vm/sysctl.conf"),
            "/etc/nftables.conf": filled("vm/nftables.conf"),
            "/etc/systemd/journald.conf.d/dockermirror.conf": filled("vm/journald.conf"),
            "/etc/apt/apt.conf.d/60dockermirror": filled("vm/apt.conf", { rebootAt: "04:05" }),
            "/etc/gai.conf": filled("vm/gai.conf"),
        });
    });

    it("begins as cloud-init wants it, and holds one secret: the host key", () => {
        const text = userData(ARGS);
        assert.ok(text.startsWith("#cloud-config\n"));
        assert.equal(text.split("sEntiNel").length, 2);
    });

    it("is far from what EC2 refuses, and is refused here before", () => {
        const size = Buffer.byteLength(userData(ARGS));
        assert.ok(size < USER_DATA_MAX / 2, `${size} bytes`);
        const long = { ...ARGS, authorizedKey: "x".repeat(USER_DATA_MAX) };
        assert.throws(() => userData(long), /the user data are \d+ bytes, and EC2 takes 16384/);
    });
});

describe("launchScript", () => {
    it("is one line of shell, and holds the user data whole", async () => {
        const script = launchScript(userData(ARGS));
        assert.doesNotMatch(script, /\n/);
        assert.ok(script.length < USER_DATA_MAX / 2, `${script.length} bytes`);
        const inner = (await run("sh", ["-c", script.replace(/^sh -c/, "printf %s")])).toString();
        const [, packed = ""] = /^echo '([^']+)' \| base64 -d \| gunzip/m.exec(inner) ?? [];
        assert.equal(await run("sh", ["-c", "base64 -d | gunzip"], { input: packed }), userData(ARGS));
    });
});

describe("wait.sh", () => {
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "dockermirror-wait-"));
        writeFileSync(
            join(folder, "cloud-init.log"),
            "util.py[DEBUG]: fine\nutil.py[WARNING]: Failed to install packages\n",
        );
        writeFileSync(join(folder, "cloud-init-output.log"), "E: Unable to locate package nginx\n");
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    /** Runs it where cloud-init is this script. */
    const wait = (cloudInit: string, patience = 60) => {
        writeFileSync(join(folder, "cloud-init"), `#!/bin/sh\n${cloudInit}\n`, { mode: 0o755 });
        const env = {
            PATH: `${folder}:${process.env.PATH}`,
            DOCKERMIRROR_LOGS: folder,
            DOCKERMIRROR_PATIENCE: `${patience}`,
        };
        return attempt("sh", ["-c", readTemplate("vm/wait.sh")], { env });
    };

    it("says so when all is done", async () => {
        const { code, stdout, stderr } = await wait('[ "$*" = "status --wait" ] && printf "..\\nstatus: done\\n"');
        assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "machine ready\n", stderr: "" });
    });

    it("goes on when newer versions only warn, and tells of it", async () => {
        const { code, stdout } = await wait('echo "status: done"; [ "$2" = --wait ] && exit 2; echo "- odd thing"');
        assert.equal(code, 0);
        assert.match(stdout, /^machine ready; cloud-init warns: status: done\n- odd thing\n$/);
    });

    it("fails with the logs when cloud-init failed", async () => {
        const { code, stdout, stderr } = await wait('printf "..\\nstatus: error\\n"; exit 1');
        assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
        assert.match(stderr, /^machine not ready: cloud-init ends with status: error \(exit code 1\)$/m);
        assert.match(stderr, /^util.py\[WARNING\]: Failed to install packages$/m);
        assert.doesNotMatch(stderr, /DEBUG/);
        assert.match(stderr, /^E: Unable to locate package nginx$/m);
        assert.match(stderr, /raise the machine's generation/);
    });

    it("fails when cloud-init was switched off or is not there, whatever its exit code", async () => {
        assert.match((await wait('echo "status: disabled"')).stderr, /ends with status: disabled \(exit code 0\)/);
        assert.equal((await wait("exit 127")).code, 1);
    });

    it("does not wait for ever", async () => {
        const { code, stderr } = await wait("exec tail -f /dev/null", 1);
        assert.equal(code, 1);
        assert.match(stderr, /^machine not ready: cloud-init is not through after 1 seconds$/m);
    });
});

// Those that a stack has made before are of an older release, and keep the user data of their first boot.
for (const debian of DEBIANS)
    describe(`A made machine with Debian ${debian}`, function () {
        this.timeout(180_000);
        let test: TestCloud;
        let folder: string;
        let image: string;
        let text: string;

        before(async () => {
            test = await startCloud("boot", [], debian);
            folder = test.folder;
            image = (await makeVm(new Docker(), () => {}, debian)).image;
            for (const key of ["login", "host"]) {
                await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(folder, key)]);
            }
            const read = (name: string) => readFileSync(join(folder, name), "utf8");
            const hostKey = { private: read("host"), public: read("host.pub") };
            text = userData({ authorizedKey: read("login.pub"), hostKey, rebootAt: "19:30" });
        });
        after(() => test.close());

        /** Runs a shell command beside the files of the user data, in a container of the machine's image that boots nothing. */
        const among = async (command: string) => {
            const files = { ...filesOf(text), "/user-data": text };
            const lay = Object.entries(files).map(
                ([path, content]) =>
                    `mkdir -p "$(dirname ${path})" && echo ${Buffer.from(content).toString("base64")} | base64 -d >${path}`,
            );
            const input = ["set -e", ...lay, command].join("\n");
            const limits = ["--network", "none", "--cap-add", "NET_ADMIN"];
            return attempt("docker", ["run", "--rm", "--interactive", ...limits, image, "sh"], { input });
        };

        const accepted: Record<string, string> = {
            "cloud-init's schema": "cloud-init schema --config-file /user-data",
            nftables:
                "nft --check --file /etc/nftables.conf && nft --file /etc/nftables.conf && nft --file /etc/nftables.conf",
            sshd: `useradd ${MACHINE_USER} && mkdir -p /run/sshd && ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key && sshd -t`,
            apt: "apt-config dump && unattended-upgrade --help",
            sysctl: "/lib/systemd/systemd-sysctl --strict /etc/sysctl.d/60-dockermirror.conf",
        };
        for (const [program, command] of Object.entries(accepted)) {
            it(`has files that are accepted by ${program}`, async () => {
                const { code, stdout, stderr } = await among(command);
                assert.equal(code, 0, stdout + stderr);
                assert.doesNotMatch(stderr, /unknown|deprecated|error|couldn't/i);
            });
        }

        it("takes upgrades of Debian's security archive alone, and restarts for them in its window", async () => {
            const { stdout } = await among("apt-config dump Unattended-Upgrade");
            assert.deepEqual(stdout.match(/^Unattended-Upgrade::Origins-Pattern:: .*$/gm), [
                // biome-ignore lint/suspicious/noTemplateCurlyInString: unattended-upgrades fills it.
                'Unattended-Upgrade::Origins-Pattern:: "origin=Debian,codename=${distro_codename}-security,label=Debian-Security";',
            ]);
            assert.match(stdout, /^Unattended-Upgrade::Automatic-Reboot "true";$/m);
            assert.match(stdout, /^Unattended-Upgrade::Automatic-Reboot-Time "19:30";$/m);
        });

        it("asks for a restart when nginx holds a library that an upgrade replaced", async () => {
            const hook = 'hook=$(apt-config dump --format "%v%n" DPkg::Post-Invoke | grep .)';
            const { stdout, stderr } = await among(
                [
                    hook,
                    "nginx",
                    'sh -c "$hook" && ls /run',
                    "library=$(readlink -f /usr/lib/*/libssl.so.3) && cp $library /tmp/new && mv /tmp/new $library",
                    'sh -c "$hook" && ls /run',
                ].join("\n"),
            );
            assert.deepEqual(
                stdout.match(/^(nginx.pid|reboot-required)$/gm),
                ["nginx.pid", "nginx.pid", "reboot-required"],
                stderr,
            );
        });

        // Lightsail's own part, as far as is known of it: components/overseas/user-data.ts.
        const LIGHTSAIL = [
            "#!/bin/sh",
            "echo 'ssh-rsa AAAA' >/etc/ssh/lightsail_instance_ca.pub",
            "echo 'TrustedUserCAKeys /etc/ssh/lightsail_instance_ca.pub' >>/etc/ssh/sshd_config",
            "systemctl restart sshd",
        ].join("\n");
        const boots = {
            ec2: () => text,
            lightsail: () => `${LIGHTSAIL}\n${launchScript(text)}\n`,
        };
        const booted = new Map<string, Promise<string>>();
        /** Logs in on the machine of a kind, which boots when it is asked for first. */
        const ssh = async (kind: keyof typeof boots, user: string, command: string, dialErrorLimit = 0, input = "") => {
            const launched = booted.get(kind) ?? test.cloud.launch(`i-${kind}`, boots[kind]());
            booted.set(kind, launched);
            const read = (name: string) => readFileSync(join(folder, name), "utf8");
            const keys = { hostKey: read("host.pub"), privateKey: read("login") };
            const dialing = { perDialTimeout: 5, dialErrorLimit };
            return await dialAndRun({ host: await launched, port: 22, user, ...keys }, command, dialing, { input });
        };
        /** As Pulumi does: the pinned host key, the one user, root by sudo, the same script, on the first connection. */
        const wait = async (kind: keyof typeof boots) => {
            const script = Buffer.from(readTemplate("vm/wait.sh")).toString("base64");
            const waited = await ssh(kind, MACHINE_USER, `echo ${script} | base64 -d | sudo -n sh -s`, BOOT_DIALS);
            assert.equal(waited.stdout, "machine ready\n", waited.stderr);
        };
        for (const kind of ["ec2", "lightsail"] as const) {
            it(`becomes what its user data say: ${kind}`, async () => {
                await wait(kind);
                const asRoot = async (command: string) =>
                    (await ssh(kind, MACHINE_USER, `sudo -n sh -c '${command}'`)).stdout;
                const keys = await asRoot("ls /etc/ssh/ssh_host_*");
                assert.deepEqual(keys.trim().split("\n"), [
                    "/etc/ssh/ssh_host_ed25519_key",
                    "/etc/ssh/ssh_host_ed25519_key.pub",
                ]);
                assert.match(
                    await asRoot("nft list table inet dockermirror"),
                    /hook input priority filter; policy drop;/,
                );
                assert.equal(await asRoot("systemctl is-enabled nftables"), "enabled\n");
                const units = ["ssh", "nftables", "systemd-journald", "cloud-final"];
                assert.equal(await asRoot(`systemctl is-active ${units.join(" ")}`), "active\n".repeat(units.length));
                const settings = await asRoot("sshd -T");
                for (const line of ["allowusers dockermirror", "permitrootlogin no", "passwordauthentication no"]) {
                    assert.match(settings, new RegExp(`^${line}$`, "m"));
                }
                assert.match(settings, /^trustedusercakeys none$/m);
                const found = `grep -rlF "OPENSSH PRIVATE KEY" /etc /home /run /tmp 2>/dev/null`;
                const withKey = await asRoot(`${found} | xargs stat --format "%a %U %n" | sort`);
                const [key, ...others] = withKey.trim().split("\n");
                assert.equal(key, "600 root /etc/ssh/ssh_host_ed25519_key");
                // What cloud-init 25 has merged for its own next stages, until the next boot.
                for (const other of others) assert.equal(other, "600 root /run/cloud-init/combined-cloud-config.json");
                for (const user of ["root", "admin"])
                    await assert.rejects(ssh(kind, user, "true"), /no SSH connection/, user);
            });
        }

        it("keeps the logs of a relay below 1 GiB, and goes on writing them", async () => {
            await wait("ec2");
            const exec = async (command: string, input = "") => {
                const ran = await ssh("ec2", MACHINE_USER, `sudo -n sh -c ${quote(command)}`, 0, input);
                assert.equal(ran.code, 0, `${command}: ${ran.stdout}${ran.stderr}`);
                return ran.stdout;
            };
            const ca = makeCa("logs");
            const { cert: certificate, key } = issue(ca, [RELAY]);
            const release = relayFiles({
                hostname: RELAY,
                upstreams: selectUpstreams(["docker.io"]),
                keys: { "acme.1": "k".repeat(40) },
                tls: { certificate, key, ca: ca.cert },
            });
            // A machine of the user's own may have no logrotate.
            await exec(WITHOUT_LOGROTATE);
            await exec(UNPACK, packedRelease(readTemplate("vm/apply.sh"), release));
            const asked = await exec(`cat ${ASKED_OF_APT}; rm ${FAKE_APT}`);
            assert.match(asked, /^-q update\n-q -y .* install nginx .* logrotate\n$/);

            // Every five minutes, beside Debian's once a day.
            assert.match(await exec("systemctl show logrotate.timer --property TimersCalendar"), /\*:00\/5:00/);
            assert.equal(await exec("systemctl is-active logrotate.timer"), "active\n");

            // As after days of it; 51 MB more are a hole, since to write and to pack them takes long.
            const flood = [
                `for n in $(seq 2 14); do echo old | gzip >${LOGS[0]}.$n.gz; done`,
                `echo old >${LOGS[0]}.1`,
                `for n in 2 3 4; do echo old | gzip >${LOGS[1]}.$n.gz; done`,
                `echo old >${LOGS[1]}.1`,
                "for round in 1 2; do",
                `    for log in ${LOGS.join(" ")}; do truncate -s 51M $log; done`,
                "    systemctl reset-failed logrotate && systemctl start logrotate",
                "done",
                `curl -sk --resolve ${RELAY}:443:127.0.0.1 https://${RELAY}/v2/of-the-test >/dev/null`,
            ].join("\n");
            await exec(flood);
            for (const [log, rotated] of [
                [LOGS[0], 14],
                [LOGS[1], 4],
            ] as const) {
                const names = (await exec(`ls ${log}*`)).trim().split("\n");
                const kept = Array.from(
                    { length: rotated },
                    (_, index) => `${log}.${index + 1}${index === 0 ? "" : ".gz"}`,
                );
                assert.deepEqual(names.sort(), [log, ...kept].sort());
            }
            const bytes = Number((await exec("du -sb /var/log/nginx")).split("\t")[0]);
            assert.ok(bytes > 100 * 1024 ** 2 && bytes < 1024 ** 3, `${bytes} bytes`);
            const written = (await exec(`cat ${LOGS[0]}`)).trim().split("\n");
            assert.deepEqual(
                written.map((line) => JSON.parse(line).status),
                [401],
            );
        });
    });

function filesOf(text: string): Record<string, string> {
    const { write_files } = parse(text) as { write_files: { path: string; content: string }[] };
    return Object.fromEntries(write_files.map(({ path, content }) => [path, content]));
}
