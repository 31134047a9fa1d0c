/** `npm run check`: a stack's settings alone, without a question to anybody. `--help` tells the flags. */
import { basename } from "node:path";
import { inLanguage, languageOf, say } from "../language/say";
import { readCommandLine, runProgram, UsageShown } from "../rehearsal/command-line";
import { readStack } from "../rehearsal/stack-file";
import { refuseUnusable } from "../rehearsal/usable";

const USAGE = say(
    `npm run check -- --stack NAME

Reads stacks/Pulumi.NAME.yaml as the program will, and lists every problem of it. Asks no service, needs no network, no login
and no Pulumi, and changes nothing: what an encrypted secret is stays unknown to it. What only others know, such as what a
token may do, is for npm run preflight. Exits with 0 when the settings can be used, with 1 when they cannot.

  --stack NAME  whose file is read
`,
);

runProgram(async () => {
    const { stack } = readCommandLine(process.argv.slice(2), USAGE, { stack: { type: "string" } });
    if (stack === undefined) throw new UsageShown(USAGE, say("--stack must be given"));
    // Pulumi takes a name with its organization and project before it; the file has the last part.
    const name = basename(stack);
    refuseUnusable([{ name, stackConfig: readStack(name, {}) }]);
    const used = say("stacks/Pulumi.{name}.yaml: the settings can be used", { name });
    console.log(inLanguage(used, languageOf(process.env)));
    return 0;
});
