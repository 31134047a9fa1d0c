/** All upstreams through one relay. */
import type { RestTimes } from "./health";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import { Passage, type PassageFailure, type ProbeOutcome } from "./passage";
import type { UpstreamCondition } from "./upstream-health";

/** All times in milliseconds. */
export interface PassageTimes extends RestTimes {
    readonly answerMs: number;
    /** For a probe that the upstream must answer. */
    readonly upstreamProbeMs: number;
}

/** What the relay does for it. */
export interface PassageRelay {
    /** Asks an upstream something. Never rejects. */
    readonly probe: (upstream: string, answerMs: number) => Promise<ProbeOutcome>;
    /** Whether bytes are arriving. */
    readonly delivers: () => boolean;
}

export class Passages {
    private readonly known = new Map<string, Passage>();

    constructor(
        /** The relay's name. */
        private readonly relay: string,
        private readonly times: PassageTimes,
        private readonly log: Log,
        private readonly metrics: Metrics,
        private readonly changed: () => void,
        private readonly through: PassageRelay,
    ) {}

    of(upstream: string): Passage {
        const known = this.known.get(upstream);
        if (known) return known;
        const passage = new Passage(
            this.times,
            () => this.probe(upstream),
            (failure) => this.rests(upstream, failure),
            () => this.recovered(upstream),
        );
        this.known.set(upstream, passage);
        return passage;
    }

    private async probe(upstream: string): Promise<ProbeOutcome> {
        const { upstreamProbeMs, answerMs } = this.times;
        const answered = this.of(upstream).health.waits(performance.now());
        try {
            const outcome = await this.through.probe(upstream, upstreamProbeMs);
            // On a full link a probe waits behind what the relay is delivering.
            if (outcome !== "hangs" || !this.through.delivers()) return outcome;
            return await this.through.probe(upstream, answerMs);
        } finally {
            answered();
        }
    }

    private rests(upstream: string, { kind, reason }: PassageFailure): void {
        const restMs = Math.round(this.of(upstream).health.restLeft(performance.now()));
        this.metrics.upstreamFailures.inc({ relay: this.relay, upstream, kind });
        this.log("warn", "relay rests for an upstream", { relay: this.relay, upstream, kind, reason, restMs });
        this.changed();
    }

    private recovered(upstream: string): void {
        this.log("info", "upstream answers again", { relay: this.relay, upstream });
        this.changed();
    }

    /** For the gauges: a rest ends by itself, without an event. */
    noteConditions(): void {
        for (const [upstream, { condition }] of Object.entries(this.state())) {
            this.metrics.upstreamUsable.set({ relay: this.relay, upstream }, condition === "well" ? 1 : 0);
        }
    }

    /** For `/status`. */
    state(): Record<string, { condition: UpstreamCondition; restSeconds: number }> {
        const now = performance.now();
        const states = [...this.known].map(([upstream, { health }]) => {
            const restSeconds = Math.ceil(health.restLeft(now) / 1000);
            return [upstream, { condition: health.condition(now), restSeconds }] as const;
        });
        return Object.fromEntries(states);
    }

    close(): void {
        for (const passage of this.known.values()) passage.close();
    }
}
