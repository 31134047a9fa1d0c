/**
 * Real nginx (Debian packages nginx and libnginx-mod-http-js) on a folder of rendered files: this machine's, or the one
 * of another release of Debian.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { MACHINE, type Machine, type ReleaseFile } from "../../components/overseas/relay-files";
import type { Debian } from "../../rehearsal/debian";
import { Docker } from "../../rehearsal/docker";
import { KEEP, makeVm } from "../../rehearsal/images";
import { run } from "../../rehearsal/run";
import { eventually } from "./eventually";

/** An nginx that is there to be started. */
export interface Nginx {
    /** What starts it, before its own arguments. */
    readonly command: readonly [string, ...string[]];
    /** Pattern of the files that load its modules. */
    readonly modules: string;
}

/** What apt-get has installed here. */
const OWN: Nginx = { command: ["nginx"], modules: MACHINE.modules };

/** Of a root file system, what nginx is made of. Its other modules would ask for further packages. */
const PARTS = ["./usr/sbin/nginx", "./usr/lib/nginx", "./usr/lib/*-linux-gnu/*.so*"];

/**
 * nginx as machines with this Debian have it: out of the image that the rehearsal's machines are made of, with its own
 * libraries and their loader. The kernel, users and OpenSSL's configuration are this machine's.
 */
export async function nginxOf(debian: Debian): Promise<Nginx> {
    const { tar } = await makeVm(new Docker(), () => {}, debian);
    const root = join(KEEP, `nginx-${debian}-${basename(tar, ".tar")}`);
    const conf = join(root, "modules.conf");
    if (!existsSync(root)) {
        // Only what is whole gets the name: another test file may unpack the same at the same time.
        const unfinished = `${root}-unfinished-${process.pid}`;
        mkdirSync(unfinished, { recursive: true });
        try {
            await run("tar", ["--extract", "--file", tar, "--directory", unfinished, "--wildcards", ...PARTS]);
            const module = join(root, "usr/lib/nginx/modules/ngx_http_js_module.so");
            writeFileSync(join(unfinished, basename(conf)), `load_module ${module};\n`);
            if (!existsSync(root)) renameSync(unfinished, root);
            removeOthers(root, `nginx-${debian}-`);
        } finally {
            rmSync(unfinished, { recursive: true, force: true });
        }
    }
    const [libraries = ""] = readdirSync(join(root, "usr/lib")).filter((name) => name.endsWith("-linux-gnu"));
    const folder = join(root, "usr/lib", libraries);
    const loader = readdirSync(folder).find((name) => /^ld-linux.*\.so\.\d$/.test(name));
    if (loader === undefined) throw new Error(`${tar} has no loader of programs in ${folder}`);
    return { command: [join(folder, loader), "--library-path", folder, join(root, "usr/sbin/nginx")], modules: conf };
}

/** What was unpacked of an earlier image is not asked for again. */
function removeOthers(root: string, prefix: string): void {
    for (const name of readdirSync(KEEP)) {
        const isOther = name.startsWith(prefix) && !name.includes("unfinished") && join(KEEP, name) !== root;
        if (isOther) rmSync(join(KEEP, name), { recursive: true });
    }
}

/** A folder that nginx' workers, who are not root, can enter. */
export function nginxFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), "dockermirror-nginx-"));
    chmodSync(folder, 0o755);
    return folder;
}

/** A machine whose files are all in `folder`; upstreams are checked with the CAs of `caBundle`. */
export function machineIn(folder: string, caBundle: string, { modules } = OWN): Machine {
    return {
        nginx: folder,
        home: join(folder, "home"),
        state: join(folder, "state"),
        metrics: join(folder, "metrics"),
        modules,
        pid: join(folder, "nginx.pid"),
        errorLog: join(folder, "error.log"),
        accessLog: join(folder, "access.json"),
        tokenCache: join(folder, "tokens"),
        caBundle,
    };
}

/** Lays a release out as apply.sh does, and returns the path of its nginx.conf. */
export function layRelease(folder: string, files: readonly ReleaseFile[], resolver: string): string {
    const resolverFile = { mode: "0644", path: "resolver.conf", content: `resolver ${resolver} ipv6=off;\n` } as const;
    for (const { mode, path, content } of [...files, resolverFile]) {
        const file = join(folder, "relay", path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, content, { mode: Number.parseInt(mode, 8) });
    }
    const conf = join(folder, "nginx.conf");
    writeFileSync(conf, files.find(({ path }) => path === "nginx.conf")?.content ?? "");
    return conf;
}

/** What `nginx -t` says of a configuration. */
export async function checkNginx(
    conf: string,
    { command: [program, ...args] } = OWN,
): Promise<{ readonly accepted: boolean; readonly says: string }> {
    try {
        const { stderr } = await promisify(execFile)(program, [...args, "-t", "-q", "-c", conf]);
        return { accepted: true, says: stderr };
    } catch (error) {
        return { accepted: false, says: (error as { stderr: string }).stderr };
    }
}

/** A running nginx. */
export interface RunningNginx {
    /** What it has written to its standard output and standard error. */
    output(): string;
    stop(): Promise<void>;
}

/** Starts nginx and waits until it accepts connections on `port`. */
export async function startNginx(
    conf: string,
    port: number,
    { command: [program, ...args] } = OWN,
): Promise<RunningNginx> {
    const options = [...args, "-c", conf, "-g", "daemon off;"];
    const child = spawn(program, options, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
    await eventually("nginx accepts connections", async () => {
        if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}: ${output}`);
        return (await accepts(port)) || undefined;
    });
    return { output: () => output, stop: () => end(child) };
}

/** The text of a file, empty when there is none yet. */
export async function textOf(file: string): Promise<string> {
    try {
        return await readFile(file, "utf8");
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
        throw error;
    }
}

export function remove(folder: string): void {
    rmSync(folder, { recursive: true, force: true });
}

function accepts(port: number): Promise<boolean> {
    return new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1");
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
        socket.once("connect", () => socket.destroy());
    });
}

async function end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
}
