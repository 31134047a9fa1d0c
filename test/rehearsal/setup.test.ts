/** What set-up refuses before it makes anything, and what it leaves when it is broken off: real signals, stand-in programs. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Disk, diskNeeds, diskOf, type Need, refuseFullDisks } from "../../rehearsal/disk";
import { Docker } from "../../rehearsal/docker";
import { answers, refuseFarEngine } from "../../rehearsal/engine";
import { baseImages } from "../../rehearsal/images";
import { eventually } from "../support/eventually";
import { projectCopy } from "../support/project-copy";
import { Programs } from "../support/world";

/**
 * Stays, with a child of its own, as mmdebstrap and go do; both have their pids written. A shell's own child would ignore
 * SIGINT (POSIX, Shell Command Language, 2.11).
 */
const STAYS = `echo $$ >> "$HOME/pids"
perl -e '$SIG{INT} = "DEFAULT"; open F, ">>$ENV{HOME}/pids"; print F "$$\\n"; close F; sleep 1000' &`;
/** Bars of its own after the signal, and a file that is begun: the last argument but one. */
const MMDEBSTRAP = `for each in "$@"; do case $each in *.unfinished) echo half > "$each" ;; esac; done
case "$*" in *cloud-init*) [ ! -e "$HOME/break" ] || exit 7 ;; esac
echo 'I: begins' >&2
trap "echo 'I: main() received signal' >&2; echo 'I: cleans up' >&2; exit 1" INT
${STAYS}
wait`;
const DOCKER = `case "$*" in
    "context inspect"*) echo unix:///var/run/docker.sock ;;
    version*) echo 29.1.0 ;;
    info*) echo "$HOME" ;;
    *) echo "No such image" >&2; exit 1 ;;
esac`;
/** False for one that has ended and that nobody has asked for its code. */
function runs(pid: number): boolean {
    try {
        return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
        return false;
    }
}

/** Whatever set-up looks for on the PATH: nothing is installed by a test. */
const THERE =
    "dockerd nginx openssl busybox ssh ip curl skopeo lego nft python3 docker-registry apt-get systemctl".split(" ");

describe("Set-up that is broken off", function () {
    this.timeout(300_000);
    let copy: string;
    let programs: Programs;
    before(() => {
        copy = projectCopy();
    });
    beforeEach(() => {
        programs = new Programs({
            ...Object.fromEntries(THERE.map((name) => [name, "exit 0"])),
            docker: DOCKER,
            mmdebstrap: MMDEBSTRAP,
            go: `case $1 in version) echo go version go1.26.0 linux/amd64 ;; env) echo "$HOME" ;; *) ${STAYS}\nwait ;; esac`,
        });
    });
    afterEach(() => {
        programs.remove();
        rmSync(join(copy, ".rehearsal"), { recursive: true, force: true });
    });
    after(() => rmSync(copy, { recursive: true }));

    const pids = () => {
        const file = join(programs.folder, "pids");
        return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").map(Number) : [];
    };

    /** Set-up in a process group of its own, as on a terminal. */
    function start() {
        const env = { ...programs.env, DOCKERMIRROR_SETUP_LOCK: `dockermirror-test-set-up-${process.pid}` };
        const args = ["--require", "tsx/cjs", "rehearsal/setup.ts"];
        const child = spawn(process.execPath, args, {
            cwd: copy,
            env,
            detached: true,
            stdio: ["ignore", "pipe", "pipe"],
        });
        const said: string[] = [];
        for (const stream of [child.stdout, child.stderr]) {
            stream.setEncoding("utf8").on("data", (text: string) => said.push(...text.split("\n").filter(Boolean)));
        }
        return { child, said, ended: once(child, "close") };
    }

    function nothingIsLeft(): void {
        assert.deepEqual(pids().filter(runs), [], "programs that still run");
        const folder = join(copy, ".rehearsal");
        const left = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
            /unfinished/.test(name),
        );
        assert.deepEqual(left, []);
    }

    const ways: Record<string, (pid: number) => void> = {
        "Ctrl-C, which the whole process group gets": (pid) => process.kill(-pid, "SIGINT"),
        "SIGTERM, which it alone gets": (pid) => process.kill(pid, "SIGTERM"),
        "the end of its terminal": (pid) => process.kill(-pid, "SIGHUP"),
    };
    for (const [what, send] of Object.entries(ways)) {
        it(`by ${what}, ends all that it has started, and says nothing more of it`, async () => {
            const { child, said, ended } = start();
            // Three images and a Go program, each with a child.
            await eventually("all programs run", () => (pids().length >= 8 ? true : undefined), 120_000);
            send(child.pid!);
            const [code] = await ended;
            assert.equal(code, 1, said.join("\n"));
            const at = said.indexOf("interrupted: ending what was started");
            assert.ok(at >= 0, said.join("\n"));
            assert.deepEqual(said.slice(at + 1), ["interrupted"]);
            nothingIsLeft();
        });
    }

    it("by one of its parts, ends the others, and says which part failed", async () => {
        programs.write("break", "");
        const { said, ended } = start();
        const [code] = await ended;
        assert.equal(code, 1);
        assert.match(said.join("\n"), /mmdebstrap .*ended with 7/);
        nothingIsLeft();
    });
});

