/**
 * Manifests: kept on disk by digest for good, by tag for some seconds. What a tag stood for last is kept as well, for when
 * the upstream cannot be asked.
 */
import { createHash, randomUUID } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type RegistryRequest, relayPath } from "../registry/names";
import type { Descriptors } from "./descriptors";
import { Unavailable } from "./failure";
import { scopeOf } from "./health";
import { type KnownTag, LastKnown } from "./last-known";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import type { Relays, SmallAnswer, SmallRequest } from "./relays";
import { within } from "./within";

/** An answer about a manifest; `body` is there when it was asked for or is at hand. */
export interface ManifestAnswer {
    readonly status: number;
    readonly type: string;
    readonly digest: string;
    readonly size: number;
    readonly body?: Buffer;
    /** `stale`: what the tag stood for last; the upstream could not be asked in time. */
    readonly from: "link" | "spool" | "stale";
}

/** A refusal of the upstream, as it came: status and body, and what it says about asking again. */
export interface ManifestRefusal {
    readonly status: number;
    readonly type: string;
    readonly body: Buffer;
    readonly retryAfter: string | undefined;
    readonly from: "link";
}

type Outcome = ManifestAnswer | ManifestRefusal;

/** What is asked of a registry when the engine names no type: everything that an image can be. */
const ANY_MANIFEST = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** Manifests kept on disk; they are some KiB each. */
const KEPT = 20_000;

/** Tags remembered at once; each is forgotten after some seconds anyway. */
const TAGS = 10_000;

/** What manifests need. */
export interface ManifestsKit {
    readonly relays: Relays;
    readonly descriptors: Descriptors;
    readonly metrics: Metrics;
    readonly log: Log;
    /** For how long one answer about a tag is shared. */
    readonly tagSeconds: () => number;
    /** Root of the cache's own storage, when it can be read from here. */
    readonly store?: string | undefined;
}

/** A question about a tag that is on its way. */
interface Asking {
    readonly began: number;
    readonly outcome: Promise<Outcome>;
}

export class Manifests {
    private readonly asking = new Map<string, Asking>();
    private readonly tags = new Map<string, { readonly outcome: Outcome; readonly until: number }>();
    /** Tags that the upstream did not answer for when they were asked for last. */
    private readonly unanswered = new Set<string>();

    private constructor(
        private readonly folder: string,
        private readonly known: LastKnown,
        private readonly kit: ManifestsKit,
    ) {}

    /** Opens what is kept in `spool`, and learns again what an earlier run learnt. */
    static async open(spool: string, kit: ManifestsKit): Promise<Manifests> {
        const folder = join(spool, "manifests");
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const known = await LastKnown.open(join(spool, "last-known.jsonl"), kit.log);
        const manifests = new Manifests(folder, known, kit);
        await manifests.recover();
        return manifests;
    }

    private async recover(): Promise<void> {
        const found: { name: string; written: number }[] = [];
        for (const name of await readdir(this.folder)) {
            // Half-written by a run that was killed.
            if (name.includes(".")) await rm(join(this.folder, name));
            else found.push({ name, written: (await stat(join(this.folder, name))).mtimeMs });
        }
        found.sort((a, b) => a.written - b.written);
        for (const { name } of found.splice(0, Math.max(0, found.length - KEPT))) await rm(join(this.folder, name));
        for (const { repository, digest } of this.known.manifests()) await this.kept(repository, digest);
    }

    /**
     * Answers for a manifest. By digest from disk, else from a relay; by tag from the answer of some seconds ago, else from
     * a relay. When that takes too long, or cannot be, and it is known what the tag stood for last, then with that.
     *
     * @param accept The engine's Accept header.
     * @param orLast False when what a tag stood for last is of no use.
     * @throws Unavailable, UpstreamFault
     */
    async get(
        request: RegistryRequest,
        method: "GET" | "HEAD",
        accept: string | undefined,
        orLast = true,
    ): Promise<Outcome> {
        const types = accept ?? ANY_MANIFEST;
        if (request.reference.startsWith("sha256:")) return await this.byDigest(request, types);
        const key = `${relayPath(request)} ${types}`;
        const shared = this.tags.get(key);
        if (shared && performance.now() < shared.until)
            return await this.complete(shared.outcome, request, method, types);
        const asking = this.once(`${method} ${key}`, () => this.askAndShare(key, request, method, types));
        if (!orLast) return await asking.outcome;
        const last = this.known.tag(key);
        if (!last && !(await this.engineHas(request))) return await asking.outcome;
        return await this.soon(asking, last, { key, request, method, types });
    }

