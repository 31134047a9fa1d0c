/** Whether a set-up and a rehearsal fit on this machine's disks, before either makes anything. */
import { existsSync, readdirSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Debian } from "./debian";
import type { Docker } from "./docker";
import { baseImages, KEEP } from "./images";
import { attempt } from "./run";

/** Something that is going to be written. */
export interface Need {
    readonly what: string;
    /** The folder that it comes into; it need not be there yet. */
    readonly folder: string;
    readonly megabytes: number;
}

/** A file system as far as it matters here. */
export interface Disk {
    /** The same for all folders on it. */
    readonly id: number;
    readonly freeMegabytes: number;
}

// Measured on a machine of two processors in November 2026, rounded up.
const IMAGE_MB = { slim: 200, machine: 600, vm: 350 } as const;
const GO_PROGRAMS_MB = 400;
const GO_CACHES_MB = 9000;
/** Where modules are there already, of which some may be older. */
const GO_CACHES_FILLED_MB = 2000;
/** Containers and volumes of a rehearsal: what is pulled lies in several engines. */
const REHEARSAL_MB = 2000;

/** What is still to be written on this machine; the releases are as `setup` has them. */
export async function diskNeeds(docker: Docker, debian: Debian, others: readonly Debian[]): Promise<Need[]> {
    const kept = existsSync(KEEP) ? readdirSync(KEEP) : [];
    const { stdout } = await attempt("go", ["env", "GOMODCACHE"]).catch(() => ({ stdout: "" }));
    const modules = stdout.trim() || join(process.env.HOME ?? "/root", "go", "pkg", "mod");
    const root = await docker.attempt(["info", "--format", "{{.DockerRootDir}}"]).catch(() => undefined);
    const engine = (root?.code === 0 && root.stdout.trim()) || "/var/lib/docker";
    const images = await Promise.all(
        baseImages(debian, others).map(async ({ name, tar, image }): Promise<Need[]> => {
            const megabytes = IMAGE_MB[name];
            const isImported = (await docker.inspect("image", image).catch(() => undefined)) !== undefined;
            return [
                ...(existsSync(tar)
                    ? []
                    : [
                          { what: basename(tar), folder: KEEP, megabytes },
                          { what: `${basename(tar)} while it is made`, folder: tmpdir(), megabytes },
                      ]),
                ...(isImported ? [] : [{ what: `image ${name} in Docker`, folder: engine, megabytes }]),
            ];
        }),
    );
    return [
        { what: "containers and volumes of a rehearsal", folder: engine, megabytes: REHEARSAL_MB },
        ...images.flat(),
        ...(kept.includes("go")
            ? []
            : [
                  { what: "Go programs", folder: KEEP, megabytes: GO_PROGRAMS_MB },
                  {
                      what: "Go's modules and builds",
                      folder: modules,
                      megabytes: existsSync(modules) ? GO_CACHES_FILLED_MB : GO_CACHES_MB,
                  },
              ]),
    ];
}

/** The file system that a folder is or would be on. */
export function diskOf(folder: string): Disk {
    let there = folder;
    while (!existsSync(there)) there = dirname(there);
    const { bavail, bsize } = statfsSync(there);
    return { id: statSync(there).dev, freeMegabytes: Math.floor((bavail * bsize) / 1e6) };
}

/**
 * Refuses disks that are too small for what comes onto each of them.
 *
 * @throws Error that names every one, with the space that is needed and the space that was found.
 */
export function refuseFullDisks(needs: readonly Need[], find: (folder: string) => Disk = diskOf): void {
    const disks = new Map<number, { readonly free: number; readonly needs: Need[] }>();
    for (const need of needs) {
        const { id, freeMegabytes } = find(need.folder);
        const disk = disks.get(id) ?? { free: freeMegabytes, needs: [] };
        disk.needs.push(need);
        disks.set(id, disk);
    }
    const full = [...disks.values()].flatMap(({ free, needs: here }) => {
        const needed = here.reduce((sum, { megabytes }) => sum + megabytes, 0);
        if (needed <= free) return [];
        const folders = [...new Set(here.map(({ folder }) => folder))].join(", ");
        const parts = here.map(({ what, megabytes }) => `${what} ${gigabytes(megabytes)}`).join(", ");
        return [`${folders}: ${gigabytes(needed)} needed (${parts}), ${gigabytes(free)} free`];
    });
    if (full.length === 0) return;
    throw new Error(
        ["there is not enough free disk; nothing was made:", ...full, "free some, or use a larger disk"].join("\n  "),
    );
}

function gigabytes(megabytes: number): string {
    return `${(megabytes / 1000).toFixed(1)} GB`;
}
