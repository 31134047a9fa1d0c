/** The bundle as a process: what the container runs. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { uplinkBundle } from "../../../components/onprem/uplink-bundle";
import { eventually } from "../../support/eventually";
import { digestOf, FAKE_KEY, FakeContent, FakeRelay, randomBytes } from "../../support/fake-relay";

const MIB = 1024 * 1024;
const large = randomBytes(40 * MIB, "large");
const BLOB = `/v2/library/app/blobs/${digestOf(large)}`;

describe("Uplink program", () => {
    let folder: string;
    let relay: FakeRelay;
    let running: ChildProcess[];

    beforeEach(async () => {
        running = [];
        folder = await mkdtemp(join(tmpdir(), "dockermirror-program-"));
        await writeFile(program(), uplinkBundle());
        const content = new FakeContent();
        content.blob(large);
        relay = await FakeRelay.start("first", content);
    });
    afterEach(async () => {
        for (const child of running) child.kill("SIGKILL");
        await relay.stop();
        await rm(folder, { recursive: true, force: true });
    });

    const program = () => join(folder, "uplink.js");

    async function writeConfig(change: object = {}): Promise<string> {
        const path = join(folder, "uplink.json");
        const spool = { path: join(folder, "spool"), budgetGiB: 1 };
        const config = { port: 0, upstreams: ["docker.io"], relays: [relay.config()], spool, tagSeconds: 5, ...change };
        await writeFile(path, JSON.stringify(config));
        return path;
    }

    function check(path: string): Promise<{ code: number; stdout: string; stderr: string }> {
        return new Promise((resolve) => {
            execFile(process.execPath, [program(), "--check", path], (error, stdout, stderr) => {
                resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
            });
        });
    }

    /** Starts the program; resolves when it says where it listens. */
    async function start(path: string): Promise<{ child: ChildProcess; origin: string; lines: string[] }> {
        const child = spawn(process.execPath, [program(), path], { stdio: ["ignore", "pipe", "inherit"] });
        running.push(child);
        const lines: string[] = [];
        createInterface({ input: child.stdout! }).on("line", (line) => lines.push(line));
        const port = await eventually(
            "it listens",
            () => lines.map((line) => JSON.parse(line)).find(({ message }) => message === "uplink listens")?.port,
        );
        return { child, origin: `http://127.0.0.1:${port}`, lines };
    }

    const ended = (child: ChildProcess) =>
        new Promise<{ code: number | null; signal: string | null }>((resolve) =>
            child.once("exit", (code, signal) => resolve({ code, signal })),
        );

    it("says nothing about a configuration that can be used, and touches neither network nor spool", async () => {
        assert.deepEqual(await check(await writeConfig()), { code: 0, stdout: "", stderr: "" });
        assert.deepEqual(relay.requests, []);
    });

    it("tells what is wrong with a configuration and ends with 1", async () => {
        const { code, stderr } = await check(await writeConfig({ port: -1, tagSeconds: -1 }));
        assert.equal(code, 1);
        assert.match(stderr, /port {2}must be a port.*\n {2}tagSeconds {2}must be/);
        const missing = await check(join(folder, "nothing.json"));
        assert.equal(missing.code, 1);
        assert.match(missing.stderr, /nothing\.json/);
    });

    it("goes on with what its configuration says on SIGHUP, and with what it had when that cannot be used", async () => {
        const path = await writeConfig();
        const { child, origin, lines } = await start(path);
        const said = (message: string) =>
            eventually(message, () =>
                lines
                    .map((line) => JSON.parse(line) as Record<string, string>)
                    .find((line) => line.message === message),
            );
        const status = async () => (await fetch(`${origin}${BLOB}`, { method: "HEAD" })).status;
        assert.equal(await status(), 200);

        await writeConfig({ relays: [{ ...relay.config(), url: "http://plain.example.com" }] });
        child.kill("SIGHUP");
        const { reason } = await said("configuration not taken over");
        assert.match(String(reason), /uplink\.json cannot be used:\n {2}relays\[0\]\.url {2}must be/);
        assert.equal(await status(), 200);

        relay.keys = ["another-key-of-the-same-relay"];
        await writeConfig({ relays: [{ ...relay.config(), key: "another-key-of-the-same-relay" }] });
        child.kill("SIGHUP");
        const { configuration } = await said("configuration taken over");
        assert.equal(configuration, path);
        assert.equal(await status(), 200);
        assert.ok(!lines.join("\n").includes(FAKE_KEY));
    });

    it("ends cleanly on SIGTERM in the middle of a blob, and goes on at the byte when it runs again", async () => {
        await interrupt("SIGTERM", { code: 0, signal: null }, 0);
    });

    it("goes on where it was when it was killed, but for what came after the last note", async () => {
        await interrupt("SIGKILL", { code: null, signal: "SIGKILL" }, 2 * MIB);
    });

    async function interrupt(signal: "SIGTERM" | "SIGKILL", end: object, again: number): Promise<void> {
        const path = await writeConfig();
        relay.faults.push({ path: /blobs/, fault: { do: "crawl", bytes: 64 * 1024, everyMs: 5 } });
        const first = await start(path);
        const cut = assert.rejects(fetch(`${first.origin}${BLOB}`).then((answer) => answer.arrayBuffer()));
        await eventually("half has come", () => (relay.sentBytes() > large.length / 2 ? true : undefined), 20_000);
        const exit = ended(first.child);
        first.child.kill(signal);
        assert.deepEqual(await exit, end);
        await cut;
        const before = relay.sentBytes();

        relay.faults.length = 0;
        const second = await start(path);
        const answer = await fetch(`${second.origin}${BLOB}`);
        assert.equal(digestOf(Buffer.from(await answer.arrayBuffer())), digestOf(large));
        // What was on its way when the process ended, up to five ranges and what the sockets held of them, is on no disk:
        // less than what had come, which would all come again if nothing went on.
        const inFlight = 5 * 3 * MIB;
        assert.ok(again + inFlight < before);
        assert.ok(relay.sentBytes() - large.length <= again + inFlight, `${relay.sentBytes()} after ${before}`);
        assert.ok(![...first.lines, ...second.lines].join("\n").includes(FAKE_KEY));
    }
});

describe("Uplink bundle", () => {
    it("is the same bytes each time, and needs nothing but Node", () => {
        const text = uplinkBundle();
        assert.equal(uplinkBundle(), text);
        assert.ok(!text.includes(process.cwd()));
        const wanted = [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) => name!);
        const { builtinModules } = require("node:module") as typeof import("node:module");
        const foreign = wanted.filter((name) => !name.startsWith("node:") && !builtinModules.includes(name));
        assert.deepEqual(foreign, []);
    });
});
