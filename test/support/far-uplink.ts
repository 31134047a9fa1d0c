/**
 * An uplink with its real times, and relays at the other end of a far link: each in a network namespace of its own, with
 * names that have several addresses. The relays themselves are fake ones of this process.
 */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { type EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { buildSync } from "esbuild";
import { FarLink, type LinkQuality } from "../../rehearsal/far-link";
import { Namespace } from "../../rehearsal/namespace";
import { type FakeContent, FakeRelay } from "./fake-relay";

/** For tests of networks (RFC 2544), and a unique local one (RFC 4193). */
const NEAR = ["198.18.0.1/24", "fd5a:1f2e:3d4c::1/64"];
const DEVICE = "far";

/** Lost SYNs are sent again after 1, 2 and 4 s, as by Linux before 6.5, which has no such setting. */
const DOUBLING = "f=/proc/sys/net/ipv4/tcp_syn_linear_timeouts; [ ! -e $f ] || echo 0 >$f";

/** Addresses that relays may have. */
export const A = ["198.18.0.11", "198.18.0.12", "198.18.0.13", "198.18.0.14"] as const;
export const AAAA = ["fd5a:1f2e:3d4c::11", "fd5a:1f2e:3d4c::12"] as const;
/** One to which there is no route (RFC 3849). */
export const NO_ROUTE = "2001:db8::1";

export interface FarOptions {
    /** The addresses of each relay's name, in the order of the relays. */
    readonly names: readonly (readonly string[])[];
    readonly quality: LinkQuality;
    /** Replace fields of the uplink's configuration. */
    readonly config?: Record<string, unknown>;
}

export interface FarAnswer {
    readonly status: number;
    readonly body: Buffer;
    readonly digest: string;
    readonly ms: number;
}

export class FarUplink {
    readonly lines: Record<string, unknown>[] = [];
    /** Of each connection that a relay took, the address that it was made to. */
    readonly connections: string[] = [];
    private readonly folder = mkdtempSync(join(tmpdir(), "dockermirror-far-"));
    private readonly servers: Server[] = [];
    private readonly sockets = new Set<Socket>();
    private child: ChildProcess | undefined;

    private constructor(
        private readonly near: Namespace,
        private readonly far: Namespace,
        readonly link: FarLink,
        readonly relays: readonly FakeRelay[],
    ) {}

    static async start(content: FakeContent, { names, quality, config }: FarOptions): Promise<FarUplink> {
        const [near, far] = await Promise.all([Namespace.make(), Namespace.make()]);
        const link = await FarLink.between(near, far, DEVICE, {});
        const add = (address: string) => ["ip", "address", "add", address, "dev", DEVICE, "nodad"];
        // `nodad` is for IPv6 alone, and no error for IPv4.
        for (const address of NEAR) await near.run(add(address));
        await near.run(["sh", "-c", DOUBLING]);
        for (const address of A) await far.run(add(`${address}/24`));
        for (const address of AAAA) await far.run(add(`${address}/64`));
        const relays = await Promise.all(
            ["first", "second"].slice(0, names.length).map((name) => FakeRelay.start(name, content)),
        );
        const uplink = new FarUplink(near, far, link, relays);
        uplink.build();
        try {
            for (const relay of relays) uplink.servers.push(await uplink.listen(new URL(relay.config().url).port));
            await uplink.run(names, config);
            await link.set(quality);
        } catch (error) {
            await uplink.stop();
            throw error;
        }
        return uplink;
    }

    /** The programs for the namespaces: to start bundles takes less time. */
    private build(): void {
        const entryPoints = ["listening.ts", "uplink-program.ts", "checks-program.ts"].map((name) =>
            join(__dirname, name),
        );
        buildSync({ entryPoints, bundle: true, platform: "node", target: "node20", outdir: this.folder });
    }

    /** Listens at the far end, on all addresses there, and passes connections on to the relay of this process. */
    private async listen(port: string): Promise<Server> {
        const [program, ...args] = this.far.entering([process.execPath]);
        const child = fork(join(this.folder, "listening.js"), [port], { execPath: program, execArgv: args });
        const [, server] = (await firstOf(child, child, "message")) as [string, Server];
        server.on("connection", (socket: Socket) => {
            this.connections.push(socket.localAddress?.replace("::ffff:", "") ?? "");
            const relay = connect(Number(port), "127.0.0.1");
            for (const [one, other] of [
                [socket, relay],
                [relay, socket],
            ] as const) {
                this.sockets.add(one);
                one.on("error", () => other.destroy());
                one.on("close", () => {
                    this.sockets.delete(one);
                    other.destroy();
                });
            }
            socket.pipe(relay).pipe(socket);
        });
        return server;
    }

    private async run(names: readonly (readonly string[])[], config = {}): Promise<void> {
        const relays = this.relays.map((relay) => {
            const { address: _, ...rest } = relay.config();
            return rest;
        });
        const hosts = relays.flatMap(({ url }, index) =>
            (names[index] ?? []).map((address) => `${address} ${new URL(url).hostname}\n`),
        );
        writeFileSync(join(this.folder, "hosts"), hosts.join(""));
        // Only in the namespace's own view.
        await this.near.run(["mount", "--bind", join(this.folder, "hosts"), "/etc/hosts"]);
        const file = join(this.folder, "uplink.json");
        const spool = { path: join(this.folder, "spool"), budgetGiB: 1 };
        const text = { port: 0, upstreams: ["docker.io"], relays, spool, tagSeconds: 0, ...config };
        writeFileSync(file, JSON.stringify(text));
        const [program, ...args] = this.near.entering([process.execPath]);
        this.child = spawn(program, [...args, join(this.folder, "uplink-program.js"), file, this.door], {
            stdio: ["pipe", "pipe", "inherit"],
        });
        const output = createInterface({ input: this.child.stdout ?? process.stdin });
        output.on("line", (line) => this.lines.push(JSON.parse(line)));
        await firstOf(this.child, output, "line");
    }

    private get door(): string {
        return join(this.folder, "door");
    }

    async get(path: string, headers: Record<string, string> = {}): Promise<FarAnswer> {
        const began = performance.now();
        return new Promise((resolve, reject) => {
            const asked = httpRequest({ socketPath: this.door, path, headers, agent: false }, async (answer) => {
                try {
                    const chunks: Buffer[] = [];
                    for await (const chunk of answer) chunks.push(chunk);
                    const body = Buffer.concat(chunks);
                    const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
                    const ms = performance.now() - began;
                    resolve({ status: answer.statusCode ?? 0, body, digest, ms });
                } catch (error) {
                    reject(error);
                }
            });
            asked.on("error", reject).end();
        });
    }

    /** What the checks say of the first relay, from where the uplink is. */
    async runChecks(key: string): Promise<string> {
        const { url, ca = "" } = this.relays[0]?.config() ?? {};
        const file = join(this.folder, "ca.pem");
        writeFileSync(file, ca);
        const trusting = ["env", `NODE_EXTRA_CA_CERTS=${file}`, process.execPath];
        return this.near.run([...trusting, join(this.folder, "checks-program.js"), url ?? "", file, key]);
    }

    /** The condition of each relay. */
    async conditions(): Promise<string[]> {
        const { relays } = JSON.parse((await this.get("/status")).body.toString());
        return relays.map(({ condition }: { condition: string }) => condition);
    }

    logged(message: string): Record<string, unknown>[] {
        return this.lines.filter((line) => line.message === message);
    }

    /** Every connection that there is ends, so that the next requests need new ones. */
    hangUp(): void {
        for (const socket of this.sockets) socket.destroy();
    }

    async stop(): Promise<void> {
        if (this.child?.exitCode === null) {
            const ended = once(this.child, "exit");
            this.child.stdin?.end();
            await ended;
        }
        this.hangUp();
        for (const server of this.servers) server.close();
        await Promise.all(this.relays.map((relay) => relay.stop()));
        await this.link.remove();
        await Promise.all([this.near.remove(), this.far.remove()]);
        rmSync(this.folder, { recursive: true, force: true });
    }
}

/** What an event brings, unless the program ends before it. */
async function firstOf(child: ChildProcess, emitter: EventEmitter, event: string): Promise<unknown[]> {
    const early = new AbortController();
    const ended = once(child, "exit", { signal: early.signal }).then(([code]) => {
        throw new Error(`a program of the far link's test ended with ${code}`);
    });
    try {
        return (await Promise.race([once(emitter, event, { signal: early.signal }), ended])) as unknown[];
    } finally {
        ended.catch(() => {});
        early.abort();
    }
}
