/**
 * How the Go programs are built: from what their go.mod pins, once, and as the release that they are. Builds the smallest
 * of them. It does not prove that the others can be built: whoever starts them does.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { dependencies } from "../../package.json";
import { buildGo, GO_BUILDS, type GoFolder, goProgram, requiredVersion } from "../../rehearsal/go-programs";
import { run } from "../../rehearsal/run";

const SOURCES = join(__dirname, "../../rehearsal/go");
const BUILD_MS = 600_000;

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
            const tools = [...goMod(folder).matchAll(/^(?:tool |\t)(\S+\/cmd\/\S+)$/gm)].map(([, tool = ""]) => tool);
            assert.notEqual(tools.length, 0, folder);
            const { release } = GO_BUILDS[folder];
            assert.deepEqual(
                tools.filter((tool) => !tool.startsWith(`${release}/`)),
                [],
                folder,
            );
        }
    });

    it("are of the release that the Hub double offers", () => {
        const tag = /repository: "library\/registry",\s+tag: "([^"]+)"/.exec(
            readFileSync(join(SOURCES, "../catalogue.ts"), "utf8"),
        );
        assert.equal(requiredVersion(goMod("registry"), GO_BUILDS.registry.release), `v${tag?.[1]}`);
    });

    it("are of the version of Pulumi that the program is written for", () => {
        assert.equal(requiredVersion(goMod("pulumi"), GO_BUILDS.pulumi.release), `v${dependencies["@pulumi/pulumi"]}`);
    });

    it("refuse a go.mod without their release", () => {
        assert.equal(requiredVersion("require example.com/a/v2 v2.0.1 // indirect", "example.com/a/v2"), "v2.0.1");
        assert.throws(() => requiredVersion("require example.com/a v1.0.0", "example.com/a/v2"), /example\.com\/a\/v2/);
    });

    it("say which release they are, and are built once", async function () {
        this.timeout(BUILD_MS);
        const said: string[] = [];
        await buildGo("pebble", (line) => said.push(line));
        const version = requiredVersion(goMod("pebble"), GO_BUILDS.pebble.release);
        assert.match(await run(goProgram("pebble"), ["-version"]), new RegExp(`\\b${version}\\b`));
        said.length = 0;
        await buildGo("pebble", (line) => said.push(line));
        assert.deepEqual(said, []);
        const beside = readdirSync(dirname(dirname(goProgram("pebble")))).filter((name) => name.startsWith("pebble-"));
        assert.equal(beside.length, 1, `builds that are left: ${beside.join(", ")}`);
        assert.ok(existsSync(goProgram("pebble")));
    });
});
