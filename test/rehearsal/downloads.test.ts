/**
 * What the project downloads comes from where the user's own settings say: npm's registry, Go's proxy. Real npm and go ask a
 * server of the test, which has nothing; apt's sources are in package-sources.test.ts.
 */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newGo } from "../../rehearsal/go";
import { attempt } from "../../rehearsal/run";
import { Double, Programs } from "../support/world";

const ROOT = join(__dirname, "../..");

describe("What is downloaded", function () {
    this.timeout(120_000);
    let folder: string;
    let mirror: Double;
    beforeEach(async () => {
        folder = mkdtempSync(join(tmpdir(), "downloads-"));
        mirror = await Double.start(() => undefined);
    });
    afterEach(async () => {
        await mirror.stop();
        rmSync(folder, { recursive: true });
    });

    /** This process' environment without the machine's own settings for npm and Go. */
    function env(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
        const others = Object.entries(process.env).filter(([name]) => !/^(npm_|NPM_|GO)/.test(name));
        return { ...Object.fromEntries(others), HOME: folder, XDG_CONFIG_HOME: join(folder, "config"), ...own };
    }

    /** A fresh clone, as far as an installation of its dependencies looks at it. */
    function clone(): string {
        const project = join(folder, "project");
        mkdirSync(join(project, "rehearsal"), { recursive: true });
        for (const file of ["package.json", "package-lock.json", ".npmrc", "rehearsal/bootstrap.sh"]) {
            cpSync(join(ROOT, file), join(project, file));
        }
        return project;
    }

    const settings: Record<string, () => NodeJS.ProcessEnv> = {
        "the user's .npmrc": () => {
            writeFileSync(join(folder, ".npmrc"), `registry=${mirror.url}/\n`);
            return {};
        },
        "the variable npm_config_registry": () => ({ npm_config_registry: mirror.url }),
    };
    for (const [what, set] of Object.entries(settings)) {
        it(`is taken by npm from the registry of ${what}`, async () => {
            const { code } = await attempt("sh", [join(clone(), "rehearsal/bootstrap.sh"), "none.ts"], {
                env: env(set()),
            });
            assert.notEqual(code, 0);
            const asked = mirror.asked.map(({ path }) => path);
            assert.ok(
                asked.some((path) => path.startsWith("/zod")),
                asked.join("\n"),
            );
        });
    }

    it("has no address of a registry in the list of dependencies", () => {
        assert.doesNotMatch(readFileSync(join(ROOT, "package-lock.json"), "utf8"), /"resolved": "http/);
        assert.doesNotMatch(readFileSync(join(ROOT, ".npmrc"), "utf8"), /^registry/m);
    });

    const proxies: Record<string, (own: NodeJS.ProcessEnv) => Promise<NodeJS.ProcessEnv>> = {
        "the variable GOPROXY": async (own) => ({ ...own, GOPROXY: mirror.url }),
        "what go env -w has set": async (own) => {
            await attempt("go", ["env", "-w", `GOPROXY=${mirror.url}`], { env: own });
            return own;
        },
    };
    for (const [what, set] of Object.entries(proxies)) {
        it(`is taken by Go from ${what}, the new toolchain of an old one too`, async () => {
            // Debian 12's, as far as this program looks at it; what it downloads is left to the real one.
            const { stdout } = await attempt("sh", ["-c", "command -v go"]);
            const old = `[ "$1" = version ] && echo go version go1.19.8 linux/amd64 || exec ${stdout.trim()} "$@"`;
            const programs = new Programs({ go: old });
            const own = env({ GOSUMDB: "off", GOMODCACHE: join(folder, "cache"), GOFLAGS: "-modcacherw" });
            const before = process.env;
            process.env = await set({ ...own, PATH: `${programs.bin}:${process.env.PATH}` });
            await assert.rejects(newGo).finally(() => {
                process.env = before;
                programs.remove();
            });
            const asked = mirror.asked.map(({ path }) => path);
            assert.ok(asked.length > 0, "nothing was asked for");
            assert.deepEqual(
                asked.filter((path) => !path.startsWith("/golang.org/toolchain/@v/")),
                [],
            );
        });
    }
});
