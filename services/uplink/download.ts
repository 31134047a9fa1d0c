/**
 * One blob on its way over the thin link, however many ask for it: fetched in ranges from whichever relay works, written
 * to a spool file in any order, hashed and released in order.
 */
import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { type RegistryRequest, relayPath } from "../registry/names";
import { BlobUnknown, RelayFailure, Unavailable } from "./failure";
import { type Scope, scopeOf } from "./health";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import { type Piece, Pieces } from "./pieces";
import type { Relay, RelayAnswer } from "./relay";
import { type Relays, WRONG_BYTES_WEIGHT } from "./relays";
import { Signal } from "./signal";
import type { Slots } from "./slots";
import type { Spool } from "./spool";
import { Suspicion } from "./suspicion";

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

const HASH_STEP = 1024 * 1024;

/** Failures in a row without one new byte after which a piece is given up. */
const FRUITLESS_LIMIT = 6;

export class Download {
    /** On a relay. */
    readonly path: string;
    private readonly scope: Scope;
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

    private handle: FileHandle | undefined;
    private pieces: Pieces;
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
    private saving: Promise<void> = Promise.resolve();

    /** Relays that answered 404, sent the whole blob when asked for a range, or answered 5xx. */
    private readonly missing = new Set<Relay>();
    private readonly rangeless = new Set<Relay>();
    private readonly badAnswers = new Map<Relay, { readonly status: number; readonly began: number }>();
    private suspicion = new Suspicion(false);

    /**
     * @param hex The blob's SHA-256.
     * @param request Whose it is, for the path on a relay.
     * @param size Its size, where a manifest told.
     */
    constructor(
        private readonly hex: string,
        request: RegistryRequest,
        private size: number | undefined,
        private readonly kit: DownloadKit,
    ) {
        this.path = relayPath(request);
        this.scope = scopeOf(request);
        this.pieces = new Pieces(size, kit.limits.pieceBytes);
        this.ended = this.run();
    }

