/**
 * The cache's configuration, read by the real programs: distribution 3.1 and Debian's 2.8. It does not prove that they
 * work behind the uplink (test/services/uplink/registry.test.ts), nor anything of their images.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

for (const [version, { template, program, says }] of Object.entries(VERSIONS)) {
    describe(`The configuration for distribution ${version}`, () => {
        const uplink = new FakeUplink();
        let folder = "";
        let origin = "";
        let debug = "";
        let child: ChildProcess;
        let output = "";

        before(async () => {
            folder = mkdtempSync(join(tmpdir(), "dockermirror-registry-"));
            const [port, debugPort] = [await freePort(), await freePort()];
            [origin, debug] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${debugPort}`];
            const text = fill(readTemplate(template), { remoteUrl: await uplink.start() }, template);
            const here = replaced(
                replaced(replaced(text, " :5000\n", ` 127.0.0.1:${port}\n`), " :5001\n", ` 127.0.0.1:${debugPort}\n`),
                " /var/lib/registry\n",
                ` ${folder}/store\n`,
            );
            const file = join(folder, "registry.yml");
            writeFileSync(file, here);
            const env = { PATH: process.env.PATH, HOME: folder, OTEL_TRACES_EXPORTER: "none" };
            child = spawn(program, ["serve", file], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
            for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (output += data));
            const failed = once(child, "error").then(([error]) => Promise.reject(error));
            const ready = eventually("the registry answers", async () => {
                if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${output}`);
                const answer = await fetch(`${origin}/v2/`).catch(() => undefined);
                return answer?.ok || undefined;
            });
            await Promise.race([ready, failed]);
        });

        after(async () => {
            if (child?.exitCode === null && child.kill("SIGTERM")) await once(child, "exit");
            await uplink.stop();
            rmSync(folder, { recursive: true, force: true });
        });

        const get = (path: string, init?: RequestInit) =>
            fetch(`${origin}/v2/library/app/${path}`, { ...init, headers: { Accept: MANIFEST } });
        const bytesOf = async (path: string) => {
            const answer = await get(path);
            assert.equal(answer.status, 200, path);
            return Buffer.from(await answer.arrayBuffer());
        };

        it("is read by that version", async () => {
            const asked = spawn(program, ["--version"], { stdio: ["ignore", "pipe", "inherit"] });
            let told = "";
            asked.stdout.on("data", (data) => (told += data));
            await once(asked, "close");
            assert.match(told, says);
        });

        it("makes it a cache of the uplink: what passed is served again without asking", async () => {
            assert.deepEqual(await bytesOf("manifests/1.0"), IMAGE);
            assert.deepEqual(await bytesOf(`blobs/${digest(LAYER)}`), LAYER);
            const stored = join(folder, "store/docker/registry/v2/blobs/sha256");
            const hex = digest(LAYER).slice("sha256:".length);
            // Where the front and the uplink look for it.
            const data = await eventually("the layer is stored", () => {
                try {
                    return readFileSync(join(stored, hex.slice(0, 2), hex, "data"));
                } catch {
                    return undefined;
                }
            });
            assert.deepEqual(data, LAYER);
            uplink.asked.length = 0;
            assert.deepEqual(await bytesOf(`blobs/${digest(LAYER)}`), LAYER);
            assert.deepEqual(uplink.asked, []);
        });

        it("lets it serve a tag and its blobs while the uplink has no relay", async () => {
            await bytesOf("manifests/1.0");
            await bytesOf(`blobs/${digest(LAYER)}`);
            await eventually("the image is stored", async () => {
                uplink.down = true;
                const answer = await get("manifests/1.0").finally(() => (uplink.down = false));
                return answer.ok || undefined;
            });
            uplink.down = true;
            try {
                assert.deepEqual(await bytesOf("manifests/1.0"), IMAGE);
                assert.deepEqual(await bytesOf(`manifests/${digest(IMAGE)}`), IMAGE);
                assert.deepEqual(await bytesOf(`blobs/${digest(LAYER)}`), LAYER);
            } finally {
                uplink.down = false;
            }
        });

        it("takes no push", async () => {
            const answer = await get("blobs/uploads/", { method: "POST" });
            assert.equal(answer.status, 405);
        });

        it("shows its metrics on a port of their own only", async () => {
            const answer = await fetch(`${debug}/metrics`);
            assert.equal(answer.status, 200);
            assert.match(await answer.text(), /^registry_/m);
            assert.equal((await fetch(`${origin}/metrics`)).status, 404);
        });

        it("answers the health check's path, which asks nobody", async () => {
            uplink.asked.length = 0;
            assert.equal((await fetch(`${origin}/`)).status, 200);
            assert.deepEqual(uplink.asked, []);
        });
    });
}

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
