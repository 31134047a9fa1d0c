/** All relays together: which one is asked next, and what is said when there is none. */
import type { UplinkConfig } from "./config";
import { RelayFailure, Unavailable } from "./failure";
import type { Scope } from "./health";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import { Relay, type RelayTimes } from "./relay";
import { Signal } from "./signal";

/** Longest small answer (manifest, tag list): the spec asks for 4 MiB of manifest at least. */
const SMALL_LIMIT = 8 * 1024 * 1024;

/** A small answer, read whole. */
export interface SmallAnswer {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Buffer;
    readonly relay: Relay;
}

export interface SmallRequest {
    readonly method: "GET" | "HEAD";
    readonly path: string;
    readonly scope: Scope;
    readonly accept?: string;
    /** Says what is wrong with an answer of 200, such as a wrong digest; such an answer is not used. */
    readonly check?: (answer: SmallAnswer) => string | undefined;
}

export class Relays {
    readonly all: readonly Relay[];
    private readonly changes = new Signal();

    constructor(
        config: UplinkConfig,
        private readonly times: RelayTimes,
        private readonly log: Log,
        private readonly metrics: Metrics,
    ) {
        const changed = () => {
            this.noteConditions();
            this.changes.notify();
        };
        this.all = config.relays.map((relay) => new Relay(relay, times, log, metrics, changed));
    }

    /**
     * The relay to ask next: the first that is well, else one that rests but answers. While a relay is being found out
     * about, this waits; when none answers, the answer is at once `undefined`.
     *
     * @param avoid Taken only when there is no other.
     * @param never Not taken at all.
     */
    async next(scope: Scope, avoid: ReadonlySet<Relay>, never: ReadonlySet<Relay>): Promise<Relay | undefined> {
        for (;;) {
            const usable = this.usable(scope).filter((relay) => !never.has(relay));
            const found = usable.find((relay) => !avoid.has(relay)) ?? usable[0];
            if (found) return found;
            const suspects = this.all.filter((relay) => relay.condition() === "suspect");
            const probes = suspects.flatMap((relay) => relay.probe ?? []);
            if (probes.length === 0) return undefined;
            await Promise.race(probes);
        }
    }

    /** The relay that would be asked now. */
    first(scope: Scope): Relay | undefined {
        return this.usable(scope)[0];
    }

    /** Relays that may be asked now, best first. */
    private usable(scope: Scope): Relay[] {
        const now = performance.now();
        const open = this.all.filter((relay) => relay.health.throttleLeft(scope, now) === 0);
        const inCondition = (wanted: string) => open.filter((relay) => relay.condition() === wanted);
        return [...inCondition("well"), ...inCondition("resting")];
    }

    /** True when a relay other than `relay` is well. */
    otherIsWell(relay: Relay): boolean {
        return this.all.some((other) => other !== relay && other.condition() === "well");
    }

    /** Resolves when a relay's condition changed, or after `ms`. */
    async change(ms: number, signal?: AbortSignal): Promise<void> {
        await this.changes.wait(ms, signal);
    }

    /** Runs `request`; when it takes suspiciously long, finds out which relays are there, all at the same time. */
    async watched<T>(request: Promise<T>): Promise<T> {
        const timer = setTimeout(() => {
            for (const relay of this.all) relay.suspect();
        }, this.times.suspectMs);
        return request.finally(() => clearTimeout(timer));
    }

