/**
 * What the uplink costs and saves on a far link: `npm run bench`. Prints numbers, decides nothing: they depend on the
 * machine. The relays are the tests' fake ones, behind a link of 200 ms and 100 Mbit/s made in user space.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { uplinkBundle } from "../components/onprem/uplink-bundle";
import { readCommandLine, runProgram } from "../rehearsal/command-line";
import { FAKE_KEY, FakeContent, FakeRelay, INDEX, MANIFEST, randomBytes } from "../test/support/fake-relay";
import { A, AAAA, FarUplink, NO_ROUTE } from "../test/support/far-uplink";
import { type LinkOptions, ThinLink } from "./thin-link";

const MIB = 1024 * 1024;
const LINK: LinkOptions = { roundTripMs: 200, bytesPerSecond: 100e6 / 8 };
/** As fast as this machine is: for what the uplink itself costs. */
const NO_LINK: LinkOptions = { roundTripMs: 0, bytesPerSecond: 1e12 };
const LOSSY = { pulls: 200, atOnce: 8, quality: { roundTripMs: 300, loseSynEvery: 20 } };
/** What a container runtime fetches at once. */
const LAYERS_AT_ONCE = 3;

/** One uplink process with two relays, each behind a link of its own. */
class Rig {
    private constructor(
        readonly relays: readonly FakeRelay[],
        readonly links: readonly ThinLink[],
        readonly origin: string,
        private readonly child: ChildProcess,
        private readonly folder: string,
    ) {}

    static async start(content: FakeContent, link: LinkOptions): Promise<Rig> {
        const folder = mkdtempSync(join(tmpdir(), "dockermirror-bench-"));
        const relays = [await FakeRelay.start("first", content), await FakeRelay.start("second", content)];
        const links = await Promise.all(
            relays.map((relay) => ThinLink.open(Number(new URL(relay.config().url).port), link)),
        );
        const config = {
            port: 0,
            upstreams: ["docker.io"],
            relays: relays.map((relay, index) => {
                const url = new URL(relay.config().url);
                url.port = String(links[index]?.port);
                return { ...relay.config(), url: url.origin };
            }),
            spool: { path: join(folder, "spool"), budgetGiB: 10 },
            tagSeconds: 5,
        };
        writeFileSync(join(folder, "uplink.js"), uplinkBundle());
        writeFileSync(join(folder, "uplink.json"), JSON.stringify(config), { mode: 0o600 });
        const child = spawn(process.execPath, [join(folder, "uplink.js"), join(folder, "uplink.json")], {
            stdio: ["ignore", "pipe", "inherit"],
        });
        // Whatever ends the benchmark ends the uplink.
        process.once("exit", () => child.kill("SIGKILL"));
        const port = await new Promise<number>((resolve) => {
            createInterface({ input: child.stdout }).on("line", (line) => {
                const { message, port: listens } = JSON.parse(line);
                if (message === "uplink listens") resolve(listens);
            });
        });
        return new Rig(relays, links, `http://127.0.0.1:${port}`, child, folder);
    }

    /** CPU seconds of the uplink so far, and its resident memory. */
    cost(): { cpuSeconds: number; residentMiB: number } {
        const stat = readFileSync(`/proc/${this.child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
        // Fields 14 and 15 of proc(5), in ticks of 1/100 s.
        const cpuSeconds = (Number(stat[11]) + Number(stat[12])) / 100;
        const resident = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.child.pid}/status`, "utf8"))?.[1];
        return { cpuSeconds, residentMiB: Math.round(Number(resident) / 1024) };
    }

    async metric(name: string): Promise<number> {
        const text = (await fetchAll(`${this.origin}/metrics`)).toString();
        const values = [...text.matchAll(new RegExp(`^dockermirror_uplink_${name}\\{[^}]*\\} (\\d+)`, "gm"))];
        return values.reduce((sum, [, value]) => sum + Number(value), 0);
    }

    async stop(): Promise<void> {
        const ended = new Promise((resolve) => this.child.once("exit", resolve));
        this.child.kill("SIGTERM");
        await ended;
        await Promise.all(this.links.map((link) => link.cut()));
        await Promise.all(this.relays.map((relay) => relay.stop()));
        rmSync(this.folder, { recursive: true });
    }
}

function open(url: string, method = "GET"): Promise<IncomingMessage> {
    const headers = { accept: `${INDEX}, ${MANIFEST}` };
    return new Promise((resolve, reject) => {
        request(url, { method, headers, agent: AGENT }, resolve).on("error", reject).end();
    });
}

const AGENT = new Agent({ keepAlive: true });

async function fetchAll(url: string, method = "GET"): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of await open(url, method)) chunks.push(chunk);
    return Buffer.concat(chunks);
}

