/** The canary, against real TLS servers on loopback that play front and relays; and its program, as the host's Docker starts it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createPlainServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { bundle, FOR_NODE } from "../../../components/bundle";
import { issue, type KeyPair, makeCa } from "../../../rehearsal/pki";
import { attempt } from "../../../rehearsal/run";
import { type Canary, runCanary } from "../../../services/canary/canary";

const IMAGE = "docker.io/library/hello-world:latest";
const PATH = "/v2/library/hello-world/manifests/latest";
const ADDRESS = "127.0.0.1";
const TIMES = { answerMs: 2_000, frontMs: 0, betweenMs: 10 };

/** What a hop answers: its status, whose voice it is, or nothing at all. */
type Behaviour = { readonly status: number; readonly voice?: string } | "silent";

const OK: Behaviour = { status: 200, voice: "upstream" };

describe("The canary", () => {
    const hops: Record<string, Behaviour> = {};
    const asked: string[] = [];
    const servers: Record<string, Server> = {};
    let ca: KeyPair;
    let own: KeyPair;

    const answer = (hop: string) => (request: IncomingMessage, response: ServerResponse) => {
        asked.push(
            `${hop} ${request.method} ${request.headers.host}${request.url} ${request.headers["x-relay-key"] ?? "-"}`,
        );
        const behaviour = hops[hop] ?? OK;
        if (behaviour === "silent") return;
        const voice = behaviour.voice === undefined ? {} : { "X-Relay-Answer": behaviour.voice };
        response.writeHead(behaviour.status, voice).end();
    };
    const port = (hop: string) => (servers[hop]?.address() as AddressInfo | undefined)?.port;

    before(async () => {
        ca = makeCa("canary test");
        own = issue(ca, ["mirror.acme.lan"]);
        servers.front = createServer(own, answer("front"));
        servers.uplink = createPlainServer(answer("uplink"));
        for (const name of ["nginx", "worker"])
            servers[name] = createServer(issue(ca, [`${name}.example.com`]), answer(name));
        for (const server of Object.values(servers)) await once(server.listen(0, ADDRESS), "listening");
    });
    beforeEach(() => {
        asked.length = 0;
        for (const hop of Object.keys(hops)) delete hops[hop];
    });
    after(() => {
        for (const server of Object.values(servers)) {
            server.closeAllConnections();
            server.close();
        }
    });

    const canary = (front: Partial<Canary["front"]> = {}, nginx: Partial<Canary["front"]> = {}): Canary => ({
        image: IMAGE,
        path: PATH,
        front: { hostname: "mirror.acme.lan", address: ADDRESS, port: port("front"), ca: ca.cert, ...front },
        uplink: `http://${ADDRESS}:${port("uplink")}`,
        relays: [
            { name: "nginx", hostname: "nginx.example.com", key: "key-1", port: port("nginx"), ...nginx },
            { name: "worker", hostname: "worker.example.com", key: "key-2", port: port("worker") },
        ].map((relay) => ({ address: ADDRESS, ca: ca.cert, ...relay })),
    });
    const run = () => runCanary(canary(), TIMES);

    it("asks the front, and each relay with its key, once and by HEAD", async () => {
        const { lines, failure } = await run();
        assert.equal(failure, undefined);
        assert.deepEqual(lines, [
            "front mirror.acme.lan: answers 200",
            "relay nginx: answers 200",
            "relay worker: answers 200",
        ]);
        assert.deepEqual(asked.sort(), [
            `front HEAD mirror.acme.lan${PATH} -`,
            `nginx HEAD nginx.example.com${PATH} key-1`,
            `worker HEAD worker.example.com${PATH} key-2`,
        ]);
    });

    it("names a relay that fails, and passes while another serves", async () => {
        hops.nginx = { status: 502, voice: "relay; reason=unreachable" };
        const { lines, failure } = await run();
        assert.equal(failure, undefined);
        assert.equal(lines[1], "relay nginx: answers 502 (unreachable)");
    });

    it("says which key a relay does not know", async () => {
        hops.worker = { status: 401, voice: "relay; reason=key" };
        assert.equal((await run()).lines[2], "relay worker: answers 401: it does not know this stack's key");
    });

    it("fails when no relay serves, also when the cache has the image", async () => {
        hops.nginx = { status: 401, voice: "relay; reason=key" };
        hops.worker = "silent";
        const { lines, failure } = await run();
        assert.match(failure ?? "", /^no relay serves it \(nginx, worker\): npm run doctor .*came from the cache/);
        assert.equal(lines[2], "relay worker: cannot be reached: no answer within 2 s");
        hops.front = { status: 502 };
        hops.uplink = { status: 503 };
        assert.match((await run()).failure ?? "", /^no relay serves it \(nginx, worker\)/);
    });

    it("names the cache when the uplink has it, and the uplink when only the relays have it", async () => {
        hops.front = { status: 500 };
        assert.match((await run()).failure ?? "", /^the cache .*dockermirror-cache/);
        hops.uplink = { status: 502 };
        const { lines, failure } = await run();
        assert.match(failure ?? "", /^the uplink .*dockermirror-uplink/);
        assert.equal(lines[1], "uplink: answers 502");
    });

    it("names the front when that cannot be reached, is somebody else, or lets nobody in", async () => {
        const unreachable = await runCanary(canary({ port: 1 }), TIMES);
        assert.match(unreachable.failure ?? "", /^the front .*dockermirror-front/);
        assert.match(unreachable.lines[0] ?? "", /^front mirror\.acme\.lan: cannot be reached: .*ECONNREFUSED/);
        const stranger = await runCanary(canary({ ca: makeCa("another").cert }), TIMES);
        assert.match(stranger.lines[0] ?? "", /unable to verify|self.signed/);
        hops.front = { status: 403 };
        assert.match((await run()).failure ?? "", /^the front /);
    });

    it("takes a certificate of one's own for what it is, and no other", async () => {
        const trusted = await runCanary(canary({ ca: undefined, certificate: own.cert }), TIMES);
        assert.equal(trusted.failure, undefined);
        const other = issue(ca, ["mirror.acme.lan"]).cert;
        const { lines, failure } = await runCanary(canary({ ca: undefined, certificate: other }), TIMES);
        assert.match(failure ?? "", /^the front /);
        assert.match(lines[0] ?? "", /does not show the certificate of mirror\.acme\.lan/);
    });

    it("names the upstream that does not have the image, or refuses it", async () => {
        for (const hop of ["front", "uplink", "nginx", "worker"]) hops[hop] = { status: 404, voice: "upstream" };
        assert.match((await run()).failure ?? "", /^the upstream does not have .*onprem\.canary/);
        for (const hop of ["front", "uplink", "nginx", "worker"]) hops[hop] = { status: 429, voice: "upstream" };
        const { lines, failure } = await run();
        assert.match(failure ?? "", /^the upstream refuses it/);
        assert.equal(lines[2], "relay nginx: answers 429, which is the upstream's own");
    });

    it("passes when the upstream allows no more for now and the mirror serves what it has", async () => {
        for (const hop of ["nginx", "worker"]) hops[hop] = { status: 429, voice: "upstream" };
        assert.equal((await run()).failure, undefined);
    });

    it("waits for a front whose uplink lets a relay rest", async () => {
        hops.front = { status: 503 };
        const found = runCanary(canary(), { ...TIMES, frontMs: 20_000 });
        setTimeout(() => {
            assert.ok(asked.some((line) => line.startsWith("front ")));
            hops.front = OK;
        }, 300);
        assert.equal((await found).failure, undefined);
    });

    it("is a program that ends with 1 and says why, without a key", async () => {
        const program = bundle("services/canary/main.ts", FOR_NODE);
        const start = (what: Canary) =>
            attempt(process.execPath, ["-"], { input: `globalThis.canary = ${JSON.stringify(what)};\n${program}` });
        const well = await start(canary());
        assert.deepEqual([well.code, well.stderr, well.stdout.split("\n").length], [0, "", 4]);
        const { code, stdout, stderr } = await start(canary({ port: 1 }));
        assert.equal(code, 1);
        assert.match(
            stderr,
            /^the canary docker\.io\/library\/hello-world:latest cannot be pulled through the mirror: the front /,
        );
        assert.doesNotMatch(stdout + stderr, /key-[12]/);
    });
});
