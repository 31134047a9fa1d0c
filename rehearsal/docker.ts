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
        if (/no such/i.test(ran.stderr)) return undefined;
        throw new Error(`docker ${kind} inspect ${name}: ${ran.stderr.trim()}`);
    }

    private arguments(args: readonly string[]): string[] {
        return this.host === undefined ? [...args] : ["--host", this.host, ...args];
    }
}

/** Removes everything that a rehearsal made on this machine's Docker, also one that was killed. */
export async function removeRehearsal(docker: Docker): Promise<void> {
    const named = async (args: string[]) =>
        (await docker.run([...args, "--filter", `label=${LABEL}`])).split("\n").filter(Boolean);
    const containers = await named(["ps", "--all", "--quiet"]);
    if (containers.length > 0) await docker.run(["rm", "--force", "--volumes", ...containers]);
    const volumes = await named(["volume", "ls", "--quiet"]);
    if (volumes.length > 0) await docker.run(["volume", "rm", ...volumes]);
    const networks = await named(["network", "ls", "--quiet"]);
    if (networks.length > 0) await docker.run(["network", "rm", ...networks]);
}
