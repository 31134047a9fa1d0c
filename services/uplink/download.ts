/**
 * One blob on its way over the thin link, however many ask for it: fetched in ranges from whichever relay works, written
 * to a spool file in any order, hashed and released in order.
 */
import { createHash, type Hash } from "node:crypto";
import { type RegistryRequest, relayPath } from "../registry/names";
import { isDeafTo, RelayFailure, Unavailable, UpstreamFault } from "./failure";
import { lengthIn, rangeIn, singleValue, sizeInRefusal } from "./headers";
import { type Scope, scopeOf, upstreamOf } from "./health";
import { type Landing, SpoolLanding, SpoolUnusable } from "./landing";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import { imageOf } from "./passage";
import { type Piece, Pieces } from "./pieces";
import type { Relay, RelayAnswer } from "./relay";
import type { Relays } from "./relays";
import { Signal } from "./signal";
import type { Slots } from "./slots";
import type { Progress, Spool } from "./spool";
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

/** A relay, or the upstream through it, does not give ranges of this blob: the same relay may give the whole. */
class RangeRefused extends RelayFailure {
    constructor(message: string) {
        super("protocol", message);
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

    private isOpen = false;
    private pieces: Pieces;
    private hash: Hash = createHash("sha256");
    private hashed = 0;
    private readonly arrived = new Signal();
    private readonly stopped = new AbortController();

    private workers = 0;
    private useRanges = false;
    /** An answer without a length is arriving. */
    private isUnmeasured = false;
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
        private readonly landing: Landing = new SpoolLanding(hex, kit.spool),
        /** The state of the hash after what is there already, when that was hashed. */
        before?: Hash,
    ) {
        this.path = relayPath(request);
        this.scope = scopeOf(request);
        this.pieces = new Pieces(hint || undefined, kit.limits.pieceBytes);
        if (before) this.hash = before;
        this.ended = this.run(before !== undefined);
    }

    /**
     * What is needed to go on past the spool where this download had to give up, for a reader that has its file open.
     * Nothing when no byte was given out: the little that there is can as well be fetched again.
     */
    rest(): { readonly from: number; readonly progress: Progress; readonly hash: Hash } | undefined {
        if (this.released === 0 || this.size === undefined) return undefined;
        const progress = progressTo(this.hashed, this.size, this.kit.limits.pieceBytes);
        return { from: this.hashed, progress, hash: this.hash.copy() };
    }

    /** Waits until the file can be opened and the size is known, or there is something to give. Throws what it failed with. */
    async opened(): Promise<void> {
        while (!this.isOpen || (this.size === undefined && this.released === 0)) await this.next();
    }

    /** True when it is all here, and right. */
    get isWhole(): boolean {
        return this.whole;
    }

