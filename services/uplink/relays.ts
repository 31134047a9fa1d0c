/** All relays together: which one is asked next, and what is said when there is none. */
import type { RelayConfig, UplinkConfig } from "./config";
import { RelayFailure, Unavailable, UpstreamFault } from "./failure";
import { singleValues } from "./headers";
import { type Scope, upstreamOf } from "./health";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import { imageOf } from "./passage";
import { RefusedRedirects } from "./refused-redirects";
import { Relay, type RelayAnswer, type RelayRequest, type RelayTimes } from "./relay";
import { Remembered } from "./remembered";
import { Signal } from "./signal";
import type { Verdict } from "./verdict";
import { within } from "./within";
import { WrongContents } from "./wrong-contents";

/** Longest small answer, unless a request says otherwise: the spec asks for 4 MiB of manifest at least. */
const SMALL_LIMIT = 8 * 1024 * 1024;

/** For how long it is known whether another relay has what one relay's upstream does not. */
const ELSEWHERE_MS = 10_000;
/** Bounds the memory. */
const ELSEWHERE = 1_000;

/** A small answer, read whole. */
export interface SmallAnswer {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Buffer;
    readonly relay: Relay;
    /** Of a 404: another relay's upstream does not have it either. */
    readonly isConfirmed?: boolean;
}

export interface SmallRequest {
    readonly method: "GET" | "HEAD";
    readonly path: string;
    readonly scope: Scope;
    readonly accept?: string;
    /** Says what is wrong with an answer of 200, such as a wrong digest; such an answer is not used. */
    readonly check?: (answer: SmallAnswer) => string | undefined;
    /** Longest body. @default 8 MiB */
    readonly limit?: number;
    /** Only the headers are wanted, of this range. */
    readonly headersOf?: string;
    /** Whether a 404 is believed only when another relay says so too. @default false */
    readonly confirmed?: boolean;
}

/** What one relay brought. */
interface Found {
    readonly relay: Relay;
    readonly began: number;
    readonly answer: SmallAnswer;
    readonly verdict: Verdict;
    /** What is wrong with contents. */
    readonly problem: string | undefined;
}

export class Relays {
    private relays: readonly Relay[];
    /** No longer in the configuration, but something is still under way through them. */
    private readonly retired = new Set<Relay>();
    /** Contents that are wrong through every relay. */
    readonly wrong = new WrongContents();
    /** By path: what the relay found that was asked after another's 404. */
    private readonly elsewhere = new Remembered<Promise<Found | undefined>>(ELSEWHERE);
    readonly redirects: RefusedRedirects;
    private readonly changes = new Signal();

    constructor(
        config: UplinkConfig,
        readonly times: RelayTimes,
        private readonly log: Log,
        private readonly metrics: Metrics,
    ) {
        this.redirects = new RefusedRedirects(log, metrics);
        this.relays = config.relays.map((relay) => this.make(relay));
    }

    private make(config: RelayConfig): Relay {
        const changed = () => {
            this.noteConditions();
            this.changes.notify();
        };
        return new Relay(config, this.times, this.log, this.metrics, changed);
    }

    /** In the order in which they are preferred. */
    get all(): readonly Relay[] {
        return this.relays;
    }

    /**
     * Goes on with the relays of another configuration. One that is the same but for its key keeps its connections and its
     * health; what is under way through one that is gone ends there.
     */
    take(configs: readonly RelayConfig[]): void {
        const before = this.relays;
        this.relays = configs.map((config) => before.find((relay) => relay.take(config)) ?? this.make(config));
        for (const relay of before.filter((each) => !this.relays.includes(each))) this.retire(relay);
        for (const relay of this.relays.filter((each) => !before.includes(each))) this.metrics.addRelay(relay.name);
        // What was wrong through all of them may be right through these.
        this.wrong.clear();
        this.noteConditions();
        this.changes.notify();
    }

    private retire(relay: Relay): void {
        this.metrics.removeRelay(relay.name, Object.keys(relay.passages.state()));
        this.retired.add(relay);
        void relay.retire().finally(() => this.retired.delete(relay));
    }