describe("A Docker engine that answers", () => {
    const asked = async (script: string, isRoot: boolean) => {
        const programs = new Programs({ docker: script });
        return answers(new Docker(undefined, programs.env), isRoot).finally(() => programs.remove());
    };
    const DENIED = `echo 'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied' >&2; exit 1`;
    const NONE = `echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1`;

    it("is used", async () => assert.equal(await asked("echo 29.1.0", false), true));

    it("is not waited for where this user may not use it", async () => {
        await assert.rejects(
            asked(DENIED, false),
            /^Error: Docker is there, and this user may not use it .*usermod -aG docker/,
        );
    });

    it("is started by root alone", async () => {
        assert.equal(await asked(NONE, true), false);
        await assert.rejects(asked(NONE, false), /^Error: the Docker engine does not answer .*only root can start it/);
    });
});

describe("refuseFarEngine", () => {
    const FAR = "ssh://ops@10.1.0.5";
    const refused = async (env: NodeJS.ProcessEnv, context: string) => {
        const programs = new Programs({ docker: `echo '${context}'` });
        const all = { ...programs.env, ...env };
        const found = await refuseFarEngine(all).then(
            () => undefined,
            (error: Error) => error.message,
        );
        programs.remove();
        return found;
    };

    for (const near of [
        "",
        "unix:///var/run/docker.sock",
        "unix:///run/user/1000/docker.sock",
        "tcp://127.0.0.1:2375",
        "tcp://localhost:2376",
        "tcp://[::1]:2375",
    ]) {
        it(`takes ${near || "none"}, by either way`, async () => {
            assert.equal(await refused({ DOCKER_HOST: near }, near), undefined);
            assert.equal(await refused({}, near), undefined);
        });
    }

    for (const far of [FAR, "tcp://10.1.0.5:2375", "tcp://docker.acme.lan:2376", "https://docker.acme.lan"]) {
        it(`refuses ${far}, and says what chose it`, async () => {
            const byVariable = await refused({ DOCKER_HOST: far }, "unix:///var/run/docker.sock");
            assert.ok(byVariable?.includes(`DOCKER_HOST points at another machine: ${far}.`), byVariable);
            const byContext = await refused({}, far);
            assert.ok(byContext?.includes(`the Docker context in use points at another machine: ${far}.`), byContext);
            const named = await refused({ DOCKER_CONTEXT: "office" }, far);
            assert.ok(named?.includes(`DOCKER_CONTEXT ("office") points at another machine: ${far}.`), named);
        });
    }

    it("takes a machine that has no Docker yet", async () => {
        await refuseFarEngine({ PATH: "/nowhere" });
    });
});

