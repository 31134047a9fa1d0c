/**
 * The Go programs of the rehearsal and the tests, built from their modules. Each folder of `rehearsal/go` is one build:
 * its go.mod names the programs (`tool`) and pins what they are made of, its go.sum the sums of all that is downloaded.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { newGo } from "./go";
import { KEEP } from "./images";
import { barLine } from "./progress";
import { run } from "./run";

/** How the programs of one folder of `rehearsal/go` are built. */
interface GoBuild {
    /** The module whose release the programs are. */
    readonly release: string;
    /** Variables that its own build sets while linking. `{version}` is the release that the go.mod requires. */
    readonly variables: Readonly<Record<string, string>>;
    /** On two processors, for who waits. */
    readonly takes: string;
}

/** By folder. */
export const GO_BUILDS = {
    registry: {
        release: "github.com/distribution/distribution/v3",
        variables: { "github.com/distribution/distribution/v3/version.version": "{version}" },
        takes: "3 minutes",
    },
    // Let's Encrypt's own small ACME server.
    pebble: {
        release: "github.com/letsencrypt/pebble/v2",
        variables: { "main.version": "{version}" },
        takes: "half a minute",
    },
    // Docker Engine 29 is developed under this name: https://github.com/moby/moby/releases.
    dockerd: {
        release: "github.com/moby/moby/v2",
        variables: { "github.com/moby/moby/v2/dockerversion.Version": "29-{version}" },
        takes: "4 minutes",
    },
    containerd: {
        release: "github.com/containerd/containerd/v2",
        variables: { "github.com/containerd/containerd/v2/version.Version": "{version}" },
        takes: "a minute",
    },
    // Asks containerd as a Kubernetes node does.
    crictl: {
        release: "sigs.k8s.io/cri-tools",
        variables: { "sigs.k8s.io/cri-tools/pkg/version.Version": "{version}" },
        takes: "half a minute",
    },
    // Built where Pulumi's own download cannot be reached. Its Automation API refuses one that does not know its version.
    pulumi: {
        release: "github.com/pulumi/pulumi/pkg/v3",
        variables: { "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": "{version}" },
        takes: "5 minutes",
    },
    // Asks a registry what the OCI distribution spec asks of it; built when a test asks for it.
    conformance: {
        release: "github.com/opencontainers/distribution-spec/conformance",
        variables: { "main.Version": "{version}" },
        takes: "some seconds",
    },
    // The checker of GitHub workflows; built when a test asks for it.
    actionlint: {
        release: "github.com/rhysd/actionlint",
        variables: { "github.com/rhysd/actionlint.version": "{version}" },
        takes: "some seconds",
    },
} satisfies Record<string, GoBuild>;

/** A folder of `rehearsal/go`. */
export type GoFolder = keyof typeof GO_BUILDS;

const BUILT = join(KEEP, "go");
/** What a rehearsal starts, in the order in which it is built. */
const REHEARSED: readonly GoFolder[] = ["registry", "pebble", "dockerd", "containerd", "crictl"];
/** Without -s and -w a program is half as large again, for debuggers that nobody starts here. */
const STRIPPED = ["-s", "-w"];
/** Packages that are compiled at once; each takes a processor and up to a gigabyte. */
const AT_ONCE = "2";

/** Where a program is, once `buildGo` or `makeGoPrograms` has built its folder; by the name of its folder where it has no other. */
export function goProgram(folder: GoFolder, program: string = folder): string {
    return join(recipeOf(folder).target, program);
}

/** Builds those of the rehearsal's programs that are not there yet, one folder after the other. */
export async function makeGoPrograms(tell: (line: string) => void): Promise<void> {
    for (const folder of REHEARSED) await buildGo(folder, tell);
}

/** Builds the programs of one folder, unless those of this go.mod are there. */
export async function buildGo(folder: GoFolder, tell: (line: string) => void): Promise<void> {
    const { source, linking, target } = recipeOf(folder);
    if (existsSync(target)) return;
    tell(`building ${folder} with Go, about ${GO_BUILDS[folder].takes}, once`);
    const started = Date.now();
    // Only what is whole gets the name: another process may build the same at the same time.
    const building = `${target}-unfinished-${process.pid}`;
    mkdirSync(building, { recursive: true });
    try {
        const go = await newGo();
        const env = { ...process.env, CGO_ENABLED: "0" };
        const packages = (await run(go, ["list", "-deps", "tool"], { cwd: source, env })).trim().split("\n").length;
        const options = ["-p", AT_ONCE, "-mod=readonly", "-v", "-ldflags", linking, "-o", `${building}/`];
        const onLine = counting((done) => tell(barLine(`building ${folder}`, Math.min(done, packages), packages)));
        await run(go, ["build", ...options, "tool"], { cwd: source, env, onLine });
        if (!existsSync(target)) renameSync(building, target);
    } finally {
        rmSync(building, { recursive: true, force: true });
    }
    removeOthers(folder, target);
    tell(`built ${folder} in ${Math.round((Date.now() - started) / 1000)} s`);
}

/** The version of a module that a go.mod requires. */
export function requiredVersion(goMod: string, module: string): string {
    const line = goMod.split("\n").find((each) =>
        each
            .trim()
            .replace(/^require /, "")
            .startsWith(`${module} v`),
    );
    const [, version] = /\s(v\S+)/.exec(line ?? "") ?? [];
    if (version === undefined) throw new Error(`the go.mod requires no ${module}`);
    return version;
}

/** What decides what is built, but for the Go that builds it, and the folder that is named after that. */
function recipeOf(folder: GoFolder): { readonly source: string; readonly linking: string; readonly target: string } {
    const source = join(__dirname, "go", folder);
    const [goMod = "", goSum = ""] = ["go.mod", "go.sum"].map((file) => readFileSync(join(source, file), "utf8"));
    const { release, variables }: GoBuild = GO_BUILDS[folder];
    const version = requiredVersion(goMod, release);
    const set = Object.entries(variables).map(([name, value]) => `-X ${name}=${value.replace("{version}", version)}`);
    const linking = [...STRIPPED, ...set].join(" ");
    const recipe = createHash("sha256")
        .update(JSON.stringify([goMod, goSum, linking]))
        .digest("hex")
        .slice(0, 12);
    return { source, linking, target: join(BUILT, `${folder}-${recipe}`) };
}

/** What was built of an earlier go.mod is not asked for again. */
function removeOthers(folder: GoFolder, target: string): void {
    const old = new RegExp(`^${folder}-[0-9a-f]{12}$`);
    for (const name of readdirSync(BUILT)) {
        if (old.test(name) && join(BUILT, name) !== target) rmSync(join(BUILT, name), { recursive: true });
    }
}

/** Counts the packages that `go build -v` names. */
function counting(tell: (done: number) => void): (line: string) => void {
    let done = 0;
    return (line) => {
        // `go: downloading …` is about a module.
        if (line.startsWith("go: ")) return;
        done += 1;
        tell(done);
    };
}
