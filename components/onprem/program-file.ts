/** A program of ours on its way to the Docker host: as a file, since Pulumi would keep it in every state twice. */
import { randomUUID } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileLines, shortHash } from "./file-lines";

const ROOT = join(__dirname, "..", "..");
/** Ignored by Git. Where Pulumi runs commands is the project's folder, so that this is the same on every machine. */
const FOLDER = ".dockermirror";

/** A file that holds a program as a line for templates/onprem/read-files.sh. */
export interface ProgramFile {
    /** Its path in the configuration. */
    readonly path: string;
    /** The file with the line, from the project's folder. */
    readonly file: string;
    readonly hash: string;
}

/** Writes the file; by rename, since another run may be reading the one that is there. */
export function programFile(path: string, text: string): ProgramFile {
    const file = `${FOLDER}/${path}.line`;
    mkdirSync(join(ROOT, FOLDER), { recursive: true });
    const aside = join(ROOT, `${file}.${randomUUID()}`);
    writeFileSync(aside, fileLines({ [path]: text }));
    renameSync(aside, join(ROOT, file));
    return { path, file, hash: shortHash(text) };
}
