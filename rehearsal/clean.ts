/** `npm run clean`: removes what a rehearsal has left on this machine's Docker, and what is kept for the next one. */
import { rmSync } from "node:fs";
import { Docker, LABEL, removeLabelled } from "./docker";
import { KEEP } from "./images";
import { REHEARSAL_LOCK, takeLock } from "./lock";
import { firewall } from "./topology";

main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
});

async function main(): Promise<void> {
    const lock = await takeLock(REHEARSAL_LOCK);
    if ("pid" in lock) throw new Error(`a rehearsal is running since ${lock.since}, pid ${lock.pid}: end it first`);
    const docker = new Docker();
    if ((await docker.attempt(["version"])).code === 0) {
        for (const problem of await removeLabelled(docker, LABEL)) console.log(problem);
        await firewall().remove();
    }
    rmSync(KEEP, { recursive: true, force: true });
    await lock.release();
}
