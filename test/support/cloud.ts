/** A cloud of the rehearsal for one test, beside a rehearsal that may be running: all its names are its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cloud } from "../../rehearsal/cloud";
import { Docker } from "../../rehearsal/docker";
import { Firewall } from "../../rehearsal/firewall";
import { makeBaseImages } from "../../rehearsal/images";
import type { Ran } from "../../rehearsal/run";

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

/** Starts one. @param net The first three numbers of its network, no other test's. */
export async function startCloud(name: string, net: string, publicCas: readonly string[] = []): Promise<TestCloud> {
    const prefix = `dockermirror-test-${name}`;
    const docker = new Docker();
    const firewall = new Firewall(prefix);
    const machines = async () => {
        const found = await docker.run(["ps", "--all", "--format", "{{.Names}}", "--filter", `name=^${prefix}-`]);
        return found.split("\n").filter(Boolean);
    };
    const clean = async () => {
        for (const machine of await machines()) await docker.run(["rm", "--force", "--volumes", machine]);
        await docker.attempt(["network", "rm", prefix]);
        await firewall.remove();
    };
    // What a test left that was killed.
    await clean();
    const { vm } = await makeBaseImages(docker, () => {});
    const subnet = `${net}.0/24`;
    const gateway = `${net}.1`;
    await docker.run([
        ...["network", "create", "--internal", "--subnet", subnet, "--ip-range", `${net}.0/25`],
        ...["--gateway", gateway, prefix],
    ]);
    const folder = mkdtempSync(join(tmpdir(), `${prefix}-`));
    const cloud = new Cloud({
        docker,
        firewall,
        image: vm.image,
        prefix,
        labels: [],
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
        firstElastic: `${net}.129`,
        folder,
        inMachine: (machine, command) => docker.attempt(["exec", `${prefix}-${machine}`, "bash", "-c", command]),
        machines,
        close: async () => {
            await clean();
            rmSync(folder, { recursive: true });
        },
    };
}
