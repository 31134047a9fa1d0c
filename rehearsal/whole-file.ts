import { renameSync, writeFileSync } from "node:fs";

/** Writes a file that other processes read at any time: they see what was there before or all of it. */
export function writeWhole(file: string, text: string, mode = 0o644): void {
    const unfinished = `${file}.${process.pid}.unfinished`;
    writeFileSync(unfinished, text, { mode });
    renameSync(unfinished, file);
}
