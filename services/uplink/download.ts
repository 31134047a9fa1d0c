/**
 * One blob on its way over the thin link, however many ask for it: fetched in ranges from whichever relay works, written
 * to a spool file in any order, hashed and released in order.
 */
import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { BlobUnknown, RelayFailure, Unavailable } from "./failure";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import type { Relay, RelayAnswer } from "./relay";
import { type Relays, WRONG_BYTES_WEIGHT } from "./relays";
import { Signal } from "./signal";
import type { Slots } from "./slots";
import type { Spool } from "./spool";

/** Sizes in bytes, times in milliseconds. */
export interface DownloadLimits {
    /** One range request asks for this much; a smaller blob is one plain request. */
    readonly pieceBytes: number;
    /** Ranges of one blob at once: far links cap single connections. */
    readonly ranges: number;
    /** A blob up to this size is checked before its first byte is released. */
    readonly checkedFirstBytes: number;
    /** Of a larger one, this much is held back until the whole was checked. */
    readonly heldBackBytes: number;
    /** How long a download that has begun waits for a relay to come back. */
    readonly patienceMs: number;
    /** Progress is written down each time this much has come: what a killed process fetches again. */
    readonly noteBytes: number;
}

export const DOWNLOAD_LIMITS: DownloadLimits = {
    pieceBytes: 8 * 1024 * 1024,
    ranges: 5,
    checkedFirstBytes: 4 * 1024 * 1024,
    heldBackBytes: 64 * 1024,
    patienceMs: 30_000,
    noteBytes: 2 * 1024 * 1024,
};

/** Everything that downloads share. */
export interface DownloadKit {
    readonly relays: Relays;
    readonly spool: Spool;
    readonly slots: Slots;
    readonly log: Log;
    readonly metrics: Metrics;
    readonly limits: DownloadLimits;
}

interface Piece {
    readonly start: number;
    /** Exclusive. */
    end: number;
    /** Bytes present, from `start`. */
    have: number;
    taken: boolean;
}

const HASH_STEP = 1024 * 1024;

/** Failures in a row without one new byte after which a piece is given up. */
const FRUITLESS_LIMIT = 6;

export class Download {
    /** Resolves when nothing more will happen; never rejects. */
    readonly ended: Promise<void>;
    /** Readers that wait for it; what has none gives way to what has. */
    readers = 0;
    private failure: unknown;
    private whole = false;
    /** Fresh starts after wrong bytes. A reader that has bytes of an earlier round must not get any of a later one. */
    private round = 0;
    private released = 0;
    private readonly progressed = new Signal();

    private file!: FileHandle;
    private pieces: Piece[] = [];
    private hash: Hash = createHash("sha256");
    private hashed = 0;
    private readonly arrived = new Signal();
    private readonly stopped = new AbortController();

    private workers = 0;
    private useRanges = false;
    private readonly rangesSeen = new Signal();
    /** Bytes that came over the link in this process. */
    private fetched = 0;
    /** How many of them when progress was written down last. */
    private noted = 0;
    private readonly missing = new Set<Relay>();
    private readonly distrusted = new Set<Relay>();
    private readonly badAnswers = new Map<Relay, { readonly status: number; readonly began: number }>();
    private contributors = new Set<Relay>();
    private inherited = false;
    private readonly suspects = new Set<Relay>();
    /** While there are suspects: the one relay that this round is fetched from. */
    private sole: Relay | undefined;
    private saving: Promise<void> = Promise.resolve();

    /**
     * @param hex The blob's SHA-256.
     * @param path Its path on a relay.
     * @param size Its size, where a manifest told.
     */
    constructor(
        private readonly hex: string,
        readonly path: string,
        private size: number | undefined,
        private readonly kit: DownloadKit,
    ) {
        this.ended = this.run();
    }

    /** The size, as soon as it is known. Throws what the download failed with. */
    async knownSize(): Promise<number> {
        while (this.size === undefined) await this.next();
        return this.size;
    }

    /**
     * Waits until bytes after `position` may be given out, and says up to where.
     *
     * @param round The round that the reader's earlier bytes are of; a reader without bytes passes `undefined`.
     * @throws Whatever the download failed with.
     */
    async releasedAfter(position: number, round: number | undefined): Promise<{ end: number; round: number }> {
        for (;;) {
            if (round !== undefined && round !== this.round) {
                throw new Error(`sha256:${this.hex}: the bytes given out so far were wrong`);
            }
            if (this.released > position || this.whole) return { end: this.released, round: this.round };
            await this.next();
        }
    }

