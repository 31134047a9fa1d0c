/** `npm run record`: keeps a release for the tests of the releases after it. */
import { existsSync } from "node:fs";
import { relative } from "node:path";
import { version } from "../package.json";
import { readCommandLine, runProgram } from "../rehearsal/command-line";
import { RELAYS_FILE, recordRelays } from "./releases/record";
import { recordStacks, STACKS_FILE } from "./upgrade/record";

const USAGE = `npm run record

On the commit that is a release: writes its relays and its stacks into test/releases and test/upgrade, under the version of
package.json, so that later releases are tested against them. To be checked in, since clones may be shallow. A version is
recorded once.
`;

runProgram(async () => {
    readCommandLine(process.argv.slice(2), USAGE, {});
    const written = [RELAYS_FILE, STACKS_FILE].map((file) => ({ file, name: relative(process.cwd(), file) }));
    const there = written.filter(({ file }) => existsSync(file)).map(({ name }) => name);
    if (there.length > 0) throw new Error(`${version} is recorded already: ${there.join(", ")}`);
    recordRelays();
    await recordStacks();
    for (const { name } of written) console.log(name);
    return 0;
});
