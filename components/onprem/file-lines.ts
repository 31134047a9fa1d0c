/** Files on their way to a container: how templates/onprem/read-files.sh reads them, and how they are distinguished. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

/** Texts by path as lines, `<path> <base64 of gzip>`. */
export function fileLines(files: Readonly<Record<string, string>>): string {
    return Object.entries(files)
        .map(([path, text]) => `${path} ${gzipSync(text).toString("base64")}\n`)
        .join("");
}

/** Short enough to read: which of two texts it is, not a proof of what is in them. */
export function shortHash(text: string): string {
    return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