    /** True while it is looked for who has the right bytes, after wrong ones. */
    get isInDoubt(): boolean {
        return this.round > 0 && !this.whole && !this.failure;
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

    private async next(): Promise<void> {
        if (this.failure) throw this.failure;
        await this.progressed.wait();
        if (this.failure) throw this.failure;
    }

    /** Stops and keeps what is there. */
    async stop(reason = "the uplink is being stopped"): Promise<void> {
        this.stopped.abort(new Unavailable(503, reason, 1));
        await this.ended;
    }

    private async run(isHashed: boolean): Promise<void> {
        const { log, relays } = this.kit;
        try {
            await this.open(isHashed);
            try {
                const wrong = relays.wrong.get(this.path);
                if (wrong) throw new UpstreamFault(502, wrong);
                while (!(await this.attempt())) await this.startAgain();
            } finally {
                await this.saveProgress();
                await this.landing.end();
            }
            for (const relay of this.suspicion.right()) relay.liedAbout(`sha256:${this.hex}`, "wrong digest");
            await this.landing.complete();
            this.released = this.size ?? 0;
            this.whole = true;
        } catch (error) {
            this.failure = error;
            // That one says itself, once, what is the matter.
            if (!(error instanceof SpoolUnusable)) {
                log("warn", "blob not fetched", { digest: `sha256:${this.hex}`, reason: String(error) });
            }
        }
        await this.landing.close(this.failure === undefined || this.pieces.bytes > 0);
        this.progressed.notify();
    }

    /** @param isHashed Whether the state of the hash is that after what is there. */
    private async open(isHashed: boolean): Promise<void> {
        const progress = await this.landing.open();
        this.isOpen = true;
        if (progress?.pieceBytes === this.kit.limits.pieceBytes && progress.have.some((bytes) => bytes > 0)) {
            // Of another run, and of whichever relay it had asked first: a hint as well, until a relay says it again.
            this.hint = progress.size;
            this.pieces = new Pieces(progress.size, progress.pieceBytes, progress.have);
            this.suspicion = new Suspicion(true);
            if (isHashed) this.hashed = this.pieces.contiguous();
            if (this.pieces.contiguous() === progress.size) this.size = progress.size;
            await this.landing.reserve(progress.size);
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
        this.isUnmeasured = false;
        await this.landing.empty();
        if (size !== undefined) await this.landing.reserve(size);
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
                failed = error instanceof RangeRefused ? undefined : relay;
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
        // One that sends the whole would repeat what ranges of another have brought.
        const whole = this.useRanges ? this.rangeless : [];
        const avoid = new Set([...(failed ? [failed] : []), ...others, ...whole]);
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
        // Before the size is known there may be more than the first piece: of an answer without a length, that was cut.
        const isMeasured = this.expectedSize !== undefined;
        const from = isMeasured ? piece.start + piece.have : this.pieces.contiguous();
        const end = isMeasured ? piece.end : this.pieces.endOfPieceAt(from);
        const plain =
            this.rangeless.has(relay) || (from === 0 && this.expectedSize !== undefined && this.pieces.count <= 1);
        const headers: Record<string, string> = plain ? {} : { range: `bytes=${from}-${end - 1}` };
        const release = await this.kit.slots.take(() => this.readers > 0);
        try {
            signal.throwIfAborted();
            const { path, scope } = this;
            const answer = await this.kit.relays.watched(relay, { method: "GET", path, scope, headers, signal });
            const isRefused = answer.verdict.of === "refused" || answer.verdict.of === "failing";
            if (!plain && isRefused && isDeafTo("range", answer.status)) await this.refuseRanges(relay, answer);
            else if (answer.verdict.of !== "good") await this.takeRefusal(relay, answer);
            else if (answer.status === 206) await this.takeRange(relay, { start: from, end }, answer, signal);
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

    /** Asks this relay for the whole blob from now on. Always throws. */
    private async refuseRanges(relay: Relay, answer: RelayAnswer): Promise<never> {
        await relay.discard(answer);
        this.rangeless.add(relay);
        throw new RangeRefused(`answers ${answer.status} to a range`);
    }

    /** An answer to a range. ETags are not compared: they differ between a CDN's edges, and the digest decides. */
    private async takeRange(
        relay: Relay,
        asked: { readonly start: number; readonly end: number },
        answer: RelayAnswer,
        signal: AbortSignal,
    ): Promise<void> {
        const range = rangeIn(answer.headers);
        // Another part, several parts, or one that nobody knows where it belongs.
        if (range?.start !== asked.start) return await this.refuseRanges(relay, answer);
        const total = range.total ?? this.size;
        if (total === undefined) return await this.refuseRanges(relay, answer);
        await this.learnSize(relay, total, answer);
        relay.ranges = true;
        // Not always the piece that was asked for: of a blob of unknown size what is next was.
        const release = this.pieces.claim(asked.start);
        this.useRanges = true;
        this.rangesSeen.notify();
        await this.write(relay, answer, asked.start, Math.min(range.end, asked.end), signal).finally(release);
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
        const total = lengthIn(answer.headers) ?? this.size;
        if (total === undefined) return await this.takeUnmeasured(relay, answer, signal);
        await this.learnSize(relay, total, answer);
        await this.write(relay, answer, 0, total, signal);
    }

    /** The whole blob, and its size when it has come to its end. */
    private async takeUnmeasured(relay: Relay, answer: RelayAnswer, signal: AbortSignal): Promise<void> {
        this.isUnmeasured = true;
        const isEndSure = singleValue(answer.headers, "transfer-encoding") !== undefined;
        const total = await this.write(relay, answer, 0, Number.POSITIVE_INFINITY, signal);
        // It ended with its connection, which may as well have been cut: nobody is blamed if this is not all.
        if (!isEndSure) this.suspicion = new Suspicion(true);
        await this.learnSize(relay, total, answer);
    }

    /** The range is not within the blob: it has no bytes at all, or the size that was expected is wrong. */
    private async takeNoRange(relay: Relay, from: number, plain: boolean, answer: RelayAnswer): Promise<void> {
        await relay.discard(answer);
        const total = sizeInRefusal(answer.headers);
        // The only range of nothing is no range (RFC 9110 15.5.17).
        if (total === 0) return await this.learnSize(relay, 0, answer);
        // All of it had come before it was cut at its very end.
        if (this.expectedSize === undefined && total === from) return await this.learnSize(relay, total, answer);
        if (this.size === undefined && from > 0) {
            this.suspicion.contributed(relay);
            throw new SizeOverruled(total);
        }
        if (from === 0 && !plain) {
            // Nothing, or more than nothing: the plain answer says which.
            this.rangeless.add(relay);
            throw new RangeRefused("refuses a range from the first byte");
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
        await this.reserve(relay, total, answer);
        this.progressed.notify();
        this.arrived.notify();
    }

    private async reserve(relay: Relay, total: number, answer: RelayAnswer): Promise<void> {
        try {
            await this.landing.reserve(total);
        } catch (error) {
            await relay.discard(answer);
            throw error;
        }
    }

    /** Returns where it ended. */
    private async write(
        relay: Relay,
        answer: RelayAnswer,
        from: number,
        end: number,
        signal: AbortSignal,
    ): Promise<number> {
        const mayCrawl = () => !this.kit.relays.otherIsWell(relay);
        let at = from;
        for await (const chunk of relay.bytes(answer, mayCrawl, signal)) {
            if (at + chunk.length > end) {
                throw relay.failed(new RelayFailure("protocol", `sends more than ${end - from} bytes`), answer.began);
            }
            if (end === Number.POSITIVE_INFINITY) this.pieces.extendTo(this.hint ?? at + chunk.length);
            for (const { piece, from, to } of this.pieces.missing(at, chunk.length)) {
                await this.landing.write(chunk.subarray(from - at, to - at), from, signal);
                this.pieces.arrived(piece, to - from);
            }
            at += chunk.length;
            this.fetched += chunk.length;
            this.suspicion.contributed(relay);
            this.arrived.notify();
            if (this.fetched - this.noted >= this.kit.limits.noteBytes) void this.saveProgress();
        }
        if (end === Number.POSITIVE_INFINITY) return at;
        if (at < end) throw relay.failed(new RelayFailure("cut", `ended ${end - at} bytes early`), answer.began);
        return at;
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
            const length = Math.min(HASH_STEP, upTo - this.hashed);
            const bytesRead = await this.landing.read(buffer, length, this.hashed);
            // Somebody shortened the file under us: whatever the zeros hash to, it is not the digest.
            const bytes =
                bytesRead > 0 ? buffer.subarray(0, bytesRead) : buffer.subarray(0, upTo - this.hashed).fill(0);
            this.hash.update(bytes);
            this.hashed += bytes.length;
            this.landing.hashed(this.hashed);
            this.release();
        }
    }

    private release(): void {
        const { checkedFirstBytes, heldBackBytes } = this.kit.limits;
        // Of an answer that does not say how long it is, any bytes may be the last.
        const end = this.size ?? (this.isUnmeasured ? this.hashed : 0);
        if (end <= checkedFirstBytes) return;
        this.released = Math.max(this.released, Math.min(this.hashed, end - heldBackBytes));
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
        if (this.size === undefined) return this.saving;
        this.noted = this.fetched;
        this.saving = this.saving
            .then(() => this.landing.saveProgress(this.pieces))
            .catch((error) => this.kit.log("warn", "progress not saved", { reason: String(error) }));
        return this.saving;
    }

    /** For `/status`. */
    state(): { digest: string; size: number | undefined; bytes: number; readers: number } {
        return { digest: `sha256:${this.hex}`, size: this.size, bytes: this.pieces.bytes, readers: this.readers };
    }
}

/** That the first `bytes` are there. */
function progressTo(bytes: number, size: number, pieceBytes: number): Progress {
    const have = Array.from({ length: Math.ceil(size / pieceBytes) }, (_, index) =>
        Math.max(0, Math.min(pieceBytes, bytes - index * pieceBytes)),
    );
    return { size, pieceBytes, have };
}
