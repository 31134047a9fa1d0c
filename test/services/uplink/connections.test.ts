/** Connections that end early, requests that are no good HTTP, and readers that hardly read. */
import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { eventually } from "../../support/eventually";
import { digestOf, FakeContent, randomBytes } from "../../support/fake-relay";
import { Bench } from "./started-uplink";

const MIB = 1024 * 1024;
/** More than the kernel takes for a reader that does not read. */
const large = randomBytes(24 * MIB, "large");
const LARGE = `/v2/library/app/blobs/${digestOf(large)}`;

describe("Uplink, connections", () => {
    let bench: Bench;
    const sockets = new Set<Socket>();

    before(async () => {
        const content = new FakeContent();
        content.blob(large);
        bench = await Bench.start(content, { limits: { readerMs: 1500 } });
        assert.equal((await bench.get(LARGE)).digest, digestOf(large));
    });
    after(() => bench.stop());
    afterEach(() => {
        for (const socket of sockets) socket.destroy();
        sockets.clear();
    });

    /** A connection of its own, which reads nothing before it is asked to. */
    function open(text: string): Socket {
        const socket = connect(bench.uplink.port, "127.0.0.1");
        sockets.add(socket);
        socket.on("error", () => socket.destroy());
        socket.pause();
        socket.write(text);
        return socket;
    }

    async function answerTo(text: string): Promise<string> {
        const socket = open(text);
        const chunks: Buffer[] = [];
        for await (const chunk of socket) chunks.push(chunk);
        return Buffer.concat(chunks).toString();
    }

    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: uplink\r\n\r\n`;

    /** Files of the spool that this process has open. */
    function handles(): number {
        const open = readdirSync("/proc/self/fd").map((fd) => {
            try {
                return readlinkSync(`/proc/self/fd/${fd}`);
            } catch {
                return "";
            }
        });
        return open.filter((path) => path.startsWith(`${bench.spool}/blobs/`)).length;
    }

    const users = async () => JSON.parse((await bench.get("/status")).body.toString()).spool.users;

    it("close at once what was opened for answers that nobody waits for any more", async () => {
        const lost = Array.from({ length: 5 }, () => open(get(LARGE).repeat(40)));
        await eventually("answers have begun", () => (handles() > 0 ? true : undefined));
        assert.ok(handles() <= lost.length, `${handles()} files are open`);
        for (const socket of lost) socket.destroy();
        await eventually("every file is closed", () => (handles() === 0 ? true : undefined));
        assert.equal(await users(), 0);
    });

    it("answer requests that were sent at once in their order", async () => {
        const paths = ["/healthz", "/v2/", "/nowhere", "/healthz"];
        const close = "GET /v2/ HTTP/1.1\r\nHost: uplink\r\nConnection: close\r\n\r\n";
        const text = await answerTo(paths.map(get).join("") + close);
        const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
        assert.deepEqual(statuses, [200, 200, 404, 200, 200]);
    });

    it("are cut off from a reader that takes hardly anything, and closed", async () => {
        const socket = open(get(LARGE));
        await eventually("the file is open", () => (handles() === 1 ? true : undefined));
        await eventually("the file is closed", () => (handles() === 0 ? true : undefined));
        const [line] = bench.logged("request").filter(({ reason }) => /reader took less than 64 KiB/.test(`${reason}`));
        assert.equal(line?.unfinished, true);
        assert.ok(socket.readable);
    });

    it("stay for a reader that pauses for less", async () => {
        let got = 0;
        for await (const chunk of await bench.open(LARGE)) {
            // Longer in all than one step may take.
            if (Math.floor(got / (6 * MIB)) < Math.floor((got + chunk.length) / (6 * MIB))) {
                await new Promise((resolve) => setTimeout(resolve, 700));
            }
            got += chunk.length;
        }
        assert.equal(got, large.length);
    });

    for (const [what, request, status] of [
        ["of HTTP/2.0", "GET /v2/ HTTP/2.0\r\nHost: x\r\n\r\n", 505],
        ["of HTTP/0.9", "GET /v2/ HTTP/0.9\r\nHost: x\r\n\r\n", 505],
        ["of HTTP/3.1", "GET /v2/ HTTP/3.1\r\nHost: x\r\n\r\n", 505],
        ["as HTTP/2 begins", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
        ["of an unknown coding", "GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: odd\r\n\r\n", 501],
        ["of two codings", "GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501],
        ["of an unknown method", "BREW /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", 501],
        ["without a host", "GET /v2/ HTTP/1.1\r\n\r\n", 400],
        ["that is no HTTP", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400],
        ["with a blank in a header's name", "GET /v2/ HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", 400],
        ["with two lengths", "GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400],
        ["with too many headers", `GET /v2/ HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(20_000)}\r\n\r\n`, 431],
        ["for a tunnel", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", 405],
    ] as const) {
        it(`refuse a request ${what}: ${status}, as JSON`, async () => {
            const text = await answerTo(request);
            assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nContent-Type: application/json\r\n`));
            assert.equal(JSON.parse(text.slice(text.indexOf("\r\n\r\n"))).errors.length, 1);
            assert.deepEqual(bench.first.asked(/^(?!.*blobs)/), []);
        });
    }

    it("stay open for longer when they are idle than the engine keeps them: none is closed as it is used", async () => {
        const { headers } = await bench.get("/v2/", { connection: "keep-alive" });
        const [, seconds] = /timeout=(\d+)/.exec(String(headers["keep-alive"])) ?? [];
        // https://pkg.go.dev/net/http#DefaultTransport, IdleConnTimeout: registry's connections to its upstream.
        assert.ok(Number(seconds) > 90, `${headers["keep-alive"]}`);
    });

    it("serve what comes with the whole URL, in chunks, or by HTTP/1.0", async () => {
        for (const request of [
            "GET http://uplink:5000/v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
            "GET /v2/ HTTP/1.0\r\n\r\n",
        ]) {
            assert.match(await answerTo(request), /^HTTP\/1\.1 200 /);
        }
    });
});
