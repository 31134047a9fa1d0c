/** A relay's machine in a folder: the real scripts of templates/vm and real nginx, without systemd and packages. */
import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Machine, type ReleaseFile, releaseLines } from "../../components/overseas/relay-files";
import { eventually } from "./eventually";
import { machineIn, nginxFolder, remove, textOf } from "./nginx";

/** How a script ended, and what it said. */
export interface Ended {
    readonly status: number | null;
    readonly out: string;
    readonly err: string;
}

/** The machine. */
export interface RelayMachine {
    readonly folder: string;
    /** Where a release finds things. */
    readonly paths: Machine;
    /** What its nginx.conf held before the first release. */
    readonly original: string;
    /** Runs apply.sh on the lines of a release. @param patience Seconds in which nginx has to answer. */
    apply(release: readonly ReleaseFile[] | string, patience?: number): Promise<Ended>;
    /** The same where nginx' module is not installed. @param apt The script that apt-get is there; it has {@link INSTALL}. */
    applyBare(release: readonly ReleaseFile[], apt: string): Promise<Ended>;
    /** Runs a script of the release in use. @param nameServer Asked on port 53 in place of this machine's. */
    run(script: string, args?: readonly string[], env?: Record<string, string>, nameServer?: string): Promise<Ended>;
    /** Ends nginx, if it runs. */
    stopNginx(): Promise<void>;
    /** Ends nginx and removes the folder. */
    remove(): Promise<void>;
}

/** Line of a shell script that installs nginx' module. */
export const INSTALL = "umount /usr/lib/nginx/modules";

const APPLY = join(__dirname, "../../templates/vm/apply.sh");
/** In a mount namespace of its own, as root. */
const WITHOUT_MODULE =
    'mount --bind "$0" /usr/bin/apt-get && mount -t tmpfs none /usr/lib/nginx/modules && exec sh "$@"';
/** In a mount namespace of its own, as root: lego and getent know no other way to another name server. */
const WITH_OWN_DNS = 'mount --bind "$0" /etc/resolv.conf && exec sh "$@"';

/** Makes one; each has ports of its own, which the release says. */
export function makeRelayMachine(): RelayMachine {
    const folder = nginxFolder();
    const paths = machineIn(folder, "/etc/ssl/certs/ca-certificates.crt");
    const original = `pid ${paths.pid};\nevents {}\n`;
    const resolv = join(folder, "resolv.conf");
    writeFileSync(join(folder, "nginx.conf"), original);
    writeFileSync(resolv, "# a comment\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::53\n");
    const stopNginx = async () => {
        const pid = Number(await textOf(paths.pid));
        if (pid === 0) return;
        process.kill(pid, "SIGTERM");
        await eventually("nginx ends", () => !existsSync(paths.pid) || undefined);
    };
    const places = { DOCKERMIRROR_NGINX: folder, DOCKERMIRROR_HOME: paths.home, DOCKERMIRROR_RESOLV: resolv };
    return {
        folder,
        paths,
        original,
        apply: (release, patience = 15) =>
            shell(
                "sh",
                [APPLY],
                { ...places, DOCKERMIRROR_PATIENCE: String(patience) },
                typeof release === "string" ? release : releaseLines(release),
            ),
        applyBare: (release, apt) => {
            const own = join(folder, "own-apt-get");
            writeFileSync(own, `#!/bin/sh\n${apt}\n`, { mode: 0o755 });
            const command = ["--mount", "sh", "-c", WITHOUT_MODULE, own, APPLY];
            return shell("unshare", command, places, releaseLines(release));
        },
        run: (script, args = [], env = {}, nameServer) => {
            const command = [join(folder, "relay", script), ...args];
            if (nameServer === undefined) return shell("sh", command, env);
            const own = join(folder, "own-resolv.conf");
            writeFileSync(own, `nameserver ${nameServer}\n`);
            return shell("unshare", ["--mount", "sh", "-c", WITH_OWN_DNS, own, ...command], env);
        },
        stopNginx,
        remove: async () => {
            await stopNginx();
            remove(folder);
        },
    };
}

function shell(program: string, args: readonly string[], env: Record<string, string>, input = ""): Promise<Ended> {
    return new Promise((resolve, reject) => {
        const child = spawn(program, args, { env: { ...process.env, ...env } });
        let [out, err] = ["", ""];
        child.stdout.on("data", (data) => (out += data));
        child.stderr.on("data", (data) => (err += data));
        child.once("error", reject).once("close", (status) => resolve({ status, out, err }));
        child.stdin.end(input);
    });
}
