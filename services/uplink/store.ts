/**
 * The cache's own store, as registry lays it out, and which of its blobs count: those that are as they were written. A
 * blob that is not is set aside, so that the cache fetches it again.
 */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import { isMissing } from "./spool";
import { within } from "./within";

/** Below the root: https://github.com/distribution/distribution/blob/v3.1.2/registry/storage/paths.go */
const BLOBS = "docker/registry/v2/blobs/sha256";
const REPOSITORIES = "docker/registry/v2/repositories";
/** Below the root, ours: what was set aside, for who wants to know how it is wrong. */
const ASIDE = "set-aside";
/** Files kept there. */
const ASIDE_KEPT = 16;

const HEX = /^[a-f0-9]{64}$/;
/** Of no bytes. */
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/** registry takes no larger manifest (maxManifestBodySize). */
const MANIFEST_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
/** Bounds the memory: some 200 bytes each. */
const REMEMBERED = 100_000;
/** For how long a request waits for the digest of a blob that looks wrong: some hundred MB. Then it is fetched. */
const PATIENCE_MS = 300;

/** What is known about the file of a blob. */
interface Seen {
    /** Size and time of the last write: registry writes a blob once. */
    readonly stamp: string;
    /** `right` and `wrong`: by its digest. */
    readonly is: "seen" | "right" | "wrong";
}

/** What a check of a digest found. `gone`: no such file, or another one meanwhile. */
export type Verdict = "right" | "wrong" | "gone";

/** Who found a wrong blob. */
export type Finder = "request" | "scrub";

export class Store {
    /** The Map's order is the order in which they were noted. */
    private readonly seen = new Map<string, Seen>();
    private readonly verifying = new Map<string, Promise<Verdict>>();

    /** @param root Root of the cache's filesystem storage. */
    constructor(
        private readonly root: string,
        private readonly log: Log,
        private readonly metrics: Metrics,
    ) {}

    /**
     * Opens a blob that counts. The caller closes it.
     *
     * @param size What a manifest says of it. No proof: anybody can write any size into a manifest of their own.
     */
    async open(hex: string, size: number | undefined): Promise<{ file: FileHandle; size: number } | undefined> {
        let file: FileHandle | undefined;
        try {
            file = await open(this.path(hex), "r");
            const found = await file.stat({ bigint: true });
            if (await this.counts(hex, found, size)) return { file, size: Number(found.size) };
        } catch (error) {
            if (isMissing(error)) this.seen.delete(hex);
            // The link can still bring it.
            else this.log("warn", "the cache's store cannot be read", { reason: String(error) });
        }
        await file?.close();
        return undefined;
    }

    /** Whether the store has a blob that counts. */
    async has(hex: string, size: number | undefined): Promise<boolean> {
        const found = await this.open(hex, size);
        await found?.file.close();
        return found !== undefined;
    }

    /**
     * A blob counts when its size is right and its file has not been written to since it was seen first. Otherwise its
     * digest decides.
     */
    private async counts(hex: string, found: BigIntStats, size: number | undefined): Promise<boolean> {
        const stamp = stampOf(found);
        const known = this.seen.get(hex);
        if (known?.stamp === stamp && known.is !== "seen") return known.is === "right";
        const unchanged = known === undefined || known.stamp === stamp;
        const plausible = found.size === 0n ? hex === EMPTY : size === undefined || BigInt(size) === found.size;
        if (unchanged && plausible) {
            this.note(hex, { stamp, is: "seen" });
            return true;
        }
        return (await within(this.verify(hex, "request"), PATIENCE_MS)) === "right";
    }

    private note(hex: string, seen: Seen): void {
        this.seen.delete(hex);
        this.seen.set(hex, seen);
        const [oldest] = this.seen.keys();
        if (this.seen.size > REMEMBERED && oldest !== undefined) this.seen.delete(oldest);
    }