    private async askAndShare(key: string, request: RegistryRequest, method: "GET" | "HEAD", types: string) {
        const late = setTimeout(() => {
            if (this.unanswered.size < TAGS) this.unanswered.add(key);
        }, this.kit.relays.times.homeMs);
        try {
            const outcome = await this.askByTag(request, method, types);
            this.unanswered.delete(key);
            if (outcome.status < 500) this.share(key, outcome);
            if ("digest" in outcome) await this.known.noteTag(key, outcome);
            return outcome;
        } finally {
            clearTimeout(late);
        }
    }

    /**
     * The answer to a question when it comes soon, else what is known at home. An upstream that let the one before wait is
     * not waited for: the answer comes for who asks next.
     */
    private async soon(
        { began, outcome }: Asking,
        last: KnownTag | undefined,
        about: { key: string; request: RegistryRequest; method: "GET" | "HEAD"; types: string },
    ): Promise<Outcome> {
        const { key, request, method, types } = about;
        const { relays, metrics, log } = this.kit;
        const waits = !this.unanswered.has(key) && !relays.isQuiet(scopeOf(request));
        const left = waits ? began + relays.times.homeMs - performance.now() : 0;
        const cannot = (error: unknown) => {
            if (last && error instanceof Unavailable) return error.message;
            throw error;
        };
        const answer = await within(outcome.catch(cannot), left);
        if (typeof answer === "object") return answer;
        const { upstream, repository, reference } = request;
        const reason = answer ?? `${upstream.name} has not answered in time`;
        // The engine serves the tag that it has when it cannot ask for it.
        if (!last) throw new Unavailable(503, reason, 1);
        metrics.staleAnswers.inc({ upstream: upstream.name });
        const tag = { upstream: upstream.name, name: repository, reference, digest: last.digest };
        log("warn", "tag answered as it was last", { ...tag, reason });
        if (method === "HEAD") return { status: 200, ...last, from: "stale" };
        const found = await within(this.byDigest({ ...request, reference: last.digest }, types), relays.times.homeMs);
        if (!found) throw new Unavailable(503, reason, 1);
        return "digest" in found ? { ...found, from: "stale" } : found;
    }

    /** Whether registry itself has the tag: "docker/registry/v2/repositories" below its root, a link for each tag. */
    private async engineHas(request: RegistryRequest): Promise<boolean> {
        if (!this.kit.store) return false;
        const [, repository = ""] = /^\/v2\/(.+)\/manifests\//.exec(relayPath(request)) ?? [];
        const tag = join("_manifests/tags", request.reference, "current/link");
        const path = join(this.kit.store, "docker/registry/v2/repositories", repository, tag);
        return await access(path).then(
            () => true,
            () => false,
        );
    }

    /** The digest that a tag had a moment ago, with the body if that is wanted. */
    private async complete(outcome: Outcome, request: RegistryRequest, method: "GET" | "HEAD", types: string) {
        if (method === "HEAD" || outcome.body || !("digest" in outcome)) return outcome;
        return await this.byDigest({ ...request, reference: outcome.digest }, types);
    }

    private share(key: string, outcome: Outcome): void {
        // The body is on disk; only a refusal's is kept, which is short.
        const { body, ...head } = outcome;
        const kept = "digest" in head ? head : outcome;
        this.tags.delete(key);
        this.tags.set(key, { outcome: kept, until: performance.now() + this.kit.tagSeconds() * 1000 });
        if (this.tags.size <= TAGS) return;
        for (const oldest of this.tags.keys()) {
            this.tags.delete(oldest);
            return;
        }
    }

