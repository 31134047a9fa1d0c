/** Pulumi's command line program in the version that this program is written for. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { PulumiCommand } from "@pulumi/pulumi/automation";
import { SemVer } from "semver";
import { dependencies } from "../package.json";
import { newGo } from "./go";
import { KEEP } from "./images";
import { bar } from "./progress";
import { attempt, run } from "./run";

const VERSION: string = dependencies["@pulumi/pulumi"];
const MODULE = join(__dirname, "go", "pulumi");
const PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";
const VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
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
    const root = keptRoot();
    if (await isReachable()) {
        tell(`Pulumi ${VERSION}: downloading it from Pulumi, once`);
        // Where it answers and the program is not to be had from there, it can still be built.
        const installed = await PulumiCommand.install({ root, version: new SemVer(VERSION) }).catch(
            (error: Error) => error,
        );
        if (!(installed instanceof Error)) return { root };
        tell(`Pulumi ${VERSION}: ${installed.message.trim().split("\n")[0]}`);
    }
    await build(root, tell);
    return { root };
}

/** Pulumi of this version where it is there already. */
export async function findPulumi(): Promise<PulumiRoot | undefined> {
    const { stdout } = await attempt("pulumi", ["version"], {
        env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
    }).catch(() => ({ stdout: "" }));
    if (stdout.trim() === `v${VERSION}`) return {};
    return existsSync(join(keptRoot(), "bin", "pulumi")) ? { root: keptRoot() } : undefined;
}

/** Another recipe makes another program. */
function keptRoot(): string {
    const recipe = createHash("sha256");
    for (const file of ["go.mod", "go.sum"]) recipe.update(readFileSync(join(MODULE, file)));
    return join(KEEP, `pulumi-${VERSION}-${recipe.digest("hex").slice(0, 8)}`);
}

async function isReachable(): Promise<boolean> {
    try {
        const signal = AbortSignal.timeout(DOWNLOAD_SECONDS * 1000);
        return (await fetch(DOWNLOAD, { method: "HEAD", signal })).ok;
    } catch {
        return false;
    }
}

async function build(root: string, tell: (line: string) => void): Promise<void> {
    const go = await newGo();
    const options = { cwd: MODULE, env: { ...process.env, CGO_ENABLED: "0" } };
    tell(`Pulumi ${VERSION}: building it from its Go module, about 5 minutes, once`);
    const stale = await run(go, ["list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", PACKAGE], options);
    const total = stale.split("\n").filter(Boolean).length;
    const program = join(root, "bin", "pulumi");
    const unfinished = `${program}.unfinished`;
    mkdirSync(dirname(program), { recursive: true });
    let built = 0;
    // Without the version the Automation API refuses it: a build outside Pulumi's own tree does not know it.
    const flags = `-s -w -X ${VERSION_VARIABLE}=v${VERSION}`;
    await run(go, ["build", "-v", "-mod=readonly", "-ldflags", flags, "-o", unfinished, PACKAGE], {
        ...options,
        onLine: () => {
            built += 1;
            if (built % PACKAGES_A_LINE === 0) tell(`Pulumi ${VERSION}: ${bar(built, total)} packages`);
        },
    });
    renameSync(unfinished, program);
}

const PACKAGES_A_LINE = 100;
