/** `npm run docs`: writes the tables of the settings into their pages. test/docs.test.ts tells when it is due. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readCommandLine, runProgram } from "../rehearsal/command-line";
import { withTables } from "../stacks/settings-table";

const USAGE = "npm run docs\n\nWrites the tables of the settings into docs/settings.md and docs/zh-CN/settings.md.\n";

runProgram(async () => {
    readCommandLine(process.argv.slice(2), USAGE, {});
    for (const [page, language] of [
        ["settings.md", "en"],
        ["zh-CN/settings.md", "zh"],
    ] as const) {
        const path = join(__dirname, page);
        writeFileSync(path, withTables(readFileSync(path, "utf8"), language));
    }
    return 0;
});
