/** Connections by names with several addresses of this machine, over real TCP and TLS. Far links: uplink/far-link.test.ts. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, isIP, type LookupFunction, type Socket } from "node:net";
import { Agent, buildConnector, request } from "undici";
import { issue, makeCa } from "../../../rehearsal/pki";
import { anyAddressConnector, type ConnectorOptions, connectTcp } from "../../../services/connection/connector";

const HOST = "relay.test";
const TIMES = { lookupMs: 1_000, tcpMs: 2_000, tlsMs: 500 };
const ca = makeCa("dockermirror tests");

/** What an address does with a connection. */
type Behaviour = "tls" | "silence" | "hang up";

function lookupOf(addresses: readonly string[]): LookupFunction {
    return (_host, _options, done) =>
        done(
            null,
            addresses.map((address) => ({ address, family: isIP(address) })),
        );
}

describe("Connector", () => {
    let port = 0;
    let stop: (() => void)[] = [];
    /** The addresses that connections came to. */
    let came: string[] = [];

    /** One port, with another behaviour at each address. */
    async function listen(behaviours: Readonly<Record<string, Behaviour>>): Promise<void> {
        const https = createHttpsServer(issue(ca, [HOST]), (_, response) => response.end("hello"));
        for (const [address, behaviour] of Object.entries(behaviours)) {
            const sockets = new Set<Socket>();
            const server = createServer((socket) => {
                came.push(address);
                sockets.add(socket.on("error", () => socket.destroy()));
                if (behaviour === "tls") https.emit("connection", socket);
                if (behaviour === "hang up") socket.destroy();
            });
            server.listen(port, address);
            await once(server, "listening");
            port = (server.address() as AddressInfo).port;
            stop.push(() => {
                for (const socket of sockets) socket.destroy();
                server.close();
            });
        }
    }

    afterEach(() => {
        for (const each of stop) each();
        stop = [];
        came = [];
        port = 0;
    });

    /** Something that asks over connections which are all new ones. */
    function asking(addresses: readonly string[], options: ConnectorOptions = {}): () => Promise<string> {
        const lookup = lookupOf(addresses);
        const connect = anyAddressConnector({ lookup, times: TIMES, tls: { ca: ca.cert }, ...options });
        return async () => {
            const dispatcher = new Agent({ connect });
            try {
                const answer = await request(`https://${HOST}:${port}/`, { dispatcher });
                return await answer.body.text();
            } finally {
                await dispatcher.destroy();
            }
        };
    }

    const code = (error: NodeJS.ErrnoException) => error.code;

    it("connects by the first address that takes connections", async () => {
        await listen({ "127.0.0.2": "tls" });
        // Nobody listens at the others, and one is of a network that no machine is on.
        const ask = asking(["2001:db8::1", "127.0.0.1", "127.0.0.2"]);
        assert.equal(await ask(), "hello");
        assert.deepEqual(came, ["127.0.0.2"]);
    });

    it("begins with the address that worked last", async () => {
        await listen({ "127.0.0.1": "tls", "127.0.0.2": "tls" });
        const addresses = ["127.0.0.3", "127.0.0.2"];
        const ask = asking([], { lookup: (host, options, done) => lookupOf(addresses)(host, options, done) });
        assert.equal(await ask(), "hello");
        addresses.unshift("127.0.0.1");
        assert.equal(await ask(), "hello");
        assert.deepEqual(came, ["127.0.0.2", "127.0.0.2"]);
        // Only while the name has it.
        addresses.splice(1);
        assert.equal(await ask(), "hello");
        assert.deepEqual(came.slice(2), ["127.0.0.1"]);
    });

    for (const behaviour of ["silence", "hang up"] as const) {
        it(`leaves an address out whose TLS ends in ${behaviour}, while there is another`, async () => {
            await listen({ "127.0.0.1": behaviour, "127.0.0.2": "tls" });
            const ask = asking(["127.0.0.1", "127.0.0.2"]);
            await assert.rejects(ask(), /relay\.test \(127\.0\.0\.1\) TLS: /);
            for (let count = 0; count < 3; count++) assert.equal(await ask(), "hello");
            assert.deepEqual(came, ["127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.2"]);
        });
    }

    it("tries an address that was left out once no other takes a connection", async () => {
        await listen({ "127.0.0.1": "silence" });
        const ask = asking(["127.0.0.1", "127.0.0.2"]);
        await assert.rejects(ask(), (error: Error) => code(error) === "ETIMEDOUT");
        await assert.rejects(ask(), (error: Error) => code(error) === "ECONNREFUSED");
        for (const each of stop.splice(0)) each();
        await listen({ "127.0.0.1": "tls" });
        assert.equal(await ask(), "hello");
    });

    it("tries the only address again and again, whatever it did", async () => {
        await listen({ "127.0.0.1": "hang up" });
        const ask = asking(["127.0.0.1"]);
        for (let count = 0; count < 3; count++) await assert.rejects(ask(), /127\.0\.0\.1/);
        assert.equal(came.length, 3);
    });

    it("names host, address and reason when a certificate is not trusted", async () => {
        await listen({ "127.0.0.1": "tls" });
        const ask = asking(["127.0.0.1"], { tls: { ca: makeCa("somebody else").cert } });
        await assert.rejects(ask(), (error: NodeJS.ErrnoException) => {
            assert.match(error.message, /^relay\.test \(127\.0\.0\.1\) TLS: .*certificate/);
            assert.match(String(code(error)), /CERT|SIGNATURE|SIGNED/);
            return true;
        });
    });

    it("passes an error of the lookup on, with its code", async () => {
        const failure = Object.assign(new Error("getaddrinfo EAI_AGAIN relay.test"), { code: "EAI_AGAIN" });
        const ask = asking([], { lookup: (_host, _options, done) => done(failure, []) });
        await assert.rejects(ask(), { code: "EAI_AGAIN", message: failure.message });
    });

    it("gives up a lookup that never ends, and does not mind when it ends late", async () => {
        const late: (() => void)[] = [];
        const lookup: LookupFunction = (_host, _options, done) => late.push(() => done(null, []));
        const ask = asking([], { lookup, times: { ...TIMES, lookupMs: 50 } });
        await assert.rejects(ask(), { code: "ETIMEDOUT", message: "relay.test: DNS does not answer within 0.05 s" });
        assert.equal(late.length, 1);
        for (const end of late) end();
    });

    it("connects without TLS to plain HTTP, at an IPv6 address in brackets too", async () => {
        for (const address of ["127.0.0.1", "::1"]) {
            const server = createServer((socket) => {
                socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nplain");
            });
            server.listen(0, address);
            await once(server, "listening");
            const host = isIP(address) === 6 ? `[${address}]` : address;
            const dispatcher = new Agent({ connect: anyAddressConnector() });
            const url = `http://${host}:${(server.address() as AddressInfo).port}/`;
            assert.equal(await (await request(url, { dispatcher })).body.text(), "plain");
            await dispatcher.close();
            server.close();
        }
    });

    it("gives a plain TCP connection to who wants no more", async () => {
        await listen({ "127.0.0.1": "hang up" });
        const socket = await new Promise<Socket>((resolve, reject) => {
            connectTcp({ hostname: HOST, port, lookup: lookupOf(["127.0.0.1"]) }, (error, connected) =>
                connected ? resolve(connected) : reject(error),
            );
        });
        socket.resume();
        await once(socket, "close");
        assert.deepEqual(came, ["127.0.0.1"]);
    });

    it("is as good as undici's own where a host has one address", async () => {
        await listen({ "127.0.0.1": "tls" });
        const lookup = lookupOf(["127.0.0.1"]);
        for (const connect of [
            anyAddressConnector({ lookup, tls: { ca: ca.cert } }),
            buildConnector({ lookup, ca: ca.cert }),
        ]) {
            const dispatcher = new Agent({ connect });
            const answer = await request(`https://${HOST}:${port}/`, { dispatcher });
            assert.equal(await answer.body.text(), "hello");
            await dispatcher.destroy();
        }
    });
});
