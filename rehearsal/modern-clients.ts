/**
 * Docker Engine 29 and containerd 2.4 on a machine that has Debian's Docker besides. Debian 12 has neither: both are
 * built from their Go modules (go-programs.ts). They pull with the files that a stack has for Docker's clients, and
 * containerd as the kubelet asks it, by its CRI plugin.
 */
import { dirname } from "node:path";
import type { Docker } from "./docker";
import { goProgram } from "./go-programs";
import { eventually } from "./run";

/** A client with containerd's image store, which keeps an image by the digest that its tag points at. */
export interface ModernClient {
    readonly name: string;
    /** Pulls an image by its full name, `docker.io/library/hello:1.0`. Returns the digest of the index or manifest. */
    pull(reference: string): Promise<string>;
    /** A file of a container of the image. */
    read(reference: string, path: string): Promise<string>;
    /** True when content with this digest is there, of an image or of what vouches for it. */
    holds(digest: string): Promise<boolean>;
    /** Forgets all images and their content, so that the next pull asks for everything again. */
    forget(): Promise<void>;
}

/** Where a client has a hosts.toml for each upstream. Docker Engine reads this folder only; containerd is told of it. */
const HOSTS_DIR = "/etc/docker/certs.d";
const DOCKERD_PROGRAMS = "/opt/docker-29";
const CONTAINERD_PROGRAMS = "/opt/containerd-2.4";
const CRICTL_PROGRAMS = "/opt/crictl";
/** On the volume of Debian's Docker, which is what a machine has: overlay file systems cannot be stacked on one another. */
const DOCKERD_DATA = "/var/lib/docker/docker-29";
const CONTAINERD_DATA = "/var/lib/docker/containerd-2.4";
const DOCKERD_RUN = "/run/docker-29";
const DOCKERD_LOG = "/var/log/docker-29.log";
const CONTAINERD_LOG = "/var/log/containerd-2.4.log";
/** Not `/run/containerd`: Debian's dockerd would take the containerd there for one that it may use. */
const CONTAINERD_RUN = "/run/containerd-2.4";
const CONTAINERD_CONFIG = "/etc/containerd-2.4/config.toml";
const READY_SECONDS = 120;
/** Of an example network, so nobody's: https://www.rfc-editor.org/rfc/rfc5737. */
const NOWHERE = "192.0.2.1";

