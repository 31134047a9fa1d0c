import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { workerBundle } from "../../../components/edge/worker-bundle";

const ROOT = join(__dirname, "..", "..", "..");

describe("The Worker's bundle", () => {
    it("is one module with a default export and no import", () => {
        const bundle = workerBundle();
        assert.match(bundle, /export \{\n {2}\w+ as default\n\};\n$/);
        assert.doesNotMatch(
            bundle,
            /\b(import|require)\s*[({"]|\bimport\s.+\bfrom\b|sourceMappingURL|process\.|Buffer\b/,
        );
    });

    it("says nothing of the machine that it was made on", () => {
        assert.ok(!workerBundle().includes(ROOT));
    });

    it("has the same bytes in another folder, called from a third, under a tsconfig.json of other taste", () => {
        const elsewhere = mkdtempSync(join(tmpdir(), "dockermirror-bundle-"));
        try {
            const project = join(elsewhere, "deep", "project");
            mkdirSync(project, { recursive: true });
            for (const part of ["components", "services", "package.json"]) {
                cpSync(join(ROOT, part), join(project, part), { recursive: true });
            }
            symlinkSync(join(ROOT, "node_modules"), join(project, "node_modules"));
            const otherTaste = { compilerOptions: { target: "es5", useDefineForClassFields: false } };
            writeFileSync(join(project, "tsconfig.json"), JSON.stringify(otherTaste));
            const script = `process.stdout.write(require(${JSON.stringify(join(project, "components/edge/worker-bundle"))}).workerBundle())`;
            const tsx = require.resolve("tsx/cjs");
            const args = ["--require", tsx, "--eval", script];
            assert.equal(execFileSync(process.execPath, args, { cwd: tmpdir(), encoding: "utf8" }), workerBundle());
        } finally {
            rmSync(elsewhere, { recursive: true, force: true });
        }
    });
});
