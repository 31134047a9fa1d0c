/** What the proof works with: the machines as a user would use them, and the meters on the relay link. */
import type { CatalogueEntry } from "./catalogue";
import { Docker } from "./docker";
import type { HubClient } from "./hub/client";
import { eventually, type Ran } from "./run";
import { newestKey } from "./stacks";
import { type RelayKind, type RelayRole, type Role, relayRole, type Topology } from "./topology";
import type { Program } from "./up";

const UPLINK_PORT = 5000;
const HEALTHY_SECONDS = 90;
/** What is dropped gets no answer: after this long there will be none. */
const REFUSED_SECONDS = "5";
/** Where the Nginx relay writes one line a request. */
const RELAY_LOG = "/var/log/nginx/dockermirror.json";
const UPLINK_CONFIG = "/config/current/uplink.json";

/** A relay of the rehearsal: the name that the uplink gives it, and the machine that it runs on. */
export interface SceneRelay {
    readonly name: string;
    readonly kind: RelayKind;
    readonly role: RelayRole;
    readonly hostname: string;
    /** What it is shown at the start of the proof. */
    readonly key: string;
    /** Of the stack that has made it. */
    readonly program: Program;
}

/** A relay in the uplink's configuration. */
interface UplinkRelay {
    readonly name: string;
    readonly url: string;
    readonly key: string;
}

/** The counters of the relay link. */
export interface LinkMeters {
    /** Body bytes that the uplink has read from relays. */
    readonly bytes: number;
    /** Lines in the relays' logs. */
    readonly requests: number;
}

/** Rehearsed stacks that are up. */
export class Scene {
    /** The on-prem host's own Docker, over the SSH connection of the settings. */
    readonly onprem: Docker;
    /** Addresses that relays have had on the world network: nobody else may be seen there. */
    readonly relayAddresses = new Set<string>();
    /** In the order in which they are asked. */
    readonly relays: SceneRelay[] = [];

    private constructor(
        readonly topology: Topology,
        readonly hub: HubClient,
        /** Host of the mirror, with its port when that is not 443; absent without an on-prem site. */
        private readonly mirrorHost: string | undefined,
        dockerHost: string | undefined,
    ) {
        this.onprem = new Docker(dockerHost, topology.env);
    }

    /** @param program Of the stack that is asked for. @param others Those whose relays it takes. All are up. */
    static async open(
        topology: Topology,
        hub: HubClient,
        program: Program,
        others: readonly Program[],
    ): Promise<Scene> {
        const { onprem } = program.names;
        const scene = new Scene(topology, hub, onprem && new URL(program.outputs.mirrorUrl).host, onprem?.docker);
        scene.relays.push(...(await scene.inOrder([program, ...others].flatMap(relaysOf))));
        await scene.noteAddresses();
        return scene;
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
        return this.topology.docker.attempt(["exec", ...interactive, this.topology.container(role), ...command], {
            input,
        });
    }

    /** Runs a program on a machine. Throws with what it said when it fails. */
    exec(role: Role, command: readonly string[], input?: string): Promise<string> {
        return this.topology.docker.exec(this.topology.container(role), command, { input });
    }

    /** Runs a command line as root on the VM that has the relay's address now, whatever its exit code. */
    machine({ role }: SceneRelay, command: string): Promise<Ran> {
        return this.attempt(role, ["bash", "-c", command]);
    }

    /** Opens a connection to a VM's SSH from an address that nobody let in: code 124 when nothing answers. */
    async sshFromElsewhere({ role }: SceneRelay): Promise<Ran> {
        const address = await this.topology.address(role, "link");
        return this.attempt("direct", ["timeout", REFUSED_SECONDS, "bash", "-c", `exec 3<>/dev/tcp/${address}/22`]);
    }

    /** `docker login` at a relay, on the machine for direct pulls. */
    login({ hostname }: SceneRelay, key: string): Promise<Ran> {
        const login = ["docker", "login", "--username", "me", "--password-stdin", hostname];
        return this.attempt("direct", login, key);
    }

    /** For curl's configuration, on the machine for direct pulls: a key, and the private CA of a relay that has one. */
    caller({ program }: SceneRelay, key: string): string {
        const cas = Object.keys(program.outputs.relayClients ?? {}).map((file) => `cacert = "${file}"`);
        return [`header = "X-Relay-Key: ${key}"`, ...cas, ""].join("\n");
    }