    /**
     * Reads a blob and compares its digest; sets it aside when it is wrong. Never rejects.
     *
     * @param pace Awaited after each step, with its bytes.
     */
    verify(hex: string, finder: Finder, pace?: (bytes: number) => Promise<void>): Promise<Verdict> {
        const running = this.verifying.get(hex);
        if (running) return running;
        const verdict = this.readAndCompare(hex, finder, pace)
            .catch((error): Verdict => {
                if (!isMissing(error)) {
                    this.log("warn", "a blob of the cache's store cannot be checked", { hex, reason: String(error) });
                }
                return "gone";
            })
            .finally(() => this.verifying.delete(hex));
        this.verifying.set(hex, verdict);
        return verdict;
    }

    private async readAndCompare(
        hex: string,
        finder: Finder,
        pace: ((bytes: number) => Promise<void>) | undefined,
    ): Promise<Verdict> {
        const file = await open(this.path(hex), "r");
        try {
            const stamp = stampOf(await file.stat({ bigint: true }));
            const hash = createHash("sha256");
            const buffer = Buffer.allocUnsafe(READ_BYTES);
            for (let at = 0; ; ) {
                const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
                if (bytesRead === 0) break;
                hash.update(buffer.subarray(0, bytesRead));
                at += bytesRead;
                await pace?.(bytesRead);
            }
            // The path may lead to another file by now, which this one says nothing about.
            if (stampOf(await stat(this.path(hex), { bigint: true })) !== stamp) return "gone";
            const right = hash.digest("hex") === hex;
            this.note(hex, { stamp, is: right ? "right" : "wrong" });
            if (!right) await this.setAside(hex, finder);
            return right ? "right" : "wrong";
        } finally {
            await file.close();
        }
    }

    private async setAside(hex: string, finder: Finder): Promise<void> {
        this.metrics.storeWrong.inc({ found: finder });
        const folder = join(this.root, ASIDE);
        try {
            await mkdir(folder, { recursive: true, mode: 0o700 });
            const there = (await readdir(folder)).sort();
            for (const name of there.slice(0, Math.max(0, there.length - ASIDE_KEPT + 1))) {
                await rm(join(folder, name), { force: true });
            }
            const to = join(folder, `${Date.now()}-${hex}`);
            await rename(this.path(hex), to);
            this.seen.delete(hex);
            this.log("warn", "wrong blob of the cache's store set aside", { digest: `sha256:${hex}`, finder, to });
        } catch (error) {
            // It does not count, and is fetched each time that the spool does not have it.
            const reason = String(error);
            this.log("error", "wrong blob of the cache's store stays there", { digest: `sha256:${hex}`, reason });
        }
    }

    /** The blobs after `after`, in order. */
    async *names(after = ""): AsyncGenerator<string> {
        const folder = join(this.root, BLOBS);
        for (const start of await namesIn(folder)) {
            if (start < after.slice(0, 2)) continue;
            for (const hex of await namesIn(join(folder, start))) if (HEX.test(hex) && hex > after) yield hex;
        }
    }

    /**
     * The manifests that the cache has of a repository.
     *
     * @param repository As the cache calls it: `library/app`, `ghcr.io/owner/app`.
     */
    async *manifests(repository: string): AsyncGenerator<Buffer> {
        for (const hex of await namesIn(join(this.root, REPOSITORIES, repository, "_manifests/revisions/sha256"))) {
            const text = HEX.test(hex) ? await this.smallBlob(hex) : undefined;
            if (text) yield text;
        }
    }

    private async smallBlob(hex: string): Promise<Buffer | undefined> {
        try {
            if ((await stat(this.path(hex))).size > MANIFEST_BYTES) return undefined;
            const bytes = await readFile(this.path(hex));
            return createHash("sha256").update(bytes).digest("hex") === hex ? bytes : undefined;
        } catch {
            return undefined;
        }
    }

    private path(hex: string): string {
        return join(this.root, BLOBS, hex.slice(0, 2), hex, "data");
    }
}

function stampOf({ size, mtimeNs }: BigIntStats): string {
    return `${size} ${mtimeNs}`;
}

/** Sorted; none when there is no such folder. */
async function namesIn(folder: string): Promise<string[]> {
    try {
        return (await readdir(folder)).sort();
    } catch (error) {
        if (isMissing(error)) return [];
        throw error;
    }
}
