/** The gate at a relay's end, against a real TLS server and a real name server on loopback. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import { type DnsServer, startDns } from "../../../rehearsal/dns";
import { issue, type KeyPair, makeCa } from "../../../rehearsal/pki";
import { type Gate, passGate } from "../../../services/gate/gate";

const HOSTNAME = "relay.example.com";
/** An address of its own, so that the port can be the one that clients use. */
const ADDRESS = "127.90.0.1";

describe("The relay's gate", () => {
    const records: Record<string, string> = {};
    let ca: KeyPair;
    let server: Server;
    let dns: DnsServer;
    let status = 401;
    let asked: string[] = [];

    before(async () => {
        ca = makeCa("gate test");
        server = createServer(issue(ca, [HOSTNAME]), (request, response) => {
            asked.push(`${request.headers.host}${request.url}`);
            response.writeHead(status).end();
        });
        server.listen(443, ADDRESS);
        await once(server, "listening");
        dns = await startDns((name) => records[name]);
    });

    beforeEach(() => {
        status = 401;
        asked = [];
        for (const name of Object.keys(records)) delete records[name];
    });

    after(async () => {
        server.close();
        await dns.close();
    });

    const gate = (more: Partial<Gate> = {}): Gate => ({
        hostname: HOSTNAME,
        nameServers: [dns.address],
        ca: ca.cert,
        status: 401,
        seconds: 0,
        ...more,
    });

    it("opens when the zone knows the name and /v2/ asks for a key", async () => {
        records[HOSTNAME] = ADDRESS;
        assert.equal(await passGate(gate()), ADDRESS);
        assert.deepEqual(asked, [`${HOSTNAME}/v2/`]);
    });

    it("opens at 200 where access is public", async () => {
        records[HOSTNAME] = ADDRESS;
        status = 200;
        assert.equal(await passGate(gate({ status: 200 })), ADDRESS);
    });

    it("waits for a name that the zone does not know yet, though the address is known", async () => {
        const passed = passGate(gate({ address: ADDRESS, seconds: 20 }));
        setTimeout(() => {
            assert.deepEqual(asked, []);
            records[HOSTNAME] = ADDRESS;
        }, 50);
        assert.equal(await passed, ADDRESS);
    });

    it("asks the address where there is no zone, or its name servers cannot be asked", async () => {
        assert.equal(await passGate(gate({ nameServers: [], address: ADDRESS })), ADDRESS);
        // Nothing listens there: the question is refused at once.
        assert.equal(await passGate(gate({ nameServers: ["127.90.0.2:9"], address: ADDRESS })), ADDRESS);
        // Not found, like a name of the zone, but not said by the zone; no resolver asks anybody for an empty label.
        assert.equal(await passGate(gate({ nameServers: ["ns..example.com"], address: ADDRESS })), ADDRESS);
    });

    it("says why when the time is over", async () => {
        await assert.rejects(passGate(gate()), /relay\.example\.com does not answer after 0 s: .*ENOTFOUND/);
        records[HOSTNAME] = ADDRESS;
        status = 200;
        await assert.rejects(passGate(gate()), /answers 200 in place of 401/);
        await assert.rejects(passGate(gate({ ca: undefined })), /does not answer after 0 s: .*(certificate|issuer)/);
    });
});
