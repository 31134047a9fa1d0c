/** The project's programs in a folder of their own: with stacks and a .rehearsal that are not this checkout's. */
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(__dirname, "../..");
/** What no program needs, or what a copy has of its own. */
const LEFT_OUT = ["node_modules", "test", "docs", "bench"];

/** Path of a new copy. @param stacks False: without those of this checkout. */
export function projectCopy({ stacks = true } = {}): string {
    const copy = mkdtempSync(join(tmpdir(), "dockermirror-copy-"));
    for (const name of readdirSync(ROOT).filter((each) => !each.startsWith(".") && !LEFT_OUT.includes(each)))
        cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    const files = stacks ? [] : readdirSync(join(copy, "stacks")).filter((name) => name.endsWith(".yaml"));
    for (const name of files) rmSync(join(copy, "stacks", name));
    return copy;
}
