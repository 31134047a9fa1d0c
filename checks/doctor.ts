/** `npm run doctor`: whether what a stack made is as it was made and well. `--help` tells the flags. */

import { languageOf, say } from "../language/say";
import { readCommandLine, runProgram } from "../rehearsal/command-line";
import { mirrorCheck, relayCheck } from "./answers";
import { containerChecks, dockerCheck } from "./docker-host";
import { type Check, type Finding, lookAll, type Seen } from "./finding";
import { APPLY_AGAIN, examineMachine } from "./machine";
import { pulumi } from "./pulumi-cli";
import { relayFindings } from "./relays";
import { Report } from "./report";
import type { SshTarget } from "./ssh";
import { readStackSettings } from "./stack";
import { type Surroundings, theWorld } from "./surroundings";

const USAGE = say(
    `npm run doctor -- [--stack NAME] [--json FILE]

Looks at what a stack made: the machine overseas from within, by SSH; the relays and the mirror as clients see them;
the containers at home. Changes nothing. Exits with 1 when something is wrong.

  --stack NAME  default: the stack that is selected
  --json FILE   also write what was found as JSON
`,
);

/** Outputs of the stack (index.ts) that are looked at here. */
interface Outputs {
    readonly relaySsh?: Partial<SshTarget> & { readonly host: string };
    readonly relayUrls?: readonly string[];
    readonly relayKeys?: Readonly<Record<string, string>>;
    /** Path on a client → PEM. */
    readonly relayClients?: Readonly<Record<string, string>>;
    readonly mirrorUrl?: string;
    readonly mirrorCa?: string;
}

runProgram(main);

async function main(): Promise<number> {
    const flags = readCommandLine(process.argv.slice(2), USAGE, {
        stack: { type: "string" },
        json: { type: "string" },
    });
    const report = new Report(flags.json, languageOf(process.env));
    const where = theWorld(process.env);
    const name = flags.stack ?? (await pulumi(where, ["stack", "--show-name"])).trim();
    const outputs = JSON.parse(
        await pulumi(where, ["stack", "output", "--json", "--show-secrets", "--stack", name]),
    ) as Outputs;
    const { stack, findings } = await readStackSettings(where, name);
    for (const finding of findings) report.ended(finding);
    const { access = "keys", onprem } = stack?.settings ?? {};
    const looked = await Promise.all([
        machine(outputs, where.env, report.ended),
        lookAll([...relays(where, outputs, access), ...mirror(where, outputs)], report.ended),
        stack ? relayFindings(where, stack, report.ended) : [],
        lookAll(onprem ? [dockerCheck(where, onprem.docker, containerChecks(where, onprem.docker))] : [], report.ended),
    ]);
    return report.finish([...findings, ...looked.flat()]);
}

async function machine({ relaySsh }: Outputs, env: NodeJS.ProcessEnv, ended: Seen): Promise<Finding[]> {
    return relaySsh ? examineMachine({ port: 22, user: "root", ...relaySsh }, env, ended) : [];
}

function relays({ seconds }: Surroundings, outputs: Outputs, access: "keys" | "public"): Check[] {
    const { relayUrls = [], relayKeys = {}, relayClients = {} } = outputs;
    const key = Object.values(relayKeys).at(-1);
    // A file for each host with a private CA, below a folder of its name.
    const ca = (url: string) => relayClients[`/etc/docker/certs.d/${new URL(url).host}/ca.crt`];
    const keyTodo = say("the relay has other keys than the stack: {command}; the Worker: pulumi up --refresh", {
        command: APPLY_AGAIN,
    });
    return relayUrls.map((url) => relayCheck({ url, ca: ca(url), access, key, keyTodo, seconds }));
}

function mirror({ seconds }: Surroundings, { mirrorUrl, mirrorCa }: Outputs): Check[] {
    return mirrorUrl === undefined ? [] : [mirrorCheck({ url: mirrorUrl, ca: mirrorCa, seconds })];
}
