/** A packed release, taken apart: what components/overseas/relay-files.ts packs. */
import { gunzipSync } from "node:zlib";

/** One file of it. */
export interface SentFile {
    readonly mode: string;
    readonly content: string;
}

/** The script, and the files by path. */
export function unpacked(stdin: string): { readonly script: string; readonly files: Record<string, SentFile> } {
    const decoded = (base64: string) => Buffer.from(base64, "base64").toString();
    const [script = "", ...lines] = gunzipSync(Buffer.from(stdin, "base64")).toString().trimEnd().split("\n");
    const files = lines.map((line) => {
        const [mode = "", path = "", content = ""] = line.split(" ");
        return [path, { mode, content: decoded(content) }] as const;
    });
    return { script: decoded(script), files: Object.fromEntries(files) };
}
