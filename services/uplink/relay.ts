/** One relay: its connections, its key, its health, and what it has carried. */
import { createSecureContext, rootCertificates } from "node:tls";
import { type Dispatcher, Pool } from "undici";
import { anyAddressConnector, CONNECT_TIMES, type ConnectTimes } from "../connection/connector";
import { pinnedLookup, rememberingLookup } from "../connection/lookup";
import { retryAfterSeconds } from "../registry/retry-after";
import { ShownCertificate } from "./certificate";
import type { RelayConfig } from "./config";
import { asRelayFailure, isAnswerTimeout, RelayFailure, UpstreamFault } from "./failure";
import { lengthIn, singleValue } from "./headers";
import { type Condition, Health, type RestTimes, type Scope, upstreamOf } from "./health";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import { type Passage, type ProbeOutcome, probePath } from "./passage";
import { Passages } from "./passages";
import { Throughput } from "./throughput";
import { isMarked, judge, type Verdict } from "./verdict";

/**
 * How long things may take. All times in milliseconds. A relay is 300 ms away, and packets to it get lost: each time is
 * that of a link which loses two packets in a row, not of a lab's.
 */
export interface RelayTimes extends RestTimes, ConnectTimes {
    /** Until the headers of an answer: a relay may have a token and two hops to fetch first. */
    readonly answerMs: number;
    /** A probe of `/v2/`, which the relay answers by itself. */
    readonly probeMs: number;
    /** The same for a probe that the upstream must answer: the relay may have a token to fetch first. */
    readonly upstreamProbeMs: number;
    /** A user's request that has waited this long makes the uplink probe every relay. */
    readonly suspectMs: number;
    /** A tag whose last digest is known at home is answered with that after this long. */
    readonly homeMs: number;
    /** How long a 404 waits for another relay to say the same. */
    readonly confirmMs: number;
    /** No byte for this long in mid-answer is a stall. */
    readonly stallMs: number;
    /** Fewer than `crawlBytes` in this long is a crawl. */
    readonly crawlMs: number;
    readonly crawlBytes: number;
    /** A relay whose certificate was not seen for `certificateMs` is probed; looked after every `lookMs`. */
    readonly certificateMs: number;
    readonly lookMs: number;
}

export const RELAY_TIMES: RelayTimes = {
    ...CONNECT_TIMES,
    answerMs: 15_000,
    // Beside the connection's own times. At a round trip of 300 ms a lost packet is sent again after some 0.9 s, and once
    // more 1.8 s later (RFC 6298).
    probeMs: 4_000,
    // The same, and time for a token service and a registry that are near the relay.
    upstreamProbeMs: 6_000,
    // A new connection and an answer take 0.9 s there, 1.9 s when a SYN is lost: a probe too many costs one request.
    suspectMs: 1_500,
    // A client waits for 3 s in all, and an answer on a new connection of which a SYN is lost is still in time.
    homeMs: 2_500,
    // Three round trips of 300 ms: a new connection and an answer.
    confirmMs: 1_000,
    // Two losses of one packet, as for a probe, and no more: the other relay goes on at the same byte.
    stallMs: 3_000,
    crawlMs: 10_000,
    crawlBytes: 64 * 1024,
    certificateMs: 6 * 60 * 60 * 1000,
    lookMs: 15 * 60 * 1000,
    restMs: 1_000,
    restMaxMs: 30_000,
    forgiveMs: 120_000,
};

/** Connections kept to one relay: ranges of several blobs, and room for manifests of more than one upstream beside them. */
const CONNECTIONS = 64;

/** How long an idle connection is kept; a TLS handshake over a far link costs two round trips. */
const KEEP_ALIVE_MS = 55_000;

/** Failures that are shown in `/status`. */
const FAILURES_SHOWN = 5;

/** A failure as `/status` shows it. */
export interface NotedFailure {
    readonly time: string;
    readonly kind: string;
    readonly reason: string;
}

/** A request for one relay. */
export interface RelayRequest {
    readonly method: "GET" | "HEAD";
    /** Path and query. */
    readonly path: string;
    readonly scope: Scope;
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal | undefined;
}

/** An answer whose body is still to be read, by {@link Relay.bytes} or {@link Relay.text}. */
export interface RelayAnswer {
    readonly method: "GET" | "HEAD";
    readonly status: number;
    readonly headers: Dispatcher.ResponseData["headers"];
    readonly body: Dispatcher.ResponseData["body"];
    /** When the request began, for {@link Relay.failed}. */
    readonly began: number;
    /** Whose answer it is; never the relay's own fault. */
    readonly verdict: Exclude<Verdict, { of: "relay" }>;
}

