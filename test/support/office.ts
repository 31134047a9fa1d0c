/**
 * What is at home, as real programs in front of fake relays: the front's nginx, a registry of a version, the uplink. Not
 * their containers, which the rehearsal has.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { request } from "node:https";
import { dirname, join } from "node:path";
import { CERTIFICATE, CONTAINER, frontFiles, versionFile } from "../../components/onprem/front-files";
import { type DnsServer, startDns } from "../../rehearsal/dns";
import { goProgram } from "../../rehearsal/go-programs";
import { issue } from "../../rehearsal/pki";
import { run } from "../../rehearsal/run";
import { selectUpstreams } from "../../services/registry/upstreams";
import { fill, readTemplate } from "../../templates/render";
import { Bench, type StartOptions } from "../services/uplink/started-uplink";
import { eventually } from "./eventually";
import { digestOf, type FakeContent, testCa } from "./fake-relay";
import { freePort } from "./free-port";
import { type RunningNginx, startNginx, textOf } from "./nginx";

/** What the cache may be. */
export const ENGINES = {
    "registry 3.1": { template: "registry/config-3.yml", program: goProgram("registry") },
    "registry 2.8": { template: "registry/config-2.yml", program: "docker-registry" },
} as const;
export type Engine = keyof typeof ENGINES;

const HOSTNAME = "mirror.acme.lan";
const UPSTREAMS = ["docker.io", "ghcr.io"];

/** An answer of the front. */
export interface OfficeAnswer {
    readonly status: number;
    readonly headers: IncomingHttpHeaders;
    readonly body: Buffer;
    readonly digest: string;
}

export interface OfficeOptions extends StartOptions {
    readonly engine: Engine;
    /** Bytes of the disk of the cache's store. @default the machine's own disk */
    readonly storeBytes?: number;
}

export class Office {
    private nginx: RunningNginx | undefined;
    private registry: ChildProcess | undefined;
    private readonly mounts: string[] = [];
    /** Paths of all requests that were begun at the front. */
    private readonly opened: string[] = [];

    private constructor(
        readonly bench: Bench,
        readonly port: number,
        private readonly cachePort: number,
        private readonly dns: DnsServer,
    ) {}

    static async start(content: FakeContent, { engine, storeBytes, ...options }: OfficeOptions): Promise<Office> {
        const [port, cachePort, uplinkPort] = [await freePort(), await freePort(), await freePort()];
        const cache = `http://127.0.0.1:${cachePort}`;
        const bench = await Bench.start(content, {
            marks: true,
            ...options,
            config: { port: uplinkPort, cache, tagSeconds: 0, ...options.config },
        });
        const dns = await startDns((name) => (name === "cache" || name === "uplink" ? "127.0.0.1" : undefined));
        const office = new Office(bench, port, cachePort, dns);
        try {
            // For nginx' workers, who are not root.
            chmodSync(bench.folder, 0o755);
            mkdirSync(bench.store);
            if (storeBytes !== undefined) await office.limitStore(storeBytes);
            await office.startCache(engine);
            await office.startFront(uplinkPort);
        } catch (error) {
            await office.stop();
            throw error;
        }
        return office;
    }

