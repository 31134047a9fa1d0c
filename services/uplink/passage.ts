/** One upstream through one relay: its health there, and the questions that find out about it. */
import { DEFAULT_UPSTREAM } from "../registry/upstreams";
import { RelayFailure } from "./failure";
import type { RestTimes } from "./health";
import { Slots } from "./slots";
import { UpstreamHealth } from "./upstream-health";

/** What a probe found: `unclear` when the relay itself failed, or delivers so much that a probe waits behind it. */
export type ProbeOutcome = "answers" | "hangs" | "unclear";

/** What is noted of a failure, in the words of the log. */
export interface PassageFailure {
    readonly kind: "hang" | "images";
    readonly reason: string;
}

/** An upstream that hangs is probed by itself for this long after it was wanted last. */
const WANTED_MS = 10 * 60 * 1000;

/** Requests of one upstream that wait for an answer at once: what says nothing is not to hold all connections. */
const WAITING_MAX = 24;

export class Passage {
    readonly health: UpstreamHealth;
    private readonly slots = new Slots(WAITING_MAX);
    private probing: Promise<void> | undefined;
    /** Somebody waits for the probe. */
    private awaited = false;
    private timer: NodeJS.Timeout | undefined;
    private lastWanted = Number.NEGATIVE_INFINITY;
    private closed = false;

    constructor(
        times: RestTimes,
        /** Asks the upstream something, through the relay. Never rejects. */
        private readonly ask: () => Promise<ProbeOutcome>,
        /** Called when the upstream begins to rest here. */
        private readonly rests: (failure: PassageFailure) => void,
        /** Called when it answers again. */
        private readonly recovered: () => void,
    ) {
        this.health = new UpstreamHealth(times);
    }

    /**
     * Waits until one more request may be sent. Returns what is to be called when it has its answer, or will have none.
     *
     * @throws RelayFailure when the upstream was found to hang meanwhile.
     */
    async enter(signal?: AbortSignal): Promise<() => void> {
        const leave = await this.slots.take(() => true);
        if (!signal?.aborted && this.health.condition(performance.now()) !== "hanging") return leave;
        leave();
        signal?.throwIfAborted();
        throw new RelayFailure("hang", "the upstream says nothing");
    }

    /** The upstream answered a request, be it a refusal. */
    answered(): void {
        if (!this.health.answered(performance.now())) return;
        clearTimeout(this.timer);
        this.recovered();
    }

    /** An image could not be had here, but through another relay. Where it is to be had nowhere, that says nothing. */
    failed(image: string, reason: string): void {
        if (!this.health.failed(performance.now(), image)) return;
        this.rests({ kind: "images", reason: `several images in a row failed, ${image} last: ${reason}` });
    }

    /** A request that began at `began` was not answered. */
    unanswered(began: number): void {
        this.health.unanswered(began);
        this.suspect(began);
    }

    /** A request that began at `began` waits suspiciously long. One image may hang alone: what is unlike it is asked. */
    suspect(began: number): void {
        if (this.health.condition(performance.now()) === "hanging" || this.health.hasAnsweredSince(began)) return;
        this.startProbe();
    }

    /** Somebody wants this upstream. */
    wanted(): void {
        this.lastWanted = performance.now();
    }

    /**
     * When it hung, has rested, and nobody has wanted it meanwhile: the probe that is due now, for waiting. Nothing while
     * it is known to hang.
     */
    wake(): Promise<void> | undefined {
        if (this.health.condition(performance.now()) !== "hanging") return undefined;
        if (!this.probing && this.health.restLeft(performance.now()) === 0) {
            this.awaited = true;
            this.startProbe();
        }
        return this.awaited ? this.probing : undefined;
    }

    private startProbe(): void {
        clearTimeout(this.timer);
        if (this.probing || this.closed) return;
        this.probing = this.probe().finally(() => {
            this.probing = undefined;
            this.awaited = false;
        });
    }

    private async probe(): Promise<void> {
        const began = performance.now();
        const hung = this.health.condition(began) === "hanging";
        const outcome = await this.ask();
        if (this.closed) return;
        if (outcome === "answers") this.answered();
        // What was answered meanwhile speaks for the upstream; a probe that could not be asked, for nothing.
        else if (hung ? this.health.condition(began) === "hanging" : this.isSilent(outcome, began)) this.hang(hung);
    }

    private isSilent(outcome: ProbeOutcome, began: number): boolean {
        return outcome === "hangs" && !this.health.hasAnsweredSince(began);
    }

    private hang(again: boolean): void {
        this.health.hang(performance.now());
        if (!again) this.rests({ kind: "hang", reason: "answers nothing, while the relay itself does" });
        this.timer = setTimeout(() => {
            if (performance.now() - this.lastWanted < WANTED_MS) this.startProbe();
        }, this.health.restLeft(performance.now())).unref();
    }

    close(): void {
        this.closed = true;
        clearTimeout(this.timer);
    }
}

/**
 * What a probe asks for: an image that no registry has. That it has none is an answer, its token service has a part in it,
 * no pull is counted for it, and one odd image has no part in it.
 */
export function probePath(upstream: string): string {
    const prefix = upstream === DEFAULT_UPSTREAM ? "" : `${upstream}/`;
    return `/v2/${prefix}dockermirror/probe/manifests/none`;
}

/** The image that a path is about. */
export function imageOf(path: string): string {
    return path.replace(/^\/v2\//, "").replace(/\/(?:manifests|blobs|tags|referrers)\/.*$/, "");
}