    /** However many ask the same at the same time, it is asked once. */
    private once(key: string, ask: () => Promise<Outcome>): Asking {
        const running = this.asking.get(key);
        if (running) return running;
        const outcome = ask().finally(() => this.asking.delete(key));
        // Whoever asked may have been answered from what was known.
        outcome.catch(() => undefined);
        const asking = { began: performance.now(), outcome };
        this.asking.set(key, asking);
        return asking;
    }

    private async byDigest(request: RegistryRequest, types: string): Promise<Outcome> {
        const kept = await this.kept(repositoryOf(request), request.reference);
        if (kept) {
            await this.known.noteManifest(repositoryOf(request), request.reference);
            return kept;
        }
        const asking = this.once(relayPath(request), async () => {
            const answer = await this.kit.relays.ask(
                this.question(request, "GET", types, ({ body }) => {
                    const got = digestOf(body);
                    return got === request.reference ? undefined : `asked for ${request.reference}, got ${got}`;
                }),
            );
            return await this.keep(repositoryOf(request), answer);
        });
        return await asking.outcome;
    }

    private async askByTag(request: RegistryRequest, method: "GET" | "HEAD", types: string): Promise<Outcome> {
        const answer = await this.kit.relays.ask(
            this.question(request, method, types, ({ headers, body }) => {
                const said = headers["docker-content-digest"];
                if (method === "HEAD") return undefined;
                const got = digestOf(body);
                return said === undefined || said === got ? undefined : `says ${said}, sends ${got}`;
            }),
        );
        if (method === "GET" || answer.status !== 200) return await this.keep(repositoryOf(request), answer);
        const { "content-type": type, "docker-content-digest": digest, "content-length": length } = answer.headers;
        // Not every registry says all of it to a HEAD; the GET makes it sure.
        if (!type || !digest || !length) return await this.askByTag(request, "GET", types);
        return { status: 200, type, digest, size: Number(length), from: "link" };
    }

    private question(
        request: RegistryRequest,
        method: "GET" | "HEAD",
        accept: string,
        check: (answer: SmallAnswer) => string | undefined,
    ): SmallRequest {
        return { method, path: relayPath(request), scope: scopeOf(request), accept, check };
    }

    private async keep(repository: string, { status, headers, body }: SmallAnswer): Promise<Outcome> {
        const type = headers["content-type"] ?? "application/json";
        if (status !== 200) return { status, type, body, retryAfter: headers["retry-after"], from: "link" };
        const digest = digestOf(body);
        this.kit.descriptors.learn(repository, body);
        try {
            const path = this.path(digest);
            // By tag and by digest the same manifest may arrive twice at once.
            const aside = `${path}.${randomUUID()}`;
            await writeFile(aside, Buffer.concat([Buffer.from(`${type}\n`), body]), { mode: 0o600 });
            await rename(aside, path);
            await this.known.noteManifest(repository, digest);
        } catch (error) {
            // It is asked for again next time.
            this.kit.log("warn", "manifest not kept", { digest, reason: String(error) });
        }
        return { status, type, digest, size: body.length, body, from: "link" };
    }

    /** A manifest on disk: its media type in the first line, then its bytes. `repository` wants it. */
    private async kept(repository: string, digest: string): Promise<ManifestAnswer | undefined> {
        try {
            const file = await readFile(this.path(digest));
            const end = file.indexOf("\n");
            const body = file.subarray(end + 1);
            if (digestOf(body) !== digest) return undefined;
            this.kit.descriptors.learn(repository, body);
            return {
                status: 200,
                type: file.toString("latin1", 0, end),
                digest,
                size: body.length,
                body,
                from: "spool",
            };
        } catch {
            // Not kept, or not readable: a relay has it.
            return undefined;
        }
    }

    private path(digest: string): string {
        return join(this.folder, digest.slice("sha256:".length));
    }
}

function digestOf(bytes: Buffer): string {
    return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** With its upstream: what one repository's manifests say is nothing to another. */
export function repositoryOf({ upstream, repository }: Pick<RegistryRequest, "upstream" | "repository">): string {
    return `${upstream.name}/${repository}`;
}
