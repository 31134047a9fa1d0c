/** `npm start`: the whole architecture on this machine, proven by real pulls. `--help` tells the flags. */
import { rmSync } from "node:fs";
import { startAcme } from "./acme";
import { type Catalogue, makeCatalogue } from "./catalogue";
import { runProgram } from "./command-line";
import { Docker, LABEL } from "./docker";
import { FarLink } from "./far-link";
import { type Flags, readFlags } from "./flags";
import { type Lock, REHEARSAL_LOCK, runningRehearsal, takeLock, waitForLock } from "./lock";
import { modernMounts, startModernClients } from "./modern-clients";
import { Display } from "./progress";
import { prove } from "./proof/proof";
import type { Need, Step } from "./proof/step";
import { Report } from "./report";
import { relaysOf, Scene } from "./scene";
import { type Made, setup } from "./setup";
import { adapted, changed, hubAccounts, type StackConfig, stackNames } from "./stack-file";
import { type NamedStack, type OfferedRelay, readStacks, withOffers } from "./stacks";
import type { Properties } from "./stand-ins/stand-in";
import { proofTable } from "./table";
import { MODERN_CLIENT, type RentedVm, RUN, removeRehearsals, Topology } from "./topology";
import { Program } from "./up";
import { refuseUnusable } from "./usable";

/** The line between the office and the relays. */
const THIN_LINK = { roundTripMs: 300, loseSynEvery: 20 };

runProgram(main);

async function main(): Promise<number> {
    const flags = readFlags(process.argv.slice(2));
    const report = new Report(flags.json);
    const steps: Step[] = [];
    try {
        // Read once before anything is made: a stack that cannot be rehearsed is refused at once.
        const { asked, others } = readStacks(flags.stack, {}, () => {});
        refuseUnusable([asked, ...others]);
        const lock = await theLock(flags);
        await rehearseAndRemove(flags, steps);
        await lock.release();
        report.write(steps);
        return steps.every(({ ok }) => ok) ? 0 : 1;
    } catch (error) {
        report.write(steps, (error as Error).message);
        throw error;
    }
}

/** @throws Error with what has it, unless that is waited for. */
async function theLock({ wait }: Flags): Promise<Lock> {
    if (wait) return waitForLock(REHEARSAL_LOCK, (holder) => console.log(`waiting: ${runningRehearsal(holder)}`));
    const lock = await takeLock(REHEARSAL_LOCK);
    if ("release" in lock) return lock;
    throw new Error(
        `${runningRehearsal(lock)}: wait for its end (--wait), or end it by Ctrl-C there or kill ${lock.pid}`,
    );
}

/** @param steps Gets the steps of the proof as they are taken. */
async function rehearseAndRemove(flags: Flags, steps: Step[]): Promise<void> {
    const started = Date.now();
    const display = new Display(process.stdout, () => `${elapsed(started)}  `);
    const tell = (line: string) => display.tell(line);
    const docker = new Docker();
    // Ends by itself at Ctrl-C, with what it has started.
    const made = await setup(tell, flags.debian);
    const interrupted = interruption();
    tell("removing what an earlier rehearsal left");
    for (const problem of await removeRehearsals(docker)) tell(problem);
    const error = await Promise.race([rehearse(flags, made, steps, display), interrupted]).catch(
        (error: Error) => error,
    );
    display.leave();
    if (!error && !flags.once) await interrupted.catch(() => {});
    if (flags.keep && (error || steps.some(({ ok }) => !ok))) {
        tell("left as it is (--keep); the next start removes it, and npm run clean");
        tell(`  machines  docker ps --all --filter label=${LABEL}`);
        tell(`  logs      docker logs NAME; state, keys and requests of the programs: ${RUN}`);
    } else {
        tell("removing everything that this rehearsal made (kept for the next: .rehearsal and the base images)");
        for (const problem of await removeRehearsals(docker)) tell(problem);
        rmSync(RUN, { recursive: true, force: true });
        tell("done");
    }
    if (error) throw error;
}

