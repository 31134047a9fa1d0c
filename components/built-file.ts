/** A program of ours as a file that a provider reads: Pulumi would keep its text twice in each state. */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(__dirname, "..");
/** Ignored by Git. */
const FOLDER = ".dockermirror";

/** A file that is there. */
export interface BuiltFile {
    /** From the project's folder, in which Pulumi runs programs and providers: the same path on every machine. */
    readonly path: string;
    /** SHA-256 of its text, 64 hex digits. */
    readonly sha256: string;
}

/** Writes the file. By a rename, since another run may be reading the one that is there. */
export function builtFile(name: string, text: string): BuiltFile {
    const path = `${FOLDER}/${name}`;
    mkdirSync(join(ROOT, FOLDER), { recursive: true });
    const aside = join(ROOT, `${path}.${randomBytes(6).toString("hex")}`);
    writeFileSync(aside, text);
    renameSync(aside, join(ROOT, path));
    return { path, sha256: createHash("sha256").update(text).digest("hex") };
}
