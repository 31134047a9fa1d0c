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
import { relaysOf, Scene } from "./scene";
import { setup } from "./setup";
import { adapted, hubAccounts, stackNames } from "./stack-file";
import { type NamedStack, type OfferedRelay, readStacks, withOffers } from "./stacks";
import { printTable } from "./table";
import { containerName, firewall, type RentedVm, RUN, Topology } from "./topology";
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
    const secrets = { sshPrivateKey: topology.sshPrivateKey };
    const { asked, others } = readStacks(flags.stack, secrets, (what) => tell(`left out: ${what}`));
    const stacks = [...others, asked];
    const ofStack = (name: string) => (name === flags.stack ? "" : ` of ${name}`);
    for (const { name, stackConfig } of stacks) {
        const keys = stackConfig.secretKeys.join(", ");
        if (keys) tell(`made-up values stand for the secrets ${keys}${ofStack(name)}`);
    }

    tell("the machines: Hub double, ACME server, on-prem host, clients");
    const accounts = Object.assign({}, ...stacks.map(({ stackConfig }) => hubAccounts(stackConfig)));
    const hub = await topology.hub(catalogue.store.dir, accounts);
    topology.trust(await startAcme(topology));
    const rented = await makeMachines(topology, asked, others);
    const bringUp = async ({ name, stackConfig }: NamedStack, offers: readonly OfferedRelay[]): Promise<Program> => {
        const changed = (what: string) => tell(`${what}${ofStack(name)} is another one here`);
        const machine = { sshFrom: topology.ownAddress, ...rented.get(name) };
        const here = adapted(withOffers(stackConfig, offers, changed), machine, changed);
        tell(`the program, stack ${name}:`);
        const program = new Program({ stack: name, stackConfig: here, images }, (line) => tell(`  ${line}`));
        await program.up();
        return program;
    };
    const relayPrograms: Program[] = [];
    for (const other of others) relayPrograms.push(await bringUp(other, []));
    const program = await bringUp(asked, await offeredRelays(topology, relayPrograms));

    const scene = await Scene.open(topology, hub, program, relayPrograms);
    tell("the clients get the files of the stack's outputs");
    await makeClients(topology, program, relayPrograms);

    tell("the proof:");
    const steps = await prove(
        { scene, catalogue, program, others: relayPrograms, has: needsMet(flags, scene) },
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
    if (!flags.once) console.log(howToPull(scene));
    return steps;
}

/** What these stacks and this rehearsal have of what steps of the proof need. */
function needsMet({ once }: Flags, { hasMirror, relays }: Scene): Set<Need> {
    const vm = relays.find(({ kind }) => kind === "vm");
    const ownCa = Object.keys(vm?.program.outputs.relayClients ?? {}).length > 0;
    const met: Record<Need, boolean> = {
        "an on-prem site": hasMirror,
        "two relays": relays.length > 1,
        "a VM": vm !== undefined,
        "a VM that the stack makes": vm !== undefined && vm.program.names.overseas?.kind !== "host",
        "a certificate by ACME": vm !== undefined && !ownCa,
        "a last step (--once)": once,
    };
    return new Set((Object.keys(met) as Need[]).filter((need) => met[need]));
}

/** Makes the machines that no program makes. Returns what the programs must know of those overseas, by stack. */
async function makeMachines(
    topology: Topology,
    asked: NamedStack,
    others: readonly NamedStack[],
): Promise<Map<string, RentedVm>> {
    const { onprem } = stackNames(asked.stackConfig);
    const rented = new Map<string, RentedVm>();
    const rent = async ({ name, stackConfig }: NamedStack) => {
        const { overseas } = stackNames(stackConfig);
        if (overseas?.kind !== "host") return;
        const vm = await topology.rentedVm(name, overseas.user ?? "root");
        // What its user would do where the stack has no zone; where it has one the program enters the same.
        topology.zone.enter(overseas.hostname, "A", vm.address);
        rented.set(name, vm);
    };
    await Promise.all([
        ...[...others, asked].map(rent),
        topology.machine("onprem", { lan: onprem ? [onprem.hostname] : [], link: [] }),
        topology.machine("client-1", { lan: [] }),
        topology.machine("client-2", { lan: [] }),
        topology.machine("direct", { link: [] }),
    ]);
    if (onprem) {
        const { hostname, username } = new URL(onprem.docker);
        await topology.sshName(hostname || "onprem.rehearsal", "onprem", "lan", username);
        await topology.startDockerd("onprem");
    }
    return rented;
}

/** What the stacks offer that are up, for one that knows their relays by host name. */
function offeredRelays(topology: Topology, programs: readonly Program[]): Promise<OfferedRelay[]> {
    return Promise.all(
        programs.flatMap(relaysOf).map(async ({ role, hostname, program }) => {
            const { relays, relayKeys } = program.outputs;
            const { ca } = relays.find((relay: Properties) => relay.hostname === hostname);
            return { hostname, ca, address: await topology.address(role, "link"), keys: relayKeys };
        }),
    );
}

async function makeClients(topology: Topology, program: Program, others: readonly Program[]): Promise<void> {
    const laid = (clients: Properties | undefined) => Object.entries((clients ?? {}) as Record<string, string>);
    const files = laid(program.outputs.clients);
    const relayFiles = [program, ...others].flatMap(({ outputs }) => laid(outputs.relayClients));
    await Promise.all(
        (["client-1", "client-2", "direct"] as const).map(async (role) => {
            for (const [path, text] of role === "direct" ? relayFiles : files) await topology.lay(role, path, text);
            await topology.startDockerd(role);
        }),
    );
}

function howToPull(scene: Scene): string {
    const [relay] = scene.relays;
    const atHome = (mirror: string) => [
        "Everything is up. In another terminal, as a client in the office:",
        `  docker exec ${containerName("client-1")} docker pull cold:1.0          # Docker Hub, through ${mirror}`,
        `  docker exec ${containerName("client-1")} docker pull ${mirror}/ghcr.io/acme/tool:1.0`,
        `  docker exec ${containerName("onprem")} docker ps                       # the containers at home`,
    ];
    const direct = ["Everything is up. In another terminal, as somebody who has logged in at the relay:"];
    const pullDirect = `  docker exec ${containerName("direct")} docker pull ${relay?.hostname}/library/cold:1.0`;
    return ["", ...(scene.hasMirror ? atHome(scene.mirror) : direct), pullDirect, "Ctrl-C removes everything."].join(
        "\n",
    );
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
