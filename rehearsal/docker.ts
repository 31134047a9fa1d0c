/** A Docker engine by its own command line: this machine's, or another's by `ssh://`. */
import { attempt, type Ran, type RunOptions, run } from "./run";

/** Everything that a rehearsal makes on this machine's Docker carries this label, and is removed by it. */
export const LABEL = "dockermirror.rehearsal";

/** One Docker engine. */
export class Docker {
    /** @param host As in DOCKER_HOST. @param env PATH with the rehearsal's own `ssh`, for `ssh://`. */
    constructor(
        readonly host?: string,
        readonly env: NodeJS.ProcessEnv = process.env,
    ) {}

    /** Runs `docker …` and returns what it prints. */
    run(args: readonly string[], options: RunOptions = {}): Promise<string> {
        return run("docker", this.arguments(args), { env: this.env, ...options });
    }

    /** Runs `docker …`, whatever its exit code. */
    attempt(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
        return attempt("docker", this.arguments(args), { env: this.env, ...options });
    }

    /** Runs a program in a container. */
    exec(container: string, command: readonly string[], options: RunOptions = {}): Promise<string> {
        const interactive = options.input === undefined ? [] : ["--interactive"];
        return this.run(["exec", ...interactive, container, ...command], options);
    }

    /** `docker inspect` of one thing; `undefined` when there is no such thing. */
    async inspect<T>(kind: "container" | "image" | "network" | "volume", name: string): Promise<T | undefined> {
        const ran = await this.attempt([kind, "inspect", name]);
        if (ran.code === 0) return (JSON.parse(ran.stdout) as T[])[0];
        if (isAbsent(ran.stderr)) return undefined;
        throw new Error(`docker ${kind} inspect ${name}: ${ran.stderr.trim()}`);
    }

    private arguments(args: readonly string[]): string[] {
        return this.host === undefined ? [...args] : ["--host", this.host, ...args];
    }
}

/**
 * True when the engine says that there is no such thing: "No such network: x", or "network x not found" where it went while
 * the engine was looking at it.
 */
export function isAbsent(stderr: string): boolean {
    return /no such (container|image|network|volume|object)|(container|image|network|volume) \S+ not found/i.test(
        stderr,
    );
}

/** What can be made on an engine, in the order in which it is removed. */
const KINDS = [
    { kind: "container", list: ["ps", "--all"], format: "{{.ID}} {{.Names}}", remove: ["rm", "--force", "--volumes"] },
    { kind: "volume", list: ["volume", "ls"], format: "{{.Name}} {{.Name}}", remove: ["volume", "rm", "--force"] },
    { kind: "network", list: ["network", "ls"], format: "{{.ID}} {{.Name}}", remove: ["network", "rm"] },
] as const;

/**
 * Removes everything with a label, also what a process left that was killed. What cannot be removed stays.
 *
 * @returns A line for each thing that is left: what it is, why, and what to do.
 */
export async function removeLabelled(docker: Docker, label: string): Promise<string[]> {
    const left: string[] = [];
    for (const { kind, list, format, remove } of KINDS) {
        const found = await docker.run([...list, "--filter", `label=${label}`, "--format", format]);
        const removed = async (line: string) => {
            const [id = "", name = id] = line.split(" ");
            const { code, stderr } = await docker.attempt([...remove, id]);
            if (code === 0 || isAbsent(stderr)) return;
            left.push(`the ${kind} ${name} cannot be removed: ${stderr.trim()}\n    ${remedy(kind, name, stderr)}`);
        };
        await Promise.all(found.split("\n").filter(Boolean).map(removed));
    }
    return left;
}

/** What to do about a thing that Docker does not remove. */
function remedy(kind: string, name: string, reason: string): string {
    const again = `docker ${kind} rm ${kind === "container" ? "--force " : ""}${name}`;
    // Docker 20.10 loses count of the containers on a network: https://github.com/moby/moby/issues/42119.
    if (/active endpoints/i.test(reason)) return `Docker frees it when it is started again; then: ${again}`;
    return `it does not disturb this rehearsal; try later: ${again}`;
}
