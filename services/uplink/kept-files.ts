/** A folder of small files that is kept within bounds: the file that was used least recently goes first. */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "./log";

/** What the folder may hold. */
export interface KeptLimits {
    readonly files: number;
    readonly bytes: number;
}

export class KeptFiles {
    /** Size by name; the Map's order is the order of last use. */
    private readonly sizes = new Map<string, number>();
    private total = 0;

    private constructor(
        private readonly folder: string,
        private readonly limits: KeptLimits,
        private readonly log: Log,
    ) {}

    /** Opens `folder`, which is made when missing, with what an earlier run kept. */
    static async open(folder: string, limits: KeptLimits, log: Log): Promise<KeptFiles> {
        const kept = new KeptFiles(folder, limits, log);
        await makeFolder(folder, log);
        await kept.recover();
        return kept;
    }

    private async recover(): Promise<void> {
        const found: { name: string; size: number; written: number }[] = [];
        // Not there when the disk is full; then there is nothing to recover.
        for (const name of await readdir(this.folder).catch(() => [])) {
            const { size, mtimeMs } = await stat(join(this.folder, name));
            // Half-written by a run that was killed.
            if (name.includes(".")) await rm(join(this.folder, name));
            else found.push({ name, size, written: mtimeMs });
        }
        found.sort((a, b) => a.written - b.written);
        for (const { name, size } of found) this.use(name, size);
        await this.makeRoom();
    }

    /** The bytes of a file; `undefined` when it is not kept. */
    async read(name: string): Promise<Buffer | undefined> {
        try {
            const bytes = await readFile(join(this.folder, name));
            this.use(name, bytes.length);
            return bytes;
        } catch {
            return undefined;
        }
    }

    /** Keeps `bytes` as `name`, a name without dots. False when that was not possible, which is logged. */
    async write(name: string, bytes: Buffer): Promise<boolean> {
        if (bytes.length > this.limits.bytes / 10) {
            this.log("warn", "file not kept", { folder: this.folder, name, reason: `${bytes.length} bytes` });
            return false;
        }
        try {
            await mkdir(this.folder, { recursive: true, mode: 0o700 });
            // By rename: a reader sees the old file or the new one and never half of it.
            await this.writeAside(name, bytes);
            this.use(name, bytes.length);
            await this.makeRoom();
            return true;
        } catch (error) {
            this.log("warn", "file not kept", { folder: this.folder, name, reason: String(error) });
            return false;
        }
    }

    private async writeAside(name: string, bytes: Buffer): Promise<void> {
        const aside = join(this.folder, `${name}.${randomUUID()}`);
        try {
            await writeFile(aside, bytes, { mode: 0o600 });
            await rename(aside, join(this.folder, name));
        } catch (error) {
            // On a full disk half a file would take the room of the next.
            await rm(aside, { force: true });
            throw error;
        }
    }

    /** Removes what turned out to be wrong. */
    async remove(name: string): Promise<void> {
        this.forget(name);
        await rm(join(this.folder, name), { force: true });
    }

    private use(name: string, size: number): void {
        this.forget(name);
        this.sizes.set(name, size);
        this.total += size;
    }

    private forget(name: string): void {
        this.total -= this.sizes.get(name) ?? 0;
        this.sizes.delete(name);
    }

    private async makeRoom(): Promise<void> {
        for (const name of this.sizes.keys()) {
            if (this.sizes.size <= this.limits.files && this.total <= this.limits.bytes) return;
            await this.remove(name);
        }
    }
}

/**
 * Makes a folder of the spool. An uplink starts with a full disk: it passes on what it cannot keep.
 *
 * @throws when there is another reason, such as the owner of the folder above.
 */
export async function makeFolder(path: string, log: Log): Promise<void> {
    try {
        await mkdir(path, { recursive: true, mode: 0o700 });
    } catch (error) {
        if (!(error instanceof Error && "code" in error && FULL.includes(String(error.code)))) throw error;
        log("error", "folder not made", { folder: path, reason: String(error) });
    }
}

/** The disk, or the share of it that this user may have. */
const FULL: readonly string[] = ["ENOSPC", "EDQUOT"];
