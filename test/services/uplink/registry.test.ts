/** The uplink behind a real registry. It does not prove that our relays work, nor that a container runtime is content. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { goProgram } from "../../../rehearsal/go-programs";
import { eventually } from "../../support/eventually";
import { digestOf, FakeContent, INDEX, MANIFEST, randomBytes } from "../../support/fake-relay";
import { freePort } from "../../support/free-port";
import { Bench } from "./started-uplink";

const ACCEPT = { accept: `${INDEX}, ${MANIFEST}` };
const MIB = 1024 * 1024;
/** As `started-uplink.ts` sets it. */
const PIECE = MIB;

/** The registry program: `REGISTRY_BINARY`, else where the set-up builds it. */
function registryBinary(): string {
    const path = process.env.REGISTRY_BINARY ?? goProgram("registry");
    if (existsSync(path)) return path;
    throw new Error(
        `no registry program at ${path}: set REGISTRY_BINARY to one (distribution 3.1), or run npm start once`,
    );
}

/** A pull-through cache of `bench`'s uplink. */
class Cache {
    private constructor(
        readonly origin: string,
        private readonly process: ChildProcess,
    ) {}

    static async start(bench: Bench): Promise<Cache> {
        const port = await freePort();
        const file = join(bench.folder, "registry.yml");
        await writeFile(
            file,
            [
                "version: 0.1",
                `storage: { filesystem: { rootdirectory: ${bench.store} } }`,
                `http: { addr: 127.0.0.1:${port} }`,
                `proxy: { remoteurl: ${bench.origin}, ttl: 0 }`,
                "log: { level: error }",
            ].join("\n"),
        );
        const child = spawn(registryBinary(), ["serve", file], {
            stdio: "ignore",
            env: { ...process.env, OTEL_TRACES_EXPORTER: "none" },
        });
        const cache = new Cache(`http://127.0.0.1:${port}`, child);
        await eventually("the registry answers", async () => {
            const answer = await fetch(`${cache.origin}/v2/`).catch(() => undefined);
            return answer?.ok ? true : undefined;
        });
        return cache;
    }

    /** Pulls as a client does, checks nothing but that all is there; returns the bytes. */
    async pull(repository: string, reference: string): Promise<number> {
        const head = await fetch(`${this.origin}/v2/${repository}/manifests/${reference}`, {
            method: "HEAD",
            headers: ACCEPT,
        });
        assert.equal(head.status, 200);
        let bytes = 0;
        const get = async (kind: string, digest: string) => {
            const answer = await fetch(`${this.origin}/v2/${repository}/${kind}/${digest}`, { headers: ACCEPT });
            assert.equal(answer.status, 200, `${kind} ${digest}`);
            const body = Buffer.from(await answer.arrayBuffer());
            bytes += body.length;
            return body;
        };
        let manifest = JSON.parse((await get("manifests", head.headers.get("docker-content-digest")!)).toString());
        if (manifest.manifests) {
            manifest = JSON.parse((await get("manifests", manifest.manifests[0].digest)).toString());
        }
        const digests: string[] = [
            manifest.config.digest,
            ...manifest.layers.map((layer: { digest: string }) => layer.digest),
        ];
        await Promise.all(digests.map((digest) => get("blobs", digest)));
        return bytes;
    }

    async stop(): Promise<void> {
        const ended = new Promise((resolve) => this.process.once("exit", resolve));
        this.process.kill("SIGTERM");
        await ended;
    }
}

/** A multi-arch image of ten layers below the size of a range. */
function tenLayers(content: FakeContent, tag: string): void {
    const layers = Array.from({ length: 10 }, (_, index) => randomBytes(200_000 + index, `${tag} ${index}`));
    const amd64 = content.image("library/app", undefined, layers);
    const arm64 = content.image("library/app", undefined, [randomBytes(300_000, `${tag} arm64`)]);
    const index = content.manifest(INDEX, {
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: [amd64, arm64].map(({ digest }) => ({
            mediaType: MANIFEST,
            digest,
            size: content.blobs.get(digest)!.length,
        })),
    });
    content.tags.set(`library/app:${tag}`, index.digest);
}

describe("Uplink behind a registry", () => {
    let bench: Bench;
    let cache: Cache;

    afterEach(async () => {
        await cache?.stop();
        await bench?.stop();
    });

    async function start(content: FakeContent, tagSeconds = 5): Promise<void> {
        bench = await Bench.start(content, { config: { tagSeconds } });
        cache = await Cache.start(bench);
    }

    it("costs the link 14 requests for a cold image of ten layers, and one HEAD for a warm one", async () => {
        const content = new FakeContent();
        tenLayers(content, "1.0");
        // No sharing: a warm pull a moment later would cost nothing at all.
        await start(content, 0);
        const bytes = await cache.pull("library/app", "1.0");
        assert.equal(bench.first.asked().length, 14);
        assert.equal(await bench.linkBytes(), bytes);
        assert.equal(await cache.pull("library/app", "1.0"), bytes);
        assert.deepEqual(
            bench.first
                .asked()
                .slice(14)
                .map(({ method }) => method),
            ["HEAD"],
        );
        assert.equal(await bench.linkBytes(), bytes);
    });

    it("takes the base of a second image from the cache's own store when the spool is empty", async () => {
        const content = new FakeContent();
        const base = randomBytes(3 * MIB, "base");
        content.image("library/base", "1.0", [base]);
        const second = content.image("library/app", "1.0", [base, randomBytes(200_000, "own")]);
        await start(content);
        await cache.pull("library/base", "1.0");
        const hex = digestOf(base).slice("sha256:".length);
        const stored = join(bench.store, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
        await eventually("the cache has stored the base", () => existsSync(stored) || undefined);
        await rm(join(bench.spool, "blobs"), { recursive: true });
        await cache.pull("library/app", "1.0");
        assert.equal(bench.first.asked(new RegExp(second.layers[0]!)).length, Math.ceil(base.length / PIECE));
    });

    it("lets it serve what it has when every relay is dead, also after both restarted", async () => {
        const content = new FakeContent();
        tenLayers(content, "1.0");
        await start(content);
        const bytes = await cache.pull("library/app", "1.0");
        for (const relay of bench.relays) await relay.refuse();
        assert.equal(await cache.pull("library/app", "1.0"), bytes);
        await cache.stop();
        await bench.restart();
        cache = await Cache.start(bench);
        assert.equal(await cache.pull("library/app", "1.0"), bytes);
    });

    it("carries an image once for 8 readers at once", async () => {
        const content = new FakeContent();
        content.image("library/app", "1.0", [randomBytes(5 * MIB, "large"), randomBytes(300_000, "small")]);
        await start(content);
        const [bytes = 0] = await Promise.all(Array.from({ length: 8 }, () => cache.pull("library/app", "1.0")));
        assert.ok((await bench.linkBytes()) <= bytes * 1.02);
    });
});
