/** What the proof works with: the machines as a user would use them, and the meters on the relay link. */
import type { CatalogueEntry } from "./catalogue";
import { Docker } from "./docker";
import type { HubClient } from "./hub/client";
import { eventually, type Ran } from "./run";
import { containerName, type Role, type Topology } from "./topology";

const UPLINK_PORT = 5000;
const HEALTHY_SECONDS = 90;
/** What is dropped gets no answer: after this long there will be none. */
const REFUSED_SECONDS = "5";
/** Where the Nginx relay writes one line a request. */
const RELAY_LOG = "/var/log/nginx/dockermirror.json";

/** A relay of the rehearsal: the name that the uplink gives it, and the machine that it runs on. */
export interface SceneRelay {
    readonly name: string;
    readonly role: "vm" | "worker";
    readonly hostname: string;
}

/** The counters of the relay link. */
export interface LinkMeters {
    /** Body bytes that the uplink has read from relays. */
    readonly bytes: number;
    /** Lines in the relays' logs. */
    readonly requests: number;
}

/** A rehearsed stack that is up. */
export class Scene {
    /** The on-prem host's own Docker, over the SSH connection of the settings. */
    readonly onprem: Docker;
    /** Addresses that relays have had on the world network: nobody else may be seen there. */
    readonly relayAddresses = new Set<string>();

    constructor(
        readonly topology: Topology,
        readonly hub: HubClient,
        readonly relays: readonly SceneRelay[],
        /** Host of the mirror, with its port when that is not 443; absent in a stack without an on-prem site. */
        private readonly mirrorHost: string | undefined,
        dockerHost: string | undefined,
    ) {
        this.onprem = new Docker(dockerHost, topology.env);
    }

    get mirror(): string {
        if (this.mirrorHost === undefined) throw new Error("this stack has no mirror");
        return this.mirrorHost;
    }

    get hasMirror(): boolean {
        return this.mirrorHost !== undefined;
    }

    /** Runs a program on a machine, whatever its exit code. */
    attempt(role: Role, command: readonly string[], input?: string): Promise<Ran> {
        const interactive = input === undefined ? [] : ["--interactive"];
        return this.topology.docker.attempt(["exec", ...interactive, containerName(role), ...command], { input });
    }

    /** Runs a program on a machine. Throws with what it said when it fails. */
    exec(role: Role, command: readonly string[], input?: string): Promise<string> {
        return this.topology.docker.exec(containerName(role), command, { input });
    }

    /** Runs a command line as root on the VM that has the relay's address now, whatever its exit code. */
    machine(command: string): Promise<Ran> {
        return this.attempt("vm", ["bash", "-c", command]);
    }

    /** Opens a connection to the VM's SSH from an address that nobody let in: code 124 when nothing answers. */
    async sshFromElsewhere(): Promise<Ran> {
        const address = await this.topology.address("vm", "link");
        return this.attempt("direct", ["timeout", REFUSED_SECONDS, "bash", "-c", `exec 3<>/dev/tcp/${address}/22`]);
    }

    /** `docker pull` on a client, then the digest of the config, which is the id of the image. */
    async pull(role: Role, reference: string, options: readonly string[] = []): Promise<string> {
        await this.exec(role, ["docker", "pull", "--quiet", ...options, reference]);
        return (await this.exec(role, ["docker", "image", "inspect", "--format", "{{.Id}}", reference])).trim();
    }

    /** Forgets an image on a client, so that the next pull asks for everything again. */
    async forget(role: Role): Promise<void> {
        await this.exec(role, ["sh", "-c", "docker image prune --all --force >/dev/null"]);
    }

    async meters(): Promise<LinkMeters> {
        const metrics = await this.uplink("/metrics");
        const bytes = sum(metrics, "dockermirror_uplink_link_bytes_total");
        const lines = await Promise.all(this.relays.map((relay) => this.relayLines(relay)));
        return { bytes, requests: lines.reduce((total, count) => total + count, 0) };
    }

    /** Body bytes that came through one relay. */
    async bytesThrough(relay: SceneRelay): Promise<number> {
        return sum(await this.uplink("/metrics"), "dockermirror_uplink_link_bytes_total", relay.name);
    }

    /** A page of the uplink, as a process on the on-prem host gets it. */
    async uplink(path: string): Promise<string> {
        const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        const address = (
            await this.topology.docker.exec(containerName("onprem"), [
                "docker",
                "inspect",
                "--format",
                format,
                "dockermirror-uplink",
            ])
        ).trim();
        return this.exec("onprem", [
            "curl",
            "-sS",
            "--fail",
            "--max-time",
            "5",
            `http://${address}:${UPLINK_PORT}${path}`,
        ]);
    }

    async stop(relay: SceneRelay): Promise<void> {
        await this.topology.docker.run(["stop", "--time", "2", containerName(relay.role)]);
    }

    async kill(relay: SceneRelay): Promise<void> {
        await this.topology.docker.run(["kill", containerName(relay.role)]);
    }

    /** Starts a relay, and waits until the uplink takes it for healthy again. */
    async start(relay: SceneRelay): Promise<void> {
        await this.topology.docker.run(["start", containerName(relay.role)]);
        await this.noteAddresses();
        await this.healthy(relay);
    }

    async healthy(relay: SceneRelay): Promise<void> {
        await eventually(`the uplink takes ${relay.name} for healthy`, HEALTHY_SECONDS, async () => {
            const { relays } = JSON.parse(await this.uplink("/status")) as {
                relays: { name: string; condition: string }[];
            };
            return relays.find(({ name }) => name === relay.name)?.condition === "well" ? true : undefined;
        });
    }

    /** Notes under which addresses the running relays speak to the world. */
    async noteAddresses(): Promise<void> {
        for (const { role } of this.relays) {
            const address = await this.topology.address(role, "world").catch(() => undefined);
            if (address) this.relayAddresses.add(address);
        }
    }

    private async relayLines({ role }: SceneRelay): Promise<number> {
        if (role === "worker") {
            const { stdout } = await this.topology.docker.attempt(["logs", containerName(role)]);
            return stdout.split("\n").filter((line) => line.startsWith("{")).length;
        }
        // Read from outside, so that a stopped relay's log counts too.
        const { stdout } = await this.topology.docker.attempt(["cp", `${containerName(role)}:${RELAY_LOG}`, "-"]);
        return stdout.split("\n").filter((line) => line.includes('"upstream"')).length;
    }
}

/** The reference by which a client pulls an image of the catalogue. */
export function reference({ upstream, repository, tag }: CatalogueEntry): string {
    const name = repository.replace(/^library\//, "");
    return upstream === "docker.io" ? `${name}:${tag}` : `${upstream}/${repository}:${tag}`;
}

/** Sum of a metric over its labels, or of one relay. */
function sum(metrics: string, name: string, relay?: string): number {
    return metrics
        .split("\n")
        .filter((line) => line.startsWith(name) && (relay === undefined || line.includes(`relay="${relay}"`)))
        .reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
}