    /** The size, as soon as it is known and the file can be opened. Throws what the download failed with. */
    async opened(): Promise<number> {
        while (this.size === undefined || !this.handle) await this.next();
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

    private get file(): FileHandle {
        if (!this.handle) throw new Error("the spool's file is not open yet");
        return this.handle;
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
        try {
            await this.open();
            try {
                while (!(await this.attempt())) await this.startAgain();
            } finally {
                await this.saveProgress();
                await this.file.close();
            }
            for (const relay of this.suspicion.right()) this.blame(relay);
            await spool.complete(this.hex);
            this.released = this.size ?? 0;
            this.whole = true;
        } catch (error) {
            this.failure = error;
            log("warn", "blob not fetched", { digest: `sha256:${this.hex}`, reason: String(error) });
        }
        if (this.failure && this.pieces.bytes === 0) spool.discard(this.hex);
        await spool.leave(this.hex);
        this.progressed.notify();
    }

    private async open(): Promise<void> {
        const { spool, limits } = this.kit;
        const { file, progress } = await spool.openPart(this.hex);
        this.handle = file;
        if (progress?.pieceBytes === limits.pieceBytes && (this.size ?? progress.size) === progress.size) {
            this.size = progress.size;
            this.pieces = new Pieces(progress.size, limits.pieceBytes, progress.have);
            this.suspicion = new Suspicion(this.pieces.bytes > 0);
        }
        if (this.size !== undefined) await spool.reserve(this.hex, this.size);
        this.progressed.notify();
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
        if (this.size !== undefined && this.kit.relays.first(this.scope)?.ranges) this.useRanges = true;
        await Promise.race([first, this.rangesKnown(signal)]);
        const others = Math.min(this.kit.limits.ranges, this.pieces.count) - 1;
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
            for (let piece = this.pieces.take(); piece; piece = this.pieces.take()) {
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

    /** Returns false when the worker resigned: a relay without ranges sends all to one, so all but the last must go. */
    private async fetchPiece(piece: Piece, signal: AbortSignal): Promise<boolean> {
        let failed: Relay | undefined;
        let fruitless = 0;
        while (!this.pieces.full(piece)) {
            const relay = await this.nextRelay(failed, signal);
            if (this.rangeless.has(relay) && this.workers > 1) {
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
                if (fruitless >= FRUITLESS_LIMIT) {
                    throw new Unavailable(503, `no relay gets on with the blob: ${relay.name} ${error.message}`, 1);
                }
            }
        }
        return true;
    }

    /** A download that has begun waits some time for a relay; one that has nothing yet says so at once. */
    private async nextRelay(failed: Relay | undefined, signal: AbortSignal): Promise<Relay> {
        const { relays, limits } = this.kit;
        const { sole, liars } = this.suspicion;
        const others = sole && sole !== failed ? relays.all.filter((relay) => relay !== sole) : [];
        const avoid = new Set([...this.missing, ...(failed ? [failed] : []), ...others]);
        const deadline = performance.now() + limits.patienceMs;
        for (;;) {
            signal.throwIfAborted();
            const relay = await relays.next(this.scope, avoid, liars);
            if (relay) {
                this.suspicion.chosen(relay);
                return relay;
            }
            const left = deadline - performance.now();
            if (this.fetched === 0 || left <= 0) throw relays.unavailable(this.scope);
            await relays.change(left, signal);
        }
    }

    private async receive(relay: Relay, piece: Piece, signal: AbortSignal): Promise<void> {
        const from = piece.start + piece.have;
        const plain = this.rangeless.has(relay) || (from === 0 && this.size !== undefined && this.pieces.count <= 1);
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
        if (!plain) {
            relay.ranges = false;
            this.rangeless.add(relay);
        }
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
            relay.throttled(this.scope, headers["retry-after"]?.toString());
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
            this.pieces.setSize(total);
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
            for (const { piece, from, to } of this.pieces.missing(at, chunk.length)) {
                await this.writeAll(chunk.subarray(from - at, to - at), from);
                this.pieces.arrived(piece, to - from);
            }
            at += chunk.length;
            this.fetched += chunk.length;
            this.suspicion.contributed(relay);
            this.arrived.notify();
            if (this.fetched - this.noted >= this.kit.limits.noteBytes) void this.saveProgress();
        }
        if (at < end) throw relay.failed(new RelayFailure("cut", `ended ${end - at} bytes early`), answer.began);
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
            const upTo = this.pieces.contiguous();
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

    private release(): void {
        const { checkedFirstBytes, heldBackBytes } = this.kit.limits;
        if (this.size === undefined || this.size <= checkedFirstBytes) return;
        this.released = Math.max(0, Math.min(this.hashed, this.size - heldBackBytes));
        this.progressed.notify();
    }

    /** After wrong bytes: names who sent them, forgets them, and begins another round. */
    private async startAgain(): Promise<void> {
        const { log, relays, limits } = this.kit;
        const verdict = this.suspicion.wrong();
        if ("liar" in verdict) {
            this.blame(verdict.liar);
        } else {
            const names = verdict.suspects.map(({ name }) => name);
            log("error", "wrong bytes from one of several", { digest: `sha256:${this.hex}`, relays: names });
        }
        this.round += 1;
        this.hash = createHash("sha256");
        this.hashed = 0;
        this.released = 0;
        this.pieces = new Pieces(this.size, limits.pieceBytes);
        // In place: readers that have no byte yet keep the file open and stay.
        await this.file.truncate(0);
        if (this.round > relays.all.length || relays.all.every((relay) => this.suspicion.liars.has(relay))) {
            throw new Unavailable(502, `every relay hands out wrong bytes for sha256:${this.hex}`);
        }
        this.progressed.notify();
    }

    private blame(relay: Relay): void {
        const digest = `sha256:${this.hex}`;
        this.kit.metrics.wrongBytes.inc({ relay: relay.name });
        this.kit.log("error", "relay hands out wrong bytes", { relay: relay.name, digest });
        relay.failed(
            new RelayFailure("wrong-bytes", `wrong bytes for ${digest}`),
            performance.now(),
            WRONG_BYTES_WEIGHT,
        );
    }

    /** One at a time. A note that cannot be written costs a second fetch after a restart, nothing else. */
    private saveProgress(): Promise<void> {
        const { kit } = this;
        const progress = this.pieces.progress();
        if (!progress) return this.saving;
        this.noted = this.fetched;
        this.saving = this.saving
            .then(() => kit.spool.saveProgress(this.hex, progress))
            .catch((error) => kit.log("warn", "progress not saved", { reason: String(error) }));
        return this.saving;
    }

    /** For `/status`. */
    state(): { digest: string; size: number | undefined; bytes: number; readers: number } {
        return { digest: `sha256:${this.hex}`, size: this.size, bytes: this.pieces.bytes, readers: this.readers };
    }
}
