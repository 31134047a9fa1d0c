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
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const kept = new KeptFiles(folder, limits, log);
        await kept.recover();
        return kept;
    }

    private async recover(): Promise<void> {
        const found: { name: string; size: number; written: number }[] = [];
        for (const name of await readdir(this.folder)) {
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
            // By rename: a reader sees the old file or the new one and never half of it.
            const aside = join(this.folder, `${name}.${randomUUID()}`);
            await writeFile(aside, bytes, { mode: 0o600 });
            await rename(aside, join(this.folder, name));
            this.use(name, bytes.length);
            await this.makeRoom();
            return true;
        } catch (error) {
            this.log("warn", "file not kept", { folder: this.folder, name, reason: String(error) });
            return false;
        }
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
            this.forget(name);
            await rm(join(this.folder, name), { force: true });
        }
    }
}
