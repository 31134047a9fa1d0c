/** What an on-prem container may do on its host: as little as it needs. CIS Docker Benchmark, section 5. */
import type * as docker from "@pulumi/docker";

/** How much of the host a container may take. */
export interface ContainerLimits {
    /** MiB of memory. */
    readonly memoryMiB: number;
    /** CPUs, such as 1.5. @default all */
    readonly cpus?: number;
    /** Processes and threads. */
    readonly pids: number;
}

/** Limits of all three containers; what is left out has its default. */
export interface OnpremLimits {
    readonly front?: Partial<ContainerLimits>;
    readonly cache?: Partial<ContainerLimits>;
    readonly uplink?: Partial<ContainerLimits>;
}

/** Options of its /tmp, which is in memory. */
const TMP = "mode=1777,size=64m";

/** How a container is shut in. */
export interface Confinement {
    /** `<uid>:<gid>`: numbers, which every image can run as. Never root. */
    readonly user: string;
    readonly limits: ContainerLimits;
}

/** The arguments of a container for it: no root, no capability, nothing to write but volumes and a /tmp in memory. */
export function confined({ user, limits }: Confinement): Omit<docker.ContainerArgs, "image"> {
    const { memoryMiB, cpus } = limits;
    return {
        user,
        capabilities: { drops: ["ALL"] },
        securityOpts: ["no-new-privileges"],
        readOnly: true,
        tmpfs: { "/tmp": TMP },
        memory: memoryMiB,
        ...(cpus === undefined ? {} : { cpus: String(cpus) }),
    };
}

/** The same for `docker run`. */
export function runFlags({ user, limits }: Confinement): string {
    return [
        `--user ${user} --cap-drop ALL --security-opt no-new-privileges --read-only --tmpfs /tmp:${TMP}`,
        `--memory ${limits.memoryMiB}m --pids-limit ${limits.pids}`,
    ].join(" ");
}