export class Relay {
    readonly name: string;
    /** Whether it honoured Range when it was asked last: a hint only, since upstreams differ. */
    ranges: boolean | undefined;
    readonly health: Health;
    readonly failures: NotedFailure[] = [];
    private readonly certificate: ShownCertificate;
    private pool: Pool;
    readonly passages: Passages;
    /** Whether its answers say whose they are. */
    private marks = false;
    private lastByte = Number.NEGATIVE_INFINITY;
    private readonly throughput = new Throughput();
    private answersOpen = 0;
    private badAnswers = 0;
    private probing: Promise<void> | undefined;
    private probeTimer: NodeJS.Timeout | undefined;
    private readonly lookTimer: NodeJS.Timeout;
    private closed = false;
    private readonly makePool: () => Pool;

    constructor(
        private config: RelayConfig,
        private readonly times: RelayTimes,
        private readonly log: Log,
        private readonly metrics: Metrics,
        /** Called whenever the relay's condition may have changed. */
        private readonly changed: () => void,
    ) {
        this.name = config.name;
        this.health = new Health(times);
        this.passages = new Passages(config.name, times, log, metrics, changed, {
            probe: (upstream, answerMs) => this.probeUpstream(upstream, answerMs),
            delivers: () => performance.now() - this.lastByte < times.stallMs,
        });
        // One context for all connections: reading the 150 public roots takes milliseconds each time.
        // Without a CA of the relay's own Node's default stays, which has what NODE_EXTRA_CA_CERTS adds.
        const secureContext = createSecureContext(config.ca ? { ca: [...rootCertificates, config.ca] } : {});
        const lookup = config.address ? pinnedLookup(config.address) : rememberingLookup();
        this.certificate = new ShownCertificate(config.name, log, metrics);
        // A resumed session shows the certificate of the first one. To resume saves no round trip in TLS 1.3.
        const tls = { secureContext, maxCachedSessions: 0 };
        const connect = this.certificate.noting(anyAddressConnector({ lookup, times, tls }));
        this.makePool = () =>
            new Pool(config.url, {
                connections: CONNECTIONS,
                pipelining: 1,
                keepAliveTimeout: KEEP_ALIVE_MS,
                connect,
            });
        this.pool = this.makePool();
        // Nobody pulls through a relay that stands by, and that one's certificate is forgotten most easily.
        this.lookTimer = setInterval(() => {
            if (this.certificate.unseenFor(Date.now()) >= times.certificateMs) this.startProbe();
        }, times.lookMs).unref();
    }

    /**
     * Goes on with another configuration of the same relay.
     *
     * @returns False when it is not the same: only the key of a relay can change.
     */
    take(config: RelayConfig): boolean {
        const { name, url, address, ca } = this.config;
        if (config.name !== name || config.url !== url || config.address !== address || config.ca !== ca) return false;
        const changed = config.key !== this.config.key;
        this.config = config;
        // It may have been down for its key alone, and a probe with that one may be under way.
        if (changed && this.condition() === "down") void Promise.resolve(this.probing).then(() => this.startProbe());
        return true;
    }

    /**
     * Sends a request and waits for the headers of the answer. What the answer says of the relay's and the upstream's
     * health has been counted then; what only another relay's answer can tell is the caller's to count.
     *
     * @throws RelayFailure when none came, or when it is the relay's own fault. It has been counted already.
     */
    async request(request: RelayRequest): Promise<RelayAnswer> {
        // Chosen a moment before it was taken out: the next one that is chosen is of the new configuration.
        if (this.closed) throw new RelayFailure("cut", `${this.name} is not in the configuration any more`);
        const passage = this.passage(request.scope);
        const leave = await passage.enter(request.signal);
        const began = performance.now();
        const answered = passage.health.waits(began);
        try {
            const answer = await this.send(request, this.times.answerMs);
            const verdict = this.judge(answer);
            if (verdict.of === "relay") {
                await discard(answer.body);
                throw verdict.failure;
            }
            const { statusCode: status, headers, body } = answer;
            this.note(verdict, request, headers, began);
            return { method: request.method, status, headers, body, began, verdict };
        } catch (error) {
            if (request.signal?.aborted) throw error;
            if (!isAnswerTimeout(error) || !(await this.isThere())) throw this.failed(error, began);
            // The relay is there: what says nothing is the upstream behind it.
            passage.unanswered(began);
            throw new RelayFailure("hang", `${upstreamOf(request.scope)} says nothing`);
        } finally {
            answered();
            leave();
        }
    }

