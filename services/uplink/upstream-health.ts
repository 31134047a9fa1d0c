/** What one upstream does through one relay: plain state over time, without timers or sockets. */
import { Rest, type RestTimes } from "./health";

/**
 * - `well`: asked in the relay's order
 * - `resting`: answers, but failed for several images lately: asked when no other relay is well for this upstream
 * - `hanging`: says nothing to anything: not asked until a probe gets through
 */
export type UpstreamCondition = "well" | "resting" | "hanging";

/** This many different images must fail in a row: one odd image is that image's fault. */
const IMAGES_THAT_COUNT = 3;

export class UpstreamHealth {
    private readonly rest: Rest;
    private hangs = false;
    private lastAnswer = Number.NEGATIVE_INFINITY;
    /** When the requests that wait for an answer, or were not given one since the last answer, began. */
    private readonly waiting = new Set<{ readonly began: number }>();
    private unansweredSince = Number.POSITIVE_INFINITY;
    /** Images that failed since the last one that did not. */
    private readonly failing = new Set<string>();

    constructor(times: RestTimes) {
        this.rest = new Rest(times);
    }

    /** A request begins to wait for its answer. Returns what is to be called when it does not any more. */
    waits(now: number): () => void {
        const request = { began: now };
        this.waiting.add(request);
        return () => this.waiting.delete(request);
    }

    /** The upstream answered something, if only a refusal. Returns true when it had been silent. */
    answered(now: number): boolean {
        this.lastAnswer = now;
        this.unansweredSince = Number.POSITIVE_INFINITY;
        const hung = this.hangs;
        this.hangs = false;
        if (hung) this.rest.end();
        return hung;
    }

    /** True when the upstream has answered since `then`: whatever hangs since then is not all of it. */
    hasAnsweredSince(then: number): boolean {
        return this.lastAnswer >= then;
    }

    /** A good answer: what failed before was the images' own fault. */
    good(): void {
        this.failing.clear();
    }

    /** An image could not be had here, but through another relay. Returns true when that began a rest. */
    failed(now: number, image: string): boolean {
        this.failing.add(image);
        if (this.failing.size < IMAGES_THAT_COUNT) return false;
        this.failing.clear();
        this.rest.begin(now);
        return true;
    }

    /** It is known that nothing is answered. */
    hang(now: number): void {
        this.hangs = true;
        this.rest.begin(now);
    }

    condition(now: number): UpstreamCondition {
        if (this.hangs) return "hanging";
        return this.rest.left(now) > 0 ? "resting" : "well";
    }

    /** Milliseconds of rest left. */
    restLeft(now: number): number {
        return this.rest.left(now);
    }

    /** A request that began at `began` was not answered. */
    unanswered(began: number): void {
        if (began > this.lastAnswer) this.unansweredSince = Math.min(this.unansweredSince, began);
    }

    /** When the first request began that nothing was answered to, nor to any other since; `undefined` without one. */
    silentSince(): number | undefined {
        const began = [...this.waiting].map((request) => request.began).filter((each) => each > this.lastAnswer);
        const first = Math.min(this.unansweredSince, ...began);
        return Number.isFinite(first) ? first : undefined;
    }
}
