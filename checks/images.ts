/** `npm run images`: writes the digests of an image list's tags. `--help` tells the flags. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { IMAGE_LIST, readImageList } from "../stacks/image-list";
import { withDigests } from "./image-digests";
import { runProgram } from "./report";
import { theWorld } from "./surroundings";

const USAGE = `npm run images -- [--list FILE]

Asks Docker Hub which digests the tags of the image list have now, and writes them into it. For a machine that reaches
Docker Hub, such as a runner of GitHub: .github/workflows/images.yml proposes what has changed. Exits with 1 when a tag
has none; the list is then as it was.

  --list FILE  from the project's folder; default ${IMAGE_LIST}
`;

runProgram(main);

async function main(): Promise<number> {
    const list = readFlags();
    if (typeof list === "number") return list;
    const before = readImageList(list);
    const after = await withDigests(theWorld(process.env), before);
    writeFileSync(resolve(__dirname, "..", list), `${JSON.stringify(after, undefined, 4)}\n`);
    for (const [name, { tag, digest }] of Object.entries(after)) {
        const isNew = Object.entries(before).find(([each]) => each === name)?.[1].digest !== digest;
        console.log(`${isNew ? "new" : "as it was"}  ${name}:${tag}  ${digest}`);
    }
    return 0;
}

/** The list, or the exit code when that is all. */
function readFlags(): string | number {
    try {
        const { values } = parseArgs({ options: { list: { type: "string" }, help: { type: "boolean" } } });
        if (!values.help) return values.list ?? IMAGE_LIST;
        console.log(USAGE);
        return 0;
    } catch (error) {
        console.error(`${(error as Error).message}\n\n${USAGE}`);
        return 2;
    }
}