    private async next(): Promise<void> {
        if (this.failure) throw this.failure;
        await this.progressed.wait();
        if (this.failure) throw this.failure;
    }

    /** Stops and keeps what is there. */
    async stop(): Promise<void> {
        this.stopped.abort(new Unavailable(503, "the uplink is being stopped", 1));
        await this.ended;
    }

    private async run(): Promise<void> {
        const { spool, log } = this.kit;
        let opened = false;
        try {
            await this.open();
            opened = true;
            while (!(await this.attempt())) await this.startAgain();
            this.blameSuspects();
            await this.file.close();
            await spool.complete(this.hex);
            this.released = this.size ?? 0;
            this.whole = true;
        } catch (error) {
            this.failure = error;
            if (opened) {
                await this.saveProgress();
                await this.file.close();
                if (this.pieces.every(({ have }) => have === 0)) await spool.remove(this.hex);
            }
            log("warn", "blob not fetched", { digest: `sha256:${this.hex}`, reason: String(error) });
        }
        await spool.leave(this.hex);
        this.progressed.notify();
    }

    private async open(): Promise<void> {
        const { file, progress } = await this.kit.spool.openPart(this.hex);
        this.file = file;
        const { pieceBytes } = this.kit.limits;
        if (progress && progress.pieceBytes === pieceBytes && (this.size ?? progress.size) === progress.size) {
            this.size = progress.size;
            this.pieces = layOut(progress.size, pieceBytes, progress.have);
            this.inherited = progress.have.some((bytes) => bytes > 0);
        } else if (this.size === undefined) {
            this.pieces = [{ start: 0, end: pieceBytes, have: 0, taken: false }];
        } else {
            this.pieces = layOut(this.size, pieceBytes);
        }
        if (this.size !== undefined) await this.kit.spool.reserve(this.hex, this.size);
    }

    /** Fetches what is missing. Returns whether the digest is right. */
    private async attempt(): Promise<boolean> {
        const failed = new AbortController();
        const signal = AbortSignal.any([failed.signal, this.stopped.signal]);
        // Whatever fails stops the rest, and all of it has ended before the file is closed or emptied.
        const part = (work: Promise<void>) => work.catch((error) => failed.abort(error));
        await Promise.all([part(this.fetch(signal, part)), part(this.hashInOrder(signal))]);
        await this.saving;
        signal.throwIfAborted();
        return this.hash.digest("hex") === this.hex;
    }

    private async fetch(signal: AbortSignal, part: (work: Promise<void>) => Promise<void>): Promise<void> {
        const first = part(this.worker(signal));
        const workers = [first];
        // The first request goes alone until it is known how large the blob is and whether the relay honours ranges:
        // a relay that does not would send the whole blob five times.
        if (this.size !== undefined && this.kit.relays.first("blobs")?.ranges) this.useRanges = true;
        await Promise.race([first, this.rangesKnown(signal)]);
        const others = Math.min(this.kit.limits.ranges, this.pieces.length) - 1;
        for (let count = 0; count < others; count++) workers.push(part(this.worker(signal)));
        await Promise.all(workers);
    }

    private async rangesKnown(signal: AbortSignal): Promise<void> {
        while (!this.useRanges && !signal.aborted) await this.rangesSeen.wait(undefined, signal);
    }

    /** Fetches one piece after another until none is left. */
    private async worker(signal: AbortSignal): Promise<void> {
        this.workers += 1;
        let resigned = false;
        try {
            for (let piece = this.takePiece(); piece; piece = this.takePiece()) {
                try {
                    resigned = !(await this.fetchPiece(piece, signal));
                } finally {
                    piece.taken = false;
                }
                if (resigned) return;
            }
        } finally {
            if (!resigned) this.workers -= 1;
        }
    }

    private takePiece(): Piece | undefined {
        const piece = this.pieces.find((each) => !each.taken && !isFull(each));
        if (piece) piece.taken = true;
        return piece;
    }

