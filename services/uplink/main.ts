/**
 * `uplink.js CONFIG` runs the uplink; `uplink.js --check CONFIG` only says whether the configuration can be used: exit
 * code 0, or 1 with every problem on standard error.
 *
 * On SIGHUP it reads the configuration again and goes on with it; one that it cannot use is logged, and the old one stays.
 */
import { readConfig } from "./config";
import { jsonLog, type Log } from "./log";
import { startUplink, type Uplink } from "./uplink";

const USAGE = "usage: node uplink.js [--check] CONFIG.json";

async function main(args: readonly string[]): Promise<void> {
    const check = args[0] === "--check";
    const [path, ...rest] = check ? args.slice(1) : args;
    if (path === undefined || rest.length > 0) throw new Error(USAGE);
    const config = readConfig(path);
    if (check) return;

    const log = jsonLog((line) => process.stdout.write(line));
    const starting = startUplink(config, log);
    // From the start, or the one that arrives meanwhile would be lost. One after the other.
    let taking: Promise<unknown> = starting;
    process.on("SIGHUP", () => {
        taking = taking.then(async () => reload(path, await starting, log));
    });
    const uplink = await starting;
    log("info", "uplink listens", { port: uplink.port, relays: config.relays.map(({ name, url }) => ({ name, url })) });
    const stop = (signal: string) => {
        log("info", "uplink stops", { signal });
        uplink.close().then(
            () => process.exit(0),
            (error: unknown) => {
                log("error", "uplink did not stop cleanly", { error: String(error) });
                process.exit(1);
            },
        );
    };
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
}

async function reload(path: string, uplink: Uplink, log: Log): Promise<void> {
    try {
        const config = readConfig(path);
        await uplink.take(config);
        log("info", "configuration taken over", { configuration: config.source });
    } catch (error) {
        log("error", "configuration not taken over", {
            reason: error instanceof Error ? error.message : String(error),
        });
    }
}

main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
});
