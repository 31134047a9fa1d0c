/** `npm run preflight`: what can be known from here before `pulumi up` makes anything. `--help` tells the flags. */

import { inLanguage, languageOf, say } from "../language/say";
import { readCommandLine, runProgram, UsageShown } from "../rehearsal/command-line";
import { fetchPlugins, listPlugins } from "./fetch-plugins";
import { lookAll } from "./finding";
import { PLATFORMS, type Platform, thisPlatform } from "./plugins";
import { relayFindings } from "./relays";
import { Report } from "./report";
import { preflightChecks, readStackSettings } from "./stack";
import { theWorld } from "./surroundings";

const USAGE = say(
    `npm run preflight -- [--stack NAME] [--json FILE]
npm run preflight -- --list | --fetch-plugins FILE.tar [--platform NAME]

Looks whether this machine can run Pulumi for a stack: what it must reach, and what its tokens may do. Changes nothing.
Exits with 1 when something that the stack needs does not work. The settings alone, at once: npm run check.

  --stack NAME              check what this stack needs; without it only what every stack needs, and what of Cloudflare and
                            AWS can be seen
  --json FILE               also write what was found as JSON
  --fetch-plugins FILE.tar  on a machine that can: download Pulumi and its provider plugins, with an install.sh
  --platform NAME           for that: {platforms}; default: this machine's
  --list                    print their URLs, for somebody else to download
`,
    { platforms: PLATFORMS.join(", ") },
);

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
    const where = theWorld(process.env);
    const language = languageOf(process.env);
    if (flags.list) {
        console.log(listPlugins(where.services, flags.platform).join("\n"));
        return 0;
    }
    if (flags.fetch !== undefined) {
        await fetchPlugins(where, flags.platform, flags.fetch, (line) => console.log(inLanguage(line, language)));
        return 0;
    }
    const report = new Report(flags.json, language);
    const read = flags.stack === undefined ? undefined : await readStackSettings(where, flags.stack);
    const findings = read?.findings ?? [];
    for (const finding of findings) report.ended(finding);
    // Settings that cannot be used do not keep the rest from being looked at.
    const looked = await Promise.all([
        lookAll(preflightChecks(where, read?.stack), report.ended),
        read?.stack ? relayFindings(where, read.stack, report.ended) : [],
    ]);
    return report.finish([...findings, ...looked.flat()]);
}

/** @throws UsageShown */
function readFlags(): Flags {
    const { stack, json, list, platform, ...values } = readCommandLine(process.argv.slice(2), USAGE, {
        stack: { type: "string" },
        json: { type: "string" },
        "fetch-plugins": { type: "string" },
        platform: { type: "string" },
        list: { type: "boolean", default: false },
    });
    return { stack, json, list, fetch: values["fetch-plugins"], platform: readPlatform(platform) };
}

function readPlatform(name: string | undefined): Platform {
    if (name === undefined) return thisPlatform();
    const platform = PLATFORMS.find((each) => each === name);
    if (platform) return platform;
    throw new UsageShown(
        USAGE,
        say('--platform must be one of {platforms}, got "{name}"', { platforms: PLATFORMS.join(", "), name }),
    );
}
