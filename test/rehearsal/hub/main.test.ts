/** The double as a process: bundled, then run by plain Node in a folder without node_modules, as in its container. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { build } from "esbuild";
import { HubClient } from "../../../rehearsal/hub/client";
import { makeImage } from "../../../rehearsal/hub/image";
import { ImageStore } from "../../../rehearsal/hub/store";
import { HUB_HOSTS } from "../../../rehearsal/hub/upstream-hosts";
import { issue, makeCa } from "../../../rehearsal/pki";
import { ask } from "./ask";

const REGISTRY = "https://registry-1.docker.io/v2/";

describe("The Hub double as a process", () => {
    const ca = makeCa("Hub process test");
    let folder: string;
    let environment: Record<string, string>;

    before(async () => {
        folder = mkdtempSync(join(tmpdir(), "hub-process-"));
        await build({
            entryPoints: [join(__dirname, "../../../rehearsal/hub/main.ts")],
            outfile: join(folder, "hub.js"),
            bundle: true,
            platform: "node",
            target: "node20",
            logLevel: "silent",
        });
        const { key, cert } = issue(ca, HUB_HOSTS);
        writeFileSync(join(folder, "key.pem"), key, { mode: 0o600 });
        writeFileSync(join(folder, "cert.pem"), cert);
        writeFileSync(join(folder, "options.json"), JSON.stringify({ tokenSeconds: 7 }));
        environment = {
            HUB_STORE: join(folder, "store"),
            HUB_KEY_FILE: join(folder, "key.pem"),
            HUB_CERT_FILE: join(folder, "cert.pem"),
            HUB_OPTIONS_FILE: join(folder, "options.json"),
            HUB_HOST: "127.0.77.2",
            HUB_PORT: "0",
            HUB_CONTROL_PORT: "0",
        };
    });
    after(() => rmSync(folder, { recursive: true }));

    const run = (env: Record<string, string>): ChildProcess =>
        spawn(process.execPath, ["hub.js"], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });

    describe("when it runs", () => {
        let child: ChildProcess;
        let client: HubClient;
        let address: { host: string; port: number; ca: string };

        beforeEach(async () => {
            child = run(environment);
            const errors = text(child.stderr!);
            const line = await Promise.race([
                once(createInterface(child.stdout!), "line").then(([first]) => first as string),
                once(child, "exit").then(async () => assert.fail(await errors)),
            ]);
            const { port, controlPort } = JSON.parse(line);
            address = { host: "127.0.77.2", port, ca: ca.cert };
            client = new HubClient(`http://127.0.77.2:${controlPort}`);
        });
        afterEach(async () => {
            if (child.exitCode !== null) return;
            child.kill("SIGKILL");
            await once(child, "exit");
        });

        it("serves images that are added while it runs, with the options of its file", async () => {
            const scope = "https://auth.docker.io/token?service=registry.docker.io&scope=repository:a/b:pull";
            const store = new ImageStore(environment.HUB_STORE!);
            const { digest } = await makeImage(store, {
                upstream: "docker.io",
                repository: "a/b",
                tag: "1",
                layers: [],
            });
            const { token, expires_in } = JSON.parse((await ask(address, scope)).body.toString());
            assert.equal(expires_in, 7);
            const headers = { authorization: `Bearer ${token}`, accept: store.manifest(digest).mediaType };
            const answer = await ask(address, `${REGISTRY}a/b/manifests/1`, { headers });
            assert.equal(answer.headers["docker-content-digest"], digest);
        });

        it("tells its requests and forgets them", async () => {
            await ask(address, REGISTRY);
            const [request, ...more] = await client.requests();
            assert.deepEqual(more, []);
            assert.deepEqual([request?.host, request?.status], ["registry-1.docker.io", 401]);
            await client.clearRequests();
            assert.deepEqual(await client.requests(), []);
        });

        it("takes faults and forgets them", async () => {
            await client.setFaults([{ match: { path: "^/v2/$" }, action: { kind: "status", status: 503 } }]);
            assert.equal((await ask(address, REGISTRY)).status, 503);
            await client.clearFaults();
            assert.equal((await ask(address, REGISTRY)).status, 401);
        });

        it("refuses what are no faults, and keeps those that it has", async () => {
            await client.setFaults([{ match: {}, action: { kind: "status", status: 503 } }]);
            const wrong = [{ match: {} }] as unknown as Parameters<HubClient["setFaults"]>[0];
            await assert.rejects(client.setFaults(wrong), /PUT \/faults answered 400: .*faults are a list of/);
            assert.equal((await ask(address, REGISTRY)).status, 503);
        });

        it("is healthy until it is told to end, and then ends well", async () => {
            assert.equal(await client.healthy(), true);
            child.kill("SIGTERM");
            assert.deepEqual(await once(child, "exit"), [0, null]);
            assert.equal(await client.healthy(), false);
        });
    });

    const unusable: Record<string, [Record<string, string>, RegExp]> = {
        "without settings": [{ HUB_STORE: "" }, /the environment has no HUB_STORE; all of them are needed/],
        "with a port that is none": [{ HUB_PORT: "https" }, /HUB_PORT must be a port from 0 to 65535, got "https"/],
        "with an address that is not its own": [{ HUB_HOST: "192.0.2.1" }, /EADDRNOTAVAIL/],
    };
    for (const [what, [changed, message]] of Object.entries(unusable)) {
        it(`says why it does not start ${what}`, async () => {
            const child = run({ ...environment, ...changed });
            const errors = text(child.stderr!);
            assert.deepEqual(await once(child, "exit"), [1, null]);
            assert.match(await errors, message);
        });
    }

    it("ends when only the control port cannot be had", async () => {
        const holder = run(environment);
        const [line] = await once(createInterface(holder.stdout!), "line");
        const child = run({ ...environment, HUB_CONTROL_PORT: String(JSON.parse(line).controlPort) });
        const errors = text(child.stderr!);
        assert.deepEqual(await once(child, "exit"), [1, null]);
        assert.match(await errors, /EADDRINUSE/);
        holder.kill("SIGTERM");
        assert.deepEqual(await once(holder, "exit"), [0, null]);
    });
});
