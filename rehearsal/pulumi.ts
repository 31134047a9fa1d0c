/** Pulumi's command line program in the version that this program is written for. */
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { PulumiCommand } from "@pulumi/pulumi/automation";
import { SemVer } from "semver";
import { dependencies } from "../package.json";
import { buildGo, goProgram } from "./go-programs";
import { KEEP } from "./images";
import { attempt } from "./run";

const VERSION: string = dependencies["@pulumi/pulumi"];
const KEPT = join(KEEP, `pulumi-${VERSION}`);
const PROGRAM = join(KEPT, "bin", "pulumi");
/** What Pulumi's own installation starts with. */
const DOWNLOAD = "https://get.pulumi.com/install.sh";
const DOWNLOAD_SECONDS = 20;

/** Where `PulumiCommand` finds a Pulumi: `<root>/bin/pulumi`; without a root on PATH. */
export interface PulumiRoot {
    readonly root?: string;
}

/**
 * Finds Pulumi of this version or gets it: from PATH, from what an earlier run has kept, by Pulumi's own download, or
 * built from its Go module.
 */
export async function makePulumi(tell: (line: string) => void): Promise<PulumiRoot> {
    const found = await findPulumi();
    if (found) {
        tell(`Pulumi ${VERSION}: ${found.root ?? "on PATH"}`);
        return found;
    }
    if (await isReachable()) {
        tell(`Pulumi ${VERSION}: downloading it from Pulumi, once`);
        // Where it answers and the program is not to be had from there, it can still be built.
        const installed = await PulumiCommand.install({ root: KEPT, version: new SemVer(VERSION) }).catch(
            (error: Error) => error,
        );
        if (!(installed instanceof Error)) return { root: KEPT };
        tell(`Pulumi ${VERSION}: ${installed.message.trim().split("\n")[0]}`);
    }
    await buildGo("pulumi", tell);
    // Where the Automation API looks for it.
    mkdirSync(join(KEPT, "bin"), { recursive: true });
    rmSync(PROGRAM, { force: true });
    symlinkSync(relative(dirname(PROGRAM), goProgram("pulumi")), PROGRAM);
    return { root: KEPT };
}

/** Pulumi of this version where it is there already. */
export async function findPulumi(): Promise<PulumiRoot | undefined> {
    const { stdout } = await attempt("pulumi", ["version"], {
        env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
    }).catch(() => ({ stdout: "" }));
    if (stdout.trim() === `v${VERSION}`) return {};
    return existsSync(PROGRAM) ? { root: KEPT } : undefined;
}

async function isReachable(): Promise<boolean> {
    try {
        const signal = AbortSignal.timeout(DOWNLOAD_SECONDS * 1000);
        return (await fetch(DOWNLOAD, { method: "HEAD", signal })).ok;
    } catch {
        return false;
    }
}
