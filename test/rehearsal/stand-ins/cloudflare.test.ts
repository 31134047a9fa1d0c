/** The stand-in's zone, by Pulumi's own engine. The Worker behind its custom domain is seen by the rehearsal itself. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cloudflareProvider } from "../../../rehearsal/stand-ins/cloudflare";
import type { Topology } from "../../../rehearsal/topology";
import { Zone } from "../../../rehearsal/zone";
import { summary, TestPulumi } from "../../support/pulumi";
import type { ZoneArgs } from "./programs/zone";

const MODULE = join(__dirname, "programs", "zone.ts");
const RECORD = { name: "vm.example.com", type: "A", content: "198.51.100.7", ttl: 60, proxied: false };

describe("The stand-in for @pulumi/cloudflare", function () {
    this.timeout(300_000);
    let folder: string;
    let zone: Zone;
    let pulumi: TestPulumi;

    beforeEach(async () => {
        folder = mkdtempSync(join(tmpdir(), "dockermirror-zone-"));
        zone = new Zone(join(folder, "zone.json"));
        const topology = { zone, nameServer: "10.0.0.1:53" } as unknown as Topology;
        pulumi = await TestPulumi.open([cloudflareProvider(topology, "test")]);
    });
    afterEach(() => {
        pulumi.close();
        rmSync(folder, { recursive: true });
    });

    const operate = async (kind: "up" | "refresh" | "destroy", args: ZoneArgs) => {
        const { outputs, changes } = await pulumi.operate({ kind }, MODULE, args);
        return { outputs, steps: summary(changes) };
    };

    it("enters addresses of both kinds into the zone, changes them, and takes them out again", async () => {
        const aaaa = { ...RECORD, type: "AAAA", content: "2001:db8::7" };
        await operate("up", { records: { a: RECORD, aaaa } });
        assert.deepEqual(zone.records(), { "vm.example.com": { A: ["198.51.100.7"], AAAA: ["2001:db8::7"] } });
        const { steps } = await operate("up", { records: { a: { ...RECORD, content: "198.51.100.8" } } });
        assert.deepEqual(steps.sort(), ["delete aaaa", "update a content"]);
        assert.deepEqual(zone.records(), { "vm.example.com": { A: ["198.51.100.8"] } });
        await operate("destroy", {});
        assert.deepEqual(zone.records(), {});
    });

    it("shows a record that was edited by hand at a refresh, and the next update enters the settings' own again", async () => {
        await operate("up", { records: { a: RECORD } });
        zone.enter(RECORD.name, "A", "203.0.113.1");
        assert.deepEqual((await operate("refresh", { records: { a: RECORD } })).steps, ["update a content"]);
        assert.deepEqual((await operate("up", { records: { a: RECORD } })).steps, ["update a content"]);
        assert.deepEqual(zone.records(), { "vm.example.com": { A: ["198.51.100.7"] } });
    });

    it("replaces a record of another type, and renames one in place", async () => {
        await operate("up", { records: { a: RECORD } });
        const named = await operate("up", { records: { a: { ...RECORD, name: "other.example.com" } } });
        assert.deepEqual(named.steps, ["update a name"]);
        assert.deepEqual(zone.records(), { "other.example.com": { A: ["198.51.100.7"] } });
        const typed = { ...RECORD, type: "AAAA", content: "2001:db8::7" };
        const { steps } = await operate("up", { records: { a: typed } });
        assert.ok(steps.includes("create-replacement a content,name,type → type"), steps.join("\n"));
        assert.deepEqual(zone.records(), { "vm.example.com": { AAAA: ["2001:db8::7"] } });
    });

    it("refuses what goes through Cloudflare's proxy", async () => {
        const proxied = operate("up", { records: { a: { ...RECORD, proxied: true } } });
        await assert.rejects(proxied, /vm\.example\.com: the rehearsal enters grey A and AAAA records only/);
    });

    it("makes a zone that is active, with name servers, finds the same one, and leaves it at the end", async () => {
        const { made, status, nameServers, found } = (await operate("up", { zone: "example.com" })).outputs;
        assert.deepEqual(made, [found, ["10.0.0.1:53"]]);
        assert.deepEqual({ status, nameServers }, { status: "active", nameServers: ["10.0.0.1:53"] });
        assert.deepEqual((await operate("destroy", { zone: "example.com" })).steps, ["delete zone"]);
    });
});
