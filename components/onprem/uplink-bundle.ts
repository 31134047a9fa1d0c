/** The uplink's one file: `services/uplink` with everything that it needs, by esbuild. */
import { join } from "node:path";
import { buildSync } from "esbuild";

/** Where the project is: esbuild writes paths below it into comments, so they are the same on every machine. */
const ROOT = join(__dirname, "..", "..");

/**
 * The text of the uplink's program for Node 20 and newer; it needs no node_modules. The same sources give the same
 * bytes wherever the project lies, so that the container is only replaced when there is something new in it.
 *
 * @throws Error of esbuild with file and line when the uplink cannot be built.
 */
export function uplinkBundle(): string {
    const { outputFiles } = buildSync({
        absWorkingDir: ROOT,
        entryPoints: ["services/uplink/main.ts"],
        bundle: true,
        write: false,
        format: "cjs",
        platform: "node",
        target: "node20",
        sourcemap: false,
        charset: "utf8",
        legalComments: "none",
        // A tsconfig.json in a folder above must not change the result.
        tsconfigRaw: "{}",
        logLevel: "silent",
    });
    const [file] = outputFiles;
    if (!file) throw new Error("esbuild wrote no file for services/uplink/main.ts");
    return file.text;
}
