/**
 * Keeps what a release's program makes for the releases after it: a part of `npm run record`. It writes
 * test/upgrade/<version>.json.gz, the settings of some stacks and their states, by Pulumi's engine over providers that make
 * nothing; and <version>.json, where upgrade.test.ts wants every step of an upgrade announced.
 *
 * 0.3.0 had no such script: its tree (e3fa66b) got rehearsal/ and test/ of a later one.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { version } from "../../package.json";
import { changed, readStack, type StackConfig } from "../../rehearsal/stack-file";
import { imaginaryProviders } from "../support/imaginary";
import { type Deployment, TestPulumi } from "../support/pulumi";

/** A release's stacks by name: the settings, and the state after `up`. */
export interface Recorded {
    readonly version: string;
    readonly stacks: Readonly<Record<string, { readonly config: StackConfig; readonly deployment: Deployment }>>;
}

/**
 * Every site, by EC2 and an ACME client; relays with what the first does not have; and an office that takes them by the
 * name of their stack, which comes after that.
 */
const STACKS: Readonly<Record<string, Record<string, unknown>>> = {
    local: {},
    "example-tokyo": {
        createZone: { accountId: "0123456789abcdef0123456789abcdef" },
        zoneReady: true,
        overseas: { tls: "privateCa" },
    },
    "example-shanghai": { relays: [{ stack: "example-tokyo", key: "shanghai" }] },
};

const PROGRAM = join(__dirname, "program.ts");

export const STACKS_FILE = join(__dirname, `${version}.json.gz`);

/** @throws Error when the version is recorded already: a release is recorded once, and a later tree is not it. */
export async function recordStacks(): Promise<void> {
    const pulumi = await TestPulumi.open(imaginaryProviders());
    try {
        const stacks: Record<string, Recorded["stacks"][string]> = {};
        for (const [stack, settings] of Object.entries(STACKS)) {
            const config = changed(readStack(stack, {}), settings);
            await pulumi.operate({ kind: "up" }, PROGRAM, undefined, stack, config);
            stacks[stack] = { config, deployment: await pulumi.exported(stack) };
        }
        const bytes = gzipSync(JSON.stringify({ version, stacks } satisfies Recorded), { level: 9 });
        writeFileSync(STACKS_FILE, bytes, { flag: "wx" });
        writeFileSync(join(__dirname, `${version}.json`), "[]\n", { flag: "wx" });
    } finally {
        pulumi.close();
    }
}
