/** Where a blob is: in the cache's own store, in the spool, on its way, or still beyond the thin link. */
import type { FileHandle } from "node:fs/promises";
import { type RegistryRequest, relayPath } from "../registry/names";
import type { Descriptors, Known } from "./descriptors";
import { Download, type DownloadKit } from "./download";
import { UpstreamFault } from "./failure";
import { repositoryOf } from "./manifests";
import type { Store } from "./store";

/** A blob that can be read, up to where it is released. */
export interface BlobSource {
    readonly from: "store" | "spool" | "link";
    readonly size: number;
    readonly file: FileHandle;
    /** Waits until bytes after `position` may be given out; says up to where. Throws when they never will be. */
    releasedAfter(position: number): Promise<number>;
    close(): Promise<void>;
}

/** Blobs fetched ahead at once: enough to keep the link busy behind the ones that a reader waits for. */
const AHEAD_AT_ONCE = 2;

/** A request for one blob. */
export type BlobRequest = RegistryRequest & { readonly kind: "blobs" };

export class Blobs {
    private readonly downloads = new Map<string, Download>();
    private readonly ahead = new Map<string, BlobRequest>();
    private aheadRunning = 0;
    private closed = false;

    /** Repositories whose manifests in the store have been read. */
    private readonly readManifests = new Set<string>();

    /** @param store The cache's storage, when it is mounted here. */
    constructor(
        private readonly kit: DownloadKit,
        private readonly descriptors: Descriptors,
        private readonly store: Store | undefined,
    ) {}

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
            const download = running ?? this.downloads.get(hex) ?? this.startWanted(hex, request);
            try {
                return await this.follow(hex, download);
            } catch (error) {
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
        return { from: "store", size, file, releasedAfter: async () => size, close: () => file.close() };
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
        if (!found) return undefined;
        const { file, size } = found;
        const close = async () => {
            await file.close();
            await this.kit.spool.leave(hex);
        };
        return { from: "spool", size, file, releasedAfter: async () => size, close };
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

    private async follow(hex: string, download: Download): Promise<BlobSource> {
        download.readers += 1;
        let file: FileHandle | undefined;
        const close = async () => {
            download.readers -= 1;
            await file?.close();
            if (file) await this.kit.spool.leave(hex);
        };
        try {
            await download.opened();
            // Opened before there is anything to read: a whole blob may be evicted as soon as nobody has it open.
            file = await this.kit.spool.readPart(hex);
            // Nothing is promised to the engine before there is a byte to give: until then a failure has a status.
            let { round, end } = await download.releasedAfter(0, undefined);
            const releasedAfter = async (position: number) => {
                ({ round, end } = await download.releasedAfter(position, round));
                return end;
            };
            // Asked for now: a round with wrong bytes may have had another size.
            return { from: "link", size: download.knownSize ?? end, file, releasedAfter, close };
        } catch (error) {
            await close();
            throw error;
        }
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
        if (this.downloads.has(hex)) return;
        const found = (await this.openStored(request)) ?? (await this.openSpooled(hex));
        await found?.close();
        if (found || this.closed) return;
        const download = this.downloads.get(hex) ?? this.start(hex, request);
        await download.ended;
    }

    /** For `/status`. */
    running(): ReturnType<Download["state"]>[] {
        return [...this.downloads.values()].map((download) => download.state());
    }

    /** Stops what is on its way and keeps what is there of it. */
    async close(): Promise<void> {
        this.closed = true;
        this.ahead.clear();
        await Promise.all([...this.downloads.values()].map((download) => download.stop()));
    }
}

function hexOf(request: BlobRequest): string {
    return request.reference.slice("sha256:".length);
}
