/** The Docker engine of a rehearsal: which one the docker command line would use, and why it cannot be used. */
import type { Docker } from "./docker";
import { attempt } from "./run";

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Refuses an engine of another machine: a rehearsal mounts folders of this one, makes networks, and looks into processes.
 *
 * @throws Error that names the engine and what chose it.
 */
export async function refuseFarEngine(env: NodeJS.ProcessEnv): Promise<void> {
    const endpoint = env.DOCKER_HOST || (await contextEndpoint(env));
    if (!isFar(endpoint)) return;
    const [chosen, todo] = env.DOCKER_HOST
        ? ["DOCKER_HOST", "unset DOCKER_HOST"]
        : [
              env.DOCKER_CONTEXT ? `DOCKER_CONTEXT ("${env.DOCKER_CONTEXT}")` : "the Docker context in use",
              "docker context use default (DOCKER_CONTEXT=default for once)",
          ];
    throw new Error(
        `the rehearsal runs on this machine's Docker alone, and ${chosen} points at another machine: ${endpoint}. ` +
            `It mounts folders of this machine into containers. Start it over there, or here: ${todo}`,
    );
}

/** What the command line takes where no variable names an engine; nothing where there is no command line yet. */
async function contextEndpoint(env: NodeJS.ProcessEnv): Promise<string> {
    const args = ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"];
    const { code, stdout } = await attempt("docker", args, { env }).catch(() => ({ code: 1, stdout: "" }));
    return code === 0 ? stdout.trim() : "";
}

/** A socket is this machine's wherever it lies; so is a port of loopback. */
function isFar(endpoint: string): boolean {
    if (endpoint === "" || !/^[a-z]+:\/\//.test(endpoint)) return false;
    const { protocol, hostname } = new URL(endpoint);
    return !["unix:", "fd:", "npipe:"].includes(protocol) && !LOOPBACK.test(hostname);
}

/**
 * Whether an engine answers.
 *
 * @throws Error when one is there that this user may not use, or when this user could not start one.
 */
export async function answers(docker: Docker, isRoot = process.getuid?.() === 0): Promise<boolean> {
    const { code, stderr } = await docker.attempt(["version", "--format", "{{.Server.Version}}"]);
    if (code === 0) return true;
    const said = stderr.trim().split("\n").at(-1) ?? "";
    if (/permission denied/i.test(stderr)) {
        throw new Error(
            `Docker is there, and this user may not use it (${said}). Run this as root (sudo npm start), or let the user in: ` +
                'sudo usermod -aG docker "$USER", then log in again',
        );
    }
    if (isRoot) return false;
    throw new Error(
        `the Docker engine does not answer (${said}), and only root can start it: sudo systemctl start docker, or run this as root`,
    );
}