    /** Returns false when the worker resigned: a relay without ranges sends all to one, so all but the last must go. */
    private async fetchPiece(piece: Piece, signal: AbortSignal): Promise<boolean> {
        let failed: Relay | undefined;
        let fruitless = 0;
        while (this.size === undefined || !isFull(piece)) {
            const relay = await this.nextRelay(failed, signal);
            if (relay.ranges === false && this.workers > 1) {
                // Counted here, in one step with the question: or all of them would go.
                this.workers -= 1;
                return false;
            }
            const before = this.fetched;
            try {
                await this.receive(relay, piece, signal);
            } catch (error) {
                if (!(error instanceof RelayFailure)) throw error;
                failed = relay;
                fruitless = this.fetched > before ? 0 : fruitless + 1;
                if (fruitless >= FRUITLESS_LIMIT) throw this.kit.relays.unavailable("blobs");
            }
        }
        return true;
    }

    /** A download that has begun waits some time for a relay; one that has nothing yet says so at once. */
    private async nextRelay(failed: Relay | undefined, signal: AbortSignal): Promise<Relay> {
        const { relays, limits } = this.kit;
        const others = this.sole && this.sole !== failed ? relays.all.filter((relay) => relay !== this.sole) : [];
        const avoid = new Set([...this.missing, ...(failed ? [failed] : []), ...others]);
        const deadline = performance.now() + limits.patienceMs;
        for (;;) {
            signal.throwIfAborted();
            const relay = await relays.next("blobs", avoid, this.distrusted);
            if (relay) {
                if (this.suspects.size > 0) this.sole = relay;
                return relay;
            }
            const left = deadline - performance.now();
            if (this.fetched === 0 || left <= 0) throw relays.unavailable("blobs");
            await relays.change(left, signal);
        }
    }

    private async receive(relay: Relay, piece: Piece, signal: AbortSignal): Promise<void> {
        const from = piece.start + piece.have;
        const plain = relay.ranges === false || (from === 0 && this.size !== undefined && this.pieces.length <= 1);
        const headers: Record<string, string> = plain ? {} : { range: `bytes=${from}-${piece.end - 1}` };
        const release = await this.kit.slots.take(() => this.readers > 0);
        try {
            signal.throwIfAborted();
            const request = relay.request({ method: "GET", path: this.path, headers, signal });
            const answer = await this.kit.relays.watched(request);
            if (answer.status === 206) await this.takeRange(relay, piece, from, answer, signal);
            else if (answer.status === 200) await this.takeWhole(relay, plain, answer, signal);
            else await this.takeRefusal(relay, answer);
        } finally {
            release();
        }
        relay.goodAnswer();
        // This one could: so what the others answered was their own failure, not the upstream's.
        for (const [other, bad] of this.badAnswers) {
            if (other !== relay) other.failed(new RelayFailure("upstream", `answers ${bad.status}`), bad.began);
        }
        this.badAnswers.clear();
    }

    /** An answer to a range. ETags are not compared: they differ between a CDN's edges, and the digest decides. */
    private async takeRange(relay: Relay, piece: Piece, from: number, answer: RelayAnswer, signal: AbortSignal) {
        const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(String(answer.headers["content-range"]));
        const [start, last, total] = (range ?? []).slice(1).map(Number);
        if (start !== from || last === undefined || total === undefined) {
            await relay.discard(answer);
            const got = String(answer.headers["content-range"]);
            throw relay.failed(new RelayFailure("protocol", `asked from byte ${from}, got "${got}"`), answer.began);
        }
        await this.learnSize(relay, total, answer);
        relay.ranges = true;
        this.useRanges = true;
        this.rangesSeen.notify();
        await this.write(relay, answer, from, Math.min(last + 1, piece.end), signal);
    }

    /** The whole blob from its first byte: asked for so, or from a relay that ignores Range. */
    private async takeWhole(relay: Relay, plain: boolean, answer: RelayAnswer, signal: AbortSignal): Promise<void> {
        if (!plain) relay.ranges = false;
        if (!plain && this.workers > 1) {
            // The others are fetching what this would bring again.
            await relay.discard(answer);
            throw new RelayFailure("protocol", "ignores Range");
        }
        const length = answer.headers["content-length"];
        const total = length === undefined ? this.size : Number(length);
        if (total === undefined || !Number.isSafeInteger(total)) {
            await relay.discard(answer);
            throw relay.failed(new RelayFailure("protocol", "a blob without a length"), answer.began);
        }
        await this.learnSize(relay, total, answer);
        await this.write(relay, answer, 0, total, signal);
    }

