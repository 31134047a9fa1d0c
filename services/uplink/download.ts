/**
 * One blob on its way over the thin link, however many ask for it: fetched in ranges from whichever relay works, written
 * to a spool file in any order, hashed and released in order.
 */
import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { type RegistryRequest, relayPath } from "../registry/names";
import { RelayFailure, Unavailable, UpstreamFault } from "./failure";
import { type Scope, scopeOf, upstreamOf } from "./health";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import { imageOf } from "./passage";
import { type Piece, Pieces } from "./pieces";
import type { Relay, RelayAnswer } from "./relay";
import type { Relays } from "./relays";
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

/** A manifest's size is not the blob's: another round begins, with this one. `undefined`: it is to be asked for. */
class SizeOverruled extends Error {
    constructor(readonly size: number | undefined) {
        super("a manifest names another size");
    }
}

export class Download {
    /** On a relay. */
    readonly path: string;
    private readonly scope: Scope;
    /** Resolves when nothing more will happen; never rejects. */
    readonly ended: Promise<void>;
    /** Readers that wait for it; what has none gives way to what has. */
    readers = 0;
    private failure: unknown;
    /** As an answer of a relay says; what a manifest says is a hint alone. */
    private size: number | undefined;
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

    /** Relays through which the upstream refuses, or fails for, this blob: what it answers there. */
    private readonly refusals = new Map<Relay, number>();
    private readonly failing = new Map<Relay, number>();
    /** Relays that do not follow where the upstream redirects to. */
    private readonly redirects = new Map<Relay, string | undefined>();
    /** Relays that sent the whole blob when asked for a range, or answered 5xx without saying whose it is. */
    private readonly rangeless = new Set<Relay>();
    private readonly badAnswers = new Map<Relay, { readonly status: number; readonly began: number }>();
    /** Relays through which the upstream says nothing to this blob. */
    private readonly hanging = new Set<Relay>();
    private suspicion = new Suspicion(false);

    /**
     * @param hex The blob's SHA-256.
     * @param request Whose it is, for the path on a relay.
     * @param hint Its size, as a manifest of its repository says.
     */
    constructor(
        private readonly hex: string,
        request: RegistryRequest,
        private hint: number | undefined,
        private readonly kit: DownloadKit,
    ) {
        this.path = relayPath(request);
        this.scope = scopeOf(request);
        this.pieces = new Pieces(hint || undefined, kit.limits.pieceBytes);
        this.ended = this.run();
    }

    /** Waits until the size is known and the file can be opened. Throws what the download failed with. */
    async opened(): Promise<void> {
        while (this.size === undefined || !this.handle) await this.next();
    }

