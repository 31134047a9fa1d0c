/** The proof: what a user would see of the rehearsed stack, step by step, each with its own judgement. */
import { strict as assert } from "node:assert";
import type { Scene, SceneRelay } from "../scene";
import type { StackNames } from "../stack-file";
import { changeSteps } from "./changes";
import { driftSteps } from "./drift";
import { machineSteps } from "./machine";
import { onlyRelays } from "./measured";
import { modernSteps } from "./modern";
import { pullSteps } from "./pulls";
import { sharedSteps } from "./shared";
import { type Finding, type ProofInputs, type Step, type StepOf, type Told, take } from "./step";

/** Takes every step that the stack's sites allow, in order. */
export function prove(inputs: ProofInputs, told: Told): Promise<Step[]> {
    const steps: Record<string, StepOf> = {
        ...pullSteps(inputs),
        ...modernSteps(inputs),
        ...changeSteps(inputs),
        "the same program again changes nothing": async () => {
            const { program } = inputs;
            assert.deepEqual(await program.again(), [], "a second up");
            assert.deepEqual(await program.preview(), [], "a preview");
            assert.deepEqual(await program.refresh(), [], "a refresh");
            return {};
        },
        ...driftSteps(inputs),
        ...machineSteps(inputs),
        ...sharedSteps(inputs),
        "counted by the doubles: nothing leaked": () => nothingLeaked(inputs.scene),
        "pulumi destroy leaves only the zone": {
            needs: ["a last step (--once)"],
            step: () => onlyTheZoneIsLeft(inputs),
        },
    };
    return take(steps, inputs.has, told);
}

async function nothingLeaked(scene: Scene): Promise<Finding> {
    const requests = await scene.hub.requests();
    assert.ok(requests.length > 0, "the double has seen no request at all");
    const leaked = requests.filter(({ role, authorization }) => role === "cdn" && authorization);
    assert.equal(leaked.length, 0, "requests with Authorization at the CDN");
    onlyRelays(scene, requests);
    await onlyOwnRealms(scene, scene.relays);
    return { note: `${requests.length} requests seen` };
}

/** No token service but our own is ever named to a client: not by the mirror, and by the relays only themselves. */
async function onlyOwnRealms(scene: Scene, relays: readonly SceneRelay[]): Promise<void> {
    const head = (role: "client-1" | "direct", host: string, path: string) =>
        scene.exec(role, ["curl", "-sS", "--insecure", "--head", `https://${host}${path}`]);
    for (const path of ["/v2/", "/v2/library/cold/manifests/1.0", "/v2/library/no-such-image/manifests/1.0"]) {
        if (scene.hasMirror)
            assert.doesNotMatch(
                await head("client-1", scene.mirror, path),
                /www-authenticate/i,
                `${scene.mirror}${path}`,
            );
        for (const { hostname, program } of relays) {
            const [, challenge] = /^www-authenticate: (.*?)\r?$/im.exec(await head("direct", hostname, path)) ?? [];
            const own = program.names.isPublic ? undefined : `Basic realm="${hostname}"`;
            assert.equal(challenge, own, `${hostname}${path}`);
        }
    }
}

/** The zone is not the stack's: looked up, or made and kept. What `up` put into it is gone. An office goes before its relays. */
async function onlyTheZoneIsLeft({ scene, program, others }: ProofInputs): Promise<Finding> {
    const started = Date.now();
    const programs = [...others, program].reverse();
    const left: string[] = [];
    for (const each of programs) left.push(...(await each.destroy()));
    const seconds = (Date.now() - started) / 1000;
    assert.deepEqual(
        left.filter((name) => !name.endsWith("zone")),
        [],
        "resources that are left",
    );
    const inZone = programs.filter(({ outputs }) => outputs.zoneNameServers).flatMap(({ names }) => hostnamesOf(names));
    const records = Object.keys(scene.topology.zone.records());
    assert.deepEqual(
        records.filter((name) => inZone.includes(name)),
        [],
        "records in the zone",
    );
    if (scene.hasMirror) {
        const containers = await scene.onprem.run(["ps", "--all", "--quiet"]);
        assert.equal(containers.trim(), "", "containers on the on-prem host");
    }
    return { seconds };
}

function hostnamesOf({ edge, overseas }: StackNames): string[] {
    return [edge, overseas].flatMap((site) => (site ? [site.hostname] : []));
}
