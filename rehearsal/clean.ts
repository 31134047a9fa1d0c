/** `npm run clean`: removes what a rehearsal has left on this machine's Docker, and what is kept for the next one. */
import { rmSync } from "node:fs";
import { Docker } from "./docker";
import { refuseFarEngine } from "./engine";
import { KEEP } from "./images";
import { REHEARSAL_LOCK, runningRehearsal, takeLock } from "./lock";
import { removeRehearsals } from "./topology";

main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
});

async function main(): Promise<void> {
    const lock = await takeLock(REHEARSAL_LOCK);
    if ("pid" in lock) throw new Error(`${runningRehearsal(lock)}: end it first`);
    await refuseFarEngine(process.env);
    const docker = new Docker();
    if ((await docker.attempt(["version"])).code === 0) {
        for (const problem of await removeRehearsals(docker)) console.log(problem);
    }
    rmSync(KEEP, { recursive: true, force: true });
    await lock.release();
}