    /** What an answer tells by itself. */
    private note(verdict: Verdict, { scope }: RelayRequest, headers: RelayAnswer["headers"], began: number): void {
        const passage = this.passage(scope);
        const retryAfter = singleValue(headers, "retry-after");
        switch (verdict.of) {
            case "good":
                this.badAnswers = 0;
                passage.answered();
                passage.health.good();
                break;
            case "refused":
            case "failing":
                this.badAnswers = 0;
                passage.answered();
                break;
            case "throttled":
                passage.answered();
                this.throttled(scope, retryAfter);
                break;
            case "limited":
                this.throttled("everything", retryAfter);
                break;
            case "unreachable":
                passage.unanswered(began);
                break;
        }
    }

    private judge({ statusCode: status, headers }: Dispatcher.ResponseData): Verdict {
        this.lastByte = performance.now();
        if (isMarked({ status, headers })) this.marks = true;
        // An older release again: nothing before a relay could answer so.
        else if (status === 206) this.marks = false;
        return judge({ status, headers }, this.marks);
    }

    /** What the upstream of a scope does through this relay. */
    passage(scope: Scope): Passage {
        return this.passages.of(upstreamOf(scope));
    }

    /** Asks an upstream something, through this relay. */
    private async probeUpstream(upstream: string, answerMs: number): Promise<ProbeOutcome> {
        if (this.condition() === "down") return "unclear";
        try {
            const answer = await this.send({ method: "HEAD", path: probePath(upstream) }, answerMs);
            await discard(answer.body);
            const verdict = this.judge(answer);
            if (verdict.of === "relay" || verdict.of === "limited") return "unclear";
            // Relays of 0.3.0 say 502 for all that is odd, and 504 for silence alone.
            const isSilent = verdict.of === "unreachable" || (verdict.of === "unknown" && answer.statusCode === 504);
            return isSilent ? "hangs" : "answers";
        } catch (error) {
            return isAnswerTimeout(error) ? "hangs" : "unclear";
        }
    }

    private async send(
        request: Pick<RelayRequest, "method" | "path" | "headers" | "signal">,
        answerMs: number,
    ): Promise<Dispatcher.ResponseData> {
        const options = {
            method: request.method,
            path: request.path,
            headers: {
                "x-relay-key": this.config.key,
                "user-agent": "dockermirror-uplink",
                "accept-encoding": "identity",
                ...request.headers,
            },
            headersTimeout: answerMs,
            bodyTimeout: this.times.stallMs,
            ...(request.signal ? { signal: request.signal } : {}),
        };
        const ask = () => {
            this.metrics.linkRequests.inc({ relay: this.name });
            return this.pool.request(options);
        };
        try {
            return await ask();
        } catch (error) {
            // A server may close an idle connection at the very moment at which we use it (RFC 9112 9.3.1): asked once
            // more, on another connection. A relay that really fails does so again.
            if (request.signal?.aborted || asRelayFailure(error).kind !== "cut") throw error;
            return await ask();
        }
    }

    /**
     * The chunks of an answer, counted.
     *
     * @param mayCrawl True when nobody else could do better, so that a slow relay is kept.
     * @throws RelayFailure when the answer stalls, crawls or is cut. It has been counted already.
     */
    async *bytes(answer: RelayAnswer, mayCrawl: () => boolean, signal?: AbortSignal): AsyncGenerator<Buffer> {
        let own = 0;
        // How long whoever reads has kept the answer waiting: that is no slowness of the relay's.
        let paused = 0;
        let longestPause = 0;
        let window = { start: performance.now(), own: 0, all: this.throughput.received };
        this.answersOpen += 1;
        try {
            for await (const chunk of answer.body as AsyncIterable<Buffer>) {
                this.count(chunk.length);
                own += chunk.length;
                const given = performance.now();
                yield chunk;
                const pause = performance.now() - given;
                paused += pause;
                longestPause = Math.max(longestPause, pause);
                const ms = performance.now() - window.start - paused;
                if (ms < this.times.crawlMs) continue;
                if (own - window.own < this.times.crawlBytes && !mayCrawl()) {
                    const crawl = new RelayFailure("crawl", `${own - window.own} bytes in ${Math.round(ms)} ms`);
                    // Slow beside faster answers of the same relay: this connection's fault, not the relay's.
                    const usual = this.times.crawlBytes * this.answersOpen;
                    throw this.throughput.received - window.all < usual ? this.failed(crawl, answer.began) : crawl;
                }
                window = { start: performance.now(), own, all: this.throughput.received };
                paused = 0;
            }
        } catch (error) {
            if (signal?.aborted) throw error;
            const failure = asRelayFailure(error);
            const delivers = performance.now() - this.lastByte < this.times.stallMs;
            if (failure.kind === "crawl" || (failure.kind === "stall" && delivers)) throw failure;
            // Who is kept waiting may hang up. That shows only when what had been sent until then has been read.
            if (longestPause > this.times.stallMs) throw failure;
            throw this.failed(failure, answer.began);
        } finally {
            this.answersOpen -= 1;
        }
    }

