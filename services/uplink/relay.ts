/** One relay: its connections, its key, its health, and what it has carried. */
import { createSecureContext, rootCertificates } from "node:tls";
import { type Dispatcher, Pool } from "undici";
import { anyAddressConnector, CONNECT_TIMES, type ConnectTimes } from "../connection/connector";
import { pinnedLookup, rememberingLookup } from "../connection/lookup";
import { ShownCertificate } from "./certificate";
import type { RelayConfig } from "./config";
import { asRelayFailure, RelayFailure } from "./failure";
import { type Condition, Health, type RestTimes, type Scope } from "./health";
import type { Log } from "./log";
import type { Metrics } from "./metrics";

/**
 * How long things may take. All times in milliseconds. A relay is 300 ms away, and packets to it get lost: each time is
 * that of a link which loses two packets in a row, not of a lab's.
 */
export interface RelayTimes extends RestTimes, ConnectTimes {
    /** Until the headers of an answer: a relay may have a token and two hops to fetch first. */
    readonly answerMs: number;
    /** A probe of `/v2/`, which the relay answers by itself. */
    readonly probeMs: number;
    /** A user's request that has waited this long makes the uplink probe every relay. */
    readonly suspectMs: number;
    /** No byte for this long in mid-answer is a stall. */
    readonly stallMs: number;
    /** Fewer than `crawlBytes` in this long is a crawl. */
    readonly crawlMs: number;
    readonly crawlBytes: number;
    /** Rest after a 429 that names no time. */
    readonly throttleMs: number;
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
    // A new connection and an answer take 0.9 s there, 1.9 s when a SYN is lost: a probe too many costs one request.
    suspectMs: 1_500,
    // Two losses of one packet, as for a probe, and no more: the other relay goes on at the same byte.
    stallMs: 3_000,
    crawlMs: 10_000,
    crawlBytes: 64 * 1024,
    throttleMs: 60_000,
    certificateMs: 6 * 60 * 60 * 1000,
    lookMs: 15 * 60 * 1000,
    restMs: 1_000,
    restMaxMs: 30_000,
    forgiveMs: 120_000,
};

/** Connections kept to one relay: ranges of several blobs, and room for manifests beside them. */
const CONNECTIONS = 32;

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
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal | undefined;
    readonly answerMs?: number;
}

/** An answer whose body is still to be read, by {@link Relay.bytes} or {@link Relay.text}. */
export interface RelayAnswer {
    readonly status: number;
    readonly headers: Dispatcher.ResponseData["headers"];
    readonly body: Dispatcher.ResponseData["body"];
    /** When the request began, for {@link Relay.failed}. */
    readonly began: number;
}

export class Relay {
    readonly name: string;
    /** Whether it honoured Range when it was asked last: a hint only, since upstreams differ. */
    ranges: boolean | undefined;
    readonly health: Health;
    readonly failures: NotedFailure[] = [];
    private readonly certificate: ShownCertificate;
    private pool: Pool;
    private lastByte = Number.NEGATIVE_INFINITY;
    private received = 0;
    private answersOpen = 0;
    private windowStart = 0;
    private windowBytes = 0;
    private rate = 0;
    private badAnswers = 0;
    private probing: Promise<void> | undefined;
    private probeTimer: NodeJS.Timeout | undefined;
    private readonly lookTimer: NodeJS.Timeout;
    private closed = false;
    private readonly makePool: () => Pool;

