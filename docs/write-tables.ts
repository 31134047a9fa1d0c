/** `npm run docs`: writes the tables of the settings into their pages. test/docs.test.ts tells when it is due. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withTables } from "../stacks/settings-table";

for (const [page, language] of [
    ["settings.md", "en"],
    ["zh-CN/settings.md", "zh"],
] as const) {
    const path = join(__dirname, page);
    writeFileSync(path, withTables(readFileSync(path, "utf8"), language));
}
