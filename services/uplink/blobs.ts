/** Where a blob is: in the cache's own store, in the spool, on its way, or still beyond the thin link. */
import type { FileHandle } from "node:fs/promises";
import { type RegistryRequest, relayPath } from "../registry/names";
import type { Descriptors, Known } from "./descriptors";
import { Download, type DownloadKit } from "./download";
import { UpstreamFault } from "./failure";
import { SpoolUnusable, Window } from "./landing";
import { repositoryOf } from "./manifests";
import { Slots } from "./slots";
import type { SpoolUse } from "./spool";
import type { Store } from "./store";

/** A blob that can be read, up to where it is released. */
export interface BlobSource {
    readonly from: "store" | "spool" | "link";
    /** Missing while nobody knows it: then it is at its end when nothing after a position is released. */
    readonly size: number | undefined;
    /** Reads up to `length` bytes that are released. Returns how many. */
    read(buffer: Buffer, length: number, position: number): Promise<number>;
    /** Waits until bytes after `position` may be given out; says up to where. Throws when they never will be. */
    releasedAfter(position: number): Promise<number>;
    close(): Promise<void>;
}

/** Blobs fetched ahead at once: enough to keep the link busy behind the ones that a reader waits for. */
const AHEAD_AT_ONCE = 2;

/** Blobs that pass the spool by at once: each holds a request to a relay, and some MiB, for as long as its reader takes. */
const PASSING = 32;

/** What lies in memory for such a reader beside what is held back. */
const WINDOW_BYTES = 1024 * 1024;

/** A request for one blob. */
export type BlobRequest = RegistryRequest & { readonly kind: "blobs" };

export class Blobs {
    private readonly downloads = new Map<string, Download>();
    private readonly ahead = new Map<string, BlobRequest>();
    private aheadRunning = 0;
    private closed = false;
    private readonly passing = new Set<Download>();
    private readonly passingKit: DownloadKit;

    /** Repositories whose manifests in the store have been read. */
    private readonly readManifests = new Set<string>();

    /** @param store The cache's storage, when it is mounted here. */
    constructor(
        private readonly kit: DownloadKit,
        private readonly descriptors: Descriptors,
        private readonly store: Store | undefined,
    ) {
        const limits = { ...kit.limits, ranges: 1 };
        this.passingKit = { ...kit, slots: new Slots(PASSING), limits };
    }

    /**
     * Opens a blob for reading. The caller closes it.
     *
     * @throws UpstreamFault, Unavailable
     */
    async open(request: BlobRequest): Promise<BlobSource> {
        const hex = hexOf(request);
        for (;;) {
            const running = this.downloads.get(hex);
            const found = running ? undefined : ((await this.openStored(request)) ?? (await this.openSpooled(hex)));
            if (found) return found;
            // Looking took a while: somebody else may have begun, or ended, meanwhile.
            if (!running && this.kit.spool.has(hex)) continue;
            if (!running && !this.downloads.has(hex) && !(await this.canSpool(request)))
                return await this.passBy(request);
            const download = running ?? this.downloads.get(hex) ?? this.startWanted(hex, request);
            try {
                return await this.follow(request, download);
            } catch (error) {
                if (error instanceof SpoolUnusable) return await this.passBy(request);
                // What the upstream says to another repository is nothing to this one.
                if (!(error instanceof UpstreamFault) || download.path === relayPath(request)) throw error;
                await download.ended;
            }
        }
    }

    /** The size of a blob, from wherever it is known without the link. Of what is here before what a manifest says. */
    async sizeAtHome(request: BlobRequest): Promise<number | undefined> {
        const hex = hexOf(request);
        const found = (await this.openStored(request)) ?? (await this.openSpooled(hex));
        await found?.close();
        return found?.size ?? this.downloads.get(hex)?.knownSize ?? this.hint(request)?.size;
    }

    private hint(request: BlobRequest): Known | undefined {
        return this.descriptors.get(repositoryOf(request), request.reference);
    }

