/**
 * How the Go programs are built: from what their go.mod pins, once, and as the release that they are. Builds what the
 * set-up has not built yet. That they work is proven where they are started.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { dependencies } from "../../package.json";
import { buildGo, GO_BUILDS, type GoFolder, goProgram, requiredVersion } from "../../rehearsal/go-programs";
import { run } from "../../rehearsal/run";
import { IMAGE_LIST, readImageList } from "../../stacks/image-list";

const SOURCES = join(__dirname, "../../rehearsal/go");
const BUILD_MS = 1_200_000;
/**
 * What each says of itself when it is asked for its version. The linker is silent about a variable that is not there.
 * Not Pulumi, which is only built where it cannot be downloaded, and refused by its Automation API without its version; nor
 * the conformance suite, which has no such option and writes it into its results (test/conformance.test.ts).
 */
const SAYS: Readonly<Record<Exclude<GoFolder, "pulumi" | "conformance">, readonly [program: string, option: string]>> =
    {
        registry: ["registry", "--version"],
        pebble: ["pebble", "-version"],
        dockerd: ["dockerd", "--version"],
        containerd: ["containerd", "--version"],
        crictl: ["crictl", "--version"],
        actionlint: ["actionlint", "-version"],
    };

function goMod(folder: string): string {
    return readFileSync(join(SOURCES, folder, "go.mod"), "utf8");
}

describe("The Go programs", () => {
    const folders = Object.keys(GO_BUILDS) as GoFolder[];

    it("have a folder each, with the sums of what they are made of", () => {
        assert.deepEqual(readdirSync(SOURCES).sort(), [...folders].sort());
        for (const folder of folders) {
            assert.deepEqual(readdirSync(join(SOURCES, folder)).sort(), ["go.mod", "go.sum"], folder);
            const { release } = GO_BUILDS[folder];
            const sums = readFileSync(join(SOURCES, folder, "go.sum"), "utf8");
            assert.ok(sums.includes(`${release} ${requiredVersion(goMod(folder), release)} h1:`), folder);
        }
    });

    it("are tools of a module that their release is of", () => {
        for (const folder of folders) {
            const tools = [...goMod(folder).matchAll(/^(?:tool |\t)(\S+\/\S+)$/gm)].map(([, tool = ""]) => tool);
            assert.notEqual(tools.length, 0, folder);
            const { release } = GO_BUILDS[folder];
            assert.deepEqual(
                tools.filter((tool) => tool !== release && !tool.startsWith(`${release}/`)),
                [],
                folder,
            );
        }
    });

    it("are of the release that the on-prem host runs", () => {
        const { registry } = readImageList(IMAGE_LIST);
        assert.equal(requiredVersion(goMod("registry"), GO_BUILDS.registry.release), `v${registry.tag}`);
    });

    it("are of the version of Pulumi that the program is written for", () => {
        assert.equal(requiredVersion(goMod("pulumi"), GO_BUILDS.pulumi.release), `v${dependencies["@pulumi/pulumi"]}`);
    });

    it("refuse a go.mod without their release", () => {
        assert.equal(requiredVersion("require example.com/a/v2 v2.0.1 // indirect", "example.com/a/v2"), "v2.0.1");
        assert.throws(() => requiredVersion("require example.com/a v1.0.0", "example.com/a/v2"), /example\.com\/a\/v2/);
    });

    for (const [folder, [program, option]] of Object.entries(SAYS) as [
        keyof typeof SAYS,
        readonly [string, string],
    ][]) {
        it(`say which release they are: ${program}`, async function () {
            this.timeout(BUILD_MS);
            await buildGo(folder, console.log);
            const said = await run(goProgram(folder, program), [option]);
            const version = requiredVersion(goMod(folder), GO_BUILDS[folder].release);
            assert.ok(said.includes(version), `${program} ${option} says ${said}`);
        });
    }

    it("are built once, and nothing is left of a build or of an earlier one", async function () {
        this.timeout(BUILD_MS);
        await buildGo("pebble", console.log);
        const folder = dirname(goProgram("pebble"));
        const earlier = join(dirname(folder), "pebble-0123456789ab");
        mkdirSync(earlier);
        rmSync(folder, { recursive: true });
        const said: string[] = [];
        await buildGo("pebble", (line) => said.push(line));
        assert.match(said.at(-1) ?? "", /^built pebble in \d+ s$/);
        const beside = readdirSync(dirname(folder)).filter((name) => name.startsWith("pebble-"));
        assert.deepEqual(beside, [basename(folder)]);
        said.length = 0;
        await buildGo("pebble", (line) => said.push(line));
        assert.deepEqual(said, []);
    });
});