    /** Status with which a relay answers who shows it this key. */
    status(relay: SceneRelay, key: string): Promise<string> {
        return this.exec(
            "direct",
            ["curl", "-q", "-sS", "--output", "/dev/null", "--write-out", "%{http_code}", "--config", "-"],
            `url = "https://${relay.hostname}/v2/"\n${this.caller(relay, key)}`,
        );
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
        const logs = await Promise.all(this.relays.map((relay) => this.relayLog(relay)));
        return { bytes, requests: logs.flat().length };
    }

    /** Id of the key that a relay was shown last, as its log names it. */
    async lastKeyId(relay: SceneRelay): Promise<string> {
        const [, id = ""] = /"key":"([^"]*)"/.exec((await this.relayLog(relay)).at(-1) ?? "") ?? [];
        return id;
    }

    /** The relays as the uplink is configured with them. */
    async uplinkRelays(): Promise<UplinkRelay[]> {
        return JSON.parse(await this.onprem.run(["exec", "dockermirror-uplink", "cat", UPLINK_CONFIG])).relays;
    }

    /** Does `work` while no relay before this one answers. */
    async asFirst<T>(relay: SceneRelay, work: () => Promise<T>): Promise<T> {
        const before = this.relays.slice(0, this.relays.indexOf(relay));
        for (const other of before) await this.stop(other);
        try {
            return await work();
        } finally {
            for (const other of before) await this.start(other);
        }
    }

    /** Body bytes that came through one relay. */
    async bytesThrough(relay: SceneRelay): Promise<number> {
        return sum(await this.uplink("/metrics"), "dockermirror_uplink_link_bytes_total", relay.name);
    }

    /** A page of the uplink, as a process on the on-prem host gets it. */
    async uplink(path: string): Promise<string> {
        const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        const address = (
            await this.topology.docker.exec(this.topology.container("onprem"), [
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
        await this.topology.docker.run(["stop", "--time", "2", this.topology.container(relay.role)]);
    }

    async kill(relay: SceneRelay): Promise<void> {
        await this.topology.docker.run(["kill", this.topology.container(relay.role)]);
    }

    /** Starts a relay, and waits until the uplink takes it for healthy again. */
    async start(relay: SceneRelay): Promise<void> {
        await this.topology.docker.run(["start", this.topology.container(relay.role)]);
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

    /** These relays as the uplink names and orders them, with its keys; without an uplink as a user would have them. */
    private async inOrder(relays: readonly SceneRelay[]): Promise<SceneRelay[]> {
        if (!this.hasMirror) return [...relays];
        return (await this.uplinkRelays()).flatMap(({ name, url, key }) => {
            const relay = relays.find(({ hostname }) => hostname === new URL(url).hostname);
            return relay ? [{ ...relay, name, key }] : [];
        });
    }

    /** The lines of a relay's log about requests that go upstream, the oldest first. */
    private async relayLog({ kind, role }: SceneRelay): Promise<string[]> {
        if (kind === "worker") {
            const { stdout } = await this.topology.docker.attempt(["logs", this.topology.container(role)]);
            return stdout.split("\n").filter((line) => line.startsWith("{"));
        }
        // Read from outside, so that a stopped relay's log counts too.
        const { stdout } = await this.topology.docker.attempt([
            "cp",
            `${this.topology.container(role)}:${RELAY_LOG}`,
            "-",
        ]);
        return stdout.split("\n").filter((line) => line.includes('"upstream"'));
    }
}

/** The relays that a stack has made, as it names them. */
export function relaysOf(program: Program): SceneRelay[] {
    const { stack, names, outputs } = program;
    const key = newestKey(outputs.relayKeys ?? {});
    const relay = (name: string, kind: RelayKind, site: { readonly hostname: string } | undefined): SceneRelay[] =>
        site ? [{ name, kind, role: relayRole(kind, stack), hostname: site.hostname, key, program }] : [];
    return [...relay("nginx", "vm", names.overseas), ...relay("worker", "worker", names.edge)];
}

/** The reference by which a client pulls an image of the catalogue. */
export function reference({ upstream, repository, tag }: CatalogueEntry): string {
    const name = repository.replace(/^library\//, "");
    return upstream === "docker.io" ? `${name}:${tag}` : `${upstream}/${repository}:${tag}`;
}

/** The name of an image of the catalogue with its registry, for clients that add none. */
export function fullReference({ upstream, repository, tag }: CatalogueEntry): string {
    return `${upstream}/${repository}:${tag}`;
}

/** Sum of a metric over its labels, or of one relay. */
function sum(metrics: string, name: string, relay?: string): number {
    return metrics
        .split("\n")
        .filter((line) => line.startsWith(name) && (relay === undefined || line.includes(`relay="${relay}"`)))
        .reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
}
