/** A cloud of the rehearsal for one test, beside rehearsals and tests that may be running: names and range are its own. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEBIAN } from "../../components/overseas/user-data";
import { Cloud } from "../../rehearsal/cloud";
import type { Debian } from "../../rehearsal/debian";
import { Docker, removeLabelled } from "../../rehearsal/docker";
import { Firewall } from "../../rehearsal/firewall";
import { makeVm } from "../../rehearsal/images";
import { createNetwork } from "../../rehearsal/networks";
import type { Ran } from "../../rehearsal/run";

/** What tests make on this machine's Docker has this label, with the pid of the process that makes it. */
const LABEL = "dockermirror.test";

/** A cloud with a network of its own. */
export interface TestCloud {
    readonly cloud: Cloud;
    readonly firewall: Firewall;
    /** This machine's address on the network: where its connections come from. */
    readonly gateway: string;
    /** The address that is taken first. */
    readonly firstElastic: string;
    /** A private folder. */
    readonly folder: string;
    /** Runs a command line as root on a machine, or on the `vm`, which has an elastic address. */
    inMachine(machine: string, command: string): Promise<Ran>;
    /** Names of the containers. */
    machines(): Promise<string[]>;
    close(): Promise<void>;
}

/** Starts one. @param debian Of its machines. @default what a machine that a stack makes gets */
export async function startCloud(
    name: string,
    publicCas: readonly string[] = [],
    debian: Debian = DEBIAN,
): Promise<TestCloud> {
    const docker = new Docker();
    await removeLeft(docker);
    const prefix = `dockermirror-test-${name}-${process.pid}`;
    const label = `${LABEL}=${process.pid}`;
    const firewall = new Firewall(prefix);
    const machines = async () => {
        const found = await docker.run(["ps", "--all", "--format", "{{.Names}}", "--filter", `name=^${prefix}-`]);
        return found.split("\n").filter(Boolean);
    };
    const vm = await makeVm(docker, () => {}, debian);
    const { subnet, gateway } = await createNetwork(docker, prefix, [label]);
    const folder = mkdtempSync(join(tmpdir(), `${prefix}-`));
    const cloud = new Cloud({
        docker,
        firewall,
        image: vm.image,
        prefix,
        labels: [label],
        role: "vm",
        network: { name: prefix, subnet },
        others: [],
        dns: gateway,
        publicCas,
        addressesFile: join(folder, "addresses.json"),
    });
    return {
        cloud,
        firewall,
        gateway,
        firstElastic: subnet.replace(/0\/24$/, "129"),
        folder,
        inMachine: (machine, command) => docker.attempt(["exec", `${prefix}-${machine}`, "bash", "-c", command]),
        machines,
        close: async () => {
            const left = await removeLabelled(docker, label);
            await firewall.remove();
            rmSync(folder, { recursive: true });
            for (const problem of left) console.log(problem);
        },
    };
}

/** Removes what a test has left that was killed. */
async function removeLeft(docker: Docker): Promise<void> {
    const format = `{{.Label "${LABEL}"}}`;
    const [containers, networks] = await Promise.all(
        [
            ["ps", "--all"],
            ["network", "ls"],
        ].map((list) => docker.run([...list, "--filter", `label=${LABEL}`, "--format", format])),
    );
    const pids = new Set(`${containers}\n${networks}`.split("\n").filter(Boolean));
    for (const pid of pids) if (!existsSync(`/proc/${pid}`)) await removeLabelled(docker, `${LABEL}=${pid}`);
}