    /** The size, once a relay has said it. */
    get knownSize(): number | undefined {
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
        const { spool, log, relays } = this.kit;
        try {
            await this.open();
            try {
                const wrong = relays.wrong.get(this.path);
                if (wrong) throw new UpstreamFault(502, wrong);
                while (!(await this.attempt())) await this.startAgain();
            } finally {
                await this.saveProgress();
                await this.file.close();
            }
            for (const relay of this.suspicion.right()) relay.liedAbout(`sha256:${this.hex}`, "wrong digest");
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
        if (progress?.pieceBytes === limits.pieceBytes && progress.have.some((bytes) => bytes > 0)) {
            // Of another run, and of whichever relay it had asked first: a hint as well, until a relay says it again.
            this.hint = progress.size;
            this.pieces = new Pieces(progress.size, limits.pieceBytes, progress.have);
            this.suspicion = new Suspicion(true);
            if (this.pieces.contiguous() === progress.size) this.size = progress.size;
            await spool.reserve(this.hex, progress.size);
        }
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
        if (!this.stopped.signal.aborted && signal.reason instanceof SizeOverruled) {
            await this.begin(signal.reason.size);
            return await this.attempt();
        }
        signal.throwIfAborted();
        return this.hash.digest("hex") === this.hex;
    }

    /** From the first byte, with what is known of the size. */
    private async begin(size: number | undefined): Promise<void> {
        this.size = size;
        this.hint = undefined;
        this.pieces = new Pieces(size, this.kit.limits.pieceBytes);
        this.hash = createHash("sha256");
        this.hashed = 0;
        this.released = 0;
        this.useRanges = false;
        // In place: readers that have no byte yet keep the file open and stay.
        await this.file.truncate(0);
        if (size !== undefined) await this.kit.spool.reserve(this.hex, size);
        this.progressed.notify();
    }

    /** What a relay or, as long as none has, a manifest says. */
    private get expectedSize(): number | undefined {
        return this.size ?? (this.hint || undefined);
    }

    private async fetch(signal: AbortSignal, part: (work: Promise<void>) => Promise<void>): Promise<void> {
        const first = part(this.worker(signal));
        const workers = [first];
        // The first request goes alone until it is known how large the blob is and whether the relay honours ranges:
        // a relay that does not would send the whole blob five times.
        if (this.expectedSize !== undefined && this.kit.relays.first(this.scope)?.ranges) this.useRanges = true;
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
                if (error.kind === "hang" && this.fetched === 0) this.hanging.add(relay);
                if (fruitless >= FRUITLESS_LIMIT) {
                    const status = this.failing.get(relay);
                    if (status !== undefined) throw this.fault(status);
                    throw new Unavailable(503, `no relay gets on with the blob: ${relay.name} ${error.message}`, 1);
                }
            }
        }
        return true;
    }

    /**
     * A download that has begun waits some time for a relay; one that has nothing yet says so at once, and is not asked
     * for twice where it was not to be had.
     */
    private async nextRelay(failed: Relay | undefined, signal: AbortSignal): Promise<Relay> {
        const { relays, limits } = this.kit;
        const { sole, wrongAlone } = this.suspicion;
        const others = sole && sole !== failed ? relays.all.filter((relay) => relay !== sole) : [];
        const avoid = new Set([...(failed ? [failed] : []), ...others]);
        const deadline = performance.now() + limits.patienceMs;
        for (;;) {
            signal.throwIfAborted();
            const failing = this.fetched === 0 ? [...this.failing.keys(), ...this.hanging] : [];
            const refusing = [...this.refusals.keys(), ...this.redirects.keys()];
            const relay = await relays.next(this.scope, avoid, new Set([...wrongAlone, ...refusing, ...failing]));
            if (relay) {
                this.suspicion.chosen(relay);
                return relay;
            }
            this.concludeRefused();
            if (wrongAlone.size > 0) throw this.allWrong();
            const left = deadline - performance.now();
            if (this.fetched === 0 || left <= 0) throw this.unavailable();
            await relays.change(left, signal);
        }
    }

    /** No relay can be asked any more: throws what the upstream says to that, if it said something. */
    private concludeRefused(): void {
        const [refusal] = this.refusals.values();
        if (refusal !== undefined) throw this.fault(refusal);
        const [failing] = this.fetched === 0 ? this.failing.values() : [];
        if (failing !== undefined) throw this.fault(failing);
        const [redirect] = this.redirects;
        if (!redirect) return;
        throw new Unavailable(502, this.kit.relays.redirects.note(upstreamOf(this.scope), redirect[1]));
    }

    private unavailable(): Unavailable {
        const [bad] = this.badAnswers;
        return this.kit.relays.unavailable(this.scope, bad && { relay: bad[0], status: bad[1].status });
    }

    private fault(status: number): UpstreamFault {
        const what = `sha256:${this.hex} of ${imageOf(this.path)}`;
        const said = status === 404 ? "has no blob" : `answers ${status} to the blob`;
        return new UpstreamFault(status, `${upstreamOf(this.scope)} ${said} ${what}`);
    }

    private async receive(relay: Relay, piece: Piece, signal: AbortSignal): Promise<void> {
        const from = piece.start + piece.have;
        const plain =
            this.rangeless.has(relay) || (from === 0 && this.expectedSize !== undefined && this.pieces.count <= 1);
        const headers: Record<string, string> = plain ? {} : { range: `bytes=${from}-${piece.end - 1}` };
        const release = await this.kit.slots.take(() => this.readers > 0);
        try {
            signal.throwIfAborted();
            const { path, scope } = this;
            const answer = await this.kit.relays.watched(relay, { method: "GET", path, scope, headers, signal });
            if (answer.verdict.of !== "good") await this.takeRefusal(relay, answer);
            else if (answer.status === 206) await this.takeRange(relay, piece, from, answer, signal);
            else if (answer.status === 200) await this.takeWhole(relay, plain, answer, signal);
            else if (answer.status === 416) await this.takeNoRange(relay, from, plain, answer);
            else {
                await relay.discard(answer);
                throw relay.failed(new RelayFailure("protocol", `answers ${answer.status} to a blob`), answer.began);
            }
        } finally {
            release();
        }
        // This one could: so what the others answered was their own failure, not the upstream's.
        for (const [other, bad] of this.badAnswers) {
            if (other !== relay) other.failed(new RelayFailure("upstream", `answers ${bad.status}`), bad.began);
        }
        this.badAnswers.clear();
        for (const [other, status] of [...this.refusals, ...this.failing]) {
            other.passage(this.scope).failed(imageOf(this.path), `answers ${status}`);
        }
        this.refusals.clear();
        this.failing.clear();
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

    /** The range is not within the blob: it has no bytes at all, or the size that was expected is wrong. */
    private async takeNoRange(relay: Relay, from: number, plain: boolean, answer: RelayAnswer): Promise<void> {
        await relay.discard(answer);
        const said = /^bytes \*\/(\d+)$/.exec(String(answer.headers["content-range"]))?.[1];
        const total = said === undefined ? undefined : Number(said);
        // The only range of nothing is no range (RFC 9110 15.5.17).
        if (total === 0) return await this.learnSize(relay, 0, answer);
        if (this.size === undefined && from > 0) {
            this.suspicion.contributed(relay);
            throw new SizeOverruled(total);
        }
        if (from === 0 && !plain) {
            // Nothing, or more than nothing: the plain answer says which.
            this.rangeless.add(relay);
            throw new RelayFailure("protocol", "refuses a range from the first byte");
        }
        throw relay.failed(new RelayFailure("protocol", "answers 416 to a blob"), answer.began);
    }

    /** Anything but the blob. Always throws: RelayFailure where it is worth to go on. */
    private async takeRefusal(relay: Relay, answer: RelayAnswer): Promise<never> {
        const { status, began, verdict } = answer;
        await relay.discard(answer);
        switch (verdict.of) {
            case "refused":
                // A blob that one relay's upstream does not have, another's may: a copy in another region is behind.
                if (status !== 404 && !verdict.meansTheRelay) throw this.fault(status);
                this.refusals.set(relay, status);
                break;
            case "own":
                this.refusals.set(relay, status);
                break;
            case "failing":
                this.failing.set(relay, status);
                break;
            case "redirect":
                this.redirects.set(relay, verdict.host);
                break;
            case "unreachable":
                if (this.fetched === 0) this.hanging.add(relay);
                break;
            case "unknown":
                this.badAnswers.set(relay, { status, began });
                relay.badAnswer(status, began);
                break;
        }
        throw new RelayFailure("upstream", `answers ${status}`);
    }

    private async learnSize(relay: Relay, total: number, answer: RelayAnswer): Promise<void> {
        if (this.size === total) return;
        if (this.size !== undefined) {
            await relay.discard(answer);
            throw new RelayFailure("protocol", `says ${total} bytes where ${this.size} are expected`);
        }
        // Who says a size has a part in the outcome, if it is the only one: a blob of nothing has no bytes.
        this.suspicion.contributed(relay);
        if (this.hint !== undefined && this.hint !== total) {
            await relay.discard(answer);
            throw new SizeOverruled(total);
        }
        this.size = total;
        if (!this.hint) this.pieces.setSize(total);
        await this.kit.spool.reserve(this.hex, total);
        this.progressed.notify();
        this.arrived.notify();
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

    /**
     * After wrong bytes: forgets them, and begins another round, from another relay. Nobody is blamed before that one has
     * the right ones.
     */
    private async startAgain(): Promise<void> {
        const { log, relays } = this.kit;
        const suspects = this.suspicion.wrong();
        const digest = `sha256:${this.hex}`;
        const message = suspects.length > 1 ? "wrong bytes from one of several" : "wrong bytes, another relay is asked";
        log("error", message, { digest, relays: suspects.map(({ name }) => name) });
        this.round += 1;
        // Whoever sent other bytes may have said another size as well.
        await this.begin(undefined);
        const { wrongAlone } = this.suspicion;
        const other = await relays.next(this.scope, new Set(), wrongAlone);
        if (this.round > relays.all.length + 1 || !other) {
            throw this.allWrong();
        }
    }

    private allWrong(): UpstreamFault {
        const what = `sha256:${this.hex}`;
        return this.kit.relays.allWrong(this.path, this.scope, what, [...this.suspicion.wrongAlone], "wrong digest");
    }

    /** One at a time. A note that cannot be written costs a second fetch after a restart, nothing else. */
    private saveProgress(): Promise<void> {
        const { kit } = this;
        const progress = this.size === undefined ? undefined : this.pieces.progress();
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
