/**
 * Manifests: kept on disk by digest for good, by tag for some seconds. What a tag stood for last is kept as well, for when
 * the upstream cannot be asked.
 */
import { access } from "node:fs/promises";
import { join } from "node:path";
import { errorBody } from "../registry/errors";
import { IMAGE_TYPES } from "../registry/media";
import { type RegistryRequest, relayPath } from "../registry/names";
import { algorithmOf, readSaidDigest } from "../registry/said-digest";
import type { Descriptors } from "./descriptors";
import { digestsOf } from "./digests";
import { isDeafTo, Unavailable } from "./failure";
import { lengthIn } from "./headers";
import { scopeOf } from "./health";
import { KeptFiles } from "./kept-files";
import { type KnownTag, LastKnown } from "./last-known";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import type { Relays, SmallAnswer } from "./relays";
import { Remembered } from "./remembered";
import { within } from "./within";

/** An answer about a manifest; `body` is there when it was asked for or is at hand. */
export interface ManifestAnswer {
    readonly status: number;
    /** As the upstream says; empty where it says none. */
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
    /** Of a 404: another relay's upstream does not have it either. */
    readonly isConfirmed?: boolean;
}

type Outcome = ManifestAnswer | ManifestRefusal;

/** What is asked of a registry when the engine names no type: everything that an image can be. */
const ANY_MANIFEST = [
    ...IMAGE_TYPES,
    "application/vnd.oci.artifact.manifest.v1+json",
    "application/vnd.cncf.oras.artifact.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
].join(", ");

/** Manifests kept on disk; they are some KiB each. */
const KEPT = { files: 20_000, bytes: 512 * 1024 * 1024 };

/** Answers remembered at once; each is forgotten after some seconds anyway. */
const REMEMBERED = 10_000;

