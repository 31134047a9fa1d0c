/**
 * Referrers: the signatures and attestations that belong to an image. A client asks in the middle of a pull, and a mirror
 * that refuses or is slow sends it to the upstream itself, which it cannot reach. So the answer is always an index, soon.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type RegistryRequest, relayPath } from "../registry/names";
import { Unavailable, UpstreamFault } from "./failure";
import { scopeOf } from "./health";
import { KeptFiles } from "./kept-files";
import { nextPage } from "./links";
import type { Log } from "./log";
import type { Manifests } from "./manifests";
import type { Metrics } from "./metrics";
import type { Relays } from "./relays";
import { within } from "./within";

export const INDEX = "application/vnd.oci.image.index.v1+json";

/** An entry of an index, with whatever fields it came with. */
export interface Referrer {
    readonly mediaType: string;
    readonly digest: string;
    readonly size: number;
    readonly artifactType?: string;
}

/** An answer; always one that a client can use. */
export interface ReferrersAnswer {
    /** The text of an OCI index. */
    readonly body: Buffer;
    /** `link`: as the upstream says now, or said some seconds ago. Else what was known. */
    readonly from: "link" | "spool" | "nowhere";
    /** Why it may lack something. */
    readonly reason?: string;
}

/**
 * Why something may be lacking, as the metric says it.
 *
 * - `throttled`: the upstream allows no more requests for now
 * - `unavailable`: no relay could get it
 * - `refused`: a refusal that does not say that there are none, such as 403
 * - `late`: not there in time
 * - `not-an-index`: 200 with something else
 * - `error`: a fault of ours
 */
type Reason = "throttled" | "unavailable" | "refused" | "late" | "not-an-index" | "error";

/** What one of the two sources has: nothing is an empty list. */
type Part = readonly Referrer[] | { readonly reason: Reason };

/** A question that is on its way; its parts arrive one by one. */
interface Inquiry {
    readonly began: number;
    api: Part;
    tag: Part;
    /** Resolves when both parts are there. Never rejects. */
    done: Promise<void>;
}

/** What says "there is none": 404 by the spec, and what upstreams answer to a path that they do not know. */
const ABSENT: readonly number[] = [400, 404, 405, 406, 410, 415];

/** An inquiry is answered after this long with what is there; it goes on, for the next who asks. */
const REFERRERS_MS = 2_200;

/** Pages of one list that are followed, and bytes of it: what clients take as the longest index. */
const PAGES = 20;
const LONGEST = 4 * 1024 * 1024;

/** Indexes on disk; most are of some hundred bytes. */
const KEPT = { files: 10_000, bytes: 64 * 1024 * 1024 };

/** Indexes remembered as up to date; each is forgotten after some seconds anyway. */
const FRESH = 10_000;

export interface ReferrersKit {
    readonly relays: Relays;
    readonly manifests: Manifests;
    readonly metrics: Metrics;
    readonly log: Log;
}

export class Referrers {
    private readonly inquiries = new Map<string, Inquiry>();
    /** Until when what is kept is as good as asked. */
    private readonly fresh = new Map<string, number>();

    private constructor(
        private readonly kept: KeptFiles,
        private readonly kit: ReferrersKit,
        private readonly freshSeconds: () => number,
    ) {}

    /**
     * Opens the folder `referrers` in `spool`.
     *
     * @param seconds For how long one answer serves all who ask, at the moment.
     */
    static async open(spool: string, kit: ReferrersKit, seconds: () => number): Promise<Referrers> {
        return new Referrers(await KeptFiles.open(join(spool, "referrers"), KEPT, kit.log), kit, seconds);
    }

    /**
     * Everything that refers to a manifest: what the upstream's API lists and what its fallback tag does. What cannot be
     * had is made up for by what was known last.
     *
     * @param artifactTypes Only entries of these types; all when there are none.
     */
    async list(request: RegistryRequest, artifactTypes: readonly string[]): Promise<ReferrersAnswer> {
        const key = relayPath(request);
        if (performance.now() < (this.fresh.get(key) ?? 0)) {
            const known = await this.known(key);
            if (known) return { body: indexText(ofTypes(known, artifactTypes)), from: "link" };
        }
        const inquiry = this.inquiries.get(key) ?? this.inquire(key, request);
        await within(inquiry.done, inquiry.began + REFERRERS_MS - performance.now());
        const { api, tag } = inquiry;
        const reason = "reason" in api ? api.reason : "reason" in tag ? tag.reason : undefined;
        if (reason === undefined) return { body: indexText(ofTypes(merged(api, tag), artifactTypes)), from: "link" };

        const known = await this.known(key);
        const entries = merged(api, tag, known ?? []);
        const answer = known ? "last-known" : entries.length > 0 ? "partial" : "empty";
        this.kit.metrics.referrersLacking.inc({ reason, answer });
        return {
            body: indexText(ofTypes(entries, artifactTypes)),
            from: known ? "spool" : entries.length > 0 ? "link" : "nowhere",
            reason: `referrers may be lacking: ${reason}`,
        };
    }

    /** However many ask the same at the same time, it is asked once. */
    private inquire(key: string, request: RegistryRequest): Inquiry {
        const late: Part = { reason: "late" };
        const inquiry: Inquiry = { began: performance.now(), api: late, tag: late, done: Promise.resolve() };
        const arrived = Promise.all([
            this.part(request, () => this.askApi(request)).then((part) => {
                inquiry.api = part;
            }),
            this.part(request, () => this.askTag(request)).then((part) => {
                inquiry.tag = part;
            }),
        ]);
        inquiry.done = arrived
            .then(() => this.keep(key, inquiry))
            .finally(() => {
                this.inquiries.delete(key);
            });
        this.inquiries.set(key, inquiry);
        return inquiry;
    }

