/** Manifests: kept on disk by digest for good, by tag for some seconds. */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type RegistryRequest, relayPath } from "../registry/names";
import type { Descriptors } from "./descriptors";
import { scopeOf } from "./health";
import type { Log } from "./log";
import type { Relays, SmallAnswer, SmallRequest } from "./relays";

/** An answer about a manifest; `body` is there when it was asked for or is at hand. */
export interface ManifestAnswer {
    readonly status: number;
    readonly type: string;
    readonly digest: string;
    readonly size: number;
    readonly body?: Buffer;
    readonly from: "link" | "spool";
}

/** A refusal of the upstream, as it came: status and body. */
export interface ManifestRefusal {
    readonly status: number;
    readonly type: string;
    readonly body: Buffer;
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

export class Manifests {
    private readonly asking = new Map<string, Promise<Outcome>>();
    private readonly tags = new Map<string, { readonly outcome: Outcome; readonly until: number }>();

    private constructor(
        private readonly folder: string,
        private readonly relays: Relays,
        private readonly descriptors: Descriptors,
        private readonly tagMs: number,
        private readonly log: Log,
    ) {}

    /** Opens the folder `manifests` in `spool`, and learns again what an earlier run learnt from the newest. */
    static async open(
        spool: string,
        relays: Relays,
        descriptors: Descriptors,
        tagSeconds: number,
        log: Log,
    ): Promise<Manifests> {
        const folder = join(spool, "manifests");
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const manifests = new Manifests(folder, relays, descriptors, tagSeconds * 1000, log);
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
        for (const { name } of found) await this.kept(`sha256:${name}`);
    }

    /**
     * Answers for a manifest. By digest from disk, else from a relay; by tag from the answer of some seconds ago.
     *
     * @param accept The engine's Accept header.
     * @throws Unavailable
     */
    async get(request: RegistryRequest, method: "GET" | "HEAD", accept: string | undefined): Promise<Outcome> {
        const types = accept ?? ANY_MANIFEST;
        if (request.reference.startsWith("sha256:")) return await this.byDigest(request, types);
        const key = `${relayPath(request)} ${types}`;
        const shared = this.tags.get(key);
        if (shared && performance.now() < shared.until)
            return await this.complete(shared.outcome, request, method, types);
        const outcome = await this.once(`${method} ${key}`, () => this.askByTag(request, method, types));
        this.share(key, outcome);
        return outcome;
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
        this.tags.set(key, { outcome: kept, until: performance.now() + this.tagMs });
        if (this.tags.size <= TAGS) return;
        for (const oldest of this.tags.keys()) {
            this.tags.delete(oldest);
            return;
        }
    }

    /** However many ask the same at the same time, it is asked once. */
    private async once(key: string, ask: () => Promise<Outcome>): Promise<Outcome> {
        const running = this.asking.get(key) ?? ask().finally(() => this.asking.delete(key));
        this.asking.set(key, running);
        return await running;
    }

    private async byDigest(request: RegistryRequest, types: string): Promise<Outcome> {
        const kept = await this.kept(request.reference);
        if (kept) return kept;
        return await this.once(relayPath(request), async () => {
            const answer = await this.relays.ask(
                this.question(request, "GET", types, ({ body }) => {
                    const got = digestOf(body);
                    return got === request.reference ? undefined : `asked for ${request.reference}, got ${got}`;
                }),
            );
            return await this.keep(answer);
        });
    }

    private async askByTag(request: RegistryRequest, method: "GET" | "HEAD", types: string): Promise<Outcome> {
        const answer = await this.relays.ask(
            this.question(request, method, types, ({ headers, body }) => {
                const said = headers["docker-content-digest"];
                if (method === "HEAD") return undefined;
                const got = digestOf(body);
                return said === undefined || said === got ? undefined : `says ${said}, sends ${got}`;
            }),
        );
        if (method === "GET" || answer.status !== 200) return await this.keep(answer);
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

    private async keep({ status, headers, body }: SmallAnswer): Promise<Outcome> {
        const type = headers["content-type"] ?? "application/json";
        if (status !== 200) return { status, type, body, from: "link" };
        const digest = digestOf(body);
        this.descriptors.learn(body);
        try {
            const path = this.path(digest);
            // By tag and by digest the same manifest may arrive twice at once.
            const aside = `${path}.${randomUUID()}`;
            await writeFile(aside, Buffer.concat([Buffer.from(`${type}\n`), body]), { mode: 0o600 });
            await rename(aside, path);
        } catch (error) {
            // It is asked for again next time.
            this.log("warn", "manifest not kept", { digest, reason: String(error) });
        }
        return { status, type, digest, size: body.length, body, from: "link" };
    }

    /** A manifest on disk: its media type in the first line, then its bytes. */
    private async kept(digest: string): Promise<ManifestAnswer | undefined> {
        try {
            const file = await readFile(this.path(digest));
            const end = file.indexOf("\n");
            const body = file.subarray(end + 1);
            if (digestOf(body) !== digest) return undefined;
            this.descriptors.learn(body);
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
