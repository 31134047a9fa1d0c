/** `npm run preflight`: what can be known from here before `pulumi up` makes anything. `--help` tells the flags. */
import { parseArgs } from "node:util";
import { fetchPlugins, listPlugins } from "./fetch-plugins";
import { type Finding, lookAll } from "./finding";
import { PLATFORMS, type Platform, thisPlatform } from "./plugins";
import { relayFindings } from "./relays";
import { report, runProgram } from "./report";
import { preflightChecks, readStackSettings } from "./stack";
import { theWorld } from "./surroundings";

const USAGE = `npm run preflight -- [--stack NAME] [--json FILE]
npm run preflight -- --list | --fetch-plugins FILE.tar [--platform NAME]

Looks whether this machine can run Pulumi for a stack: what it must reach, and what its tokens may do. Changes nothing.
Exits with 1 when something that the stack needs does not work.

  --stack NAME              check what this stack needs; without it only what every stack needs
  --json FILE               also write what was found as JSON
  --fetch-plugins FILE.tar  on a machine that can: download Pulumi and its provider plugins, with an install.sh
  --platform NAME           for that: ${PLATFORMS.join(", ")}; default: this machine's
  --list                    print their URLs, for somebody else to download
`;

interface Flags {
    readonly stack?: string;
    readonly json?: string;
    readonly fetch?: string;
    readonly list: boolean;
    readonly platform: Platform;
}

runProgram(main);

async function main(): Promise<number> {
    const flags = readFlags();
    if (typeof flags === "number") return flags;
    const where = theWorld(process.env);
    if (flags.list) {
        console.log(listPlugins(where.services, flags.platform).join("\n"));
        return 0;
    }
    if (flags.fetch !== undefined) {
        await fetchPlugins(where, flags.platform, flags.fetch, (line) => console.log(line));
        return 0;
    }
    const findings: Finding[] = [];
    const read = flags.stack === undefined ? undefined : await readStackSettings(where, flags.stack);
    if (read) findings.push(...read.findings);
    // Settings that cannot be used do not keep the rest from being looked at.
    const looked = await Promise.all([
        lookAll(preflightChecks(where, read?.stack)),
        read?.stack ? relayFindings(where, read.stack) : [],
    ]);
    return report([...findings, ...looked.flat()], flags.json);
}

/** The flags, or the exit code when that is all. */
function readFlags(): Flags | number {
    try {
        const { values } = parseArgs({
            options: {
                stack: { type: "string" },
                json: { type: "string" },
                "fetch-plugins": { type: "string" },
                platform: { type: "string" },
                list: { type: "boolean", default: false },
                help: { type: "boolean" },
            },
        });
        if (!values.help) {
            const { stack, json, list, "fetch-plugins": fetch } = values;
            return { stack, json, list, fetch, platform: readPlatform(values.platform) };
        }
        console.log(USAGE);
        return 0;
    } catch (error) {
        console.error(`${(error as Error).message}\n\n${USAGE}`);
        return 2;
    }
}

function readPlatform(name: string | undefined): Platform {
    if (name === undefined) return thisPlatform();
    const platform = PLATFORMS.find((each) => each === name);
    if (!platform) throw new Error(`--platform must be one of ${PLATFORMS.join(", ")}, got "${name}"`);
    return platform;
}