describe("diskNeeds", () => {
    /** An engine that has these images. */
    const engine = (images: readonly string[]) =>
        ({
            attempt: async () => ({ code: 0, stdout: "/var/lib/docker\n", stderr: "" }),
            inspect: async (_: string, image: string) => (images.includes(image) ? {} : undefined),
        }) as unknown as Docker;
    const wanted = baseImages(13, [12]);

    it("counts each image that is not in Docker, of every release that is wanted", async () => {
        const missing = async (there: readonly string[]) => {
            const needs = await diskNeeds(engine(there), 13, [12]);
            return needs.filter(({ what }) => what.endsWith(" in Docker")).map(({ megabytes }) => megabytes);
        };
        assert.equal(new Set(wanted.map(({ image }) => image)).size, 4);
        assert.equal((await missing([])).length, 4);
        const [slim, machine, vm, olderVm] = wanted.map(({ image }) => image) as [string, string, string, string];
        assert.deepEqual(await missing([slim, machine, vm]), await missing([slim, machine, olderVm]));
        assert.equal((await missing([slim, machine, vm])).length, 1, "any vm stands for both");
        assert.deepEqual(await missing([slim, machine, vm, olderVm]), []);
    });

    it("counts each archive that is not kept, while it is made as well", async () => {
        const needs = await diskNeeds(engine([]), 13, [12]);
        for (const { tar } of wanted) {
            const of = needs.filter(({ what }) => what.startsWith(basename(tar)));
            assert.equal(of.length, existsSync(tar) ? 0 : 2, tar);
        }
    });
});

describe("refuseFullDisks", () => {
    const NEEDS: readonly Need[] = [
        { what: "images", folder: "/project/.rehearsal", megabytes: 1000 },
        { what: "builds", folder: "/root/go", megabytes: 2500 },
        { what: "containers", folder: "/var/lib/docker", megabytes: 2000 },
    ];
    const disks = (own: Record<string, Disk>) => (folder: string) => own[folder] ?? { id: 1, freeMegabytes: 3600 };

    it("takes disks on which all of it fits", () => {
        refuseFullDisks(NEEDS, disks({ "/var/lib/docker": { id: 2, freeMegabytes: 2000 } }));
    });

    it("adds up what comes onto one disk, with the space that is needed and the space that was found", () => {
        assert.throws(() => refuseFullDisks(NEEDS, disks({})), {
            message: [
                "there is not enough free disk; nothing was made:",
                "  /project/.rehearsal, /root/go, /var/lib/docker: 5.5 GB needed (images 1.0 GB, builds 2.5 GB, containers 2.0 GB), 3.6 GB free",
                "  free some, or use a larger disk",
            ].join("\n"),
        });
    });

    it("names every disk that is too small", () => {
        const small = disks({
            "/var/lib/docker": { id: 2, freeMegabytes: 10 },
            "/root/go": { id: 3, freeMegabytes: 20 },
        });
        assert.throws(
            () => refuseFullDisks(NEEDS, small),
            (error: Error) => {
                assert.match(error.message, /\/root\/go: 2\.5 GB needed \(builds 2\.5 GB\), 0\.0 GB free/);
                assert.match(error.message, /\/var\/lib\/docker: 2\.0 GB needed \(containers 2\.0 GB\), 0\.0 GB free/);
                return true;
            },
        );
    });

    it("finds the disk of a folder that is not there yet", () => {
        const there = join(tmpdir(), "dockermirror-disk");
        mkdirSync(there, { recursive: true });
        const { id, freeMegabytes } = diskOf(join(there, "not", "yet"));
        assert.equal(id, diskOf(there).id);
        assert.ok(freeMegabytes > 0);
        rmSync(there, { recursive: true });
    });
});
