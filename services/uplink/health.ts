/** When a relay is used and when it rests: plain state over time, without timers or sockets. */

import type { RegistryRequest } from "../registry/names";

/** All times in milliseconds. */
export interface RestTimes {
    /** First rest; each further incident doubles it. */
    readonly restMs: number;
    readonly restMaxMs: number;
    /** After this long without an incident the next one counts as the first again. */
    readonly forgiveMs: number;
}

/**
 * What a 429 is about: one upstream's limit is not another's, the Hub counts manifests and not blobs, and tag lists and
 * referrers are limited by services of their own, which pulls do not need.
 */
export type Scope = `${string} ${RegistryRequest["kind"]}`;

/** The scope of a request. */
export function scopeOf({ upstream, kind }: Pick<RegistryRequest, "upstream" | "kind">): Scope {
    return `${upstream.name} ${kind}`;
}

/** The upstream that a scope is about. */
export function upstreamOf(scope: Scope): string {
    return scope.slice(0, scope.lastIndexOf(" "));
}

/** A rest that becomes longer with each incident, up to a limit. */
export class Rest {
    private incidents = 0;
    private until = 0;
    lastIncident = Number.NEGATIVE_INFINITY;

    constructor(private readonly times: RestTimes) {}

    /** Begins a rest, or lengthens it. `weight`: how many ordinary incidents it counts for. */
    begin(now: number, weight = 1): void {
        if (now - this.lastIncident > this.times.forgiveMs) this.incidents = 0;
        this.incidents += weight;
        this.lastIncident = now;
        this.until = now + Math.min(this.times.restMs * 2 ** (this.incidents - 1), this.times.restMaxMs);
    }

    /** Ends it at once; the next one is as long as if this had not ended early. */
    end(): void {
        this.until = 0;
    }

    /** Milliseconds left. */
    left(now: number): number {
        return Math.max(0, this.until - now);
    }
}

/**
 * - `well`: used in its order
 * - `resting`: answers, but failed lately: used only when no relay is well
 * - `suspect`: failed, and is being asked whether it answers at all
 * - `down`: does not answer: not used until a probe gets through
 */
export type Condition = "well" | "resting" | "suspect" | "down";

/** The health of one relay itself; what an upstream does through it is {@link UpstreamHealth}. */
export class Health {
    private readonly rest: Rest;
    private answers: "yes" | "unknown" | "no" = "yes";
    private readonly throttledUntil = new Map<Scope, number>();
    private limitedUntil = 0;

    constructor(times: RestTimes) {
        this.rest = new Rest(times);
    }

    /**
     * Counts a failure of something that began at `began`. Requests that were under way when a relay was found failing
     * fail with it: they are one incident, or four ranges cut together would rest a relay eight times as long.
     *
     * @param answers Whether it is known that the relay does not answer at all, or still to be found out.
     * @param weight How many ordinary incidents it counts for.
     * @returns False when it belongs to an incident already counted.
     */
    incident(now: number, began: number, answers: "unknown" | "no", weight = 1): boolean {
        if (began < this.rest.lastIncident) return false;
        this.rest.begin(now, weight);
        this.answers = answers;
        return true;
    }

    /**
     * A probe that began at `began` failed. It may have begun before the incident that it is to explain: then it is not
     * another one, but its outcome counts.
     */
    unanswered(now: number, began: number): void {
        this.incident(now, began, "no");
        this.answers = "no";
    }

    /** The relay answered a probe. It rests on until its time is over. */
    answered(): void {
        this.answers = "yes";
    }

    condition(now: number): Condition {
        if (this.answers === "unknown") return "suspect";
        if (this.answers === "no") return "down";
        return this.rest.left(now) > 0 ? "resting" : "well";
    }

    /** Milliseconds of rest left. */
    restLeft(now: number): number {
        return this.rest.left(now);
    }

    /** Remembers a limit of the relay's own, or of what stands before it: it is about everything. */
    limit(until: number): void {
        this.limitedUntil = Math.max(this.limitedUntil, until);
    }

    /** Remembers a 429 of an upstream. */
    throttle(scope: Scope, until: number): void {
        this.throttledUntil.set(scope, Math.max(this.throttledUntil.get(scope) ?? 0, until));
    }

    /** Milliseconds for which the relay must not be asked for `scope`. */
    throttleLeft(scope: Scope, now: number): number {
        return Math.max(0, this.limitedUntil - now, (this.throttledUntil.get(scope) ?? 0) - now);
    }

    /** Milliseconds left of each throttle that is not over; `everything` for the relay's own limit. */
    throttles(now: number): Map<Scope | "everything", number> {
        const all = [["everything", this.limitedUntil] as const, ...this.throttledUntil];
        return new Map(all.map(([scope, until]) => [scope, until - now] as const).filter(([, ms]) => ms > 0));
    }
}
