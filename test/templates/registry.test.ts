/**
 * The cache's configuration, read by the real programs: distribution 3.1 and Debian's 2.8. It does not prove that they
 * work behind the uplink (test/services/uplink/registry.test.ts), nor anything of their images.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { goProgram } from "../../rehearsal/go-programs";
import { fill, readTemplate } from "../../templates/render";
import { eventually } from "../support/eventually";
import { freePort } from "../support/free-port";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const LAYER = Buffer.from("the bytes of a layer");
const CONFIG = Buffer.from("{}");
const IMAGE = Buffer.from(
    JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: descriptor("application/vnd.oci.image.config.v1+json", CONFIG),
        layers: [descriptor("application/vnd.oci.image.layer.v1.tar", LAYER)],
    }),
);

function digest(bytes: Buffer): string {
    return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function descriptor(mediaType: string, bytes: Buffer): object {
    return { mediaType, digest: digest(bytes), size: bytes.length };
}

/** As little of a registry as a cache needs: one image, `library/app:1.0`. */
class FakeUplink {
    /** Paths that were asked for, but for `/v2/`. */
    readonly asked: string[] = [];
    /** Answers 502, as the uplink does when no relay is left. */
    down = false;
    private readonly server: Server;

    constructor() {
        const blobs = new Map([IMAGE, LAYER, CONFIG].map((bytes) => [digest(bytes), bytes]));
        this.server = createServer((request, response) => {
            const path = request.url ?? "";
            if (path === "/v2/") return void response.end("{}");
            this.asked.push(path);
            const [, reference = ""] = /^\/v2\/library\/app\/(?:manifests|blobs)\/(.+)$/.exec(path) ?? [];
            const bytes = reference === "1.0" ? IMAGE : blobs.get(reference);
            if (this.down || !bytes) return void response.writeHead(this.down ? 502 : 404).end();
            response.writeHead(200, {
                "Content-Type": bytes === IMAGE ? MANIFEST : "application/octet-stream",
                "Content-Length": bytes.length,
                "Docker-Content-Digest": digest(bytes),
            });
            response.end(request.method === "HEAD" ? undefined : bytes);
        });
    }

    async start(): Promise<string> {
        this.server.listen(0, "127.0.0.1");
        await once(this.server, "listening");
        return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    }

    async stop(): Promise<void> {
        this.server.closeAllConnections();
        this.server.close();
        await once(this.server, "close");
    }
}

/** The whole text with one place of it replaced: the template must have it once. */
function replaced(text: string, place: string, by: string): string {
    assert.equal(text.split(place).length, 2, `"${place}" is not once in the template`);
    return text.replace(place, by);
}

const VERSIONS = {
    "3": {
        template: "registry/config-3.yml",
        program: goProgram("registry"),
        says: /^\S+ \S*distribution\S* v?3\.1\./,
    },
    "2.8": { template: "registry/config-2.yml", program: "docker-registry", says: /^\S+ \S*distribution\S* v?2\.8\./ },
};

type Version = keyof typeof VERSIONS;

/** A registry with the cache's configuration of its version. */
class Cache {
    private readonly child: ChildProcess;
    private output = "";

