import { join, sep } from "node:path";

const ROOT = join(__dirname, "..", "..");

/**
 * index.ts as a new process would load it, with every module of the program: it runs when it is imported. The modules that
 * were loaded before are those of this process afterwards, too: a class is another one in a module that is loaded again.
 */
export function freshProgram(): object {
    const before = takeProgram();
    try {
        return { ...require("../../index") };
    } finally {
        takeProgram();
        Object.assign(require.cache, before);
    }
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