    private async limitStore(bytes: number): Promise<void> {
        const { store } = this.bench;
        await run("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=755`, "tmpfs", store]);
        this.mounts.push(store);
    }

    private async startCache(engine: Engine): Promise<void> {
        const { template, program } = ENGINES[engine];
        const debugPort = await freePort();
        const text = fill(readTemplate(template), { remoteUrl: this.bench.origin }, template)
            .replace(" :5000\n", ` 127.0.0.1:${this.cachePort}\n`)
            .replace(" :5001\n", ` 127.0.0.1:${debugPort}\n`)
            .replace(" /var/lib/registry\n", ` ${this.bench.store}\n`);
        const file = join(this.bench.folder, "registry.yml");
        writeFileSync(file, text);
        const env = { PATH: process.env.PATH, HOME: this.bench.folder, OTEL_TRACES_EXPORTER: "none" };
        const child = spawn(program, ["serve", file], {
            cwd: this.bench.folder,
            env,
            stdio: "ignore",
        });
        this.registry = child;
        await eventually("the registry answers", async () => {
            if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
            const answer = await fetch(`http://127.0.0.1:${this.cachePort}/v2/`).catch(() => undefined);
            return answer?.ok || undefined;
        });
    }

    private async startFront(uplinkPort: number): Promise<void> {
        const { folder, store } = this.bench;
        const places = {
            ...CONTAINER,
            nginx: join(folder, "front"),
            pid: join(folder, "nginx.pid"),
            temporary: folder,
            errorLog: join(folder, "front.error.log"),
            accessLog: this.accessLog,
            store,
            resolver: this.dns.address,
            port: this.port,
            healthPort: await freePort(),
        };
        const { cert, key } = issue(testCa(), [HOSTNAME]);
        const shown = versionFile("1f2e3d");
        const files = frontFiles({
            hostname: HOSTNAME,
            mirrorUrl: `https://${HOSTNAME}`,
            upstreams: selectUpstreams(UPSTREAMS),
            allowFrom: ["127.0.0.0/8"],
            places,
        });
        const all = {
            ...files,
            [shown.path]: shown.text,
            [CERTIFICATE.certificate]: cert,
            [CERTIFICATE.key]: key,
        };
        for (const [path, content] of Object.entries(all)) {
            const file = join(places.nginx, path);
            mkdirSync(dirname(file), { recursive: true });
            const here = content.replaceAll("cache:5000", `cache:${this.cachePort}`);
            writeFileSync(file, here.replaceAll("uplink:5000", `uplink:${uplinkPort}`));
        }
        this.nginx = await startNginx(join(places.nginx, "nginx.conf"), this.port);
    }

    /** How to talk to the front. */
    get listening(): { readonly origin: string; readonly hostname: string; readonly ca: string } {
        return { origin: `https://127.0.0.1:${this.port}`, hostname: HOSTNAME, ca: testCa().cert };
    }

    private get accessLog(): string {
        return join(this.bench.folder, "front.json");
    }

    /** Begins a request at the front. */
    open(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<IncomingMessage> {
        this.opened.push(path);
        return new Promise((resolve, reject) => {
            const where = { host: "127.0.0.1", port: this.port, servername: HOSTNAME, ca: testCa().cert };
            const options = { ...where, path, method, headers: { host: HOSTNAME, ...headers }, agent: false };
            request(options, resolve).once("error", reject).end();
        });
    }

    /** A whole answer of the front. Throws when its body is cut. */
    async get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<OfficeAnswer> {
        const answer = await this.open(path, headers, method);
        const chunks: Buffer[] = [];
        for await (const chunk of answer) chunks.push(chunk);
        const body = Buffer.concat(chunks);
        return { status: answer.statusCode ?? 0, headers: answer.headers, body, digest: digestOf(body) };
    }

    /** Where the front has taken what it sent last for a digest or tag: `disk`, `cache` or `uplink`. */
    async sentFrom(reference: string): Promise<string> {
        const hasReference = (text: string) => text.includes(reference);
        // The last of them too: nginx writes the line of a request after its answer.
        const requests = this.opened.filter(hasReference).length;
        return await eventually("the front's log has it", async () => {
            const lines = (await textOf(this.accessLog)).split("\n").filter(hasReference);
            return lines.length > 0 && lines.length >= requests
                ? String(JSON.parse(lines.at(-1) ?? "").from)
                : undefined;
        });
    }

    /** The file of a blob in the cache's store. */
    fileOf(digest: string): string {
        const hex = digest.slice("sha256:".length);
        return join(this.bench.store, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
    }

    async stopCache(): Promise<void> {
        const { registry } = this;
        this.registry = undefined;
        if (registry?.exitCode === null && registry.kill("SIGTERM")) await once(registry, "exit");
    }

    async stop(): Promise<void> {
        await this.nginx?.stop();
        await this.stopCache();
        await this.dns.close();
        for (const mount of this.mounts) await run("umount", [mount]);
        await this.bench.stop();
    }
}
