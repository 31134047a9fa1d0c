/** Pebble as this project starts it, asked by lego (Debian package). Not proven here: that in a container, which is the rehearsal's. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Pebble, startPebble } from "../../rehearsal/acme";
import { type DnsRecords, type DnsServer, startDns } from "../../rehearsal/dns";
import { makeCa } from "../../rehearsal/pki";
import { attempt } from "../../rehearsal/run";
import { freePort } from "../support/free-port";

const DAY_MS = 24 * 60 * 60 * 1000;

describe("The ACME server of the rehearsal", () => {
    const ca = makeCa("Test CA");
    const records: Record<string, DnsRecords | string> = { "relay.mirror.example": "127.0.0.1" };
    let folder: string;
    let dns: DnsServer;
    let pebble: Pebble;
    let httpPort: number;

    before(async () => {
        folder = mkdtempSync(join(tmpdir(), "dockermirror-acme-"));
        writeFileSync(join(folder, "ca.pem"), ca.cert);
        dns = await startDns((name) => records[name]);
        httpPort = await freePort();
        const ports = { httpPort, port: await freePort(), managementPort: await freePort() };
        pebble = await startPebble({ ca, dns: dns.address, ...ports });
    });
    after(async () => {
        await pebble.stop();
        await dns.close();
        rmSync(folder, { recursive: true });
    });

    const lego = (name: string, args: string[], env: NodeJS.ProcessEnv = {}) =>
        attempt(
            "lego",
            [
                ...["--server", pebble.directory, "--path", join(folder, "lego"), "--accept-tos"],
                ...["--email", "admin@mirror.example", "--domains", name, ...args, "run"],
            ],
            { env: { ...process.env, LEGO_CA_CERTIFICATES: join(folder, "ca.pem"), ...env } },
        );
    const issued = (name: string) => {
        const chain = readFileSync(join(folder, "lego", "certificates", `${name}.crt`), "utf8");
        const [leaf = "", intermediate = ""] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
        return { leaf: new X509Certificate(leaf), intermediate: new X509Certificate(intermediate) };
    };

    it("issues what its root vouches for, for 90 days, to who answers by HTTP-01", async () => {
        const { code, stderr } = await lego("relay.mirror.example", ["--http", "--http.port", `127.0.0.1:${httpPort}`]);
        assert.equal(code, 0, stderr);
        const { leaf, intermediate } = issued("relay.mirror.example");
        assert.equal(leaf.checkHost("relay.mirror.example"), "relay.mirror.example");
        assert.ok(leaf.verify(intermediate.publicKey));
        assert.ok(intermediate.verify(new X509Certificate(pebble.root).publicKey));
        const days = (Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / DAY_MS;
        assert.equal(Math.round(days), 90);
    });

    it("asks the name server it was given for DNS-01", async () => {
        const api = createServer(async (request, response) => {
            let body = "";
            for await (const chunk of request) body += chunk;
            const { fqdn, value } = JSON.parse(body) as { fqdn: string; value: string };
            records[fqdn.replace(/\.$/, "")] = request.url === "/present" ? { TXT: [value] } : {};
            response.end();
        });
        const endpoint = await listening(api);
        // Its check of the propagation asks the zone's name servers at port 53.
        const args = ["--dns", "httpreq", "--dns.disable-cp", "--dns.resolvers", dns.address];
        const { code, stderr } = await lego("dns.mirror.example", args, { HTTPREQ_ENDPOINT: endpoint });
        api.close();
        assert.equal(code, 0, stderr);
        assert.equal(issued("dns.mirror.example").leaf.checkHost("dns.mirror.example"), "dns.mirror.example");
    });

    it("issues nothing where the challenge is not answered", async () => {
        records["elsewhere.mirror.example"] = "127.0.0.2";
        const args = ["--http", "--http.port", `127.0.0.1:${httpPort}`];
        const { code, stderr } = await lego("elsewhere.mirror.example", args);
        assert.equal(code, 1);
        assert.match(stderr, /connection refused/);
        assert.match(pebble.output(), /elsewhere\.mirror\.example/);
    });

    it("says why it does not start", async () => {
        const ports = { httpPort, port: 65536, managementPort: await freePort() };
        await assert.rejects(startPebble({ ca, dns: dns.address, ...ports }), /Pebble ended with 1: .*invalid port/s);
    });
});

async function listening(server: Server): Promise<string> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
