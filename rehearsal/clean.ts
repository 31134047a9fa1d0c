/** `npm run clean`: removes what a rehearsal has left on this machine's Docker, and what is kept for the next one. */
import { rmSync } from "node:fs";
import { readCommandLine, runProgram } from "./command-line";
import { Docker } from "./docker";
import { refuseFarEngine } from "./engine";
import { KEEP } from "./images";
import { REHEARSAL_LOCK, runningRehearsal, takeLock } from "./lock";
import { removeRehearsals } from "./topology";

const USAGE =
    "npm run clean\n\nRemoves what rehearsals have left on this machine's Docker, and the folder .rehearsal.\n";

runProgram(main);

async function main(): Promise<number> {
    readCommandLine(process.argv.slice(2), USAGE, {});
    const lock = await takeLock(REHEARSAL_LOCK);
    if ("pid" in lock) throw new Error(`${runningRehearsal(lock)}: end it first`);
    await refuseFarEngine(process.env);
    const docker = new Docker();
    if ((await docker.attempt(["version"])).code === 0) {
        for (const problem of await removeRehearsals(docker)) console.log(problem);
    }
    rmSync(KEEP, { recursive: true, force: true });
    await lock.release();
    return 0;
}
