/** Blobs on the uplink's own disk: whole ones, ones that are arriving, and a budget for both. */
import {
    type FileHandle,
    mkdir,
    open,
    readdir,
    readFile,
    rename,
    rm,
    stat,
    statfs,
    utimes,
    writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { hasDigest } from "./digests";
import { makeFolder } from "./kept-files";
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
    /** Whether it is what it should be: of an earlier run nobody knows, since a machine may have lost its power. */
    isRight: Promise<boolean> | undefined;
}

/** A file of the spool that is open; its blob is not evicted meanwhile. */
export interface SpoolUse {
    readonly file: FileHandle;
    /** Ends the use, once however often it is called. What did not fit beside it is evicted then. */
    leave(): Promise<void>;
}

/** The file of an arriving blob. Its user closes `file` itself, before the blob is whole. */
export interface PartUse extends SpoolUse {
    readonly progress: Progress | undefined;
}

/** After a failure to write, blobs pass the spool by for this long. */
const FAILED_MS = 5_000;

const WHOLE = /^[a-f0-9]{64}$/;
const PART = /^([a-f0-9]{64})\.part$/;

export class Spool {
    private readonly entries = new Map<string, Entry>();
    private total = 0;
    private failedUntil = 0;
    /** Said in the log, and not put right yet. */
    private isFailing = false;

    private constructor(
        private readonly folder: string,
        private budgetBytes: number,
        private readonly log: Log,
        private readonly metrics: Metrics,
    ) {}

