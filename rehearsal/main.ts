/** `npm start`: the whole architecture on this machine, proven by real pulls. `--help` tells the flags. */
import { rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startAcme } from "./acme";
import { makeCatalogue } from "./catalogue";
import { Docker, removeRehearsal } from "./docker";
import type { Properties } from "./engine";
import type { BaseImages } from "./images";
import { prove } from "./proof/proof";
import type { Need, Step } from "./proof/step";
import { Scene, type SceneRelay } from "./scene";
import { setup } from "./setup";
import { adapted, hubAccounts, type OverseasMachine, readStack, type StackNames, stackNames } from "./stack-file";
import { printTable } from "./table";
import { containerName, firewall, RUN, Topology } from "./topology";
import { Program } from "./up";

const USAGE = `npm start -- [--once] [--stack NAME] [--json FILE]

  --once        prove, clean up, and exit with 1 if a step failed; without it everything stays up until Ctrl-C
  --stack NAME  rehearse stacks/Pulumi.NAME.yaml instead of stacks/Pulumi.local.yaml
  --json FILE   also write the proof as JSON
`;

interface Flags {
    readonly once: boolean;
    readonly stack: string;
    readonly json?: string;
}

main().then(
    () => process.exit(),
    (error: Error) => {
        console.error(`\n${error.message}`);
        process.exit(1);
    },
);

async function main(): Promise<void> {
    const flags = readFlags();
    if (!flags) return;
    const started = Date.now();
    const tell = (line: string) => console.log(`${elapsed(started)}  ${line}`);
    const docker = new Docker();
    const interrupted = interruption();

    const base = await setup(tell);
    tell("removing what an earlier rehearsal left");
    await removeAll(docker);
    try {
        const steps = await Promise.race([rehearse(flags, base, tell), interrupted]);
        if (!flags.once) await interrupted.catch(() => {});
        if (steps.some(({ ok }) => !ok)) process.exitCode = 1;
    } finally {
        tell("removing everything that this rehearsal made (kept for the next: .rehearsal and the base images)");
        await removeAll(docker);
        rmSync(RUN, { recursive: true, force: true });
        tell("done");
    }
}

async function removeAll(docker: Docker): Promise<void> {
    await removeRehearsal(docker);
    await firewall().remove();
}

async function rehearse(flags: Flags, base: BaseImages, tell: (line: string) => void): Promise<Step[]> {
    const catalogue = await makeCatalogue(base.slim, tell);
    const images = { slim: base.slim.image, machine: base.machine.image, vm: base.vm.image };
    const topology = await Topology.start(images);
    const stack = readStack(flags.stack, { sshPrivateKey: topology.sshPrivateKey });
    if (stack.secretKeys.length > 0) tell(`made-up values stand for the secrets ${stack.secretKeys.join(", ")}`);
    const names = stackNames(stack);
    if (!names.edge && !names.overseas) {
        throw new Error(`the relays of ${flags.stack} are those of another stack: rehearse that one, or add a site`);
    }

    tell("the machines: Hub double, ACME server, on-prem host, clients");
    const hub = await topology.hub(catalogue.store.dir, hubAccounts(stack));
    topology.trust(await startAcme(topology));
    const machine = await makeMachines(topology, names);
    const stackConfig = adapted(stack, machine, (what) => tell(`${what} is another one here`));
    const { edge, overseas, onprem } = stackNames(stackConfig);
    tell(`the program, stack ${flags.stack}:`);
    const program = new Program({ stack: flags.stack, stackConfig, images }, (line) => tell(`  ${line}`));
    const outputs = await program.up();

    const relays: SceneRelay[] = [];
    if (overseas) relays.push({ name: "nginx", role: "vm", hostname: overseas.hostname });
    if (edge) relays.push({ name: "worker", role: "worker", hostname: edge.hostname });
    const mirror = onprem && new URL(outputs.mirrorUrl).host;
    const scene = new Scene(topology, hub, relays, mirror, onprem?.docker);
    await scene.noteAddresses();
    tell("the clients get the files of the stack's outputs");
    await makeClients(topology, outputs);

    tell("the proof:");
    const relayKey = Object.values(outputs.relayKeys as Record<string, string>).at(-1) ?? "";
    const steps = await prove(
        { scene, catalogue, program, outputs, relayKey, has: needsMet(flags, stackNames(stackConfig), outputs) },
        {
            row: ({ ok, name, note }) => tell(`  ${ok ? "ok  " : "FAIL"}  ${name}${ok ? "" : `\n${note}`}`),
            leftOut: (name, needs) => tell(`  left out  ${name}: needs ${needs}`),
        },
    );
    printTable(steps);
    if (flags.json)
        writeFileSync(
            flags.json,
            `${JSON.stringify({ steps: steps.map(({ note: _, ...step }) => step) }, undefined, 2)}\n`,
        );
    if (!flags.once) console.log(howToPull(mirror, relays[0]?.hostname ?? ""));
    return steps;
}

