/** Reads the whole store once a month and checks every digest: what a disk loses silently is found before a client does. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import type { Store } from "./store";

/** How fast, and how often. */
export interface ScrubPace {
    readonly bytesPerSecond: number;
    /** From the start of one pass to the start of the next. */
    readonly everyMs: number;
    /** How often it is noted how far it is, and looked whether a pass is due. */
    readonly noteMs: number;
}

const HOUR_MS = 3_600_000;
export const SCRUB_PACE: ScrubPace = { bytesPerSecond: 5_000_000, everyMs: 30 * 24 * HOUR_MS, noteMs: 60_000 };

/** A pass, as it stands in the note: a restart goes on where it was. */
interface Pass {
    /** Milliseconds since 1970. */
    readonly began: number;
    /** The last blob that was checked; `undefined` when the pass is over. */
    readonly at?: string | undefined;
}

export class Scrub {
    private readonly ending = new AbortController();
    private running: Promise<void> | undefined;
    private wake: () => void = () => undefined;
    private pass: Pass | undefined;

    /** @param folder Where the note is kept. */
    constructor(
        private readonly store: Store,
        private readonly folder: string,
        private readonly log: Log,
        private readonly metrics: Metrics,
        private readonly pace: ScrubPace = SCRUB_PACE,
    ) {}

    start(): void {
        this.running = this.run().catch((error) => this.log("error", "scrub ended", { reason: String(error) }));
    }

    /** Ends after the step that it is at. */
    async stop(): Promise<void> {
        this.ending.abort();
        this.wake();
        await this.running;
    }

    private async run(): Promise<void> {
        this.pass = await this.readNote();
        while (!this.ending.signal.aborted) {
            const due = this.pass === undefined || Date.now() >= this.pass.began + this.pace.everyMs;
            if (this.pass?.at !== undefined) await this.goOn(this.pass.began, this.pass.at);
            else if (due) await this.goOn(Date.now(), "");
            else await this.wait(this.pace.noteMs);
        }
    }

    private async goOn(began: number, after: string): Promise<void> {
        const count = { right: 0, wrong: 0, gone: 0 };
        let noted = performance.now();
        for await (const hex of this.store.names(after)) {
            const verdict = await this.store.verify(hex, "scrub", (bytes) => this.take(bytes));
            // Half a blob may have been read since.
            if (this.ending.signal.aborted) return;
            count[verdict] += 1;
            this.pass = { began, at: hex };
            if (performance.now() - noted < this.pace.noteMs) continue;
            noted = performance.now();
            await this.writeNote();
        }
        this.pass = { began };
        await this.writeNote();
        this.log("info", "every blob of the cache's store was checked", count);
    }

    private async take(bytes: number): Promise<void> {
        this.metrics.storeScrubbed.inc(bytes);
        await this.wait((bytes / this.pace.bytesPerSecond) * 1000);
    }

    private async wait(ms: number): Promise<void> {
        if (this.ending.signal.aborted) return;
        await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, ms);
            this.wake = () => {
                clearTimeout(timer);
                resolve();
            };
        });
    }

    private get note(): string {
        return join(this.folder, "scrub.json");
    }

    private async readNote(): Promise<Pass | undefined> {
        try {
            const found: unknown = JSON.parse(await readFile(this.note, "utf8"));
            if (typeof found !== "object" || found === null) return undefined;
            const { began, at } = found as Partial<Pass>;
            if (!Number.isSafeInteger(began) || !(at === undefined || typeof at === "string")) return undefined;
            return { began: Number(began), at };
        } catch {
            // Missing or unreadable: the pass begins again.
            return undefined;
        }
    }

    private async writeNote(): Promise<void> {
        try {
            await writeFile(`${this.note}.new`, JSON.stringify(this.pass), { mode: 0o600 });
            await rename(`${this.note}.new`, this.note);
        } catch (error) {
            this.log("warn", "the scrub's place is not noted", { reason: String(error) });
        }
    }
}