    constructor(
        private readonly config: RelayConfig,
        private readonly times: RelayTimes,
        private readonly log: Log,
        private readonly metrics: Metrics,
        /** Called whenever the relay's condition may have changed. */
        private readonly changed: () => void,
    ) {
        this.name = config.name;
        this.health = new Health(times);
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
     * Sends a request and waits for the headers of the answer.
     *
     * @throws RelayFailure when none came, or when the relay refuses the key. It has been counted already.
     */
    async request(request: RelayRequest): Promise<RelayAnswer> {
        const began = performance.now();
        try {
            const answer = await this.send(request);
            const problem = refusal(answer);
            if (problem) {
                await discard(answer.body);
                throw problem;
            }
            this.lastByte = performance.now();
            return { status: answer.statusCode, headers: answer.headers, body: answer.body, began };
        } catch (error) {
            if (request.signal?.aborted) throw error;
            throw this.failed(error, began);
        }
    }

    private async send(request: RelayRequest): Promise<Dispatcher.ResponseData> {
        const options = {
            method: request.method,
            path: request.path,
            headers: {
                "x-relay-key": this.config.key,
                "user-agent": "dockermirror-uplink",
                "accept-encoding": "identity",
                ...request.headers,
            },
            headersTimeout: request.answerMs ?? this.times.answerMs,
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
        let window = { start: performance.now(), own: 0, all: this.received };
        this.answersOpen += 1;
        try {
            for await (const chunk of answer.body as AsyncIterable<Buffer>) {
                this.count(chunk.length);
                own += chunk.length;
                yield chunk;
                const ms = performance.now() - window.start;
                if (ms < this.times.crawlMs) continue;
                if (own - window.own < this.times.crawlBytes && !mayCrawl()) {
                    const crawl = new RelayFailure("crawl", `${own - window.own} bytes in ${Math.round(ms)} ms`);
                    // Slow beside faster answers of the same relay: this connection's fault, not the relay's.
                    const usual = this.times.crawlBytes * this.answersOpen;
                    throw this.received - window.all < usual ? this.failed(crawl, answer.began) : crawl;
                }
                window = { start: performance.now(), own, all: this.received };
            }
        } catch (error) {
            if (signal?.aborted) throw error;
            const failure = asRelayFailure(error);
            const delivers = performance.now() - this.lastByte < this.times.stallMs;
            if (failure.kind === "crawl" || (failure.kind === "stall" && delivers)) throw failure;
            throw this.failed(failure, answer.began);
        } finally {
            this.answersOpen -= 1;
        }
    }

    /** The whole body of a small answer. Throws RelayFailure as {@link bytes} does, and when it is over `limit` bytes. */
    async small(answer: RelayAnswer, limit: number): Promise<Buffer> {
        const chunks: Buffer[] = [];
        let size = 0;
        for await (const chunk of this.bytes(answer, () => true)) {
            size += chunk.length;
            if (size > limit) {
                throw this.failed(new RelayFailure("protocol", `an answer of over ${limit} bytes`), answer.began);
            }
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
        const now = performance.now();
        if (now - this.windowStart > 1000) {
            // Smoothed over some seconds; a pause is no slowness.
            const seconds = Math.min((now - this.windowStart) / 1000, 2);
            this.rate = 0.6 * this.rate + 0.4 * (this.windowBytes / seconds);
            this.windowStart = now;
            this.windowBytes = 0;
        }
        this.windowBytes += bytes;
        this.received += bytes;
        this.lastByte = now;
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
        this.note(failure);
        if (useless) this.probeLater();
        else this.startProbe();
        this.changed();
        return failure;
    }

    private note(failure: RelayFailure): void {
        const restMs = Math.round(this.health.restLeft(performance.now()));
        this.metrics.relayFailures.inc({ relay: this.name, kind: failure.kind });
        this.failures.unshift({ time: new Date().toISOString(), kind: failure.kind, reason: failure.message });
        this.failures.length = Math.min(this.failures.length, FAILURES_SHOWN);
        this.log("warn", "relay rests", { relay: this.name, kind: failure.kind, reason: failure.message, restMs });
    }

    /** A 429. `header` is its `Retry-After`: seconds or a date (RFC 9110 10.2.3). */
    throttled(scope: Scope, header: string | undefined): void {
        const seconds = header === undefined ? Number.NaN : Number(header);
        const byDate = header === undefined ? Number.NaN : Date.parse(header) - Date.now();
        const asked = Number.isFinite(seconds) ? seconds * 1000 : byDate;
        const ms = Number.isFinite(asked) && asked > 0 ? asked : this.times.throttleMs;
        this.health.throttle(scope, performance.now() + ms);
        this.log("warn", "relay is throttled", { relay: this.name, scope, seconds: Math.ceil(ms / 1000) });
    }

    /** An answer of 5xx. It may be the upstream's fault: held against the relay when it is the third in a row. */
    badAnswer(status: number, began: number): void {
        this.badAnswers += 1;
        if (this.badAnswers >= 3) this.failed(new RelayFailure("upstream", `answers ${status}`), began);
    }

    /** A good answer. */
    goodAnswer(): void {
        this.badAnswers = 0;
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
            const answer = await this.send({ method: "GET", path: "/v2/", answerMs: this.times.probeMs });
            await discard(answer.body);
            const problem = refusal(answer);
            if (problem) throw problem;
            if (answer.statusCode !== 200 && answer.statusCode !== 429) {
                throw new RelayFailure("protocol", `answers ${answer.statusCode} to /v2/`);
            }
            this.lastByte = performance.now();
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
            this.note(new RelayFailure(failure.kind, `probe: ${failure.message}`));
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
            bytesPerSecond: Math.round(this.rate),
            ranges: this.ranges,
            /** Of the certificate that it showed last. */
            certificateExpires: this.certificate.expires,
            failures: this.failures,
        };
    }

    /** The probe that is under way, if one is; resolves when it has ended. */
    get probe(): Promise<void> | undefined {
        return this.probing;
    }

    async close(): Promise<void> {
        this.closed = true;
        clearInterval(this.lookTimer);
        clearTimeout(this.probeTimer);
        await this.pool.destroy();
    }
}

/** Why an answer is not one of a registry, if it is not. */
function refusal({ statusCode, headers }: Dispatcher.ResponseData): RelayFailure | undefined {
    if (statusCode === 401 || statusCode === 403) {
        return new RelayFailure("key", `refuses our key (${statusCode})`);
    }
    // Error pages of whoever sits before the relay; Cloudflare's "limit reached" is a 429 in HTML, and to be believed.
    if (statusCode !== 429 && /^text\/html/i.test(String(headers["content-type"]))) {
        return new RelayFailure("protocol", `answers with an HTML page (${statusCode})`);
    }
    return undefined;
}

/** Reads an unwanted body to its end when it is short, so that the connection can be used again. */
async function discard(body: Dispatcher.ResponseData["body"]): Promise<void> {
    await body.dump({ limit: 64 * 1024 });
}