    private async takeRefusal(relay: Relay, answer: RelayAnswer): Promise<void> {
        const { status, headers, began } = answer;
        await relay.discard(answer);
        // The only range of nothing is no range (RFC 9110 15.5.17).
        if (status === 416 && headers["content-range"] === "bytes */0") {
            await this.learnSize(relay, 0, answer);
            return;
        }
        if (status === 404) {
            this.missing.add(relay);
            if (this.kit.relays.all.every((each) => this.missing.has(each) || each.condition() === "down")) {
                throw new BlobUnknown(`sha256:${this.hex} is unknown to ${relay.name}'s upstream`);
            }
        } else if (status === 429) {
            relay.throttled("blobs", headers["retry-after"]?.toString());
        } else if (status >= 500) {
            this.badAnswers.set(relay, { status, began });
            relay.badAnswer(status, began);
        } else {
            throw relay.failed(new RelayFailure("protocol", `answers ${status} to a blob`), began);
        }
        throw new RelayFailure("upstream", `answers ${status}`);
    }

    private async learnSize(relay: Relay, total: number, answer: RelayAnswer): Promise<void> {
        if (this.size === undefined) {
            this.size = total;
            const [first] = this.pieces;
            this.pieces = layOut(total, this.kit.limits.pieceBytes);
            // The piece that is being fetched stays the same object.
            if (first) {
                first.end = Math.min(first.end, total);
                this.pieces.splice(0, 1, ...(total > 0 ? [first] : []));
            }
            await this.kit.spool.reserve(this.hex, total);
            this.progressed.notify();
            this.arrived.notify();
        } else if (this.size !== total) {
            await relay.discard(answer);
            throw new RelayFailure("protocol", `says ${total} bytes where ${this.size} are expected`);
        }
    }

    private async write(relay: Relay, answer: RelayAnswer, from: number, end: number, signal: AbortSignal) {
        const mayCrawl = () => !this.kit.relays.otherIsWell(relay);
        let at = from;
        for await (const chunk of relay.bytes(answer, mayCrawl, signal)) {
            if (at + chunk.length > end) {
                throw relay.failed(new RelayFailure("protocol", `sends more than ${end - from} bytes`), answer.began);
            }
            await this.writeChunk(chunk, at);
            at += chunk.length;
            this.fetched += chunk.length;
            this.contributors.add(relay);
            this.arrived.notify();
            if (this.fetched - this.noted >= this.kit.limits.noteBytes) void this.saveProgress();
        }
        if (at < end) throw relay.failed(new RelayFailure("cut", `ended ${end - at} bytes early`), answer.began);
    }

    /** Writes what is new of `chunk`: a whole answer repeats what earlier ranges brought. */
    private async writeChunk(chunk: Buffer, at: number): Promise<void> {
        const to = at + chunk.length;
        for (let index = Math.floor(at / this.kit.limits.pieceBytes); index < this.pieces.length; index++) {
            const piece = this.pieces[index];
            if (!piece || piece.start >= to) return;
            const next = piece.start + piece.have;
            const end = Math.min(to, piece.end);
            if (next < at || next >= end) continue;
            await this.writeAll(chunk.subarray(next - at, end - at), next);
            piece.have += end - next;
        }
    }

    private async writeAll(bytes: Buffer, position: number): Promise<void> {
        for (let written = 0; written < bytes.length; ) {
            try {
                written += (await this.file.write(bytes, written, bytes.length - written, position + written))
                    .bytesWritten;
            } catch (error) {
                if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
                if (await this.kit.spool.freeDisk(HASH_STEP)) continue;
                throw new Unavailable(
                    503,
                    "the disk of the uplink's spool is full: make it larger or spool.budgetGiB smaller",
                );
            }
        }
    }

