/** The stand-in's zone. The Worker behind its custom domain is seen by the rehearsal itself. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as cloudflare from "@pulumi/cloudflare";
import type * as pulumi from "@pulumi/pulumi";
import { destroy, type Properties, type State, up } from "../../../rehearsal/engine";
import { cloudflareStandIn } from "../../../rehearsal/stand-ins/cloudflare";
import type { Topology } from "../../../rehearsal/topology";
import { Zone } from "../../../rehearsal/zone";

const RECORD = { name: "vm.example.com", type: "A", content: "198.51.100.7", ttl: 60, proxied: false };

describe("The stand-in for @pulumi/cloudflare", () => {
    let folder: string;
    let zone: Zone;
    let run: (program: () => Properties) => Promise<Properties>;
    let end: () => Promise<string[]>;

    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "dockermirror-zone-"));
        zone = new Zone(join(folder, "zone.json"));
        const topology = { zone, nameServer: async () => "10.0.0.1:53" } as unknown as Topology;
        const state: State = {};
        const machinery = { ...cloudflareStandIn(topology, "test"), state, tell: () => {} };
        const stack = { project: "dockermirror", stack: "test", config: {}, secretKeys: [] };
        run = async (program) => (await up({ ...stack, ...machinery }, async () => program())).outputs;
        end = () => destroy(machinery);
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    const record = (
        name: string,
        change: Partial<cloudflare.DnsRecordArgs> = {},
        opts?: pulumi.CustomResourceOptions,
    ) => new cloudflare.DnsRecord(name, { zoneId: "zone", ...RECORD, ...change }, opts);

    it("enters addresses of both kinds into the zone, changes them, and takes them out again", async () => {
        await run(() => ({ ids: [record("a").id, record("aaaa", { type: "AAAA", content: "2001:db8::7" }).id] }));
        assert.deepEqual(zone.records(), { "vm.example.com": { A: ["198.51.100.7"], AAAA: ["2001:db8::7"] } });
        await run(() => ({ id: record("a", { content: "198.51.100.8" }).id }));
        assert.deepEqual(zone.records(), { "vm.example.com": { A: ["198.51.100.8"] } });
        assert.deepEqual(await end(), []);
        assert.deepEqual(zone.records(), {});
    });

    it("refuses what goes through Cloudflare's proxy", async () => {
        const proxied = run(() => ({ id: record("a", { proxied: true }).id }));
        await assert.rejects(proxied, /vm\.example\.com: the rehearsal enters grey A and AAAA records only/);
    });

    it("makes a zone that is active, with name servers, and finds the same one", async () => {
        const program = () => {
            const made = new cloudflare.Zone(
                "zone",
                { name: "example.com", account: { id: "0" } },
                { retainOnDelete: true },
            );
            const { status, nameServers } = cloudflare.getZoneOutput({ zoneId: made.id });
            const found = cloudflare.getZoneOutput({ filter: { name: "example.com" } });
            return { made: [made.id, made.nameServers], status, nameServers, found: found.id };
        };
        const { made, status, nameServers, found } = await run(program);
        assert.deepEqual(made, [found, ["10.0.0.1:53"]]);
        assert.deepEqual({ status, nameServers }, { status: "active", nameServers: ["10.0.0.1:53"] });
        assert.deepEqual(await end(), ["zone"]);
    });
});
