/** Real workerd (npm package workerd) in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** A running workerd. */
export interface RunningWorkerd {
    /** Port of its first socket. */
    readonly port: number;
    /** What it has written to its standard output and standard error. */
    output(): string;
    stop(): Promise<void>;
}

/** The binary in the package of this platform: `--ignore-scripts` leaves the wrapper package without one. */
export function workerdBinary(): string {
    const { platform, arch } = process;
    const name = `@cloudflare/workerd-${platform}-${arch === "x64" ? "64" : arch}`;
    return createRequire(__filename).resolve(`${name}/bin/workerd`);
}

/** Starts workerd with a configuration and waits until it listens. Rejects with its own words when it does not. */
export async function startWorkerd(config: string): Promise<RunningWorkerd> {
    const folder = mkdtempSync(join(tmpdir(), "dockermirror-workerd-"));
    const file = join(folder, "config.capnp");
    writeFileSync(file, config, { mode: 0o600 });
    chmodSync(folder, 0o700);

    // Descriptor 3 is where workerd tells its events, one JSON object a line.
    const child = spawn(workerdBinary(), ["serve", file, "--control-fd=3"], {
        stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (output += data));
    const exited = once(child, "exit");
    const stop = async () => {
        // At SIGTERM it waits for requests that are under way, such as one whose upstream hangs.
        child.kill("SIGKILL");
        await exited;
        rmSync(folder, { recursive: true, force: true });
    };
    const listening = (async () => {
        for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
            const { event, port } = JSON.parse(line) as { event: string; port?: number };
            if (event === "listen" && port !== undefined) return port;
        }
        await exited;
        rmSync(folder, { recursive: true, force: true });
        throw new Error(`workerd did not start: ${output}`);
    })();
    return { port: await listening, output: () => output, stop };
}
