/** `npm run images`: writes the digests of an image list's tags. `--help` tells the flags. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { readCommandLine, runProgram } from "../rehearsal/command-line";
import { IMAGE_LIST, type ImageList, readImageList } from "../stacks/image-list";
import { withDigests } from "./image-digests";
import { theWorld } from "./surroundings";

const USAGE = `npm run images -- [--list FILE]

Asks Docker Hub which digests the tags of the image list have now, and writes them into it. For a machine that reaches
Docker Hub, such as a runner of GitHub: .github/workflows/images.yml proposes what has changed. Exits with 1 when a tag
has none; the list is then as it was.

  --list FILE  from the project's folder; default ${IMAGE_LIST}
`;

runProgram(async () => {
    const flags = readCommandLine(process.argv.slice(2), USAGE, { list: { type: "string" } });
    const file = flags.list ?? IMAGE_LIST;
    const before = readImageList(file);
    const after = await withDigests(theWorld(process.env), before);
    writeFileSync(resolve(__dirname, "..", file), `${JSON.stringify(after, undefined, 4)}\n`);
    for (const name of Object.keys(after) as (keyof ImageList)[]) {
        const { tag, digest } = after[name];
        console.log(`${digest === before[name].digest ? "as it was" : "new"}  ${name}:${tag}  ${digest}`);
    }
    return 0;
});
