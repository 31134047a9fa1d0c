/** The step of the proof that changes by hand what the stack has made, and has Pulumi find and repair it. */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import type { Change } from "../automation";
import type { Firewall } from "../firewall";
import { workerScriptFile } from "../stand-ins/cloudflare";
import { firewall } from "../topology";
import type { ProofInputs, StepOf } from "./step";

const CACHE = "dockermirror-cache";
/** Nobody's: RFC 5737. */
const ELSEWHERE = "192.0.2.1";

/** Something that somebody has changed, as Pulumi's steps name it. */
interface Edit {
    readonly resource: string;
    /** What a refresh finds. */
    readonly found: "update" | "delete";
    /** What an update does about it. */
    readonly repaired: readonly string[];
    make(): Promise<unknown> | unknown;
}

/** The step, with whatever the stack has of a container, a record, a security group and a Worker. */
export function driftSteps({ scene, program }: ProofInputs): Record<string, StepOf> {
    const { zone } = scene.topology;
    const own = scene.relays.filter((relay) => relay.program === program);
    const edits: Edit[] = [];
    if (scene.hasMirror)
        edits.push({
            resource: "onprem-cache-container",
            found: "delete",
            // It is waited for again.
            repaired: ["create onprem-cache-container", ...replaced("onprem-cache-ready")],
            make: () => scene.onprem.run(["rm", "--force", CACHE]),
        });
    for (const { kind, hostname, role } of own) {
        if (kind === "vm" && program.outputs.zoneNameServers)
            edits.push({
                resource: "nginx-record",
                found: "update",
                repaired: ["update nginx-record"],
                make: () => zone.enter(hostname, "A", ELSEWHERE),
            });
        if (kind === "vm" && program.names.overseas?.kind === "ec2")
            edits.push({
                resource: "vm-security-group",
                found: "update",
                repaired: ["update vm-security-group"],
                make: async () => openSsh(firewall(), await scene.topology.address(role, "link")),
            });
        if (kind === "worker")
            edits.push({
                resource: "worker-script",
                found: "update",
                repaired: ["update worker-script"],
                make: () => editWorker(program.stack),
            });
    }
    if (edits.length === 0) return {};

    return {
        "changed by hand: found by a refresh, repaired by one up": async () => {
            const started = Date.now();
            for (const edit of edits) await edit.make();
            assert.deepEqual(
                told(await program.refresh()),
                edits.map(({ resource, found }) => `${found} ${resource}`).sort(),
                "what the refresh has found",
            );
            const repairing = await program.again();
            assert.deepEqual(
                told(withoutCanary(repairing)),
                edits.flatMap(({ repaired }) => repaired).sort(),
                "what the up has done",
            );
            assert.equal(repairing.some(isCanary), scene.hasMirror, "the mirror was asked again");
            for (const relay of own) assert.equal(await scene.status(relay, relay.key), "200", relay.hostname);
            if (scene.hasMirror) for (const relay of own) await scene.healthy(relay);
            const note = edits.map(({ resource }) => resource).join(", ");
            return { seconds: (Date.now() - started) / 1000, note };
        },
    };
}

/** As somebody would do it in Cloudflare's dashboard. */
function editWorker(stack: string): void {
    const file = workerScriptFile(stack);
    const script = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...script, compatibilityDate: "2025-01-01" }), { mode: 0o600 });
}

/** For the whole world, as somebody would do it in AWS' console. */
async function openSsh(guards: Firewall, address: string): Promise<void> {
    const group = (await guards.groupOf(address)) ?? "";
    const before = await guards.openings(group);
    assert.ok(before, `${address} has no security group`);
    await guards.setGroup(group, [...before, { protocol: "tcp", fromPort: 22, toPort: 22, from: ["0.0.0.0/0"] }]);
}

/** Asked again by every update that changed something of the site: components/onprem/canary.ts. */
export function withoutCanary(changes: readonly Change[]): Change[] {
    return changes.filter((change) => !isCanary(change));
}

function isCanary({ name }: Change): boolean {
    return name === "onprem-canary-command";
}

function replaced(resource: string): string[] {
    return ["create-replacement", "delete-replaced", "replace"].map((op) => `${op} ${resource}`);
}

function told(changes: readonly Change[]): string[] {
    return changes.map(({ op, name }) => `${op} ${name}`).sort();
}
