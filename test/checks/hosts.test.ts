/** The machines' rows: real TCP on loopback, stand-ins for `ssh` and `docker`. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { containerChecks, dockerCheck } from "../../checks/docker-host";
import { type Finding, look, lookAll } from "../../checks/finding";
import { machineCheck, sshFromCheck } from "../../checks/hosts";
import { hubCheck } from "../../checks/hub";
import type { SshTarget } from "../../checks/ssh";
import { Double, everywhere, listen, Programs, worldOf } from "../support/world";

const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample";
const KEYSCAN = `echo "# a comment"; echo "host ${HOST_KEY}"`;
const DEBIAN = 'echo "debian 12"';

const told = (findings: readonly Finding[]) => findings.map(({ what, state, note }) => [what, state, note]);

/** The rows of a machine at `port` whose `ssh` and `ssh-keyscan` are these scripts. */
async function machine(own: Partial<SshTarget>, scripts: Record<string, string>, keyMissing = false) {
    const { port, server } = await listen((socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n"));
    const programs = new Programs({ "ssh-keyscan": KEYSCAN, ssh: DEBIAN, ...scripts });
    const target = { host: "127.0.0.1", port, user: "admin", hostKey: HOST_KEY, ...own };
    const findings = await look(machineCheck(worldOf({ env: programs.env }), target, keyMissing));
    server.close();
    programs.remove();
    return findings;
}

describe("The machine overseas", () => {
    it("answers, shows its key, lets the user in, with root's rights", async () => {
        assert.deepEqual(told(await machine({}, {})), [
            ["SSH of the machine overseas", "ok", "answers: SSH-2.0-OpenSSH_9.2"],
            ["its host key", "ok", "is the one in the settings"],
            ["login as admin", "ok", "works, with root's rights, on debian 12"],
        ]);
    });

    it("is not asked further when its port is closed", async () => {
        const target = { host: "127.0.0.1", port: 2, user: "root" };
        const findings = await look(machineCheck(worldOf({}), target, false));
        assert.deepEqual(
            findings.map(({ state }) => state),
            ["failed", "skipped", "skipped"],
        );
        assert.equal(findings[0]?.note, "the connection is refused");
    });

    it("is not taken for one when something else, or nothing, talks there", async () => {
        for (const [said, note] of [
            ["HTTP/1.1 400 Bad Request\r\n", /is no SSH server: it says "HTTP/],
            [undefined, /no answer within 0.2 s/],
        ] as const) {
            const { port, server } = await listen((socket) => said && socket.write(said));
            const where = worldOf({ seconds: 0.2 });
            const [row] = await look(machineCheck(where, { host: "127.0.0.1", port, user: "root" }, false));
            server.close();
            assert.match(row?.note ?? "", note);
        }
    });

    it("fails with another host key, and warns without one in the settings", async () => {
        const [, other] = await machine({ hostKey: "ssh-ed25519 AAAAOther" }, {});
        assert.equal(other?.state, "failed");
        assert.match(other?.todo ?? "", /find out why/);
        const [, none] = await machine({ hostKey: undefined }, {});
        assert.equal(none?.state, "warning");
        assert.ok(none?.todo?.endsWith(HOST_KEY));
    });

    it("tells what ssh says, an old Debian, and a sudo that asks", async () => {
        const notes = async (ssh: string) => (await machine({}, { ssh })).at(-1);
        const refused = "admin@127.0.0.1: Permission denied (publickey).";
        assert.equal((await notes(`echo '${refused}' >&2; exit 255`))?.note, refused);
        assert.equal((await notes('echo "debian 11"'))?.note, "must be Debian 12 or newer, got debian 11");
        assert.equal((await notes('echo "debian 12"; exit 1'))?.note, "works, but sudo asks for a password");
    });

    it("is not logged in to without the key that the settings have", async () => {
        assert.equal((await machine({}, {}, true)).at(-1)?.note, "the secret sshPrivateKey cannot be read here");
    });

    it("gets the pinned key, and a private key that is in no file and in no argument", async () => {
        const record = (folder: string) => `
            printf '%s\\n' "$@" >"${folder}"
            for word; do
                case $word in
                    UserKnownHostsFile=*) cat "\${word#*=}" ;;
                    IdentityAgent=*) SSH_AUTH_SOCK="\${word#*=}" ssh-add -L ;;
                esac
            done >>"${folder}.files"; ${DEBIAN}`;
        const kept = new Programs({});
        const log = join(kept.folder, "log");
        execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "a key", "-f", join(kept.folder, "key")]);
        const privateKey = readFileSync(join(kept.folder, "key"), "utf8");
        await machine({ privateKey }, { ssh: record(log) });
        const args = readFileSync(log, "utf8").split("\n");
        const publicKey = readFileSync(join(kept.folder, "key.pub"), "utf8");
        assert.equal(readFileSync(`${log}.files`, "utf8"), `* ${HOST_KEY}\n${publicKey}`);
        assert.ok(args.includes("StrictHostKeyChecking=yes") && args.includes("BatchMode=yes"));
        const [, line = ""] = privateKey.split("\n");
        assert.ok(!args.some((word) => word.includes(line)));
        kept.remove();
    });
});

describe("This machine in sshFrom", () => {
    const seenAs = async (address: string, sshFrom: string[]) => {
        const double = await Double.start(() => [200, `${address}\n`]);
        const [row] = await look(sshFromCheck(worldOf({ services: everywhere(double.url) }), sshFrom));
        await double.stop();
        return row;
    };

    it("is found in a range, of IPv6 as well", async () => {
        assert.equal((await seenAs("203.0.113.7", ["198.51.100.0/24", "203.0.113.7/32"]))?.state, "ok");
        assert.equal((await seenAs("2001:db8::7", ["203.0.113.7/32", "2001:db8::/64"]))?.state, "ok");
    });

    it("is a warning when it is not, and skipped when nobody tells", async () => {
        const row = await seenAs("203.0.113.8", ["203.0.113.7/32"]);
        assert.equal(row?.state, "warning");
        assert.match(row?.todo ?? "", /add 203.0.113.8\/32 to overseas.sshFrom/);
        const [unknown] = await look(sshFromCheck(worldOf({}), ["203.0.113.7/32"]));
        assert.equal(unknown?.state, "skipped");
    });
});

describe("Docker at home", () => {
    const STATUS = JSON.stringify({
        relays: [
            { name: "nginx", condition: "well" },
            { name: "worker", condition: "down" },
        ],
    });
    /** Answers by the last words of the command line that it was given. */
    const docker = `case "$*" in
        *version*) echo 20.10.24 ;;
        *exec*) echo '${STATUS}' ;;
        *ps*) printf 'dockermirror-front: Up 2 hours (healthy)\\ndockermirror-uplink: Up 2 hours (unhealthy)\\n' ;;
    esac`;
    const rows = async (script: string, address: string) => {
        const name = address.startsWith("ssh:") ? "ssh" : "docker";
        const programs = new Programs({ [name]: script });
        const where = worldOf({ env: programs.env });
        const findings = [
            ...(await look(dockerCheck(where, address))),
            ...(await lookAll(containerChecks(where, address))),
        ];
        programs.remove();
        return findings;
    };

    for (const address of ["ssh://ops@10.1.0.5:2222", "unix:///var/run/docker.sock"]) {
        it(`tells its version, what does not run and which relay is down, by ${address.split(":")[0]}`, async () => {
            assert.deepEqual(told(await rows(docker, address)), [
                ["Docker at home", "ok", "Docker 20.10.24"],
                ["containers at home", "failed", "dockermirror-uplink: Up 2 hours (unhealthy)"],
                ["uplink", "warning", "nginx is well, worker is down"],
            ]);
        });
    }

    it("is asked through the user's own ssh, each word kept", async () => {
        const echo = new Programs({ ssh: `printf '%s|' "$@"` });
        const [row] = await look(dockerCheck(worldOf({ env: echo.env }), "ssh://ops@10.1.0.5:2222"));
        echo.remove();
        assert.equal(
            row?.note,
            "Docker -T|-o|BatchMode=yes|-o|ConnectTimeout=5|-p|2222|-l|ops|--|10.1.0.5|'docker' 'version' '--format' '{{.Server.Version}}'|",
        );
    });

    it("tells what ssh or docker says, and that nothing is there", async () => {
        const [refused] = await rows("echo 'Host key verification failed.' >&2; exit 255", "ssh://ops@10.1.0.5");
        assert.deepEqual([refused?.state, refused?.note], ["failed", "Host key verification failed."]);
        assert.match(refused?.todo ?? "", /^log in once by hand, .*: ssh ops@10\.1\.0\.5$/);
        const [, none] = await rows("case $* in *ps*) ;; *) echo '{\"relays\":[]}' ;; esac", "ssh://ops@10.1.0.5");
        assert.equal(none?.note, "there are none");
    });

    const causes: Record<string, [said: string, todo: RegExp]> = {
        "its name": [
            "ssh: Could not resolve hostname docker.acme.lan: Name or service not known",
            /resolver does not know docker\.acme\.lan \(getent hosts docker\.acme\.lan\): correct onprem\.docker/,
        ],
        "a port where nothing listens": [
            "ssh: connect to host docker.acme.lan port 22: Connection refused",
            /^nothing listens at port 22 there/,
        ],
        "a way that ends": [
            "ssh: connect to host docker.acme.lan port 22: Connection timed out",
            /nc -vz docker\.acme\.lan 22/,
        ],
        "a host key that is another one": [
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            /find out why first.*ssh-keygen -R docker\.acme\.lan/,
        ],
        "a key that is refused": [
            "ops@docker.acme.lan: Permission denied (publickey).",
            /ssh ops@docker\.acme\.lan by hand/,
        ],
        "a user who may not use Docker": [
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            /usermod -aG docker ops/,
        ],
        "a machine without Docker": ["bash: line 1: docker: command not found", /^install Docker there$/],
        "an engine that is not started": [
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            /systemctl start docker/,
        ],
    };
    for (const [what, [said, todo]] of Object.entries(causes)) {
        it(`has its own advice for ${what}`, async () => {
            const script = `cat >&2 <<'END'\n${said}\nEND\nexit 255`;
            const [row] = await rows(script, "ssh://ops@docker.acme.lan");
            assert.equal(row?.state, "failed");
            assert.match(row?.todo ?? "", todo);
            assert.equal(/log in once by hand/.test(row?.todo ?? ""), /host key/.test(what));
        });
    }

    describe("and what upstreams do through the relays", () => {
        const of = (upstreams: Record<string, string>, name = "nginx") => ({
            name,
            condition: "well",
            upstreams: Object.fromEntries(Object.entries(upstreams).map(([key, condition]) => [key, { condition }])),
        });
        const found = async (status: object) => {
            const says = docker.replace(STATUS, JSON.stringify(status));
            return (await rows(says, "ssh://ops@10.1.0.5")).find(({ what }) => what === "uplink");
        };

        it("is no row of its own when all is well", async () => {
            const relays = [of({ "docker.io": "well", "ghcr.io": "well" }), of({}, "worker")];
            const row = await found({ relays, refusedRedirects: [] });
            assert.deepEqual([row?.state, row?.note], ["ok", "nginx is well, worker is well"]);
        });

        it("is a warning through one relay, and a failure when an upstream hangs through all", async () => {
            const one = await found({
                relays: [of({ "docker.io": "hanging" }), of({ "docker.io": "well" }, "worker")],
            });
            assert.equal(one?.state, "warning");
            assert.match(one?.note ?? "", /docker\.io through nginx is hanging/);
            const all = [of({ "docker.io": "hanging" }), of({ "docker.io": "hanging", "ghcr.io": "well" }, "worker")];
            assert.equal((await found({ relays: all }))?.state, "failed");
        });

        it("names the hosts that are not followed, and the setting that has them followed", async () => {
            const refusedRedirects = [
                { upstream: "docker.io", host: "cdn.new.example", times: 3 },
                { upstream: "docker.io", host: "other", times: 1 },
                { upstream: "quay.io", host: "x.example", times: 1 },
            ];
            const row = await found({ relays: [of({})], refusedRedirects });
            assert.equal(row?.state, "failed");
            assert.match(row?.note ?? "", /docker\.io to cdn\.new\.example, 3 times/);
            assert.match(
                row?.todo ?? "",
                /dockermirror:redirectHosts: \{ docker\.io: \[cdn\.new\.example\], quay\.io: \[x\.example\] \}/,
            );
        });
    });
});

describe("The Docker Hub account", () => {
    const asked = async (status: number) => {
        const double = await Double.start(({ headers }) => {
            assert.equal(headers.authorization, `Basic ${Buffer.from("acme:token").toString("base64")}`);
            return [status, "{}"];
        });
        const [row] = await look(hubCheck(worldOf({ services: everywhere(double.url) }), "acme", "token"));
        await double.stop();
        return row;
    };

    it("is taken or refused", async () => {
        assert.equal((await asked(200))?.state, "ok");
        const refused = await asked(401);
        assert.equal(refused?.state, "failed");
        assert.doesNotMatch(JSON.stringify(refused), /"token"/);
    });

    it("is skipped where nobody can ask: the relays will", async () => {
        const [far] = await look(hubCheck(worldOf({}), "acme", "token"));
        assert.deepEqual(
            [far?.state, far?.note],
            ["skipped", "127.0.0.1:2: the connection is refused; the relays will ask it"],
        );
        const [unread] = await look(hubCheck(worldOf({}), "acme", undefined));
        assert.equal(unread?.state, "skipped");
    });
});