    /**
     * Asks one relay after another until one gives an answer that can be believed: 200, or a refusal that is the
     * upstream's own (404 and other 4xx).
     *
     * @throws Unavailable when there is none.
     */
    async ask(request: SmallRequest): Promise<SmallAnswer> {
        const broken = new Set<Relay>();
        const finished = new Set<Relay>();
        const badAnswers: { relay: Relay; status: number; began: number }[] = [];
        for (;;) {
            const relay = await this.next(request.scope, broken, finished);
            if (!relay) throw this.unavailable(request.scope, badAnswers.at(-1));
            // A broken connection earns one more try, anything else none.
            if (broken.has(relay)) finished.add(relay);
            broken.add(relay);
            const began = performance.now();
            try {
                const answer = await this.askOne(relay, request);
                if (answer.status === 429) {
                    relay.throttled(request.scope, answer.headers["retry-after"]);
                } else if (answer.status >= 500) {
                    finished.add(relay);
                    badAnswers.push({ relay, status: answer.status, began });
                    relay.badAnswer(answer.status, began);
                } else {
                    relay.goodAnswer();
                    // Another relay could: so the failure was the relay's, not the upstream's.
                    for (const bad of badAnswers) {
                        bad.relay.failed(new RelayFailure("upstream", `answers ${bad.status}`), bad.began);
                    }
                    return answer;
                }
            } catch (error) {
                if (!(error instanceof RelayFailure)) throw error;
                if (error.kind === "wrong-bytes") finished.add(relay);
            }
        }
    }

    private async askOne(relay: Relay, { method, path, accept, check }: SmallRequest): Promise<SmallAnswer> {
        const headers: Record<string, string> = accept ? { accept } : {};
        const answer = await this.watched(relay.request({ method, path, headers }));
        const body = await relay.small(answer, SMALL_LIMIT);
        const small = { status: answer.status, headers: singleValues(answer.headers), body, relay };
        const problem = answer.status === 200 ? check?.(small) : undefined;
        if (problem) {
            this.metrics.wrongBytes.inc({ relay: relay.name });
            this.log("error", "relay hands out wrong bytes", { relay: relay.name, path, problem });
            throw relay.failed(new RelayFailure("wrong-bytes", problem), answer.began, WRONG_BYTES_WEIGHT);
        }
        return small;
    }

    /** Why nobody can be asked, in one sentence with every relay in it. */
    unavailable(scope: Scope, bad?: { readonly relay: Relay; readonly status: number }): Unavailable {
        const now = performance.now();
        const throttles = this.all.map((relay) => relay.health.throttleLeft(scope, now)).filter((ms) => ms > 0);
        if (throttles.length > 0 && this.usable(scope).length === 0) {
            const seconds = Math.ceil(Math.min(...throttles) / 1000);
            return new Unavailable(429, `the upstream allows no more requests for now: ${this.states(scope)}`, seconds);
        }
        const last = bad ? `${bad.relay.name} answered ${bad.status}; ` : "";
        return new Unavailable(503, `no relay can be used: ${last}${this.states(scope)}`, 1);
    }

    private states(scope: Scope): string {
        const now = performance.now();
        return this.all
            .map((relay) => {
                const throttled = Math.ceil(relay.health.throttleLeft(scope, now) / 1000);
                const [last] = relay.failures;
                const failure = last ? `, last failure: ${last.reason}` : "";
                return throttled > 0
                    ? `${relay.name} is throttled for ${throttled} s`
                    : `${relay.name} is ${relay.condition()}${failure}`;
            })
            .join("; ");
    }

    /** Sets the gauges: a rest ends by itself, without an event. */
    noteConditions(): void {
        for (const relay of this.all) {
            this.metrics.relayUsable.set({ relay: relay.name }, relay.condition() === "well" ? 1 : 0);
        }
    }

    /** For `/status`. */
    state(): ReturnType<Relay["state"]>[] {
        return this.all.map((relay) => relay.state());
    }

    async close(): Promise<void> {
        await Promise.all(this.all.map((relay) => relay.close()));
    }
}

/** A liar rests as after this many ordinary failures: its answers to `/v2/` prove nothing. */
export const WRONG_BYTES_WEIGHT = 5;

/** Header values as single texts. */
export function singleValues(headers: Record<string, string | string[] | undefined>): Record<string, string> {
    return Object.fromEntries(
        Object.entries(headers).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
        ),
    );
}