/** Reads a blob, keeps nothing, checks its digest. Returns its size. */
async function fetchBlob(
    origin: string,
    digest: string,
    atHalf?: { bytes: number; call: () => void },
): Promise<number> {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of await open(`${origin}/v2/library/app/blobs/${digest}`)) {
        hash.update(chunk);
        if (atHalf && bytes < atHalf.bytes && bytes + chunk.length >= atHalf.bytes) atHalf.call();
        bytes += chunk.length;
    }
    if (`sha256:${hash.digest("hex")}` !== digest) throw new Error(`${digest} arrived wrong`);
    return bytes;
}

/** Pulls as a container runtime does. Returns the bytes of manifests, config and layers. */
async function pull(origin: string, tag: string): Promise<number> {
    const path = `${origin}/v2/library/app/manifests`;
    await fetchAll(`${path}/${tag}`, "HEAD");
    const index = await fetchAll(`${path}/${tag}`);
    const manifest = await fetchAll(`${path}/${JSON.parse(index.toString()).manifests[0].digest}`);
    const { config, layers } = JSON.parse(manifest.toString());
    const digests: string[] = [config, ...layers].map(({ digest }) => digest);
    let bytes = index.length + manifest.length;
    const worker = async () => {
        for (let digest = digests.shift(); digest; digest = digests.shift()) {
            const size = await fetchBlob(origin, digest);
            bytes += size;
        }
    };
    await Promise.all(Array.from({ length: LAYERS_AT_ONCE }, worker));
    return bytes;
}

function addImage(content: FakeContent, tag: string, sizes: readonly number[]): void {
    const layers = sizes.map((size, index) => randomBytes(size, `${tag} ${index}`));
    const { digest } = content.image("library/app", undefined, layers);
    const manifests = [{ mediaType: MANIFEST, digest, size: content.blobs.get(digest)?.length }];
    const index = content.manifest(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests });
    content.tags.set(`library/app:${tag}`, index.digest);
}

async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; result: T }> {
    const began = performance.now();
    const result = await work();
    return { seconds: (performance.now() - began) / 1000, result };
}

function say(what: string, ...facts: string[]): void {
    process.stdout.write(`${what.padEnd(52)} ${facts.join("   ")}\n`);
}

const s = (seconds: number) => `${seconds.toFixed(seconds < 0.1 ? 4 : 1)} s`;

async function requests(): Promise<void> {
    const content = new FakeContent();
    addImage(
        content,
        "1.0",
        new Array(10).fill(0.2 * MIB).map((size, index) => Math.round(size) + index),
    );
    const rig = await Rig.start(content, NO_LINK);
    await pull(rig.origin, "1.0");
    say("10-layer multi-arch image, cold", `${await rig.metric("link_requests_total")} link requests`);
    await rig.stop();
}

async function herd(clients: number): Promise<void> {
    const content = new FakeContent();
    addImage(
        content,
        "1.0",
        [30, 12, 6, 1, 0.2].map((size) => Math.round(size * MIB)),
    );
    const rig = await Rig.start(content, LINK);
    const { seconds, result } = await timed(() =>
        Promise.all(Array.from({ length: clients }, () => pull(rig.origin, "1.0"))),
    );
    const [size = 1] = result;
    const ratio = ((await rig.metric("link_bytes_total")) / size).toFixed(4);
    say(`49 MiB image, ${clients} client${clients > 1 ? "s" : ""} at once`, `link bytes / size ${ratio}`, s(seconds));
    await rig.stop();
}

/** The same bytes by five ranges at once straight from the relay: what the link itself takes. */
async function bare(): Promise<void> {
    const content = new FakeContent();
    const blob = randomBytes(49 * MIB, "bare");
    const digest = content.blob(blob);
    const relay = await FakeRelay.start("first", content);
    const link = await ThinLink.open(Number(new URL(relay.config().url).port), LINK);
    const part = Math.ceil(blob.length / 5);
    const { seconds } = await timed(() =>
        Promise.all(
            [0, 1, 2, 3, 4].map(
                (index) =>
                    new Promise<void>((resolve, reject) => {
                        const range = `bytes=${index * part}-${(index + 1) * part - 1}`;
                        const { ca, url } = relay.config();
                        const asked = httpsRequest({
                            host: "127.0.0.1",
                            port: link.port,
                            servername: new URL(url).hostname,
                            ca,
                            path: `/v2/library/app/blobs/${digest}`,
                            headers: { range, "x-relay-key": FAKE_KEY },
                            agent: false,
                        });
                        asked.on("response", (answer) => answer.resume().on("end", resolve));
                        asked.on("error", reject);
                        asked.end();
                    }),
            ),
        ),
    );
    say("49 MiB by five ranges straight over the link", s(seconds));
    await link.cut();
    await relay.stop();
}

