import { Module } from "node:module";
import { join, sep } from "node:path";
import * as bundles from "../../components/bundle";

const ROOT = join(__dirname, "..", "..");
const BUNDLES = require.resolve("../../components/bundle");

/**
 * index.ts as a new process would load it, with every module of the program: it runs when it is imported. The modules that
 * were loaded before are those of this process afterwards, too: a class is another one in a module that is loaded again.
 * esbuild bundles each of our programs once per test process, during which no source changes.
 */
export function freshProgram(): object {
    const before = takeProgram();
    require.cache[BUNDLES] = Object.assign(new Module(BUNDLES), { exports: { ...bundles, bundle }, loaded: true });
    try {
        return { ...require("../../index") };
    } finally {
        takeProgram();
        Object.assign(require.cache, before);
    }
}

const bundled = new Map<string, string>();

function bundle(...asked: Parameters<typeof bundles.bundle>): string {
    const key = JSON.stringify(asked);
    const text = bundled.get(key) ?? bundles.bundle(...asked);
    bundled.set(key, text);
    return text;
}

/** Takes the project's modules out of Node's cache. */
function takeProgram(): NodeJS.Dict<NodeModule> {
    const isProgram = (file: string) =>
        file.startsWith(ROOT + sep) && !/^(node_modules|test)$/.test(file.slice(ROOT.length + 1).split(sep)[0]!);
    const taken: NodeJS.Dict<NodeModule> = {};
    for (const file of Object.keys(require.cache).filter(isProgram)) {
        taken[file] = require.cache[file];
        delete require.cache[file];
    }
    return taken;
}
