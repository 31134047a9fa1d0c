/** Real nginx (Debian packages nginx and libnginx-mod-http-js) on a folder of rendered files. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { MACHINE, type Machine, type ReleaseFile } from "../../components/overseas/relay-files";
import { eventually } from "./eventually";

/** A folder that nginx' workers, who are not root, can enter. */
export function nginxFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), "dockermirror-nginx-"));
    chmodSync(folder, 0o755);
    return folder;
}

/** A machine whose files are all in `folder`; upstreams are checked with the CAs of `caBundle`. */
export function machineIn(folder: string, caBundle: string): Machine {
    return {
        nginx: folder,
        home: join(folder, "home"),
        state: join(folder, "state"),
        metrics: join(folder, "metrics"),
        modules: MACHINE.modules,
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
export async function checkNginx(conf: string): Promise<{ readonly accepted: boolean; readonly says: string }> {
    try {
        const { stderr } = await promisify(execFile)("nginx", ["-t", "-q", "-c", conf]);
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
export async function startNginx(conf: string, port: number): Promise<RunningNginx> {
    const child = spawn("nginx", ["-c", conf, "-g", "daemon off;"], { stdio: ["ignore", "pipe", "pipe"] });
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
