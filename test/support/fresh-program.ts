import { join, sep } from "node:path";

const ROOT = join(__dirname, "..", "..");

/** index.ts as a new process would load it, with every module of the program: it runs when it is imported. */
export function freshProgram(): object {
    const isProgram = (file: string) =>
        file.startsWith(ROOT + sep) && !/^(node_modules|test)$/.test(file.slice(ROOT.length + 1).split(sep)[0]!);
    for (const file of Object.keys(require.cache).filter(isProgram)) delete require.cache[file];
    return { ...require("../../index") };
}
