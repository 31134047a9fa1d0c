/** The configuration file: what may stand in it, and that no problem is told with a key in it. */
import assert from "node:assert/strict";
import { makeCa } from "../../../rehearsal/pki";
import { checkSameSite, parseConfig } from "../../../services/uplink/config";

const KEY = "secretsecretsecretsecretsecretsecretsecret";

const valid = {
    port: 5000,
    upstreams: ["ghcr.io", "docker.io"],
    relays: [{ name: "nginx", url: "https://vm.example.com", key: KEY, address: "198.51.100.7" }],
    spool: { path: "/var/spool/dockermirror", budgetGiB: 10 },
    store: "/var/lib/registry",
    tagSeconds: 5,
};

function problems(config: object): string[] {
    try {
        parseConfig(JSON.stringify(config), "uplink.json");
    } catch (error) {
        return String((error as Error).message).split("\n");
    }
    throw new Error("the configuration was accepted");
}

describe("Uplink configuration", () => {
    it("is read with the budget in bytes and the upstreams in the table's order", () => {
        const config = parseConfig(JSON.stringify(valid), "uplink.json");
        assert.equal(config.spool.budgetBytes, 10 * 1024 ** 3);
        assert.deepEqual(
            config.upstreams.map(({ name }) => name),
            ["docker.io", "ghcr.io"],
        );
        assert.deepEqual(config.relays, valid.relays);
    });

    it("names all that a running uplink cannot take over, and nothing else", () => {
        const read = (change: object) => parseConfig(JSON.stringify({ ...valid, ...change }), "next.json");
        const running = read({});
        checkSameSite(
            running,
            read({ upstreams: ["ghcr.io"], tagSeconds: 0, spool: { ...valid.spool, budgetGiB: 1 } }),
        );
        const { store: _, ...storeless } = valid;
        const other = { ...storeless, port: 1, spool: { path: "/elsewhere", budgetGiB: 10 } };
        assert.throws(
            () => checkSameSite(running, parseConfig(JSON.stringify(other), "next.json")),
            /^Error: next\.json cannot be taken over without a restart: it changes port, spool\.path, store$/,
        );
    });

    it("takes a CA in PEM form", () => {
        const [relay] = valid.relays;
        parseConfig(JSON.stringify({ ...valid, relays: [{ ...relay, ca: makeCa("test").cert }] }), "uplink.json");
    });

    it("tells every problem at once, with the key's place and what was got", () => {
        assert.deepEqual(
            problems({
                ...valid,
                port: 70000,
                upstreams: ["docker.io", "example.com"],
                relays: [{ name: "A b", url: "http://vm.example.com", key: "short", address: "vm", ca: "x" }],
                tagSeconds: "5",
            }),
            [
                "uplink.json cannot be used:",
                "  port  must be a port, 0 to 65535, got 70000",
                "  upstreams[1]  must be one of docker.io, ghcr.io, quay.io, registry.k8s.io, gcr.io, " +
                    'mcr.microsoft.com, public.ecr.aws, nvcr.io, docker.elastic.co, got "example.com"',
                '  relays[0].name  must be 1 to 32 of a-z, 0-9 and dash, got "A b"',
                "  relays[0].url  must be an https origin without path, such as https://vm.example.com, " +
                    'got "http://vm.example.com"',
                "  relays[0].key  must be 16 or more visible ASCII characters",
                '  relays[0].address  must be an IP address, got "vm"',
                "  relays[0].ca  must be the certificate of a CA in PEM form",
                '  tagSeconds  must be seconds, got "5"',
            ],
        );
    });

    it("refuses two relays of one name, no relay, no upstream and what it does not know", () => {
        const [relay] = valid.relays;
        assert.match(problems({ ...valid, relays: [relay, relay] }).join(), /two relays have the same/);
        assert.match(problems({ ...valid, relays: [] }).join(), /relays {2}must hold at least one relay/);
        assert.match(problems({ ...valid, upstreams: [] }).join(), /must name at least one upstream/);
        assert.match(problems({ ...valid, proxy: 1 }).join(), /Unrecognized key: "proxy"/);
    });

    it("never shows a key, not even when the file is not JSON", () => {
        const text = `{ "relays": [ { "key": "${KEY}" "name": 1 } ] }`;
        assert.throws(
            () => parseConfig(text, "uplink.json"),
            (error: Error) => /it is not JSON at position \d+/.test(error.message) && !error.message.includes(KEY),
        );
        const [relay] = valid.relays;
        const shown = problems({ ...valid, relays: [{ ...relay, key: `${KEY} with spaces` }] }).join();
        assert.ok(!shown.includes(KEY));
    });
});
