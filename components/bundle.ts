/** One of our programs as one file, by esbuild. */
import { join } from "node:path";
import { type BuildOptions, buildSync } from "esbuild";

/** Where the project is: esbuild writes paths below it into comments, so they are the same on every machine. */
const ROOT = join(__dirname, "..");

/** For Node 20 and newer, without node_modules. */
export const FOR_NODE = { format: "cjs", platform: "node", target: "node20" } as const;
/** For Cloudflare's runtime: nothing of Node and nothing of a browser's build. */
export const FOR_WORKERS = { format: "esm", platform: "neutral", target: "es2022" } as const;
/** For njs 0.7.9 (Debian 12) and newer: esbuild writes what it can in other words, and refuses the rest. */
export const FOR_NJS = {
    format: "esm",
    platform: "neutral",
    target: "es2015",
    supported: {
        class: false,
        "default-argument": false,
        destructuring: false,
        "for-of": false,
        generator: false,
        "object-rest-spread": false,
        "array-spread": false,
    },
} as const;

/**
 * The text of a program with everything that it needs. The same sources give the same bytes wherever the project lies,
 * whoever's working directory it is and however npm, pnpm or a workspace laid node_modules out, so that an update is
 * only previewed when there is one. The Node that calls has no part in it either: esbuild is a program of its own,
 * pinned by package-lock.json, and `target` says for which Node it writes.
 *
 * @param entryPoint Path in the project, such as `services/uplink/main.ts`.
 * @throws Error of esbuild with file and line when it cannot be built.
 */
export function bundle(
    entryPoint: string,
    runtime: Pick<BuildOptions, "format" | "platform" | "target" | "supported">,
): string {
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
    return file.text.replace(PACKAGE_PATH, "$1node_modules/");
}

/**
 * Where esbuild names a package's file, in a comment or as the key of a CommonJS module, up to its last node_modules:
 * `../node_modules/` where packages are hoisted into a folder above, `node_modules/.pnpm/zod@4/node_modules/` with pnpm.
 */
const PACKAGE_PATH = /^(\/\/ | {2}")[^"\n]*\/node_modules\//gm;
