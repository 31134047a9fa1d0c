/**
 * What each name stood for last: the digest of a tag, and which manifests a repository has. On disk as one line a change,
 * so that an uplink that starts while an upstream is silent still knows it.
 */
import { appendFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Log } from "./log";

/** A manifest as a HEAD describes it. */
export interface KnownTag {
    readonly type: string;
    readonly digest: string;
    readonly size: number;
}

/** One line of the file. */
type Line =
    | ({ readonly tag: string } & KnownTag)
    /** `repository` has a manifest with this digest. */
    | { readonly repository: string; readonly digest: string };

/** Names kept; the least recently noted goes first. */
const KEPT = 40_000;

export class LastKnown {
    /** Each line by what it is about; the Map's order is the order in which they were noted. */
    private lines = new Map<string, Line>();
    /** Lines in the file, those included that later ones replaced. */
    private written = 0;
    private writing: Promise<void> = Promise.resolve();

    private constructor(
        private readonly file: string,
        private readonly log: Log,
        private readonly kept: number,
    ) {}

    /** Opens the file, which need not be there. */
    static async open(file: string, log: Log, kept = KEPT): Promise<LastKnown> {
        const known = new LastKnown(file, log, kept);
        await mkdir(dirname(file), { recursive: true, mode: 0o700 });
        const text = await readFile(file, "utf8").catch(() => "");
        for (const each of text.split("\n")) {
            const line = readLine(each);
            if (line) known.remember(line);
        }
        await known.rewrite();
        return known;
    }

    /** @param tag Repository, tag and the types that were asked for, as one text. */
    tag(tag: string): KnownTag | undefined {
        const line = this.lines.get(`tag ${tag}`);
        return line && "tag" in line ? line : undefined;
    }

    /** Repositories and the digests of their manifests. */
    manifests(): { readonly repository: string; readonly digest: string }[] {
        return [...this.lines.values()].filter((line) => "repository" in line);
    }

    async noteTag(tag: string, { type, digest, size }: KnownTag): Promise<void> {
        const before = this.tag(tag);
        if (before?.digest !== digest || before.type !== type || before.size !== size) {
            await this.add({ tag, type, digest, size });
        }
    }

    async noteManifest(repository: string, digest: string): Promise<void> {
        if (!this.lines.has(keyOf({ repository, digest }))) await this.add({ repository, digest });
    }

    private remember(line: Line): void {
        const key = keyOf(line);
        this.lines.delete(key);
        this.lines.set(key, line);
        const [oldest] = this.lines.keys();
        if (this.lines.size > this.kept && oldest !== undefined) this.lines.delete(oldest);
    }

    private add(line: Line): Promise<void> {
        this.remember(line);
        // One at a time, or lines would be written into each other.
        this.writing = this.writing.then(async () => {
            if (this.written >= 2 * this.kept) return this.rewrite();
            try {
                await appendFile(this.file, `${JSON.stringify(line)}\n`, { mode: 0o600 });
                this.written += 1;
            } catch (error) {
                // It is known until the uplink ends.
                this.log("warn", "name not kept", { reason: String(error) });
            }
        });
        return this.writing;
    }

    private async rewrite(): Promise<void> {
        try {
            const aside = `${this.file}.new`;
            const text = [...this.lines.values()].map((line) => `${JSON.stringify(line)}\n`).join("");
            await writeFile(aside, text, { mode: 0o600 });
            await rename(aside, this.file);
            this.written = this.lines.size;
        } catch (error) {
            this.log("warn", "names not kept", { reason: String(error) });
        }
    }
}

function keyOf(line: Line): string {
    return "tag" in line ? `tag ${line.tag}` : `manifest ${line.repository} ${line.digest}`;
}

/** The last line of a run that was killed may be half there. */
function readLine(text: string): Line | undefined {
    try {
        const line: unknown = JSON.parse(text);
        if (typeof line !== "object" || line === null) return undefined;
        const { tag, repository, type, digest, size } = line as Record<string, unknown>;
        if (typeof digest !== "string" || !/^sha256:[a-f0-9]{64}$/.test(digest)) return undefined;
        if (typeof repository === "string") return { repository, digest };
        if (typeof tag !== "string" || typeof type !== "string" || !Number.isSafeInteger(size)) return undefined;
        return { tag, type, digest, size: Number(size) };
    } catch {
        return undefined;
    }
}