const DOCKERD = [
    `${DOCKERD_PROGRAMS}/dockerd`,
    ...["--host", `unix://${DOCKERD_RUN}/docker.sock`, "--data-root", DOCKERD_DATA],
    ...["--exec-root", DOCKERD_RUN, "--pidfile", `${DOCKERD_RUN}/docker.pid`],
    // The bridge of this machine and its rules are those of Debian's Docker.
    ...["--bridge", "none", "--iptables=false", "--ip6tables=false", "--userland-proxy=false"],
];
const CONTAINERD = [`${CONTAINERD_PROGRAMS}/containerd`, "--config", CONTAINERD_CONFIG];
const CONTAINERD_SETTINGS = `version = 3
root = "${CONTAINERD_DATA}"
state = "${CONTAINERD_RUN}"

[grpc]
  address = "${CONTAINERD_RUN}/containerd.sock"

[plugins."io.containerd.cri.v1.images".registry]
  config_path = "${HOSTS_DIR}"
`;
const DOCKER = ["docker", "--host", `unix://${DOCKERD_RUN}/docker.sock`];
const CRICTL = [`${CRICTL_PROGRAMS}/crictl`, "--runtime-endpoint", `unix://${CONTAINERD_RUN}/containerd.sock`];
/** @param namespace What Docker and the CRI plugin each keep their images apart in. */
const ctr = (run: string, namespace: string) => [
    `${CONTAINERD_PROGRAMS}/ctr`,
    ...["--address", `${run}/containerd.sock`, "--namespace", namespace],
];
const DOCKER_STORE = ctr(`${DOCKERD_RUN}/containerd`, "moby");
const CRI_STORE = ctr(CONTAINERD_RUN, "k8s.io");
/** What they start by name: Docker Engine its containerd, and containerd its shim. */
const PATH = [CONTAINERD_PROGRAMS, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"].join(":");

/** What a machine must have mounted for these clients, as values of `docker run --volume`. */
export function modernMounts(): string[] {
    return [
        `${dirname(goProgram("dockerd"))}:${DOCKERD_PROGRAMS}:ro`,
        `${dirname(goProgram("containerd"))}:${CONTAINERD_PROGRAMS}:ro`,
        `${dirname(goProgram("crictl"))}:${CRICTL_PROGRAMS}:ro`,
    ];
}

/** Starts both clients on a machine that has the mounts, and waits until they answer. */
export async function startModernClients(docker: Docker, machine: string): Promise<void> {
    await Promise.all([
        // Docker Engine with a containerd of its own, as a fresh installation has them: the image store is containerd's.
        start(docker, machine, DOCKERD, DOCKERD_LOG).then(() =>
            answers(docker, machine, "Docker 29", [...DOCKER, "version"]),
        ),
        docker
            .exec(machine, ["sh", "-c", 'mkdir -p "$(dirname "$0")" && cat >"$0"', CONTAINERD_CONFIG], {
                input: CONTAINERD_SETTINGS,
            })
            .then(() => start(docker, machine, CONTAINERD, CONTAINERD_LOG))
            .then(() => answers(docker, machine, "containerd 2.4", [...CRICTL, "version"])),
    ]);
}

/** The clients of a machine on which they have been started. */
export function modernClients(docker: Docker, machine: string): [docker29: ModernClient, containerd: ModernClient] {
    return [docker29(docker, machine), containerd(docker, machine)];
}

/**
 * Does `work` while a machine's packets to these hosts vanish, as where they are filtered: no answer, not even a no.
 * Elsewhere a machine of the rehearsal has no address for them, which a client is told at once.
 */
export async function filtered<T>(
    docker: Docker,
    machine: string,
    hosts: readonly string[],
    work: () => Promise<T>,
): Promise<T> {
    const sh = (script: string, ...args: string[]) => docker.exec(machine, ["sh", "-euc", script, ...args]);
    await sh(`ip route replace ${NOWHERE}/32 dev lo; iptables --insert OUTPUT --destination ${NOWHERE} --jump DROP`);
    await sh(`echo "${NOWHERE} $*" >>/etc/hosts`, "sh", ...hosts);
    try {
        return await work();
    } finally {
        // Docker has mounted the file: it can be written, not replaced.
        await sh(`sed '/^${NOWHERE} /d' /etc/hosts >/tmp/hosts; cat /tmp/hosts >/etc/hosts`);
        await sh(`iptables --delete OUTPUT --destination ${NOWHERE} --jump DROP; ip route delete ${NOWHERE}/32 dev lo`);
    }
}

function docker29(docker: Docker, machine: string): ModernClient {
    const exec = (...command: string[]) => docker.exec(machine, [...DOCKER, ...command]);
    return {
        name: "Docker 29",
        async pull(reference) {
            await exec("pull", "--quiet", reference);
            return (await exec("image", "inspect", "--format", "{{.Id}}", reference)).trim();
        },
        // The container is not started: the runc of Debian 12 knows no time namespaces, which this engine asks for.
        async read(reference, path) {
            const script = 'id=$("$@" create "$0") && "$@" cp "$id:$file" - | tar -xO && "$@" rm "$id" >/dev/null';
            const env = ["--env", `file=${path}`];
            return docker.run(["exec", ...env, machine, "sh", "-euc", script, reference, ...DOCKER]);
        },
        holds: (digest) => holds(docker, machine, DOCKER_STORE, digest),
        async forget() {
            await exec("image", "prune", "--all", "--force");
        },
    };
}

function containerd(docker: Docker, machine: string): ModernClient {
    const exec = (...command: string[]) => docker.exec(machine, command);
    return {
        name: "containerd 2.4",
        async pull(reference) {
            await exec(...CRICTL, "pull", reference);
            const { status } = JSON.parse(await exec(...CRICTL, "inspecti", "--output", "json", reference));
            const [, digest = ""] = (status.repoDigests[0] ?? "").split("@");
            return digest;
        },
        read: (reference, path) => exec(...CRI_STORE, "run", "--rm", reference, "read", "/bin/busybox", "cat", path),
        holds: (digest) => holds(docker, machine, CRI_STORE, digest),
        async forget() {
            const images = (await exec(...CRI_STORE, "images", "list", "--quiet")).split("\n").filter(Boolean);
            if (images.length > 0) await exec(...CRI_STORE, "images", "remove", "--sync", ...images);
        },
    };
}

async function holds(docker: Docker, machine: string, client: readonly string[], digest: string): Promise<boolean> {
    const content = await docker.exec(machine, [...client, "content", "list", "--quiet"]);
    return content.split("\n").includes(digest);
}

async function start(docker: Docker, machine: string, program: readonly string[], log: string): Promise<void> {
    const command = ["sh", "-c", `mkdir -p ${DOCKERD_RUN} && exec "$@" >${log} 2>&1`, "sh", ...program];
    await docker.run(["exec", "--detach", "--env", `PATH=${PATH}`, machine, ...command]);
}

async function answers(docker: Docker, machine: string, what: string, question: readonly string[]): Promise<void> {
    await eventually(`${what} answers`, READY_SECONDS, async () => {
        const { code } = await docker.attempt(["exec", machine, ...question]);
        return code === 0 ? true : undefined;
    });
}