    /**
     * The relay to ask next: the first that is well, else one that rests but answers. While a relay is being found out
     * about, this waits; when none answers, the answer is at once `undefined`.
     *
     * @param avoid Taken only when there is no other.
     * @param never Not taken at all.
     */
    async next(scope: Scope, avoid: ReadonlySet<Relay>, never: ReadonlySet<Relay>): Promise<Relay | undefined> {
        for (const relay of this.all) relay.passage(scope).wanted();
        for (;;) {
            const usable = this.usable(scope).filter((relay) => !never.has(relay));
            const found = usable.find((relay) => !avoid.has(relay)) ?? usable[0];
            if (found) return found;
            const open = this.all.filter(
                (relay) => !never.has(relay) && relay.health.throttleLeft(scope, performance.now()) === 0,
            );
            const suspects = this.all.filter((relay) => relay.condition() === "suspect");
            const answering = open.filter((relay) => ["well", "resting"].includes(relay.condition()));
            const probes = [
                ...suspects.flatMap((relay) => relay.probe ?? []),
                ...answering.flatMap((relay) => relay.passage(scope).wake() ?? []),
            ];
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
        const ranks = this.ranks(scope);
        // Stable: among equals the configuration's order stays.
        return [...ranks].sort(([, a], [, b]) => a - b).map(([relay]) => relay);
    }

    /** Relays that may be asked now and against which nothing speaks. */
    private well(scope: Scope): Relay[] {
        return [...this.ranks(scope)].filter(([, rank]) => rank === 0).map(([relay]) => relay);
    }

    /** For each relay that may be asked now, how much speaks against it. */
    private ranks(scope: Scope): Map<Relay, number> {
        const now = performance.now();
        const ranks = new Map<Relay, number>();
        for (const relay of this.all) {
            const { health } = relay.passage(scope);
            const condition = relay.condition();
            if (relay.health.throttleLeft(scope, now) > 0 || health.condition(now) === "hanging") continue;
            if (condition !== "well" && condition !== "resting") continue;
            const rests = [condition, health.condition(now)].filter((each) => each === "resting").length;
            // One that lets a request wait just now may be about to be found hanging.
            ranks.set(relay, 2 * rests + (now - (health.silentSince() ?? now) >= this.times.homeMs ? 1 : 0));
        }
        return ranks;
    }

    /** True when the upstream of `scope` is known to say nothing, or has not said anything since it let a request wait. */
    isQuiet(scope: Scope): boolean {
        const now = performance.now();
        const healths = this.all.map((relay) => relay.passage(scope).health);
        const since = Math.min(...healths.map((health) => health.silentSince() ?? now));
        if (now - since >= this.times.homeMs) return !healths.some((health) => health.hasAnsweredSince(since));
        return this.all.every(
            (relay, index) => relay.condition() === "down" || healths[index]?.condition(now) === "hanging",
        );
    }

    /** True when a relay other than `relay` is well. */
    otherIsWell(relay: Relay): boolean {
        return this.all.some((other) => other !== relay && other.condition() === "well");
    }

    /** Resolves when a relay's condition changed, or after `ms`. */
    async change(ms: number, signal?: AbortSignal): Promise<void> {
        await this.changes.wait(ms, signal);
    }

    /**
     * Sends a request to `relay`; when it takes suspiciously long, finds out which relays are there, all at the same time,
     * and whether its upstream says anything.
     */
    async watched(relay: Relay, request: RelayRequest): Promise<RelayAnswer> {
        const began = performance.now();
        const timer = setTimeout(() => {
            for (const each of this.all) each.suspect();
            void relay.suspectUpstream(request.scope, began);
        }, this.times.suspectMs);
        return await relay.request(request).finally(() => clearTimeout(timer));
    }

    /**
     * Asks one relay after another until one gives an answer that can be believed: 200, or a refusal that is the
     * upstream's own. An upstream that refuses, or fails, through each of them is passed on as it answers.
     *
     * @throws Unavailable when there is no answer, UpstreamFault when every relay has wrong contents.
     */
    async ask(request: SmallRequest): Promise<SmallAnswer> {
        const { scope, path } = request;
        const known = request.check && this.wrong.get(path);
        if (known) throw new UpstreamFault(502, known);
        const asked = new Set<Relay>();
        const finished = new Set<Relay>();
        const found: Found[] = [];
        for (;;) {
            const relay = await this.next(scope, asked, finished);
            if (!relay) return this.conclude(request, found);
            // A broken connection earns one more try, anything else none.
            if (asked.has(relay)) finished.add(relay);
            asked.add(relay);
            try {
                const one = await this.askOne(relay, request);
                if (isBelieved(one)) {
                    if (one.verdict.of === "good") this.blame(found, request);
                    return request.confirmed && isAbsent(one) ? await this.confirm(request, one, asked) : one.answer;
                }
                finished.add(relay);
                found.push(one);
                if (one.verdict.of === "unknown") relay.badAnswer(one.answer.status, one.began);
            } catch (error) {
                if (!(error instanceof RelayFailure)) throw error;
                if (error.kind === "hang") finished.add(relay);
            }
        }
    }

    private async askOne(relay: Relay, request: SmallRequest): Promise<Found> {
        const { method, path, scope, accept, headersOf, check, limit = SMALL_LIMIT } = request;
        const headers = { ...(accept && { accept }), ...(headersOf && { range: headersOf }) };
        const answer = await this.watched(relay, { method, path, scope, headers });
        const { status, began, verdict } = answer;
        const body = headersOf ? Buffer.alloc(0) : await relay.small(answer, limit);
        if (headersOf) await relay.discard(answer);
        const small = { status, headers: singleValues(answer.headers), body, relay };
        const problem = status === 200 && verdict.of === "good" ? check?.(small) : undefined;
        return { relay, began, answer: small, verdict, problem };
    }

    /**
     * A registry has copies in several regions, and one may be behind: what one relay's does not have, another's may. One
     * more relay is asked, once for a while whatever is asked of the path, and not waited for long. Nobody is blamed.
     */
    private async confirm(request: SmallRequest, one: Found, asked: ReadonlySet<Relay>): Promise<SmallAnswer> {
        const { path, scope } = request;
        const known = this.elsewhere.get(path);
        const other = this.well(scope).find((relay) => !asked.has(relay));
        if (!known && !other) return one.answer;
        const asking = known ?? this.attempt(other, request);
        if (!known) this.elsewhere.note(path, asking, ELSEWHERE_MS);
        const second = await within(asking, this.times.confirmMs);
        if (second && isAbsent(second)) return { ...one.answer, isConfirmed: true };
        if (!second || !isGood(second)) return one.answer;
        // What was found for another request, by another method or for other types, is not the answer to this one.
        const found = known ? await within(this.attempt(second.relay, request), this.times.confirmMs) : second;
        return found && isGood(found) ? found.answer : one.answer;
    }

    /** Asks one relay, and only that; nothing when it fails. */
    private async attempt(relay: Relay | undefined, request: SmallRequest): Promise<Found | undefined> {
        try {
            return relay && (await this.askOne(relay, request));
        } catch (error) {
            if (error instanceof RelayFailure || error instanceof UpstreamFault) return undefined;
            throw error;
        }
    }

    /** Another relay could: so these failures were not the image's. */
    private blame(found: readonly Found[], { path, scope }: SmallRequest): void {
        for (const { relay, began, answer, verdict, problem } of found) {
            if (problem) relay.liedAbout(path, problem);
            else if (verdict.of === "unknown") {
                relay.failed(new RelayFailure("upstream", `answers ${answer.status}`), began);
            } else if (COUNTED.includes(verdict.of)) {
                relay.passage(scope).failed(imageOf(path), `answers ${answer.status}`);
            }
        }
    }

    /** No relay is left: what to say to that. */
    private conclude({ path, scope }: SmallRequest, found: readonly Found[]): SmallAnswer {
        const upstream = upstreamOf(scope);
        const wrong = found.filter(({ problem }) => problem);
        if (wrong.length > 0) {
            const relays = wrong.map(({ relay }) => relay);
            throw this.allWrong(path, scope, path, relays, wrong.map(({ problem }) => problem).join("; "));
        }
        const one = (of: Verdict["of"]) => found.filter(({ verdict }) => verdict.of === of).at(-1);
        const said = one("refused") ?? one("failing");
        if (said) return said.answer;
        const redirect = one("redirect")?.verdict;
        if (redirect?.of === "redirect") {
            throw new Unavailable(502, this.redirects.note(upstream, redirect.host));
        }
        const own = one("own");
        if (own) return own.answer;
        const bad = one("unknown");
        throw this.unavailable(scope, bad && { relay: bad.relay, status: bad.answer.status });
    }
    /**
     * Contents are wrong through every relay that can be asked: the upstream's own fault, or nobody knows whose. When that
     * is every relay there is, it is remembered, for this one path.
     *
     * @param what Digest or path, as the log names it.
     */
    allWrong(path: string, scope: Scope, what: string, relays: readonly Relay[], problem: string): UpstreamFault {
        const upstream = upstreamOf(scope);
        const names = relays.map(({ name }) => name);
        const message = `every relay hands out wrong bytes for ${what}, so they may be ${upstream}'s own (${names.join(", ")}: ${problem})`;
        this.metrics.upstreamWrongBytes.inc({ upstream });
        this.log("error", "upstream hands out wrong bytes", { upstream, path, relays: names, problem });
        // A relay that cannot be asked now may have the right ones soon.
        if (relays.length === this.all.length) this.wrong.note(path, message);
        return new UpstreamFault(502, message);
    }

    /** Why nobody can be asked, in one sentence with every relay in it. */
    unavailable(scope: Scope, bad?: { readonly relay: Relay; readonly status: number }): Unavailable {
        const now = performance.now();
        const waits = this.all.map((relay) => relay.health.throttleLeft(scope, now)).filter((ms) => ms > 0);
        if (waits.length > 0 && this.usable(scope).length === 0) {
            const seconds = Math.ceil(Math.min(...waits) / 1000);
            return new Unavailable(429, `the upstream allows no more requests for now: ${this.states(scope)}`, seconds);
        }
        const last = bad ? `${bad.relay.name} answered ${bad.status}; ` : "";
        const rests = this.all.map((relay) => relay.passage(scope).health.restLeft(now)).filter((ms) => ms > 0);
        const retryAfter = Math.max(1, Math.ceil(Math.min(...rests, Number.MAX_SAFE_INTEGER) / 1000));
        return new Unavailable(
            503,
            `no relay can be used: ${last}${this.states(scope)}`,
            rests.length > 0 ? retryAfter : 1,
        );
    }

    private states(scope: Scope): string {
        const now = performance.now();
        return this.all
            .map((relay) => {
                const throttled = Math.ceil(relay.health.throttleLeft(scope, now) / 1000);
                if (throttled > 0) return `${relay.name} is throttled for ${throttled} s`;
                const condition = relay.condition();
                const there = condition === "well" || condition === "resting";
                if (there && relay.passage(scope).health.condition(now) === "hanging") {
                    return `${relay.name} answers, but ${upstreamOf(scope)} says nothing to it`;
                }
                const [last] = relay.failures;
                return `${relay.name} is ${condition}${last ? `, last failure: ${last.reason}` : ""}`;
            })
            .join("; ");
    }

    /** Sets the gauges: a rest ends by itself, without an event. */
    noteConditions(): void {
        for (const relay of this.all) {
            this.metrics.relayUsable.set({ relay: relay.name }, relay.condition() === "well" ? 1 : 0);
            relay.passages.noteConditions();
        }
    }

    /** For `/status`. */
    state(): ReturnType<Relay["state"]>[] {
        return this.all.map((relay) => relay.state());
    }

    async close(): Promise<void> {
        await Promise.all([...this.all, ...this.retired].map((relay) => relay.close()));
    }
}

/** Of an upstream through one relay, where another relay could. */
const COUNTED: readonly Verdict["of"][] = ["refused", "failing", "unreachable", "own"];

/** An answer that no other relay need be asked about. */
function isBelieved(found: Found): boolean {
    const { verdict } = found;
    return verdict.of === "refused" ? !verdict.meansTheRelay : isGood(found);
}

function isGood({ verdict, problem }: Found): boolean {
    return verdict.of === "good" && !problem;
}

/** The upstream says that it does not have it. */
function isAbsent({ verdict, answer }: Found): boolean {
    return verdict.of === "refused" && answer.status === 404;
}