    private constructor(
        program: string,
        file: string,
        folder: string,
        readonly origin: string,
        readonly debug: string,
    ) {
        const env = { PATH: process.env.PATH, HOME: folder, OTEL_TRACES_EXPORTER: "none" };
        this.child = spawn(program, ["serve", file], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
        for (const stream of [this.child.stdout, this.child.stderr])
            stream?.on("data", (data) => (this.output += data));
    }

    /** @param folder Gets the configuration and the store, or has the store of another version. */
    static async start(version: Version, folder: string, remoteUrl: string): Promise<Cache> {
        const { template, program } = VERSIONS[version];
        const [port, debugPort] = [await freePort(), await freePort()];
        const text = fill(readTemplate(template), { remoteUrl }, template);
        const here = replaced(
            replaced(replaced(text, " :5000\n", ` 127.0.0.1:${port}\n`), " :5001\n", ` 127.0.0.1:${debugPort}\n`),
            " /var/lib/registry\n",
            ` ${folder}/store\n`,
        );
        const file = join(folder, "registry.yml");
        writeFileSync(file, here);
        const cache = new Cache(program, file, folder, `http://127.0.0.1:${port}`, `http://127.0.0.1:${debugPort}`);
        const failed = once(cache.child, "error").then(([error]) => Promise.reject(error));
        const ready = eventually("the registry answers", async () => {
            const { exitCode } = cache.child;
            if (exitCode !== null) throw new Error(`${program} ended with ${exitCode}: ${cache.output}`);
            const answer = await fetch(`${cache.origin}/v2/`).catch(() => undefined);
            return answer?.ok || undefined;
        });
        await Promise.race([ready, failed]);
        return cache;
    }

    get(path: string, init?: RequestInit): Promise<Response> {
        return fetch(`${this.origin}/v2/library/app/${path}`, { ...init, headers: { Accept: MANIFEST } });
    }

    async bytesOf(path: string): Promise<Buffer> {
        const answer = await this.get(path);
        assert.equal(answer.status, 200, path);
        return Buffer.from(await answer.arrayBuffer());
    }

    /** The whole image, as a client pulls it. */
    async pull(): Promise<void> {
        assert.deepEqual(await this.bytesOf("manifests/1.0"), IMAGE);
        assert.deepEqual(await this.bytesOf(`manifests/${digest(IMAGE)}`), IMAGE);
        for (const blob of [CONFIG, LAYER]) assert.deepEqual(await this.bytesOf(`blobs/${digest(blob)}`), blob);
    }

    /** It writes after it has answered. */
    async isStored(folder: string): Promise<void> {
        for (const blob of [IMAGE, CONFIG, LAYER]) {
            const data = await eventually("it is stored", () => dataOf(folder, blob));
            assert.deepEqual(data, blob);
        }
        const app = join(folder, "store/docker/registry/v2/repositories/library/app");
        const links = [
            "_manifests/tags/1.0/current/link",
            ...[CONFIG, LAYER].map((blob) => `_layers/sha256/${digest(blob).slice("sha256:".length)}/link`),
        ];
        await eventually("it is linked", () => links.every((link) => existsSync(join(app, link))) || undefined);
    }

    async stop(): Promise<void> {
        if (this.child.exitCode === null && this.child.kill("SIGTERM")) await once(this.child, "exit");
    }
}

/** What the store has of a blob: where the front and the uplink look for it. */
function dataOf(folder: string, blob: Buffer): Buffer | undefined {
    const hex = digest(blob).slice("sha256:".length);
    try {
        const data = readFileSync(join(folder, "store/docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data"));
        return data.length === blob.length ? data : undefined;
    } catch {
        return undefined;
    }
}

for (const [version, { program, says }] of Object.entries(VERSIONS)) {
    describe(`The configuration for distribution ${version}`, () => {
        const uplink = new FakeUplink();
        let folder = "";
        let cache: Cache;

        before(async () => {
            folder = mkdtempSync(join(tmpdir(), "dockermirror-registry-"));
            cache = await Cache.start(version as Version, folder, await uplink.start());
        });

        after(async () => {
            await cache?.stop();
            await uplink.stop();
            rmSync(folder, { recursive: true, force: true });
        });

        it("is read by that version", async () => {
            const asked = spawn(program, ["--version"], { stdio: ["ignore", "pipe", "inherit"] });
            let told = "";
            asked.stdout.on("data", (data) => (told += data));
            await once(asked, "close");
            assert.match(told, says);
        });

        it("makes it a cache of the uplink: what passed is served again without asking", async () => {
            await cache.pull();
            await cache.isStored(folder);
            uplink.asked.length = 0;
            assert.deepEqual(await cache.bytesOf(`blobs/${digest(LAYER)}`), LAYER);
            assert.deepEqual(uplink.asked, []);
        });

        it("lets it serve a tag and its blobs while the uplink has no relay", async () => {
            await cache.pull();
            await cache.isStored(folder);
            uplink.down = true;
            await cache.pull().finally(() => (uplink.down = false));
        });

        it("takes no push", async () => {
            const answer = await cache.get("blobs/uploads/", { method: "POST" });
            assert.equal(answer.status, 405);
        });

        it("shows its metrics on a port of their own only", async () => {
            const answer = await fetch(`${cache.debug}/metrics`);
            assert.equal(answer.status, 200);
            assert.match(await answer.text(), /^registry_/m);
            assert.equal((await fetch(`${cache.origin}/metrics`)).status, 404);
        });

        it("answers the health check's path, which asks nobody", async () => {
            uplink.asked.length = 0;
            assert.equal((await fetch(`${cache.origin}/`)).status, 200);
            assert.deepEqual(uplink.asked, []);
        });
    });
}

describe("A filled cache", () => {
    const uplink = new FakeUplink();
    let folder = "";
    let cache: Cache;
    let remoteUrl = "";

    before(async () => {
        remoteUrl = await uplink.start();
    });
    after(() => uplink.stop());
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "dockermirror-registry-"));
    });
    afterEach(async () => {
        uplink.down = false;
        await cache?.stop();
        rmSync(folder, { recursive: true, force: true });
    });

    const filled = async (version: Version) => {
        cache = await Cache.start(version, folder, remoteUrl);
        await cache.pull();
        await cache.isStored(folder);
        await cache.stop();
    };

    for (const [from, to] of [
        ["2.8", "3"],
        ["3", "2.8"],
    ] as const) {
        it(`of distribution ${from} is served whole by ${to}, also without a relay`, async () => {
            await filled(from);
            uplink.down = true;
            cache = await Cache.start(to, folder, remoteUrl);
            await cache.pull();
        });
    }

    for (const version of Object.keys(VERSIONS) as Version[]) {
        it(`that is emptied as docs/day-2.md says is filled again by distribution ${version}`, async () => {
            await filled(version);
            rmSync(join(folder, "store/docker"), { recursive: true });
            cache = await Cache.start(version, folder, remoteUrl);
            await cache.pull();
            await cache.isStored(folder);
        });
    }
});

describe("The configurations of the cache", () => {
    const configs = Object.values(VERSIONS).map(({ template }) =>
        parse(fill(readTemplate(template), { remoteUrl: "http://uplink:5000" })),
    );

    it("keep no blob descriptors in memory, and nobody may delete", () => {
        for (const { storage } of configs) {
            assert.deepEqual(storage, { filesystem: { rootdirectory: "/var/lib/registry" } });
        }
    });

    it("never let an image expire where that can be said", () => {
        const [three, two] = configs;
        assert.deepEqual(three.proxy, { remoteurl: "http://uplink:5000", ttl: "0s" });
        assert.deepEqual(two.proxy, { remoteurl: "http://uplink:5000" });
    });
});
