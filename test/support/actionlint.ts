/** actionlint, the checker of GitHub workflows, built from its Go module: https://github.com/rhysd/actionlint */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { newGo } from "../../rehearsal/go";
import { KEEP } from "../../rehearsal/images";
import { run } from "../../rehearsal/run";

const MODULE = "github.com/rhysd/actionlint/cmd/actionlint";
const VERSION = "v1.7.12";

/** The path of the program. The first call builds it, in some seconds; later ones find it. */
export async function actionlint(): Promise<string> {
    const path = join(KEEP, `actionlint-${VERSION}`);
    if (existsSync(path)) return path;
    // Only a whole program gets the name.
    const building = `${path}-build-${process.pid}`;
    const env = { ...process.env, GOBIN: building, CGO_ENABLED: "0" };
    await run(await newGo(), ["install", `${MODULE}@${VERSION}`], { env });
    renameSync(join(building, "actionlint"), path);
    rmSync(building, { recursive: true });
    return path;
}