async function rehearse(flags: Flags, { base, pulumi }: Made, steps: Step[], display: Display): Promise<void> {
    const tell = (line: string) => display.tell(line);
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
        const adapting = (what: string) => tell(`${what}${ofStack(name)} is another one here`);
        const machine = { sshFrom: topology.ownAddress, ...rented.get(name) };
        const here = withImages(adapted(withOffers(stackConfig, offers, adapting), machine, adapting), catalogue);
        tell(`the program, stack ${name}:`);
        const program = new Program({ stack: name, stackConfig: here, images, pulumi }, (line) => tell(`  ${line}`));
        await program.up();
        return program;
    };
    const relayPrograms: Program[] = [];
    for (const other of others) relayPrograms.push(await bringUp(other, []));
    const program = await bringUp(asked, await offeredRelays(topology, relayPrograms));

    const scene = await Scene.open(topology, hub, program, relayPrograms);
    tell("the clients get the files of the stack's outputs");
    await makeClients(topology, program, relayPrograms);

    if (flags.proof) {
        tell("the proof:");
        await prove(
            { scene, catalogue, program, others: relayPrograms, has: needsMet(flags, scene, program) },
            {
                begun: (name, { number, total }) => display.doing(`  step ${number} of ${total}  ${name}`),
                row: (step, { number, total }) => {
                    const { ok, name, note } = step;
                    steps.push(step);
                    display.doing(undefined);
                    tell(`  ${ok ? "ok  " : "FAIL"}  step ${number} of ${total}  ${name}${ok ? "" : `\n${note}`}`);
                },
                leftOut: (name, needs) => tell(`  left out  ${name}: needs ${needs}`),
            },
        );
        console.log(`\n${proofTable(steps).join("\n")}`);
    }
    if (!flags.once || !flags.proof) console.log(howToPull(scene, flags));
}

/** The stack with the digests of what the Hub double has. */
function withImages(stackConfig: StackConfig, { imageList }: Catalogue): StackConfig {
    return stackNames(stackConfig).onprem ? changed(stackConfig, { onprem: { imageList } }) : stackConfig;
}

/** What these stacks and this rehearsal have of what steps of the proof need. */
function needsMet({ once }: Flags, { hasMirror, relays }: Scene, { outputs }: Program): Set<Need> {
    const vm = relays.find(({ kind }) => kind === "vm");
    const ownCa = Object.keys(vm?.program.outputs.relayClients ?? {}).length > 0;
    const met: Record<Need, boolean> = {
        "an on-prem site": hasMirror,
        "a mirror with a private CA": outputs.mirrorCa !== undefined,
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
        topology.machine("client-2", { lan: [] }, modernMounts()),
        topology.machine("direct", { link: [] }),
    ]);
    if (onprem) {
        // China to a proxied Cloudflare name: 200 to 360 ms, and packets get lost.
        await FarLink.ofContainer(topology.docker, topology.container("onprem"), topology.network("link"), THIN_LINK);
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
    await startModernClients(topology.docker, topology.container(MODERN_CLIENT));
}

function howToPull(scene: Scene, { once }: Flags): string {
    const [relay] = scene.relays;
    const on = (role: "client-1" | "onprem" | "direct") => `docker exec ${scene.topology.container(role)} docker`;
    const atHome = (mirror: string) => [
        "Everything is up. In another terminal, as a client in the office:",
        `  ${on("client-1")} pull cold:1.0          # Docker Hub, through ${mirror}`,
        `  ${on("client-1")} pull ${mirror}/ghcr.io/acme/tool:1.0`,
        `  ${on("onprem")} ps                       # the containers at home`,
    ];
    const direct = ["Everything is up. In another terminal, as somebody who has logged in at the relay:"];
    const pullDirect = `  ${on("direct")} pull ${relay?.hostname}/library/cold:1.0`;
    const end = once ? [] : ["Ctrl-C removes everything."];
    return ["", ...(scene.hasMirror ? atHome(scene.mirror) : direct), pullDirect, ...end].join("\n");
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
