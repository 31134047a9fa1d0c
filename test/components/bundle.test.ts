/** Programs as one file: the same bytes wherever they are made. It does not prove that they run; their own tests do. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { bundle, FOR_NJS, FOR_NODE, FOR_WORKERS } from "../../components/bundle";

const ROOT = join(__dirname, "..", "..");
const RUNTIMES = { FOR_NJS, FOR_NODE, FOR_WORKERS };
/** Of the project, what a bundle is made of and by. */
const SOURCES = ["components", "services", "package.json"];

interface Program {
    readonly entryPoint: string;
    readonly runtime: keyof typeof RUNTIMES;
}

/** Every call of `bundle` in the components. */
const programs: Program[] = readdirSync(join(ROOT, "components"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) => [
        ...readFileSync(join(ROOT, "components", path), "utf8").matchAll(/\bbundle\("([^"]+)", (FOR_\w+)\)/g),
    ])
    .map(([, entryPoint, runtime]) => ({ entryPoint: entryPoint!, runtime: runtime as Program["runtime"] }))
    .sort((a, b) => a.entryPoint.localeCompare(b.entryPoint));

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const hashes = () =>
    Object.fromEntries(
        programs.map(({ entryPoint, runtime }) => [entryPoint, sha256(bundle(entryPoint, RUNTIMES[runtime]))]),
    );

/** A package that programs have in them, and all that those need, by name. */
function withDependencies(name: string): string[] {
    const { dependencies = {} } = JSON.parse(readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8"));
    return [name, ...Object.keys(dependencies).flatMap(withDependencies)];
}
const PACKAGES = [...new Set(["undici", "prom-client", "zod"].flatMap(withDependencies))];

const installed = (name: string) => join(ROOT, "node_modules", name);

function link(target: string, path: string): void {
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(target, path);
}

/** Ways to lay packages out for a project in `project`, a folder of a folder of `home`. */
const LAYOUTS: Record<string, (project: string, home: string) => void> = {
    "packages hoisted two folders up, as workspaces have them": (_, home) => {
        for (const name of PACKAGES) cpSync(installed(name), join(home, "node_modules", name), { recursive: true });
        link(installed("esbuild"), join(home, "node_modules", "esbuild"));
    },
    "packages in a store behind links, as pnpm has them": (project) => {
        const modules = join(project, "node_modules");
        for (const name of PACKAGES) {
            const stored = join(modules, ".pnpm", `${name.replace("/", "+")}@1`, "node_modules");
            cpSync(installed(name), join(stored, name), { recursive: true });
            link(join(stored, name), join(modules, name));
            for (const other of withDependencies(name).slice(1)) link(installed(other), join(stored, other));
        }
        link(installed("esbuild"), join(modules, "esbuild"));
    },
    "a tsconfig.json of other taste above, and another script in package.json": (project, home) => {
        const otherTaste = { compilerOptions: { target: "es5", useDefineForClassFields: false, jsx: "preserve" } };
        writeFileSync(join(home, "tsconfig.json"), JSON.stringify(otherTaste));
        writeFileSync(join(project, "tsconfig.json"), JSON.stringify(otherTaste));
        const manifest = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
        const other = { ...manifest, scripts: { ...manifest.scripts, other: "true" } };
        writeFileSync(join(project, "package.json"), JSON.stringify(other));
        link(join(ROOT, "node_modules"), join(project, "node_modules"));
    },
};

/** Makes the programs in a process of their own, in a copy of the project that lies somewhere else. */
function hashesElsewhere(layOut: (project: string, home: string) => void): unknown {
    const home = mkdtempSync(join(tmpdir(), "dockermirror bundle-"));
    try {
        const project = join(home, "a folder", "project");
        for (const part of SOURCES) cpSync(join(ROOT, part), join(project, part), { recursive: true });
        layOut(project, home);
        const script = `
            const { createHash } = require("node:crypto");
            const made = require(${JSON.stringify(join(project, "components", "bundle"))});
            const hash = ({ entryPoint, runtime }) =>
                [entryPoint, createHash("sha256").update(made.bundle(entryPoint, made[runtime])).digest("hex")];
            console.log(JSON.stringify(Object.fromEntries(${JSON.stringify(programs)}.map(hash))));`;
        const args = ["--require", require.resolve("tsx/cjs"), "--eval", script];
        return JSON.parse(execFileSync(process.execPath, args, { cwd: tmpdir(), encoding: "utf8" }));
    } finally {
        rmSync(home, { recursive: true, force: true });
    }
}

describe("Bundled programs", () => {
    it("are the canary, the gate, what both relays share, the uplink and the Worker", () => {
        assert.deepEqual(
            programs.map(({ entryPoint, runtime }) => `${entryPoint} ${runtime}`),
            [
                "services/canary/main.ts FOR_NODE",
                "services/gate/main.ts FOR_NODE",
                "services/registry/njs.ts FOR_NJS",
                "services/uplink/main.ts FOR_NODE",
                "services/worker/worker.ts FOR_WORKERS",
            ],
        );
    });

    it("are the same when they are made again", () => {
        assert.deepEqual(hashes(), hashes());
    });

    for (const [what, layOut] of Object.entries(LAYOUTS)) {
        it(`have the same bytes in another folder, called from a third, with ${what}`, () => {
            assert.deepEqual(hashesElsewhere(layOut), hashes());
        });
    }

    for (const { entryPoint, runtime } of programs) {
        it(`say nothing of the machine that they were made on: ${entryPoint}`, () => {
            const text = bundle(entryPoint, RUNTIMES[runtime]);
            assert.ok(!text.includes(ROOT));
            assert.doesNotMatch(text, /^\/\/ (\/|\.\.)/m);
            assert.doesNotMatch(text, /sourceMappingURL/);
        });
    }
});