    private async part(request: RegistryRequest, ask: () => Promise<Part>): Promise<Part> {
        try {
            return await ask();
        } catch (error) {
            if (error instanceof Unavailable || error instanceof UpstreamFault) return refusal(error.status);
            const { upstream, repository, reference } = request;
            const text = error instanceof Error ? error.stack : String(error);
            this.kit.log("error", "referrers failed", { upstream: upstream.name, repository, reference, error: text });
            return { reason: "error" };
        }
    }

    /** Asked without artifactType: one list serves every filter, and some upstreams apply none or apply it wrongly. */
    private async askApi(request: RegistryRequest): Promise<Part> {
        const scope = scopeOf(request);
        const found = new Map<string, Referrer>();
        let path: string | undefined = relayPath(request);
        for (let page = 1, bytes = 0; path !== undefined; page++) {
            const { status, headers, body } = await this.kit.relays.ask({ method: "GET", path, scope, accept: INDEX });
            if (status !== 200) return page === 1 ? refusal(status) : { reason: "unavailable" };
            const entries = readIndex(body);
            if (!entries) return { reason: "not-an-index" };
            const before = found.size;
            for (const entry of entries) found.set(entry.digest, entry);
            bytes += body.length;
            const next = nextPage(headers.link);
            next?.delete("ns");
            path = next && `${relayPath(request)}?${next}`;
            // A page with nothing new: a relay that does not know the parameter gave the same one again.
            if (path !== undefined && (page === PAGES || bytes > LONGEST || found.size === before)) {
                this.kit.log("warn", "referrers not read to their end", { path, page, bytes });
                break;
            }
        }
        return [...found.values()];
    }

    /**
     * The index under the tag `sha256-<hex>`, where clients keep the list for an upstream without the API (spec, "Referrers
     * Tag Schema"). By HEAD first: a GET counts as a pull at Docker Hub, and nearly always there is no such tag.
     */
    private async askTag(request: RegistryRequest): Promise<Part> {
        const tag: RegistryRequest = {
            ...request,
            kind: "manifests",
            reference: request.reference.replace(":", "-"),
        };
        const head = await this.kit.manifests.get(tag, "HEAD", INDEX, true);
        if (!("digest" in head)) return refusal(head.status);
        const { status, body } = await this.kit.manifests.get({ ...tag, reference: head.digest }, "GET", INDEX);
        if (status !== 200 || !body) return refusal(status);
        // A tag of this name that is an image is somebody's image.
        return readIndex(body) ?? [];
    }

    private async keep(key: string, { api, tag }: Inquiry): Promise<void> {
        if ("reason" in api || "reason" in tag) return;
        // The empty list too: that there is nothing is known then, and replaces what was there before.
        if (!(await this.kept.write(nameOf(key), indexText(merged(api, tag))))) return;
        this.fresh.delete(key);
        this.fresh.set(key, performance.now() + this.freshSeconds() * 1000);
        if (this.fresh.size <= FRESH) return;
        for (const oldest of this.fresh.keys()) {
            this.fresh.delete(oldest);
            return;
        }
    }

    private async known(key: string): Promise<Referrer[] | undefined> {
        const kept = await this.kept.read(nameOf(key));
        return kept && readIndex(kept);
    }
}

/** What an answer other than 200 says about a list. */
function refusal(status: number): Part {
    if (ABSENT.includes(status)) return [];
    if (status === 429) return { reason: "throttled" };
    return { reason: status >= 500 ? "unavailable" : "refused" };
}

/** Each digest once; the first who has it counts. */
function merged(...parts: readonly Part[]): Referrer[] {
    const found = new Map<string, Referrer>();
    for (const part of parts) {
        if ("reason" in part) continue;
        for (const entry of part) if (!found.has(entry.digest)) found.set(entry.digest, entry);
    }
    return [...found.values()];
}

function ofTypes(entries: readonly Referrer[], artifactTypes: readonly string[]): readonly Referrer[] {
    if (artifactTypes.length === 0) return entries;
    return entries.filter(({ artifactType }) => artifactType !== undefined && artifactTypes.includes(artifactType));
}

function indexText(manifests: readonly Referrer[]): Buffer {
    return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }));
}

/** The entries of an OCI index; `undefined` when the text is none. */
function readIndex(text: Buffer): Referrer[] | undefined {
    try {
        const index: unknown = JSON.parse(text.toString("utf8"));
        if (typeof index !== "object" || index === null) return undefined;
        const { schemaVersion, mediaType, manifests } = index as Record<string, unknown>;
        if (schemaVersion !== 2 || (mediaType !== undefined && mediaType !== INDEX)) return undefined;
        // How Go writes a list that nothing was put into.
        if (manifests === null) return [];
        return Array.isArray(manifests) && manifests.every(isReferrer) ? manifests : undefined;
    } catch {
        return undefined;
    }
}

/** OCI image spec, "Descriptor" and "Digests". */
const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

function isReferrer(value: unknown): value is Referrer {
    if (typeof value !== "object" || value === null) return false;
    const { mediaType, digest, size, artifactType } = value as Record<string, unknown>;
    return (
        typeof mediaType === "string" &&
        typeof digest === "string" &&
        DIGEST.test(digest) &&
        Number.isSafeInteger(size) &&
        Number(size) >= 0 &&
        (artifactType === undefined || typeof artifactType === "string")
    );
}

function nameOf(key: string): string {
    return createHash("sha256").update(key).digest("hex");
}
