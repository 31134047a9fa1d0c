/**
 * `uplink-program.js CONFIG SOCKET` runs an uplink as its own program does, with its own times, and passes what comes to
 * a Unix socket on to it: that one is reached from another network namespace. Ends with its standard input.
 */
import { connect, createServer } from "node:net";
import { readConfig } from "../../services/uplink/config";
import { jsonLog } from "../../services/uplink/log";
import { startUplink } from "../../services/uplink/uplink";

async function main([config = "", socket = ""]: readonly string[]): Promise<void> {
    const log = jsonLog((line) => process.stdout.write(line));
    const { port } = await startUplink(readConfig(config), log);
    const door = createServer((near) => {
        const far = connect(port, "127.0.0.1");
        near.on("error", () => far.destroy());
        far.on("error", () => near.destroy());
        near.pipe(far).pipe(near);
    });
    door.listen(socket, () => log("info", "uplink listens"));
    process.stdin.on("end", () => process.exit()).resume();
}

main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
});
