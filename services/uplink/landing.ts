/** Where the bytes of a download go: the spool, or past it. */
import type { FileHandle } from "node:fs/promises";
import type { Pieces } from "./pieces";
import { Signal } from "./signal";
import type { PartUse, Progress, Spool } from "./spool";

/** The spool cannot take any more of a blob. What has arrived can still be read. */
export class SpoolUnusable extends Error {
    constructor(reason: string) {
        super(`the spool cannot take the blob: ${reason}`);
    }
}

export interface Landing {
    /** Opens it. Says what is there already. Throws SpoolUnusable. */
    open(): Promise<Progress | undefined>;
    /** The blob's size has become known. Throws SpoolUnusable. */
    reserve(bytes: number): Promise<void>;
    /** Throws SpoolUnusable, or the signal's reason. */
    write(bytes: Buffer, position: number, signal: AbortSignal): Promise<void>;
    read(buffer: Buffer, length: number, position: number): Promise<number>;
    /** What is before `position` has been hashed. */
    hashed(position: number): void;
    /** Forgets all bytes. */
    empty(): Promise<void>;
    saveProgress(pieces: Pieces): Promise<void>;
    /** Nothing more is written. */
    end(): Promise<void>;
    /** The digest is right. */
    complete(): Promise<void>;
    /** @param isUseful False when nothing of it is worth to be kept. */
    close(isUseful: boolean): Promise<void>;
}

/** Freed at once when the disk is full. */
const FREED_BYTES = 1024 * 1024;

/** A file of the spool, for any number of readers. */
export class SpoolLanding implements Landing {
    private use: PartUse | undefined;

    constructor(
        private readonly hex: string,
        private readonly spool: Spool,
    ) {}

    async open(): Promise<Progress | undefined> {
        try {
            this.use = await this.spool.openPart(this.hex);
            return this.use.progress;
        } catch (error) {
            throw this.unusable(error);
        }
    }

    async reserve(bytes: number): Promise<void> {
        await this.spool.reserve(this.hex, bytes);
        if (!(await this.spool.fits(this.hex, bytes)))
            throw new SpoolUnusable("it is larger than what is left of the disk");
    }

    async write(bytes: Buffer, position: number): Promise<void> {
        for (let written = 0; written < bytes.length; ) {
            try {
                const rest = bytes.length - written;
                written += (await this.file.write(bytes, written, rest, position + written)).bytesWritten;
            } catch (error) {
                const isFull = error instanceof Error && "code" in error && error.code === "ENOSPC";
                if (!isFull || !(await this.spool.freeDisk(FREED_BYTES))) throw this.unusable(error);
            }
        }
    }

    async read(buffer: Buffer, length: number, position: number): Promise<number> {
        return (await this.file.read(buffer, 0, length, position)).bytesRead;
    }

    hashed(): void {}

    /** In place: readers that have no byte yet keep the file open and stay. */
    async empty(): Promise<void> {
        await this.file.truncate(0);
    }

    async saveProgress(pieces: Pieces): Promise<void> {
        const progress = pieces.progress();
        if (progress) await this.spool.saveProgress(this.hex, progress);
    }

    async end(): Promise<void> {
        await this.use?.file.close();
    }

    async complete(): Promise<void> {
        await this.spool.complete(this.hex);
    }

    async close(isUseful: boolean): Promise<void> {
        if (!isUseful) this.spool.discard(this.hex);
        await this.use?.leave();
    }

    private get file(): FileHandle {
        if (!this.use) throw new Error("the spool's file is not open yet");
        return this.use.file;
    }

    /** Of whatever kind the error is: full, read-only, broken, taken away. The link works all the same. */
    private unusable(error: unknown): SpoolUnusable {
        const reason = error instanceof Error ? error.message : String(error);
        this.spool.failed(this.hex, reason);
        return new SpoolUnusable(reason);
    }
}

/** Past the spool, through memory, to one reader that sets the pace. */
export class Window implements Landing {
    private chunks: Buffer[] = [];
    /** Position of the first byte that is here, and of the first that is not here yet. */
    private start: number;
    private stop: number;
    private hashedTo: number;
    private passedTo: number;
    private readonly taken = new Signal();

    /**
     * @param capacity Bytes that may lie here.
     * @param earlier What the reader has from elsewhere; nothing when absent.
     */
    constructor(
        private readonly capacity: number,
        private readonly earlier?: { readonly from: number; readonly progress: Progress },
    ) {
        const from = earlier?.from ?? 0;
        this.start = from;
        this.stop = from;
        this.hashedTo = from;
        this.passedTo = 0;
    }

    async open(): Promise<Progress | undefined> {
        return this.earlier?.progress;
    }

    async reserve(): Promise<void> {}

    async write(bytes: Buffer, position: number, signal: AbortSignal): Promise<void> {
        if (position !== this.stop) throw new Error(`byte ${position} arrives where ${this.stop} is expected`);
        while (this.stop + bytes.length - this.start > this.capacity && this.stop > this.start) {
            await this.taken.wait(undefined, signal);
            signal.throwIfAborted();
        }
        this.chunks.push(bytes);
        this.stop += bytes.length;
    }

    async read(buffer: Buffer, length: number, position: number): Promise<number> {
        let at = this.start;
        let copied = 0;
        for (const chunk of this.chunks) {
            const from = position + copied - at;
            if (copied < length && from >= 0 && from < chunk.length) {
                copied += chunk.copy(buffer, copied, from, Math.min(chunk.length, from + length - copied));
            }
            at += chunk.length;
        }
        return copied;
    }

    hashed(position: number): void {
        this.hashedTo = position;
        this.drop();
    }

    /** The reader has what is before `position`, or does not want it. */
    passed(position: number): void {
        this.passedTo = Math.max(this.passedTo, position);
        this.drop();
    }

    private drop(): void {
        const upTo = Math.min(this.hashedTo, this.passedTo);
        for (let [first] = this.chunks; first && this.start + first.length <= upTo; [first] = this.chunks) {
            this.chunks.shift();
            this.start += first.length;
            this.taken.notify();
        }
    }

    async empty(): Promise<void> {
        this.chunks = [];
        this.start = 0;
        this.stop = 0;
        this.hashedTo = 0;
        this.taken.notify();
    }

    async saveProgress(): Promise<void> {}
    async end(): Promise<void> {}
    async complete(): Promise<void> {}
    async close(): Promise<void> {}
}
