/** The Worker's one file: `services/worker` and what it shares with the rest, by esbuild. */
import { join } from "node:path";
import { buildSync } from "esbuild";

/** Where the project is: esbuild writes paths below it into comments, so they are the same on every machine. */
const ROOT = join(__dirname, "..", "..");

/**
 * The text of the Worker's module. The same sources give the same bytes wherever the project lies, so that an update
 * is only previewed when there is one.
 *
 * @throws Error of esbuild with file and line when the Worker cannot be built.
 */
export function workerBundle(): string {
    const { outputFiles } = buildSync({
        absWorkingDir: ROOT,
        entryPoints: ["services/worker/worker.ts"],
        bundle: true,
        write: false,
        format: "esm",
        // Nothing of Node and nothing of a browser's build: what a Worker has, the sources name.
        platform: "neutral",
        target: "es2022",
        sourcemap: false,
        charset: "utf8",
        legalComments: "none",
        // A tsconfig.json in a folder above must not change the result.
        tsconfigRaw: "{}",
        logLevel: "silent",
    });
    const [file] = outputFiles;
    if (!file) throw new Error("esbuild wrote no file for services/worker/worker.ts");
    return file.text;
}
