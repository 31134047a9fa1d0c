/** The steps of the proof that change the on-prem site while a client pulls: what its containers have to survive. */
import { strict as assert } from "node:assert";
import { UPSTREAMS } from "../../services/registry/upstreams";
import { PRIVATE_RANGES } from "../../stacks/addresses";
import { reference, type Scene } from "../scene";
import type { Finding, ProofInputs, StepOf } from "./step";

const FOLDER = "/tmp/changes";
const UPSTREAMS_KEY = "dockermirror:upstreams";
/** Of which the proof pulls nothing. */
const UNUSED = "nvcr.io";

// dockerd does not ask a mirror twice: what fails here fails for a user. Without the image each pull asks for everything.
const PULL = `rm -rf ${FOLDER}; mkdir ${FOLDER}; touch ${FOLDER}/failures
pulls=0
while [ ! -e ${FOLDER}/enough ]; do
  docker image rm --force "$0" >/dev/null 2>&1
  docker pull --quiet "$0" >/dev/null 2>>${FOLDER}/failures
  pulls=$((pulls + 1))
done
echo $pulls; cat ${FOLDER}/failures`;

// Seconds since 1970 of each answer.
const ASK = `rm -rf ${FOLDER}; mkdir ${FOLDER}
while [ ! -e ${FOLDER}/enough ]; do
  curl -q --silent --fail --insecure --max-time 1 --output /dev/null "https://$0/healthz" && date +%s.%N
  sleep 0.1
done`;

/** What pulls meet while something changes at home; each step leaves the mirror serving. */
export function changeSteps({ scene, catalogue, program }: ProofInputs): Record<string, StepOf> {
    const image = reference(catalogue.images.hubTool);
    const atHome = (step: () => Promise<Finding>): StepOf => ({ needs: ["an on-prem site"], step });

    return {
        "allowFrom and upstreams changed under pulls by dockerd": atHome(async () => {
            const listed: string[] | undefined = JSON.parse(program.stackConfig.config[UPSTREAMS_KEY] || "null");
            const all = UPSTREAMS.map(({ name }) => name);
            const upstreams = listed ? all : all.filter((name) => name !== UNUSED);
            assert.notDeepEqual(upstreams, listed);
            const onprem = { allowFrom: [...PRIVATE_RANGES, "fd00::/8"] };
            return await underPulls(scene, image, () => program.up({ onprem, upstreams }));
        }),
        "the front replaced: its limits changed": atHome(async () => {
            const before = await containerId(scene);
            const asking = scene.exec("client-1", ["sh", "-c", ASK, scene.mirror]);
            await program.up({ onprem: { limits: { front: { cpus: 1 } } } });
            await scene.exec("client-1", ["touch", `${FOLDER}/enough`]);
            const answers = (await asking).split("\n").filter(Boolean).map(Number);
            const away = Math.max(...answers.map((time, index) => time - (answers[index - 1] ?? time)));
            assert.notEqual(await containerId(scene), before, "the front was not replaced");
            assert.ok(answers.length > 2, "the mirror did not answer");
            return { seconds: away, note: "without an answer" };
        }),
    };
}

/** Does `work` while a client pulls an image again and again. Throws with what dockerd has said when a pull failed. */
export async function underPulls(scene: Scene, image: string, work: () => Promise<unknown>): Promise<Finding> {
    const started = Date.now();
    const pulling = scene.exec("client-1", ["sh", "-c", PULL, image]);
    await work();
    const seconds = (Date.now() - started) / 1000;
    await scene.exec("client-1", ["touch", `${FOLDER}/enough`]);
    const [pulls = "0", ...failures] = (await pulling).trim().split("\n");
    assert.deepEqual(failures.filter(Boolean), [], `pulls that failed, of ${pulls}`);
    assert.ok(Number(pulls) > 2, `only ${pulls} pulls in ${seconds} s`);
    return { seconds, note: `${pulls} pulls, none failed` };
}

async function containerId(scene: Scene): Promise<string> {
    return (await scene.onprem.run(["inspect", "--format", "{{.Id}}", "dockermirror-front"])).trim();
}
