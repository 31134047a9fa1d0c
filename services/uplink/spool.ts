/** Blobs on the uplink's own disk: whole ones, ones that are arriving, and a budget for both. */
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "./log";
import type { Metrics } from "./metrics";

/** How much of a blob is on disk, so that a restart goes on where it was. */
export interface Progress {
    readonly size: number;
    readonly pieceBytes: number;
    /** Bytes present of each piece, from its start. */
    readonly have: readonly number[];
}

interface Entry {
    /** Size of the whole blob, also while it is arriving. */
    bytes: number;
    /** Milliseconds since 1970. */
    lastUsed: number;
    /** Readers and downloads; never evicted while there is one. */
    users: number;
    whole: boolean;
    /** Goes when its last user leaves. */
    unwanted: boolean;
}

const WHOLE = /^[a-f0-9]{64}$/;
const PART = /^([a-f0-9]{64})\.part$/;

export class Spool {
    private readonly entries = new Map<string, Entry>();
    private total = 0;

    private constructor(
        private readonly folder: string,
        private budgetBytes: number,
        private readonly log: Log,
        private readonly metrics: Metrics,
    ) {}

    /** Opens the spool in `path` and finds what an earlier run left. */
    static async open(path: string, budgetBytes: number, log: Log, metrics: Metrics): Promise<Spool> {
        const spool = new Spool(join(path, "blobs"), budgetBytes, log, metrics);
        await mkdir(spool.folder, { recursive: true, mode: 0o700 });
        for (const name of await readdir(spool.folder)) await spool.recover(name);
        await spool.makeRoom(0);
        return spool;
    }

    /** Goes on with another budget. */
    async resize(budgetBytes: number): Promise<void> {
        this.budgetBytes = budgetBytes;
        await this.makeRoom(0);
    }

    private async recover(name: string): Promise<void> {
        const part = PART.exec(name)?.[1];
        if (part) {
            const progress = await this.progress(part);
            if (progress) this.add(part, progress.size, (await stat(this.partPath(part))).mtimeMs, false);
            else await this.remove(part);
        } else if (WHOLE.test(name)) {
            const { size, mtimeMs } = await stat(join(this.folder, name));
            this.add(name, size, mtimeMs, true);
        }
    }

    private add(hex: string, bytes: number, lastUsed: number, whole: boolean): Entry {
        const entry = { bytes, lastUsed, users: 0, whole, unwanted: false };
        this.entries.set(hex, entry);
        this.count(bytes);
        return entry;
    }

    private count(bytes: number): void {
        this.total += bytes;
        this.metrics.spoolBytes.set(this.total);
    }

    /** True when the whole blob is here. */
    has(hex: string): boolean {
        return this.entries.get(hex)?.whole === true;
    }

    /**
     * Opens a whole blob; `undefined` when it is not here, also when somebody has emptied the folder. The caller calls
     * {@link leave} when done.
     */
    async read(hex: string): Promise<{ file: FileHandle; size: number } | undefined> {
        const entry = this.entries.get(hex);
        if (!entry?.whole) return undefined;
        this.use(entry);
        try {
            const file = await open(this.wholePath(hex), "r");
            // The time stamp carries "last used" over a restart.
            await utimes(this.wholePath(hex), new Date(), new Date());
            return { file, size: entry.bytes };
        } catch (error) {
            if (!isMissing(error)) throw error;
            this.forget(hex);
            return undefined;
        }
    }

    private use(entry: Entry): void {
        entry.users += 1;
        entry.lastUsed = Date.now();
    }

    /** Ends a use. What did not fit beside it is evicted now. */
    async leave(hex: string): Promise<void> {
        const entry = this.entries.get(hex);
        if (entry) entry.users -= 1;
        if (entry?.users === 0 && entry.unwanted) await this.remove(hex);
        if (this.total > this.budgetBytes) await this.makeRoom(0);
    }

    /** Has a blob removed as soon as nobody uses it. */
    discard(hex: string): void {
        const entry = this.entries.get(hex);
        if (entry) entry.unwanted = true;
    }

    /** Opens the file of an arriving blob, new or with what it already has. The caller calls {@link leave} when done. */
    async openPart(hex: string): Promise<{ file: FileHandle; progress: Progress | undefined }> {
        const entry = this.entries.get(hex) ?? this.add(hex, 0, Date.now(), false);
        this.use(entry);
        entry.unwanted = false;
        const progress = await this.progress(hex);
        try {
            if (progress) return { file: await open(this.partPath(hex), "r+"), progress };
        } catch (error) {
            if (!isMissing(error)) throw error;
        }
        await mkdir(this.folder, { recursive: true, mode: 0o700 });
        return { file: await open(this.partPath(hex), "w+", 0o600), progress: undefined };
    }

