/** An uplink in this process in front of fake relays, with times short enough for tests. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig, type RelayConfig } from "../../../services/uplink/config";
import type { DownloadLimits } from "../../../services/uplink/download";
import { jsonLog } from "../../../services/uplink/log";
import type { RelayTimes } from "../../../services/uplink/relay";
import type { ReaderLimits } from "../../../services/uplink/sending";
import { startUplink, type Uplink } from "../../../services/uplink/uplink";
import { type FakeContent, FakeRelay } from "../../support/fake-relay";

const KIB = 1024;

/** Long enough for a busy machine, short enough to wait for. */
const TIMES: Partial<RelayTimes> = {
    lookupMs: 800,
    tcpMs: 800,
    tlsMs: 800,
    answerMs: 1500,
    probeMs: 800,
    upstreamProbeMs: 800,
    homeMs: 600,
    confirmMs: 500,
    suspectMs: 100,
    stallMs: 400,
    crawlMs: 500,
    crawlBytes: 16 * KIB,
    restMs: 300,
    restMaxMs: 2000,
};

const LIMITS: Partial<DownloadLimits> = {
    pieceBytes: 1024 * KIB,
    ranges: 4,
    checkedFirstBytes: 512 * KIB,
    heldBackBytes: 64 * KIB,
    patienceMs: 5000,
    noteBytes: 256 * KIB,
};

export interface Answer {
    readonly status: number;
    readonly headers: IncomingHttpHeaders;
    readonly body: Buffer;
    readonly digest: string;
}

export interface StartOptions {
    readonly relays?: number;
    /** Relays of this release, which say whose their answers are. @default as those of 0.3.0 */
    readonly marks?: boolean;
    readonly times?: Partial<RelayTimes>;
    readonly limits?: Partial<DownloadLimits & ReaderLimits>;
    /** Replace fields of the configuration. */
    readonly config?: Record<string, unknown>;
    /** Replace fields of each relay's configuration. */
    readonly relay?: (relay: RelayConfig) => Partial<RelayConfig>;
    readonly budgetGiB?: number;
}

/** One test's uplink and relays. */
export class Bench {
    readonly lines: Record<string, unknown>[] = [];

    private constructor(
        readonly folder: string,
        readonly relays: readonly FakeRelay[],
        private readonly options: StartOptions,
        public uplink: Uplink,
    ) {}

    static async start(content: FakeContent, options: StartOptions = {}): Promise<Bench> {
        const folder = await mkdtemp(join(tmpdir(), "dockermirror-uplink-"));
        const names = ["first", "second", "third"].slice(0, options.relays ?? 2);
        const relays = await Promise.all(names.map((name) => FakeRelay.start(name, content)));
        for (const relay of relays) relay.marks = options.marks ?? false;
        const bench = new Bench(folder, relays, options, undefined as unknown as Uplink);
        await bench.startUplink();
        return bench;
    }

    get spool(): string {
        return join(this.folder, "spool");
    }

    /** Where a cache in front of it has its storage; nothing is there until one is started. */
    get store(): string {
        return join(this.folder, "store");
    }

    /** The configuration, as it would stand in the file. */
    configText(change: Record<string, unknown> = {}): string {
        return JSON.stringify({
            port: 0,
            upstreams: ["docker.io", "ghcr.io"],
            relays: this.relays.map((relay) => {
                const config = relay.config();
                return { ...config, ...this.options.relay?.(config) };
            }),
            spool: { path: this.spool, budgetGiB: this.options.budgetGiB ?? 1 },
            store: this.store,
            tagSeconds: 5,
            ...this.options.config,
            ...change,
        });
    }

    /** Has the running uplink go on with another configuration. */
    async take(change: Record<string, unknown>): Promise<void> {
        await this.uplink.take(parseConfig(this.configText(change), "changed.json"));
    }

    async startUplink(): Promise<void> {
        const log = jsonLog((line) => this.lines.push(JSON.parse(line)));
        this.uplink = await startUplink(
            parseConfig(this.configText(), "uplink.json"),
            log,
            { ...TIMES, ...this.options.times },
            { ...LIMITS, ...this.options.limits },
        );
    }

    async restart(): Promise<void> {
        await this.uplink.close();
        await this.startUplink();
    }

    get origin(): string {
        return `http://127.0.0.1:${this.uplink.port}`;
    }

    get first(): FakeRelay {
        return this.relays[0]!;
    }

    get second(): FakeRelay {
        return this.relays[1]!;
    }

    /** Begins a request; the body is still to be read. */
    open(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<IncomingMessage> {
        return new Promise((resolve, reject) => {
            // Not as a URL: that would tidy the path up before it is sent.
            const where = { host: "127.0.0.1", port: this.uplink.port, path };
            const request = httpRequest({ ...where, method, headers, agent: false }, resolve);
            request.on("error", reject);
            request.end();
        });
    }

    /** A whole answer. Throws when its body is cut. */
    async get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
        const answer = await this.open(path, headers, method);
        const chunks: Buffer[] = [];
        for await (const chunk of answer) chunks.push(chunk);
        const body = Buffer.concat(chunks);
        const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
        return { status: answer.statusCode ?? 0, headers: answer.headers, body, digest };
    }

    /** Body bytes that came from relays, by the uplink's own metric. */
    async linkBytes(): Promise<number> {
        const { values } = await this.uplink.metrics.linkBytes.get();
        return values.reduce((sum, { value }) => sum + value, 0);
    }

    logged(message: string): Record<string, unknown>[] {
        return this.lines.filter((line) => line.message === message);
    }

    async stop(): Promise<void> {
        await this.uplink.close();
        await Promise.all(this.relays.map((relay) => relay.stop()));
        await rm(this.folder, { recursive: true, force: true });
    }
}
