/** A program of ours on its way to the Docker host. */
import { builtFile } from "../built-file";
import { fileLines, shortHash } from "./file-lines";

/** A file that holds a program as a line for templates/onprem/read-files.sh. */
export interface ProgramFile {
    /** Its path in the configuration. */
    readonly path: string;
    /** The file with the line, from the project's folder. */
    readonly file: string;
    readonly hash: string;
}

/** Writes the file. */
export function programFile(path: string, text: string): ProgramFile {
    const { path: file } = builtFile(`${path}.line`, fileLines({ [path]: text }));
    return { path, file, hash: shortHash(text) };
}
