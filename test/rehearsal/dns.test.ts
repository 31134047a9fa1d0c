/** The DNS double, asked by Node's own resolver (c-ares) and over TCP by hand. Not proven here: other resolvers. */
import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { connect } from "node:net";
import { type DnsRecords, type DnsServer, startDns } from "../../rehearsal/dns";

const LONG = "x".repeat(300);

describe("The DNS double", () => {
    const zone: Record<string, DnsRecords | string> = {
        "mirror.example": { SOA: "ns.mirror.example", NS: ["ns.mirror.example"] },
        "relay.mirror.example": { A: ["192.0.2.7", "192.0.2.8"], AAAA: ["2001:db8::7", "2001:db8:1:2:3:4:5:6"] },
        "old.mirror.example": "192.0.2.9",
        "_acme-challenge.relay.mirror.example": { TXT: ["one", LONG] },
    };
    let resolver: Resolver;
    let dns: DnsServer;
    const asking = () => {
        const made = new Resolver({ tries: 1 });
        made.setServers([dns.address]);
        return made;
    };

    before(async () => {
        dns = await startDns((name) => zone[name]);
        resolver = asking();
    });
    after(() => dns.close());

    const refused = (code: string) => (error: NodeJS.ErrnoException) => error.code === code;

    it("answers with all addresses of a name, whatever its case", async () => {
        assert.deepEqual(await resolver.resolve4("Relay.MIRROR.example"), ["192.0.2.7", "192.0.2.8"]);
        assert.deepEqual(await resolver.resolve4("old.mirror.example"), ["192.0.2.9"]);
        assert.deepEqual(await resolver.resolve6("relay.mirror.example"), ["2001:db8::7", "2001:db8:1:2:3:4:5:6"]);
    });

    it("says of a name without an IPv6 address that it has none, not that it is not there", async () => {
        await assert.rejects(resolver.resolve6("old.mirror.example"), refused("ENODATA"));
        await assert.rejects(resolver.resolve4("gone.mirror.example"), refused("ENOTFOUND"));
    });

    it("answers with texts, also long ones and ones that were set while it runs", async () => {
        const texts = await resolver.resolveTxt("_acme-challenge.relay.mirror.example");
        assert.deepEqual(
            texts.map((strings) => strings.join("")),
            ["one", LONG],
        );
        zone["_acme-challenge.relay.mirror.example"] = { TXT: ["two"] };
        // Another one: that of Debian 13's node, by its c-ares, keeps what it was answered.
        assert.deepEqual(await asking().resolveTxt("_acme-challenge.relay.mirror.example"), [["two"]]);
    });

    it("tells where a zone begins, and its name servers", async () => {
        const { nsname, hostmaster } = await resolver.resolveSoa("mirror.example");
        assert.deepEqual([nsname, hostmaster], ["ns.mirror.example", "hostmaster.ns.mirror.example"]);
        assert.deepEqual(await resolver.resolveNs("mirror.example"), ["ns.mirror.example"]);
        await assert.rejects(resolver.resolveSoa("relay.mirror.example"), refused("ENODATA"));
    });

    it("answers over TCP, question by question, however they are cut", async () => {
        const [host, port] = dns.address.split(":");
        const connection = connect(Number(port), host);
        const question = Buffer.from("000701000001000000000000036f6c64066d6972726f72076578616d706c650000010001", "hex");
        const query = Buffer.concat([Buffer.from([0, question.length]), question]);
        const two = Buffer.concat([query, query]);
        const answer = Buffer.from("0007858000010001", "hex");
        let received = Buffer.alloc(0);
        connection.on("data", (data) => (received = Buffer.concat([received, data])));
        connection.write(two.subarray(0, query.length + 9));
        await once(connection, "data");
        connection.write(two.subarray(query.length + 9));
        await once(connection, "data");
        connection.destroy();
        const length = received.readUInt16BE();
        assert.equal(received.length, 2 * (2 + length));
        for (const start of [2, 2 + length + 2]) {
            assert.deepEqual(received.subarray(start, start + answer.length), answer);
            assert.deepEqual([...received.subarray(start + length - 4, start + length)], [192, 0, 2, 9]);
        }
    });

    it("does not fall over what is not a question", async () => {
        const [host, port] = dns.address.split(":");
        const connection = connect(Number(port), host);
        connection.write(Buffer.from([0, 3, 1, 2, 3, 0, 0]));
        connection.end();
        connection.resume();
        await once(connection, "close");
        assert.deepEqual(await resolver.resolve4("old.mirror.example"), ["192.0.2.9"]);
    });
});
