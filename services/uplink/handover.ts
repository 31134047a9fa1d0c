/**
 * Gives the cache what it does not have. The front sends clients' questions about such a blob straight here: an engine
 * answers a Range with the whole blob, and when its disk is full it breaks off in the middle. So nobody but this asks the
 * engine for it, once the blob is here.
 */
import { once } from "node:events";
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { relayPath } from "../registry/names";
import { type BlobRequest, type Blobs, sizeAtEnd } from "./blobs";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import { Slots } from "./slots";

/** All times in milliseconds. */
export interface HandoverTimes {
    /** Without a byte of the cache. */
    readonly silentMs: number;
    /** Until the cache has written what it took: distribution 2.8 fetches it a second time for that, and may fail alone. */
    readonly keptMs: number;
    /** After the cache did not keep one, such as with a full disk. */
    readonly restMs: number;
}

export const HANDOVER_TIMES: HandoverTimes = { silentMs: 60_000, keptMs: 20_000, restMs: 60_000 };
const LOOK_MS = 50;
/** Questions to the cache for one blob. */
const TRIES = 3;

/** Blobs that may wait; each comes again with the next request for it. */
const WAITING = 1000;
/** Blobs that the cache is made to ask for at once. */
const AT_ONCE = 2;

export class Handover {
    private readonly waiting = new Map<string, Promise<void>>();
    private readonly slots = new Slots(AT_ONCE);
    private readonly ending = new AbortController();
    private restUntil = 0;

    /** @param cache Origin of the engine: `http://cache:5000`. */
    constructor(
        private readonly cache: string,
        private readonly blobs: Blobs,
        private readonly log: Log,
        private readonly metrics: Metrics,
        private readonly times: HandoverTimes = HANDOVER_TIMES,
    ) {}

    /** The cache does not have this blob, which is here or on its way. */
    offer(request: BlobRequest): void {
        const path = relayPath(request);
        if (this.rests || this.waiting.has(path) || this.waiting.size >= WAITING) return;
        const given = this.give(path, request)
            .then((kept) => {
                if (kept) this.metrics.handovers.inc({ outcome: "kept" });
            })
            .catch((error: unknown) => this.refused(path, error))
            .finally(() => this.waiting.delete(path));
        this.waiting.set(path, given);
    }

    private get rests(): boolean {
        return this.ending.signal.aborted || performance.now() < this.restUntil;
    }

    private refused(path: string, error: unknown): void {
        if (this.ending.signal.aborted) return;
        this.metrics.handovers.inc({ outcome: "refused" });
        this.log("warn", "the cache does not keep a blob", { path, reason: String(error) });
        this.restUntil = performance.now() + this.times.restMs;
    }

    /** Ends what is under way, once what it reads has ended. */
    async stop(): Promise<void> {
        this.ending.abort();
        await Promise.all(this.waiting.values());
    }

    /** False when there is nothing to give, or no use in it. */
    private async give(path: string, request: BlobRequest): Promise<boolean> {
        // It would cross the link once more.
        if (!(await this.blobs.canSpool(request))) return false;
        // As a reader, for whom it stays: one that is larger than the spool's budget goes with its last reader.
        const source = await this.blobs.open(request).catch(() => undefined);
        if (!source) return false;
        try {
            if (source.from === "store") return false;
            if ((await sizeAtEnd(source).catch(() => undefined)) === undefined) return false;
            const leave = await this.slots.take(() => true);
            try {
                if (this.rests) return false;
                for (let tried = 0; tried < TRIES; tried += 1) {
                    await this.makeItAsk(path);
                    if (await this.isKept(request)) return true;
                }
                throw new Error("it took the blob and did not store it");
            } finally {
                leave();
            }
        } finally {
            await source.close();
        }
    }

    /** Asks the cache for the blob, for which it asks here. */
    private async makeItAsk(path: string): Promise<void> {
        const { signal } = this.ending;
        const { silentMs } = this.times;
        const request = get(`${this.cache}${path}`, { agent: false, signal, timeout: silentMs });
        request.once("timeout", () => request.destroy(new Error(`the cache has been silent for ${silentMs / 1000} s`)));
        const [response] = await once(request, "response", { signal });
        for await (const _ of response) {
            // Only that it is read counts: the cache writes what it sends.
        }
        if (response.statusCode !== 200) throw new Error(`the cache answers ${response.statusCode}`);
    }

    /** The last byte is sent before the blob is in its place. */
    private async isKept(request: BlobRequest): Promise<boolean> {
        const until = performance.now() + this.times.keptMs;
        while (!(await this.blobs.isStored(request))) {
            if (performance.now() > until) return false;
            await sleep(LOOK_MS, undefined, { signal: this.ending.signal });
        }
        return true;
    }

    /** Blobs under way, for `/status`. */
    get underWay(): number {
        return this.waiting.size;
    }
}
