/** The step of the proof that changes by hand what the stack has made, and has Pulumi find and repair it. */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import type { Change } from "../automation";
import { workerScriptFile } from "../stand-ins/cloudflare";
import type { ProofInputs, StepOf } from "./step";

const CACHE = "dockermirror-cache";
/** Nobody's: RFC 5737. */
const ELSEWHERE = "192.0.2.1";

/** Something that somebody has changed, as Pulumi's steps name it. */
interface Edit {
    readonly resource: string;
    /** What a refresh finds. */
    readonly found: "update" | "delete";
    readonly repaired: "update" | "create";
    make(): Promise<unknown> | unknown;
}

/** The step, with whatever the stack has of a container, a record and a Worker. */
export function driftSteps({ scene, program }: ProofInputs): Record<string, StepOf> {
    const { zone } = scene.topology;
    const own = scene.relays.filter((relay) => relay.program === program);
    const edits: Edit[] = [];
    if (scene.hasMirror)
        edits.push({
            resource: "onprem-cache-container",
            found: "delete",
            repaired: "create",
            make: () => scene.onprem.run(["rm", "--force", CACHE]),
        });
    for (const { kind, hostname } of own) {
        if (kind === "vm" && program.outputs.zoneNameServers)
            edits.push({
                resource: "nginx-record",
                found: "update",
                repaired: "update",
                make: () => zone.enter(hostname, "A", ELSEWHERE),
            });
        if (kind === "worker")
            edits.push({
                resource: "worker-script",
                found: "update",
                repaired: "update",
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
            assert.deepEqual(
                told(await program.again()),
                edits.map(({ resource, repaired }) => `${repaired} ${resource}`).sort(),
                "what the up has done",
            );
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

function told(changes: readonly Change[]): string[] {
    return changes.map(({ op, name }) => `${op} ${name}`).sort();
}