    /** Reads back what is on disk without a gap, and releases what may be. */
    private async hashInOrder(signal: AbortSignal): Promise<void> {
        const buffer = Buffer.allocUnsafe(HASH_STEP);
        while (this.size === undefined || this.hashed < this.size) {
            const upTo = this.contiguous();
            if (this.hashed === upTo) {
                await this.arrived.wait(undefined, signal);
                signal.throwIfAborted();
                continue;
            }
            const { bytesRead } = await this.file.read(buffer, 0, Math.min(HASH_STEP, upTo - this.hashed), this.hashed);
            // Somebody shortened the file under us: whatever the zeros hash to, it is not the digest.
            const bytes =
                bytesRead > 0 ? buffer.subarray(0, bytesRead) : buffer.subarray(0, upTo - this.hashed).fill(0);
            this.hash.update(bytes);
            this.hashed += bytes.length;
            this.release();
        }
    }

    private contiguous(): number {
        const gap = this.pieces.find((piece) => !isFull(piece));
        return gap ? gap.start + gap.have : (this.size ?? 0);
    }

    private release(): void {
        const { checkedFirstBytes, heldBackBytes } = this.kit.limits;
        if (this.size === undefined || this.size <= checkedFirstBytes) return;
        this.released = Math.max(0, Math.min(this.hashed, this.size - heldBackBytes));
        this.progressed.notify();
    }

    /** After wrong bytes: names who sent them, forgets them, and leaves that relay out. */
    private async startAgain(): Promise<void> {
        const { log, relays } = this.kit;
        const [only] = this.contributors;
        if (only && this.contributors.size === 1 && !this.inherited) {
            this.blame(only);
            this.suspects.clear();
        } else {
            // Bytes of several relays, or of before a restart: the next round takes one relay, then it is known who.
            const names = [...this.contributors].map(({ name }) => name);
            log("error", "wrong bytes from one of several", { digest: `sha256:${this.hex}`, relays: names });
            for (const relay of this.contributors) this.suspects.add(relay);
        }
        if (this.round > relays.all.length || relays.all.every((relay) => this.distrusted.has(relay))) {
            throw new Unavailable(502, `every relay hands out wrong bytes for sha256:${this.hex}`);
        }
        this.round += 1;
        this.sole = undefined;
        this.hash = createHash("sha256");
        this.hashed = 0;
        this.released = 0;
        this.contributors = new Set();
        this.inherited = false;
        this.pieces = layOut(this.size ?? 0, this.kit.limits.pieceBytes);
        await this.file.truncate(0);
        this.progressed.notify();
    }

    private blame(relay: Relay): void {
        const digest = `sha256:${this.hex}`;
        this.kit.metrics.wrongBytes.inc({ relay: relay.name });
        this.kit.log("error", "relay hands out wrong bytes", { relay: relay.name, digest });
        this.distrusted.add(relay);
        relay.failed(
            new RelayFailure("wrong-bytes", `wrong bytes for ${digest}`),
            performance.now(),
            WRONG_BYTES_WEIGHT,
        );
    }

    /** The bytes are right now: whoever took part before and not this time sent the wrong ones. */
    private blameSuspects(): void {
        for (const relay of this.suspects) if (!this.contributors.has(relay)) this.blame(relay);
    }

    /** One at a time. A note that cannot be written costs a second fetch after a restart, nothing else. */
    private saveProgress(): Promise<void> {
        const { size, pieces, kit } = this;
        if (size === undefined) return this.saving;
        this.noted = this.fetched;
        const progress = { size, pieceBytes: kit.limits.pieceBytes, have: pieces.map(({ have }) => have) };
        this.saving = this.saving
            .then(() => kit.spool.saveProgress(this.hex, progress))
            .catch((error) => kit.log("warn", "progress not saved", { reason: String(error) }));
        return this.saving;
    }

    /** For `/status`. */
    state(): { digest: string; size: number | undefined; bytes: number; readers: number } {
        const bytes = this.pieces.reduce((sum, { have }) => sum + have, 0);
        return { digest: `sha256:${this.hex}`, size: this.size, bytes, readers: this.readers };
    }
}

function isFull({ start, end, have }: Piece): boolean {
    return have >= end - start;
}

/** The pieces of a blob, with what is there of each. */
function layOut(size: number, pieceBytes: number, have: readonly number[] = []): Piece[] {
    return Array.from({ length: Math.ceil(size / pieceBytes) }, (_, index) => {
        const start = index * pieceBytes;
        const end = Math.min(start + pieceBytes, size);
        return { start, end, have: Math.min(have[index] ?? 0, end - start), taken: false };
    });
}