    /**
     * The whole body of a small answer. Throws RelayFailure as {@link bytes} does.
     *
     * @throws UpstreamFault when it is over `limit` bytes: another relay would bring the same.
     */
    async small(answer: RelayAnswer, limit: number): Promise<Buffer> {
        const tooLong = () =>
            new UpstreamFault(
                502,
                `the upstream's answer is longer than the ${limit / 1024 ** 2} MiB that are passed on; a list can be asked for in pages (?n=1000)`,
            );
        // What is said to be too long is not fetched.
        if ((lengthIn(answer.headers) ?? 0) > limit && answer.method === "GET") {
            await discard(answer.body);
            throw tooLong();
        }
        const chunks: Buffer[] = [];
        let size = 0;
        for await (const chunk of this.bytes(answer, () => true)) {
            size += chunk.length;
            if (size > limit) throw tooLong();
            chunks.push(chunk);
        }
        return Buffer.concat(chunks);
    }

    /** Gives up an answer whose body is not wanted. */
    async discard(answer: RelayAnswer): Promise<void> {
        await discard(answer.body);
    }

    private count(bytes: number): void {
        this.metrics.linkBytes.inc({ relay: this.name }, bytes);
        this.lastByte = performance.now();
        this.throughput.count(bytes, this.lastByte);
    }

    /**
     * Counts a failure of something that began at `began` (`performance.now()`), rests the relay and finds out whether
     * it answers at all. Returns the failure, for throwing.
     */
    failed(error: unknown, began: number, weight = 1): RelayFailure {
        const failure = asRelayFailure(error);
        const now = performance.now();
        const useless = failure.kind === "key";
        if (!this.health.incident(now, began, useless ? "no" : "unknown", weight)) return failure;
        this.noteFailure(failure);
        if (useless) this.probeLater();
        else this.startProbe();
        this.changed();
        return failure;
    }

    private noteFailure(failure: RelayFailure): void {
        const restMs = Math.round(this.health.restLeft(performance.now()));
        this.metrics.relayFailures.inc({ relay: this.name, kind: failure.kind });
        this.failures.unshift({ time: new Date().toISOString(), kind: failure.kind, reason: failure.message });
        this.failures.length = Math.min(this.failures.length, FAILURES_SHOWN);
        this.log("warn", "relay rests", { relay: this.name, kind: failure.kind, reason: failure.message, restMs });
    }

    private throttled(scope: Scope | "everything", retryAfter: string | undefined): void {
        const seconds = retryAfterSeconds(retryAfter, Date.now());
        const until = performance.now() + seconds * 1000;
        if (scope === "everything") this.health.limit(until);
        else this.health.throttle(scope, until);
        this.log("warn", "relay is throttled", { relay: this.name, scope, seconds });
    }

    /**
     * An answer of 5xx that does not say whose it is. It may be the upstream's fault: held against the relay when it is
     * the third in a row.
     */
    badAnswer(status: number, began: number): void {
        this.badAnswers += 1;
        if (this.badAnswers >= 3) this.failed(new RelayFailure("upstream", `answers ${status}`), began);
    }

    /** It proved to hand out wrong bytes where another relay hands out the right ones. */
    liedAbout(what: string, problem: string): void {
        this.metrics.wrongBytes.inc({ relay: this.name });
        this.log("error", "relay hands out wrong bytes", { relay: this.name, ...subject(what), problem });
        const failure = new RelayFailure("wrong-bytes", `wrong bytes for ${what}`);
        this.failed(failure, performance.now(), WRONG_BYTES_WEIGHT);
    }

    /** Finds out whether the upstream of `scope` says anything through here, when the relay is there at all. */
    async suspectUpstream(scope: Scope, began: number): Promise<void> {
        if (await this.isThere()) this.passage(scope).suspect(began);
    }

