/** actionlint, the checker of GitHub workflows: https://github.com/rhysd/actionlint */
import { buildGo, goProgram } from "../../rehearsal/go-programs";

/** The path of the program. The first call builds it, in some seconds; later ones find it. */
export async function actionlint(): Promise<string> {
    await buildGo("actionlint", console.log);
    return goProgram("actionlint");
}
