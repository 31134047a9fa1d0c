/** One of our programs as one file, by esbuild. */
import { join } from "node:path";
import { type BuildOptions, buildSync } from "esbuild";

/** Where the project is: esbuild writes paths below it into comments, so they are the same on every machine. */
const ROOT = join(__dirname, "..");

/** For Node 20 and newer, without node_modules. */
export const FOR_NODE = { format: "cjs", platform: "node", target: "node20" } as const;
/** For Cloudflare's runtime: nothing of Node and nothing of a browser's build. */
export const FOR_WORKERS = { format: "esm", platform: "neutral", target: "es2022" } as const;

/**
 * The text of a program with everything that it needs. The same sources give the same bytes wherever the project lies,
 * so that an update is only previewed when there is one.
 *
 * @param entryPoint Path in the project, such as `services/uplink/main.ts`.
 * @throws Error of esbuild with file and line when it cannot be built.
 */
export function bundle(entryPoint: string, runtime: Pick<BuildOptions, "format" | "platform" | "target">): string {
    const { outputFiles } = buildSync({
        ...runtime,
        absWorkingDir: ROOT,
        entryPoints: [entryPoint],
        bundle: true,
        write: false,
        sourcemap: false,
        charset: "utf8",
        legalComments: "none",
        // A tsconfig.json in a folder above must not change the result.
        tsconfigRaw: "{}",
        logLevel: "silent",
    });
    const [file] = outputFiles;
    if (!file) throw new Error(`esbuild wrote no file for ${entryPoint}`);
    return file.text;
}