    /** Whether the relay itself answers, asked now unless bytes are arriving. */
    private async isThere(): Promise<boolean> {
        if (this.condition() === "down") return false;
        if (performance.now() - this.lastByte > this.times.suspectMs) this.startProbe();
        await this.probing;
        return this.condition() !== "down";
    }

    /** Asks `/v2/`, unless bytes are arriving anyway: on a full link a probe would wait behind them. */
    suspect(): void {
        if (this.condition() === "well" && performance.now() - this.lastByte > this.times.suspectMs) this.startProbe();
    }

    private startProbe(): void {
        clearTimeout(this.probeTimer);
        if (this.probing || this.closed) return;
        this.probing = this.probeOnce().finally(() => {
            this.probing = undefined;
            this.changed();
        });
    }

    private async probeOnce(): Promise<void> {
        const began = performance.now();
        try {
            const answer = await this.send({ method: "GET", path: "/v2/" }, this.times.probeMs);
            await discard(answer.body);
            const { statusCode: status, headers } = answer;
            // Nothing before a relay knows this path: without a mark it is an older release again.
            if (status === 200 && !isMarked({ status, headers })) this.marks = false;
            const verdict = this.judge(answer);
            if (verdict.of === "relay") throw verdict.failure;
            if (status !== 200 && status !== 429) throw new RelayFailure("protocol", `answers ${status} to /v2/`);
            if (this.condition() !== "well") this.log("info", "relay answers again", { relay: this.name });
            this.health.answered();
        } catch (error) {
            if (this.closed) return;
            const failure = asRelayFailure(error);
            if (failure.kind === "silent" && performance.now() - this.lastByte < this.times.stallMs) {
                // On a full link the probe waits behind what the relay is delivering.
                this.health.answered();
                return;
            }
            this.health.unanswered(performance.now(), began);
            this.noteFailure(new RelayFailure(failure.kind, `probe: ${failure.message}`));
            this.dropConnections(failure);
            this.probeLater();
        }
    }

    private probeLater(): void {
        clearTimeout(this.probeTimer);
        if (this.closed) return;
        this.probeTimer = setTimeout(() => this.startProbe(), this.health.restLeft(performance.now()));
        this.probeTimer.unref();
    }

    /** What is still under way on a dead relay would wait for its time-out, and idle connections would be used again. */
    private dropConnections(reason: Error): void {
        const dead = this.pool;
        this.pool = this.makePool();
        void dead.destroy(reason);
    }

    condition(): Condition {
        // Nobody may wait for a probe that will not come.
        if (this.closed) return "down";
        return this.health.condition(performance.now());
    }

    /** For `/status`. */
    state() {
        const now = performance.now();
        const seconds = (ms: number) => Math.ceil(ms / 1000);
        return {
            name: this.name,
            url: this.config.url,
            condition: this.condition(),
            restSeconds: seconds(this.health.restLeft(now)),
            /** By scope, such as `docker.io manifests`. */
            throttledSeconds: Object.fromEntries([...this.health.throttles(now)].map(([s, ms]) => [s, seconds(ms)])),
            /** Body bytes a second, smoothed over the last seconds in which there were any. */
            bytesPerSecond: this.throughput.bytesPerSecond,
            ranges: this.ranges,
            /** Of the certificate that it showed last. */
            certificateExpires: this.certificate.expires,
            failures: this.failures,
            /** What each upstream that was asked for does through this relay. */
            upstreams: this.passages.state(),
        };
    }

    /** The probe that is under way, if one is; resolves when it has ended. */
    get probe(): Promise<void> | undefined {
        return this.probing;
    }

    /** Asks it nothing more. Resolves when what is under way has ended. */
    async retire(): Promise<void> {
        this.stop();
        await this.pool.close();
    }

    async close(): Promise<void> {
        this.stop();
        await this.pool.destroy();
    }

    private stop(): void {
        this.closed = true;
        clearInterval(this.lookTimer);
        clearTimeout(this.probeTimer);
        this.passages.close();
    }
}

/** A digest or a path, as the log names it. */
function subject(what: string): { digest: string } | { path: string } {
    return what.startsWith("/") ? { path: what } : { digest: what };
}

/** A relay that lies rests as after this many ordinary failures: its answers to `/v2/` prove nothing. */
const WRONG_BYTES_WEIGHT = 5;

/** Reads an unwanted body to its end when it is short, so that the connection can be used again. */
async function discard(body: Dispatcher.ResponseData["body"]): Promise<void> {
    await body.dump({ limit: 64 * 1024 });
}