/** For how long it is believed that there is no such manifest; whoever has just pushed it waits so long. */
const ABSENT_MS = 10_000;

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
    /** About tags; of digests, that there is none. */
    private readonly answers = new Remembered<Outcome>(REMEMBERED);
    /** Tags that the upstream did not answer for when they were asked for last. */
    private readonly unanswered = new Set<string>();

    private constructor(
        private readonly files: KeptFiles,
        private readonly known: LastKnown,
        private readonly kit: ManifestsKit,
    ) {}

    /** Opens what is kept in `spool`, and learns again what an earlier run learnt. */
    static async open(spool: string, kit: ManifestsKit): Promise<Manifests> {
        const files = await KeptFiles.open(join(spool, "manifests"), KEPT, kit.log);
        const known = await LastKnown.open(join(spool, "last-known.jsonl"), kit.log);
        const manifests = new Manifests(files, known, kit);
        for (const { repository, digest } of known.manifests()) await manifests.kept(repository, digest);
        return manifests;
    }

    /**
     * Answers for a manifest. By digest from disk, else from a relay; by tag from the answer of some seconds ago, else from
     * a relay. When that takes too long, or cannot be, and it is known what the tag stood for last, then with that.
     *
     * @param accept The engine's Accept header.
     * @param isTried True for a name that nobody asked for, and that hardly any image has: what a tag stood for last is of
     * no use then, and a 404 is believed at once.
     * @throws Unavailable, UpstreamFault
     */
    async get(
        request: RegistryRequest,
        method: "GET" | "HEAD",
        accept: string | undefined,
        isTried = false,
    ): Promise<Outcome> {
        const types = typesFor(accept);
        if (request.reference.startsWith("sha256:")) return await this.byDigest(request, types);
        const key = `${relayPath(request)} ${types}`;
        const shared = this.answers.get(key);
        if (shared) return await this.complete(shared, request, method, types);
        const asking = this.once(`${method} ${key}`, () => this.askAndShare(key, request, method, types, !isTried));
        if (isTried) return await asking.outcome;
        const last = this.known.tag(key);
        if (!last && !(await this.engineHas(request))) return await asking.outcome;
        return await this.soon(asking, last, { key, request, method, types });
    }

    private async askAndShare(
        key: string,
        request: RegistryRequest,
        method: "GET" | "HEAD",
        types: string,
        confirmed: boolean,
    ) {
        const late = setTimeout(() => {
            if (this.unanswered.size < REMEMBERED) this.unanswered.add(key);
        }, this.kit.relays.times.homeMs);
        try {
            const outcome = await this.askByTag(request, method, types, confirmed);
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
        const tagMs = this.kit.tagSeconds() * 1000;
        const isConfirmed = !("digest" in outcome) && outcome.isConfirmed === true;
        const ms = isConfirmed ? ABSENT_MS : outcome.status === 404 ? Math.min(ABSENT_MS, tagMs) : tagMs;
        this.answers.note(key, kept, ms);
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
        const key = `${relayPath(request)} ${types}`;
        const absent = this.answers.get(key);
        if (absent) return absent;
        const asking = this.once(relayPath(request), async () => {
            const { reference } = request;
            const answer = await this.kit.relays.ask({
                ...this.question(request, "GET", types, true),
                check: (answer) => {
                    const digests = digestsOf(answer.body);
                    if (!digests.includes(reference)) return `asked for ${reference}, got ${digests[0]}`;
                    return contradictionIn(answer);
                },
            });
            const outcome = await this.keep(repositoryOf(request), answer, reference);
            if (outcome.status === 404) this.share(key, outcome);
            return outcome;
        });
        return await asking.outcome;
    }

    private async askByTag(
        request: RegistryRequest,
        method: "GET" | "HEAD",
        types: string,
        confirmed: boolean,
    ): Promise<Outcome> {
        const answer = await this.kit.relays.ask({
            ...this.question(request, method, types, confirmed),
            check: method === "HEAD" ? contradictionIn : problemOfBody,
        });
        const { status, headers, body } = answer;
        // Not every registry has an answer to a HEAD, or says all of it there; the GET makes it sure.
        if (method === "HEAD" && isDeafTo("HEAD", status)) return await this.askByTag(request, "GET", types, confirmed);
        if (status !== 200) return await this.keep(repositoryOf(request), answer, undefined);
        const { digest } = readSaidDigest(headers["docker-content-digest"]);
        if (!isUsable(digest)) return this.unsupported(request, algorithmOf(digest));
        if (method === "GET") return await this.keep(repositoryOf(request), answer, digest || digestsOf(body)[0]);
        const { "content-type": type } = headers;
        const size = lengthIn(headers);
        if (!type || !digest || size === undefined) return await this.askByTag(request, "GET", types, confirmed);
        return { status: 200, type, digest, size, from: "link" };
    }

    /** The engine keeps contents by SHA-256 alone, and no relay can help that. */
    private unsupported({ upstream, repository, reference }: RegistryRequest, algorithm: string): ManifestRefusal {
        const what = `${repository}:${reference} of ${upstream.name}`;
        const message = `${what} has a digest by ${algorithm}; only sha256 can be pulled here`;
        const body = Buffer.from(errorBody("UNSUPPORTED", message));
        return { status: 415, type: "application/json", body, retryAfter: undefined, from: "link" };
    }

    private question(request: RegistryRequest, method: "GET" | "HEAD", accept: string, confirmed: boolean) {
        return { method, path: relayPath(request), scope: scopeOf(request), accept, confirmed };
    }

    /** @param digest Of an answer of 200: by which it is asked for. */
    private async keep(repository: string, answer: SmallAnswer, digest: string | undefined): Promise<Outcome> {
        const { status, headers, body, isConfirmed } = answer;
        const type = headers["content-type"] ?? "";
        if (status !== 200 || digest === undefined) {
            const retryAfter = headers["retry-after"];
            return { status, type, body, retryAfter, from: "link", ...(isConfirmed && { isConfirmed }) };
        }
        this.kit.descriptors.learn(repository, body);
        // What could not be written is asked for again next time.
        const bytes = Buffer.concat([Buffer.from(`${type}\n`, "latin1"), body]);
        if (await this.files.write(nameOf(digest), bytes)) await this.known.noteManifest(repository, digest);
        return { status, type, digest, size: body.length, body, from: "link" };
    }

    /** A manifest on disk: its media type in the first line, then its bytes. `repository` wants it. */
    private async kept(repository: string, digest: string): Promise<ManifestAnswer | undefined> {
        // A relay has it, when it is not there.
        const file = await this.files.read(nameOf(digest));
        if (!file) return undefined;
        const end = file.indexOf("\n");
        const body = file.subarray(end + 1);
        if (!digestsOf(body).includes(digest)) {
            this.kit.log("warn", "kept manifest is wrong, asked for again", { digest });
            await this.files.remove(nameOf(digest));
            return undefined;
        }
        this.kit.descriptors.learn(repository, body);
        return { status: 200, type: file.toString("latin1", 0, end), digest, size: body.length, body, from: "spool" };
    }
}

/** What a registry is asked for: what the engine accepts, or everything when it names no type of a manifest. */
function typesFor(accept: string | undefined): string {
    return accept !== undefined && /\/vnd\.[^,;]*(?:manifest|index)/i.test(accept) ? accept : ANY_MANIFEST;
}

/** What contradicts itself is not trusted, here as at our relays. */
function contradictionIn({ headers }: SmallAnswer): string | undefined {
    const { contradiction } = readSaidDigest(headers["docker-content-digest"]);
    return contradiction === "" ? undefined : `says several digests: ${contradiction}`;
}

/** What is wrong with a manifest that came by tag. */
function problemOfBody(answer: SmallAnswer): string | undefined {
    const { digest } = readSaidDigest(answer.headers["docker-content-digest"]);
    const problem = contradictionIn(answer);
    if (problem !== undefined || digest === "" || !isUsable(digest)) return problem;
    const digests = digestsOf(answer.body);
    return digests.includes(digest) ? undefined : `says ${digest}, sends ${digests[0]}`;
}

/** SHA-256 alone: the one algorithm that every registry and the engine know (OCI image spec, "Registered algorithms"). */
function isUsable(digest: string): boolean {
    return digest === "" || algorithmOf(digest) === "sha256";
}

function nameOf(digest: string): string {
    return digest.slice("sha256:".length);
}

/** With its upstream: what one repository's manifests say is nothing to another. */
export function repositoryOf({ upstream, repository }: Pick<RegistryRequest, "upstream" | "repository">): string {
    return `${upstream.name}/${repository}`;
}