    /** Opens the file of an arriving blob for reading. The caller calls {@link leave} when done. */
    async readPart(hex: string): Promise<FileHandle> {
        const entry = this.entries.get(hex);
        if (entry) this.use(entry);
        try {
            return await open(this.partPath(hex), "r");
        } catch (error) {
            if (!isMissing(error)) throw error;
            // It became a whole one at this moment.
            return await open(this.wholePath(hex), "r");
        }
    }

    /** Makes room for a blob of which the size has become known. */
    async reserve(hex: string, bytes: number): Promise<void> {
        const entry = this.entries.get(hex);
        if (!entry) return;
        this.count(bytes - entry.bytes);
        entry.bytes = bytes;
        await this.makeRoom(0);
    }

    /**
     * Evicts least recently used blobs until `bytes` more fit into the budget. What is in use stays, so one blob larger
     * than the budget passes through and goes when its last reader leaves.
     *
     * @returns True when something was evicted.
     */
    async makeRoom(bytes: number): Promise<boolean> {
        let evicted = false;
        const idle = [...this.entries].filter(([, { users }]) => users === 0);
        idle.sort(([, a], [, b]) => a.lastUsed - b.lastUsed);
        for (const [hex, entry] of idle) {
            if (this.total + bytes <= this.budgetBytes) break;
            if (entry.users > 0 || this.entries.get(hex) !== entry) continue;
            this.metrics.spoolEvictions.inc();
            this.log("info", "blob evicted from the spool", { digest: `sha256:${hex}`, bytes: entry.bytes });
            await this.remove(hex);
            evicted = true;
        }
        return evicted;
    }

    /** Evicts until `bytes` are free beyond the budget's own count: for a disk that is full before the budget is. */
    async freeDisk(bytes: number): Promise<boolean> {
        return await this.makeRoom(Math.max(0, this.budgetBytes - this.total) + bytes);
    }

    /** Writes down how far an arriving blob is. By rename: a half-written note would lose what is on disk. */
    async saveProgress(hex: string, progress: Progress): Promise<void> {
        const path = this.progressPath(hex);
        await writeFile(`${path}.new`, JSON.stringify(progress), { mode: 0o600 });
        await rename(`${path}.new`, path);
    }

    private async progress(hex: string): Promise<Progress | undefined> {
        try {
            const found: unknown = JSON.parse(await readFile(this.progressPath(hex), "utf8"));
            return isProgress(found) ? found : undefined;
        } catch {
            // Missing or unreadable: the blob is fetched from its start.
            return undefined;
        }
    }

    /** Turns an arrived and checked blob into a whole one. */
    async complete(hex: string): Promise<void> {
        await rename(this.partPath(hex), this.wholePath(hex));
        await rm(this.progressPath(hex), { force: true });
        const entry = this.entries.get(hex);
        if (entry) Object.assign(entry, { whole: true, lastUsed: Date.now() });
    }

    /** Removes a blob in whatever state it is. */
    private async remove(hex: string): Promise<void> {
        this.forget(hex);
        try {
            for (const path of [this.wholePath(hex), this.progressPath(hex), this.partPath(hex)]) {
                await rm(path, { force: true });
            }
        } catch (error) {
            // It is found again at the next start.
            this.log("error", "a file of the spool cannot be removed", { reason: String(error) });
        }
    }

    private forget(hex: string): void {
        const entry = this.entries.get(hex);
        if (entry && this.entries.delete(hex)) this.count(-entry.bytes);
    }

    /** For `/status`. */
    usage(): { bytes: number; budgetBytes: number; blobs: number } {
        return { bytes: this.total, budgetBytes: this.budgetBytes, blobs: this.entries.size };
    }

    private wholePath(hex: string): string {
        return join(this.folder, hex);
    }

    private partPath(hex: string): string {
        return join(this.folder, `${hex}.part`);
    }

    private progressPath(hex: string): string {
        return join(this.folder, `${hex}.progress`);
    }
}

function isProgress(value: unknown): value is Progress {
    if (typeof value !== "object" || value === null) return false;
    const { size, pieceBytes, have } = value as Partial<Progress>;
    return (
        Number.isSafeInteger(size) &&
        Number.isSafeInteger(pieceBytes) &&
        Array.isArray(have) &&
        have.every((bytes) => Number.isSafeInteger(bytes) && bytes >= 0)
    );
}

/** True for "no such file". */
export function isMissing(error: unknown): boolean {
    return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