    /** Whether the cache's store has the blob, as far as can be seen: what the front sends from there by itself. */
    async isStored(request: BlobRequest): Promise<boolean> {
        if (!this.store) return true;
        return await this.store.has(hexOf(request), await this.sizeForStore(request));
    }

    private async openStored(request: BlobRequest): Promise<BlobSource | undefined> {
        const found = await this.store?.open(hexOf(request), await this.sizeForStore(request));
        if (!found) return undefined;
        const { file, size } = found;
        return fileSource("store", size, file, () => file.close());
    }

    /** What a manifest says of the size: one that passed here, else one that the cache has. */
    private async sizeForStore(request: BlobRequest): Promise<number | undefined> {
        const hint = this.hint(request);
        const repository = repositoryOf(request);
        if (hint || !this.store || this.readManifests.has(repository)) return hint?.size;
        this.readManifests.add(repository);
        const [, own = ""] = /^\/v2\/(.+)\/blobs\//.exec(relayPath(request)) ?? [];
        for await (const manifest of this.store.manifests(own)) this.descriptors.learn(repository, manifest);
        return this.hint(request)?.size;
    }

    private async openSpooled(hex: string): Promise<BlobSource | undefined> {
        const found = await this.kit.spool.read(hex);
        return found && fileSource("spool", found.size, found.file, found.leave);
    }

    /** What is known not to fit is not asked for in vain. */
    async canSpool(request: BlobRequest): Promise<boolean> {
        const size = this.hint(request)?.size;
        const { spool } = this.kit;
        return spool.isUsable && (size === undefined || (await spool.fits(hexOf(request), size)));
    }

    private startWanted(hex: string, request: BlobRequest): Download {
        const download = this.start(hex, request);
        this.fetchAhead(request);
        return download;
    }

    private start(hex: string, request: BlobRequest): Download {
        const download = new Download(hex, request, this.hint(request)?.size, this.kit);
        this.downloads.set(hex, download);
        void download.ended.then(() => this.downloads.delete(hex));
        return download;
    }

    private async follow(request: BlobRequest, download: Download): Promise<BlobSource> {
        download.readers += 1;
        let use: SpoolUse | undefined;
        let past: BlobSource | undefined;
        let isOver = false;
        const close = async () => {
            if (isOver) return;
            isOver = true;
            download.readers -= 1;
            await use?.leave();
            await past?.close();
        };
        try {
            await download.opened();
            // Opened before there is anything to read: a whole blob may be evicted as soon as nobody has it open.
            use = await this.kit.spool.readPart(hexOf(request)).catch((error) => {
                throw new SpoolUnusable(String(error));
            });
            const { file } = use;
            // Nothing is promised to the engine before there is a byte to give: until then a failure has a status.
            let { round, end } = await download.releasedAfter(0, undefined);
            let from = Number.POSITIVE_INFINITY;
            const releasedAfter = async (position: number): Promise<number> => {
                if (past) return await past.releasedAfter(position);
                try {
                    ({ round, end } = await download.releasedAfter(position, round));
                    return end;
                } catch (error) {
                    if (!(error instanceof SpoolUnusable)) throw error;
                    // What is in the file was released, or is part of what the rest is checked with.
                    ({ source: past, from } = this.passFrom(request, download));
                    return await past.releasedAfter(position);
                }
            };
            const read = async (buffer: Buffer, length: number, position: number) => {
                if (past && position >= from) return await past.read(buffer, length, position);
                return (await file.read(buffer, 0, Math.min(length, from - position), position)).bytesRead;
            };
            // Asked for now: a round with wrong bytes may have had another size.
            const size = download.knownSize ?? (download.isWhole ? end : undefined);
            return { from: "link", size, read, releasedAfter, close };
        } catch (error) {
            await close();
            throw error;
        }
    }

    /** A blob that the spool cannot take. */
    private async passBy(request: BlobRequest): Promise<BlobSource> {
        const { source, download } = this.passFrom(request, undefined);
        try {
            await download.opened();
            await source.releasedAfter(0);
            return { ...source, size: download.knownSize };
        } catch (error) {
            await source.close();
            throw error;
        }
    }

