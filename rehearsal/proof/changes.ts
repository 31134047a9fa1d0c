/** The steps of the proof that change the on-prem site while a client pulls: what its containers have to survive. */
import { strict as assert } from "node:assert";
import { UPSTREAMS } from "../../services/registry/upstreams";
import { PRIVATE_RANGES } from "../../stacks/addresses";
import type { CatalogueEntry } from "../catalogue";
import { reference, type Scene } from "../scene";
import type { Finding, ProofInputs, StepOf } from "./step";

const FOLDER = "/tmp/changes";
/** Of a container whose limits are changed. */
const LIMITED = { cpus: 1 };
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

// Seconds since 1970 at which a question about a cached image was asked, and answered, for each that was.
const ASK = `rm -rf ${FOLDER}; mkdir ${FOLDER}
while [ ! -e ${FOLDER}/enough ]; do
  asked=$(date +%s.%N)
  curl -q --silent --fail --insecure --connect-timeout 0.3 --max-time 3 --output /dev/null "https://$0$1" && echo "$asked $(date +%s.%N)"
  sleep 0.1
done`;

/** What pulls meet while something changes at home; each step leaves the mirror serving. */
export function changeSteps({ scene, catalogue, program }: ProofInputs): Record<string, StepOf> {
    const { hubTool } = catalogue.images;
    const image = reference(hubTool);
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
        "the certificate renewed under pulls by dockerd": {
            needs: ["a mirror with a private CA"],
            step: async () => {
                const before = await certificate(scene);
                const finding = await underPulls(scene, image, () => program.again(["**onprem-front-ca-leaf"]));
                assert.notEqual(await certificate(scene), before, "the certificate that the mirror shows");
                return finding;
            },
        },
        "the front replaced: its limits changed": atHome(() =>
            replaced(scene, hubTool, ["front"], () => program.up({ onprem: { limits: { front: LIMITED } } })),
        ),
        "uplink and cache replaced: their limits changed": atHome(() => {
            const limits = { front: LIMITED, cache: LIMITED, uplink: LIMITED };
            return replaced(scene, hubTool, ["uplink", "cache"], () => program.up({ onprem: { limits } }));
        }),
    };
}

/** Does `work`, which replaces containers. The seconds are the longest time in which who asked for a cached image got no answer. */
async function replaced(
    scene: Scene,
    { repository, tag }: CatalogueEntry,
    roles: readonly string[],
    work: () => Promise<unknown>,
): Promise<Finding> {
    const before = await containerIds(scene, roles);
    const path = `/v2/${repository}/manifests/${tag}`;
    const asking = scene.exec("client-1", ["sh", "-c", ASK, scene.mirror, path]);
    await work();
    await scene.exec("client-1", ["touch", `${FOLDER}/enough`]);
    const answers = (await asking)
        .split("\n")
        .filter(Boolean)
        .map((line) => line.split(" ").map(Number) as [asked: number, answered: number]);
    const after = await containerIds(scene, roles);
    for (const [index, id] of after.entries())
        assert.notEqual(id, before[index], `the ${roles[index]} was not replaced`);
    assert.ok(answers.length > 2, "the mirror did not answer");
    const gaps = answers.slice(1).map(([asked], index) => asked - (answers[index]?.[1] ?? asked));
    const seconds = Math.max(...gaps);
    return { seconds, note: "without an answer" };
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

/** SHA-256 of the certificate that the mirror shows a client. */
async function certificate(scene: Scene): Promise<string> {
    const address = scene.mirror.includes(":") ? scene.mirror : `${scene.mirror}:443`;
    const show = `openssl s_client -connect ${address} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256`;
    return await scene.exec("client-1", ["sh", "-c", show]);
}

async function containerIds(scene: Scene, roles: readonly string[]): Promise<string[]> {
    const names = roles.map((role) => `dockermirror-${role}`);
    return (await scene.onprem.run(["inspect", "--format", "{{.Id}}", ...names])).trim().split("\n");
}