async function killed(): Promise<void> {
    const content = new FakeContent();
    const blob = randomBytes(100 * MIB, "killed");
    const digest = content.blob(blob);
    for (const kill of [false, true]) {
        const rig = await Rig.start(content, LINK);
        const [link] = rig.links;
        const atHalf = kill ? { bytes: blob.length / 2, call: () => void link?.cut() } : undefined;
        const { seconds } = await timed(() => fetchBlob(rig.origin, digest, atHalf));
        const sent = rig.relays.reduce((sum, relay) => sum + relay.sentBytes(), 0);
        const extra = ((sent - blob.length) / MIB).toFixed(2);
        say(`100 MiB blob${kill ? ", relay killed at half" : ""}`, s(seconds), `sent by relays: + ${extra} MiB`);
        await rig.stop();
    }
}

async function dead(kind: "refuse" | "swallow"): Promise<void> {
    const rig = await Rig.start(new FakeContent(), LINK);
    for (const link of rig.links) {
        if (kind === "refuse") await link.cut();
        else link.swallow();
    }
    const ask = () => timed(() => fetchAll(`${rig.origin}/v2/library/app/manifests/1.0`));
    const first = await ask();
    const next = await ask();
    say(
        `every relay ${kind === "refuse" ? "refuses" : "is a black hole"}, 503`,
        s(first.seconds),
        `next ${s(next.seconds)}`,
    );
    await rig.stop().catch(() => undefined);
}

async function cost(): Promise<void> {
    const content = new FakeContent();
    const blob = randomBytes(512 * MIB, "cost");
    const digest = content.blob(blob);
    const rig = await Rig.start(content, NO_LINK);
    const before = rig.cost();
    const fill = await timed(() => fetchBlob(rig.origin, digest));
    const filled = rig.cost();
    const spool = await timed(() => fetchBlob(rig.origin, digest));
    const served = rig.cost();
    const perGiB = (seconds: number) => `${((seconds * 1024) / 512).toFixed(1)} CPU s per GiB`;
    say("512 MiB over TLS without a link", s(fill.seconds), perGiB(filled.cpuSeconds - before.cpuSeconds));
    say("the same from the spool", s(spool.seconds), perGiB(served.cpuSeconds - filled.cpuSeconds));
    say("resident memory before, after", `${before.residentMiB} MiB, ${served.residentMiB} MiB`);

    const readers = await Promise.all(
        Array.from({ length: 64 }, () => open(`${rig.origin}/v2/library/app/blobs/${digest}`)),
    );
    await new Promise((resolve) => setTimeout(resolve, 1000));
    say("with 64 readers that do not read", `${rig.cost().residentMiB} MiB`);
    for (const reader of readers) reader.destroy();
    await rig.stop();
}

/** Pulls over new connections only, on a link that is far and loses SYNs. Needs root's rights, for its namespaces. */
async function lossy(what: string, addresses: readonly string[]): Promise<void> {
    const content = new FakeContent();
    const images = Array.from({ length: LOSSY.pulls }, (_, index) => {
        const layer = randomBytes(0.1 * MIB, `lossy ${index}`);
        return { tag: `1.${index}`, ...content.image("library/app", `1.${index}`, [layer]) };
    });
    const far = await FarUplink.start(content, { names: [addresses], quality: LOSSY.quality });
    let failed = 0;
    const { seconds } = await timed(async () => {
        for (let from = 0; from < images.length; from += LOSSY.atOnce) {
            const pulls = images.slice(from, from + LOSSY.atOnce).map(async ({ tag, config, layers }) => {
                const paths = [`manifests/${tag}`, ...[config, ...layers].map((digest) => `blobs/${digest}`)];
                for (const path of paths) if ((await far.get(`/v2/library/app/${path}`)).status !== 200) return false;
                return true;
            });
            failed += (await Promise.all(pulls)).filter((served) => !served).length;
            far.hangUp();
        }
    });
    say(
        `${LOSSY.pulls} pulls, ${LOSSY.quality.roundTripMs} ms, 5 % of SYNs lost, ${what}`,
        `${failed} failed`,
        `relay rested ${far.logged("relay rests").length} times`,
        `${far.connections.length} connections`,
        s(seconds),
    );
    await far.stop();
}

const USAGE = `npm run bench

Prints what the uplink costs and saves on a link of 200 ms and 100 Mbit/s, which is made on this machine: requests, seconds,
bytes, memory. As root also on a link that loses packets. Takes some minutes; nothing stays.
`;

async function main(): Promise<number> {
    readCommandLine(process.argv.slice(2), USAGE, {});
    say("link", `${LINK.roundTripMs} ms round trip, ${(LINK.bytesPerSecond * 8) / 1e6} Mbit/s`);
    await requests();
    await bare();
    for (const clients of [1, 8, 32]) await herd(clients);
    await killed();
    await dead("refuse");
    await dead("swallow");
    await cost();
    await lossy("A + AAAA", [A[0], AAAA[0]]);
    await lossy("A + AAAA without a route", [A[0], NO_ROUTE]);
    return 0;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
runProgram(main);