/** What this stack and this rehearsal have of what steps of the proof need. */
function needsMet({ once }: Flags, { edge, overseas, onprem }: StackNames, outputs: Properties): Set<Need> {
    const ownCa = Object.keys(outputs.relayClients ?? {}).length > 0;
    const met: Record<Need, boolean> = {
        "an on-prem site": onprem !== undefined,
        "two relays": overseas !== undefined && edge !== undefined,
        "a VM": overseas !== undefined,
        "a VM that the stack makes": overseas !== undefined && overseas.kind !== "host",
        "a certificate by ACME": overseas !== undefined && !ownCa,
        "a last step (--once)": once,
    };
    return new Set((Object.keys(met) as Need[]).filter((need) => met[need]));
}

/** Makes the machines that the program does not. Returns what it must know of the overseas one. */
async function makeMachines(topology: Topology, { overseas, onprem }: StackNames): Promise<OverseasMachine> {
    const [rented] = await Promise.all([
        overseas?.kind === "host" ? topology.rentedVm(overseas.user ?? "root") : undefined,
        topology.machine("onprem", { lan: onprem ? [onprem.hostname] : [], link: [] }),
        topology.machine("client-1", { lan: [] }),
        topology.machine("client-2", { lan: [] }),
        topology.machine("direct", { link: [] }),
    ]);
    // What its user would do where the stack has no zone; where it has one the program enters the same.
    if (overseas && rented) topology.zone.enter(overseas.hostname, "A", rented.address);
    if (onprem) {
        const { hostname, username } = new URL(onprem.docker);
        await topology.sshName(hostname || "onprem.rehearsal", "onprem", "lan", username);
        await topology.startDockerd("onprem");
    }
    return { sshFrom: topology.ownAddress, ...rented };
}

async function makeClients(topology: Topology, outputs: Properties): Promise<void> {
    const files = Object.entries((outputs.clients ?? {}) as Record<string, string>);
    const relayFiles = Object.entries((outputs.relayClients ?? {}) as Record<string, string>);
    await Promise.all(
        (["client-1", "client-2", "direct"] as const).map(async (role) => {
            for (const [path, text] of role === "direct" ? relayFiles : files) await topology.lay(role, path, text);
            await topology.startDockerd(role);
        }),
    );
}

function howToPull(mirror: string | undefined, relay: string): string {
    const atHome = [
        "Everything is up. In another terminal, as a client in the office:",
        `  docker exec ${containerName("client-1")} docker pull cold:1.0          # Docker Hub, through ${mirror}`,
        `  docker exec ${containerName("client-1")} docker pull ${mirror}/ghcr.io/acme/tool:1.0`,
        `  docker exec ${containerName("onprem")} docker ps                       # the containers at home`,
    ];
    const direct = ["Everything is up. In another terminal, as somebody who has logged in at the relay:"];
    const pullDirect = `  docker exec ${containerName("direct")} docker pull ${relay}/library/cold:1.0`;
    return ["", ...(mirror ? atHome : direct), pullDirect, "Ctrl-C removes everything."].join("\n");
}

function readFlags(): Flags | undefined {
    try {
        const { values } = parseArgs({
            options: {
                once: { type: "boolean", default: false },
                stack: { type: "string", default: "local" },
                json: { type: "string" },
                help: { type: "boolean" },
            },
        });
        if (!values.help) return { once: values.once, stack: values.stack, json: values.json };
        console.log(USAGE);
    } catch (error) {
        console.error(`${(error as Error).message}\n\n${USAGE}`);
        process.exitCode = 2;
    }
    return undefined;
}

/** Rejects at Ctrl-C. Whatever is under way then fails by itself once its machines are gone. */
function interruption(): Promise<never> {
    const interrupted = new Promise<never>((_, reject) => {
        for (const signal of ["SIGINT", "SIGTERM"] as const)
            process.once(signal, () => reject(new Error("interrupted")));
    });
    interrupted.catch(() => {});
    return interrupted;
}

function elapsed(since: number): string {
    return `${((Date.now() - since) / 1000).toFixed(1).padStart(6)} s`;
}