    /** @param failed The download whose file the reader has open. */
    private passFrom(request: BlobRequest, failed: Download | undefined) {
        const { checkedFirstBytes, heldBackBytes } = this.kit.limits;
        const rest = failed?.rest();
        const window = new Window(checkedFirstBytes + heldBackBytes + WINDOW_BYTES, rest);
        const hint = failed?.knownSize ?? this.hint(request)?.size;
        const download = new Download(hexOf(request), request, hint, this.passingKit, window, rest?.hash);
        this.kit.metrics.spoolPassed.inc();
        download.readers += 1;
        this.passing.add(download);
        void download.ended.then(() => this.passing.delete(download));
        // What the reader has of the file is of the first round.
        let round = rest && 0;
        const releasedAfter = async (position: number) => {
            window.passed(position);
            const released = await download.releasedAfter(position, round);
            ({ round } = released);
            return released.end;
        };
        const source: BlobSource = {
            from: "link",
            size: download.knownSize,
            read: (buffer, length, position) => window.read(buffer, length, position),
            releasedAfter,
            close: async () => {
                // Or the next reader would get the wrong bytes of the same relay.
                if (download.isInDoubt) window.passed(Number.POSITIVE_INFINITY);
                else await download.stop("its only reader has left");
            },
        };
        return { source, download, from: rest?.from ?? 0 };
    }

    /**
     * The first layer asked for brings the others of its image. Not the manifest: tools that only look at manifests and
     * configs would fetch whole images.
     */
    private fetchAhead(request: BlobRequest): void {
        for (const { digest } of this.hint(request)?.layers ?? []) {
            if (digest !== request.reference) this.ahead.set(digest, { ...request, reference: digest });
        }
        this.fetchNextAhead();
    }

    private fetchNextAhead(): void {
        for (const [digest, request] of this.ahead) {
            if (this.aheadRunning >= AHEAD_AT_ONCE || this.closed) return;
            this.ahead.delete(digest);
            this.aheadRunning += 1;
            void this.fetchUnread(request)
                .catch((error) => this.kit.log("warn", "blob not fetched ahead", { digest, reason: String(error) }))
                .finally(() => {
                    this.aheadRunning -= 1;
                    this.fetchNextAhead();
                });
        }
    }

    private async fetchUnread(request: BlobRequest): Promise<void> {
        const hex = hexOf(request);
        if (this.downloads.has(hex) || !(await this.canSpool(request))) return;
        const found = (await this.openStored(request)) ?? (await this.openSpooled(hex));
        await found?.close();
        if (found || this.closed) return;
        const download = this.downloads.get(hex) ?? this.start(hex, request);
        await download.ended;
    }

    /** For `/status`. */
    running(): ReturnType<Download["state"]>[] {
        return [...this.downloads.values(), ...this.passing].map((download) => download.state());
    }

    /** Stops what is on its way and keeps what is there of it. */
    async close(): Promise<void> {
        this.closed = true;
        this.ahead.clear();
        await Promise.all([...this.downloads.values(), ...this.passing].map((download) => download.stop()));
    }
}

function hexOf(request: BlobRequest): string {
    return request.reference.slice("sha256:".length);
}

/** Waits until all of a blob may be given out. Returns its size; throws when that will never be. */
export async function sizeAtEnd(source: BlobSource): Promise<number> {
    const { size } = source;
    if (size !== undefined) {
        const end = await source.releasedAfter(Math.max(0, size - 1));
        if (end < size) throw new Error("the blob ended early");
        return size;
    }
    for (let at = 0; ; ) {
        const end = await source.releasedAfter(at);
        if (end <= at) return at;
        at = end;
    }
}

function fileSource(from: "store" | "spool", size: number, file: FileHandle, leave: () => Promise<void>): BlobSource {
    return {
        from,
        size,
        read: async (buffer, length, position) => (await file.read(buffer, 0, length, position)).bytesRead,
        releasedAfter: async () => size,
        close: leave,
    };
}
