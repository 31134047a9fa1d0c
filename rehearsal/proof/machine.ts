/** The steps of the proof that are about the VM: its certificate, its changes, its ports, its replacement. */
import { strict as assert } from "node:assert";
import { examineMachine } from "../../checks/machine";
import { eventually } from "../run";
import { reference } from "../scene";
import { underPulls } from "./changes";
import { withoutCanary } from "./drift";
import { keyIdOf, keySettings } from "./keys";
import { Load } from "./load";
import type { Finding, ProofInputs, StepOf } from "./step";

/** Requests that must all be answered while something changes: issue 4, "Measured". */
const REQUESTS = 1000;
const SECONDS = 180;
/** A pull that takes as long as the change that it must survive. */
const SLOW_BYTES_PER_SECOND = 8_000_000;
/** What `timeout` says of a program that it has ended. */
const TIMED_OUT = 124;

/** A certificate as a client is shown it. */
interface Shown {
    readonly serial: string;
    readonly issuer: string;
}

/** What the relay's VM goes through, from the first certificate to its replacement; each step leaves it serving. */
export function machineSteps({ scene, catalogue }: ProofInputs): Record<string, StepOf> {
    const { images } = catalogue;
    const relay = scene.relays.find(({ kind }) => kind === "vm");
    if (!relay) return {};
    const { hostname, name, role, program, key: relayKey } = relay;
    const { outputs } = program;
    const config = images.cold.made.platforms[0]?.config.digest;
    const blob = `https://${hostname}/v2/library/cold/blobs/${config}`;

    const onMachine = async (command: string) => {
        const { code, stdout, stderr } = await scene.machine(relay, command);
        assert.equal(code, 0, `${command}: ${stderr}`);
        return stdout.trim();
    };
    /** As a client that trusts the public CAs and no other. */
    const shown = async (): Promise<Shown> => {
        const ask = `openssl s_client -connect ${hostname}:443 -servername ${hostname} -verify_hostname ${hostname} -verify_return_error </dev/null 2>/dev/null | openssl x509 -noout -serial -issuer`;
        const text = await scene.exec("direct", ["sh", "-c", ask]);
        const field = (label: string) => new RegExp(`^${label} ?= ?(.*)$`, "m").exec(text)?.[1] ?? "";
        return { serial: field("serial"), issuer: field("issuer") };
    };
    const status = (key: string) => scene.status(relay, key);
    /** Does `work` while the relay is asked all the time. */
    const underLoad = async (work: () => Promise<unknown>): Promise<Finding> => {
        const load = await Load.start(scene, blob, scene.caller(relay, relayKey));
        const started = Date.now();
        const ended = await work().then(
            () => undefined,
            (error: Error) => error,
        );
        const seconds = (Date.now() - started) / 1000;
        const { asked, failed } = await load.end(REQUESTS);
        if (ended) throw ended;
        assert.deepEqual(failed.slice(0, 3), [], `${failed.length} of ${asked} requests failed`);
        return { relay: name, seconds, note: `0 of ${asked} requests failed` };
    };
    const withAcme = (step: () => Promise<Finding>): StepOf => ({ needs: ["a VM", "a certificate by ACME"], step });
    const withMade = (step: () => Promise<Finding>): StepOf => ({ needs: ["a VM that the stack makes"], step });
    const container = async () =>
        (await scene.topology.docker.run(["inspect", "--format", "{{.Id}}", scene.topology.container(role)])).trim();
    const keys = keySettings(Object.keys(outputs.relayKeys));

    return {
        "certificate issued by ACME, for anybody's trust": withAcme(async () => {
            const { issuer, serial } = await shown();
            assert.match(issuer, /Pebble Intermediate/);
            assert.notEqual(serial, "");
            assert.equal(await onMachine("systemctl is-active dockermirror-renew.timer"), "active");
            return { relay: name, note: issuer };
        }),
        "renewal forced, during a pull and under load": withAcme(async () => {
            const before = await shown();
            const slow = { kind: "throttle", bytesPerSecond: SLOW_BYTES_PER_SECOND } as const;
            const layer = images.cut.made.platforms[0]?.layers.reduce((most, next) =>
                next.size > most.size ? next : most,
            );
            await scene.hub.setFaults([{ match: { role: "cdn", path: layer?.digest.slice(7) }, action: slow }]);
            await scene.login(relay, relayKey);
            const found = await underLoad(async () => {
                await scene.hub.clearRequests();
                let pulled = false;
                const pull = scene.pull("direct", `${hostname}/acme/cut:1.0`).finally(() => {
                    pulled = true;
                });
                // Its rejection is looked at below; without this Node would end the process first.
                pull.catch(() => {});
                const asked = async () =>
                    (await scene.hub.requests()).some(({ path }) => path.includes(layer?.digest.slice(7) ?? ""));
                await eventually("the slow layer is on its way", SECONDS, async () =>
                    (await asked()) ? true : undefined,
                );
                await onMachine("sh /etc/nginx/relay/renew.sh --force");
                assert.equal(pulled, false, "the pull was over before the renewal");
                await scene.hub.clearFaults();
                assert.equal(await pull, images.cut.made.platforms[0]?.config.digest, "config digest");
            });
            const after = await shown();
            assert.match(after.issuer, /Pebble Intermediate/);
            assert.notEqual(after.serial, before.serial, "the certificate is the one from before");
            return found;
        }),
        "port 22 from an address outside sshFrom": withMade(async () => {
            const { code } = await scene.sshFromElsewhere(relay);
            assert.equal(code, TIMED_OUT, "port 22 answers");
            assert.equal(await status(relayKey), "200", "port 443 from the same address");
            return { relay: name, note: "no answer; port 443 answers" };
        }),
        "a changed conf under load": {
            needs: ["a VM"],
            step: async () => {
                const before = await container();
                const found = await underLoad(() => program.up({ keys: [...keys, { name: "guest" }] }));
                assert.equal(await container(), before, "the VM is another one");
                return found;
            },
        },
        "a conf broken on purpose is refused, under load": {
            needs: ["a VM"],
            step: async () => {
                const release = await onMachine("cat /etc/nginx/relay/release");
                let message = "";
                const found = await underLoad(async () => {
                    message = await program.refusal({ resource: "nginx-apply", file: "server.conf" });
                });
                assert.match(message, /^relay not changed: [\s\S]*unknown directive/m);
                assert.equal(await onMachine("cat /etc/nginx/relay/release"), release, "the release in use");
                return { ...found, note: `${found.note} | ${/^relay not changed.*/m.exec(message)}` };
            },
        },
        "a relay key rotated: the old one and the new one": {
            needs: ["a VM"],
            step: async () => {
                const started = Date.now();
                const rotated = keys.map((key) => ({ ...key, generation: key.generation + 1 }));
                const up = () => program.up({ keys: rotated });
                const found = scene.hasMirror ? await underPulls(scene, reference(images.hubTool), up) : {};
                const { relayKeys } = scene.hasMirror ? program.outputs : await up();
                const newest = relayKeys[keyIdOf(rotated.at(-1))];
                assert.notEqual(newest, relayKey);
                assert.deepEqual([await status(relayKey), await status(newest)], ["200", "200"]);
                const stranger = program.names.isPublic ? "200" : "401";
                assert.equal(await status("0".repeat(48)), stranger, "a wrong key");
                return { ...found, relay: name, seconds: (Date.now() - started) / 1000 };
            },
        },
        "a file edited by hand: named by npm run doctor, repaired by the command that it names": {
            needs: ["a VM"],
            step: async () => {
                const examine = async () =>
                    (await examineMachine(outputs.relaySsh, scene.topology.env)).filter(
                        ({ state }) => state === "failed",
                    );
                assert.deepEqual(await examine(), [], "before the edit");
                const file = "/etc/nginx/relay/server.conf";
                const before = await onMachine(`sha256sum <${file}`);
                await onMachine(`echo '# by hand' >>${file}`);
                const [found, ...others] = await examine();
                assert.ok(found?.note.includes("server.conf"), `the doctor says: ${found?.note}`);
                assert.deepEqual(others, [], "what else the doctor says");
                const [, replace = ""] = /pulumi up --replace '([^']+)'$/.exec(found?.todo ?? "") ?? [];
                const changes = await program.again([replace]);
                assert.deepEqual(
                    [...new Set(withoutCanary(changes).map((change) => change.name))],
                    ["nginx-apply"],
                    found?.todo,
                );
                assert.deepEqual(await examine(), [], "after the repair");
                assert.equal(await onMachine(`sha256sum <${file}`), before, "the file");
                assert.equal(await status(relayKey), "200", hostname);
                return { relay: name, note: found?.todo };
            },
        },
        "nginx killed on the VM": {
            needs: ["a VM"],
            step: async () => {
                const started = Date.now();
                const killed = await onMachine("cat /run/nginx.pid");
                await onMachine(`kill -KILL ${killed}`);
                await eventually("nginx is back", SECONDS, async () =>
                    (await onMachine("cat /run/nginx.pid")) !== killed && (await status(relayKey)) === "200"
                        ? true
                        : undefined,
                );
                return { relay: name, seconds: (Date.now() - started) / 1000 };
            },
        },
        "the VM replaced under a running cache": {
            needs: ["a VM that the stack makes", "an on-prem site", "two relays"],
            step: async () => {
                const [before, address] = [await container(), await scene.topology.address(role, "link")];
                const started = Date.now();
                const replaced = program.replaceMachine();
                replaced.catch(() => {});
                await eventually("the address is at the new VM", SECONDS, async () =>
                    (await container()) === before ? undefined : true,
                );
                await scene.forget("client-2");
                const pull = async (image: "cold" | "meanwhile" | "replaced") => {
                    const digest = images[image].made.platforms[0]?.config.digest;
                    assert.equal(await scene.pull("client-2", reference(images[image])), digest, image);
                };
                // What is cached, and what is not, while this relay is a machine that was just born.
                const pulled = Promise.all([pull("cold"), pull("meanwhile")]);
                await Promise.allSettled([pulled, replaced]);
                await Promise.all([pulled, replaced]);
                const seconds = (Date.now() - started) / 1000;
                assert.equal(await scene.topology.address(role, "link"), address, "the relay's address");
                assert.match((await shown()).issuer, /Pebble Intermediate/);
                await scene.noteAddresses();
                await scene.healthy(relay);
                const through = await scene.bytesThrough(relay);
                await scene.asFirst(relay, () => pull("replaced"));
                const size = images.replaced.made.platforms[0]?.size ?? 0;
                assert.ok((await scene.bytesThrough(relay)) - through >= size, "the image came through another relay");
                return { relay: name, seconds };
            },
        },
    };
}