    /** Opens the spool in `path` and finds what an earlier run left. */
    static async open(path: string, budgetBytes: number, log: Log, metrics: Metrics): Promise<Spool> {
        const spool = new Spool(join(path, "blobs"), budgetBytes, log, metrics);
        await makeFolder(spool.folder, log);
        for (const name of await readdir(spool.folder).catch(() => [])) await spool.recover(name);
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
        const entry: Entry = { bytes, lastUsed, users: 0, whole, unwanted: false, isRight: undefined };
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

    /** Opens a whole blob; `undefined` when it is not here, or not what it should be: somebody else writes there too. */
    async read(hex: string): Promise<(SpoolUse & { readonly size: number }) | undefined> {
        const entry = this.entries.get(hex);
        if (!entry?.whole) return undefined;
        const leave = this.use(hex, entry);
        let file: FileHandle | undefined;
        try {
            file = await open(this.wholePath(hex), "r");
            if (!(await this.isRight(hex, entry, file))) {
                await file.close();
                await leave();
                return undefined;
            }
            // The time stamp carries "last used" over a restart; a disk that cannot be written does not matter.
            await utimes(this.wholePath(hex), new Date(), new Date()).catch(() => undefined);
            return { file, size: entry.bytes, leave: this.closing(file, leave) };
        } catch (error) {
            await file?.close();
            await leave();
            if (!isMissing(error)) this.log("warn", "a blob in the spool cannot be read", { reason: String(error) });
            this.forget(hex, entry);
            return undefined;
        }
    }

    /** Its size each time, its digest once. */
    private async isRight(hex: string, entry: Entry, file: FileHandle): Promise<boolean> {
        entry.isRight ??= hasDigest(file, hex);
        const { size } = await file.stat();
        if (size === entry.bytes && (await entry.isRight)) return true;
        if (this.entries.get(hex) !== entry) return false;
        this.metrics.spoolWrong.inc();
        this.log("error", "a blob in the spool is wrong, fetched again", { digest: `sha256:${hex}`, size });
        await this.remove(hex);
        return false;
    }

    /** Begins a use. Returns what ends it. */
    private use(hex: string, entry: Entry): () => Promise<void> {
        entry.users += 1;
        entry.lastUsed = Date.now();
        let isOver = false;
        return async () => {
            if (isOver) return;
            isOver = true;
            entry.users -= 1;
            if (entry.users === 0 && entry.unwanted && this.entries.get(hex) === entry) await this.remove(hex);
            if (this.total > this.budgetBytes) await this.makeRoom(0);
        };
    }

    private closing(file: FileHandle, leave: () => Promise<void>): () => Promise<void> {
        return async () => {
            await file.close();
            await leave();
        };
    }

    /** Has a blob removed as soon as nobody uses it. */
    discard(hex: string): void {
        const entry = this.entries.get(hex);
        if (entry) entry.unwanted = true;
    }

    /** Opens the file of an arriving blob, new or with what it already has. */
    async openPart(hex: string): Promise<PartUse> {
        const entry = this.entries.get(hex) ?? this.add(hex, 0, Date.now(), false);
        const leave = this.use(hex, entry);
        entry.unwanted = false;
        const progress = await this.progress(hex);
        try {
            const kept = progress && (await open(this.partPath(hex), "r+").catch(() => undefined));
            if (kept) return { file: kept, progress, leave };
            await mkdir(this.folder, { recursive: true, mode: 0o700 });
            return { file: await open(this.partPath(hex), "w+", 0o600), progress: undefined, leave };
        } catch (error) {
            await leave();
            throw error;
        }
    }

    /** Opens the file of an arriving blob for reading. */
    async readPart(hex: string): Promise<SpoolUse> {
        const entry = this.entries.get(hex);
        const leave = entry ? this.use(hex, entry) : async () => undefined;
        try {
            // Or it became a whole one at this moment.
            const file = await open(this.partPath(hex), "r").catch(() => open(this.wholePath(hex), "r"));
            return { file, leave: this.closing(file, leave) };
        } catch (error) {
            await leave();
            throw error;
        }
    }

    /** True unless writing has failed a moment ago. */
    get isUsable(): boolean {
        return performance.now() >= this.failedUntil;
    }

    /** True when the disk has room for a blob of so many bytes, some of which may be here. */
    async fits(hex: string, bytes: number): Promise<boolean> {
        try {
            const { bavail, bsize } = await statfs(this.folder);
            const part = await stat(this.partPath(hex)).catch(() => undefined);
            const idle = [...this.entries.values()].filter(({ users }) => users === 0);
            const evictable = idle.reduce((sum, entry) => sum + entry.bytes, 0);
            const fits = bytes - (part ? part.blocks * 512 : 0) <= bavail * bsize + evictable;
            if (!fits) this.noteFailing(`a blob of ${bytes} bytes is larger than what is left of the disk`);
            return fits;
        } catch {
            // Writing will tell.
            return true;
        }
    }

    /** A blob could not be written. Its file goes, so that its room is free as soon as its readers have left. */
    failed(hex: string, reason: string): void {
        this.failedUntil = performance.now() + FAILED_MS;
        this.noteFailing(reason);
        const entry = this.entries.get(hex);
        if (entry && !entry.whole) void this.remove(hex);
    }

    /** Once, until a blob is kept again. */
    private noteFailing(reason: string): void {
        if (!this.isFailing) this.log("error", "the spool cannot take a blob, which passes it by", { reason });
        this.isFailing = true;
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
        if (entry) Object.assign(entry, { whole: true, lastUsed: Date.now(), isRight: Promise.resolve(true) });
        if (this.isFailing) this.log("info", "the spool takes blobs again", {});
        this.isFailing = false;
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

    private forget(hex: string, entry = this.entries.get(hex)): void {
        if (!entry || this.entries.get(hex) !== entry) return;
        this.entries.delete(hex);
        this.count(-entry.bytes);
    }

    /** For `/status`. */
    usage(): { bytes: number; budgetBytes: number; blobs: number; users: number; isUsable: boolean } {
        const users = [...this.entries.values()].reduce((sum, entry) => sum + entry.users, 0);
        const { total: bytes, budgetBytes, isUsable } = this;
        return { bytes, budgetBytes, blobs: this.entries.size, users, isUsable };
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
