/**
 * The machines of the rehearsal, as containers on four networks of this machine's Docker: lan (clients, front),
 * home (inside the on-prem host), link (uplink, relays) and world (relays, Hub double). Clients and the home side can
 * neither resolve nor reach the double: a client that fell back to it would prove a dead mirror green.
 */

import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { fill } from "../templates/render";
import { Cloud } from "./cloud";
import { startDns } from "./dns";
import { Docker, LABEL, removeLabelled } from "./docker";
import { Firewall } from "./firewall";
import { HubClient } from "./hub/client";
import { HUB_HOSTS } from "./hub/upstream-hosts";
import { KEEP, PUBLIC_CAS } from "./images";
import { createNetwork, type NetworkRange, type Space } from "./networks";
import { issue, type KeyPair, makeCa } from "./pki";
import { eventually, run } from "./run";
import { writeWhole } from "./whole-file";
import { Zone } from "./zone";

/** What a rehearsal keeps while it runs: SSH keys, the state with its secrets, logs. Mode 0700. */
export const RUN = join(KEEP, "run");
const NAME = "dockermirror-rehearsal";
/** Comes before Debian's own. */
const DOCKER_RUN = "/usr/local/bin/docker";
/** The CAs that this rehearsal takes for public ones, PEM. */
const CAS_FILE = join(RUN, "ca.pem");
const ADDRESSES_FILE = join(RUN, "addresses.json");
/** What a run of the program, in a process of its own, must know of the rehearsal. */
const PLACE_FILE = join(RUN, "place.json");
const CONTROL_PORT = 8080;
const DNS_PORT = 53;
const READY_SECONDS = 60;
/** A variable of the rehearsal's own `ssh`: the folder with the sockets of connections that are shared. */
const SHARED_SSH = "DOCKERMIRROR_SHARED_SSH";
/** For which such a connection is kept without use. */
const SHARED_SSH_SECONDS = 10;

/** The networks of this machine's Docker; `home` is inside the on-prem host. */
export type Network = "lan" | "link" | "world";
/** The networks that a container is on, each with its names there. At least one. */
export type Networks = Partial<Record<Network, string[]>>;
/** What a relay runs on: a stack has one of each at most. */
export type RelayKind = "vm" | "worker";
/** The machine of a stack's relay. */
export type RelayRole = `${RelayKind}-${string}`;
/** Machines that a rehearsal may have. */
export type Role = "hub" | "acme" | "onprem" | "client-1" | "client-2" | "direct" | RelayRole;

/** The client that has Docker Engine 29 and containerd 2.4 besides Debian's Docker. */
export const MODERN_CLIENT: Role = "client-2";

// What dockerd in a container needs where --privileged is not to be had.
const DOCKERD_CAPABILITIES = [
    ...["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYS_MODULE", "DAC_READ_SEARCH", "SYSLOG"],
    ...["LINUX_IMMUTABLE", "NET_BROADCAST", "IPC_LOCK", "SYS_NICE"],
];
// What a machine runs after `docker start`, too.
const BOOT = "mkdir -p /run/sshd && /usr/sbin/sshd && exec sleep infinity";

/** What a rehearsal is called, and where its networks are. */
interface Place {
    /** Of this one alone: what an earlier one could not remove is in the way of none. */
    readonly name: string;
    /** On the link network the relays have their public addresses: the cloud hands out the upper half. */
    readonly ranges: Readonly<Record<Network, NetworkRange>>;
}

/** The role of a stack's relay. */
export function relayRole(kind: RelayKind, stack: string): RelayRole {
    return `${kind}-${stack}`;
}

/** The rehearsal's own CA: made once and kept, because the base images trust it. It plays the public CAs. */
export function rehearsalCa(): KeyPair {
    const file = join(KEEP, "ca.json");
    try {
        return JSON.parse(readFileSync(file, "utf8"));
    } catch {
        mkdirSync(KEEP, { recursive: true });
        const ca = makeCa("dockermirror rehearsal");
        writeFileSync(file, JSON.stringify(ca), { mode: 0o600 });
        return ca;
    }
}

/** Names of the base images on this machine's Docker. */
export interface TopologyImages {
    readonly slim: string;
    readonly machine: string;
    readonly vm: string;
}

/** A VM that no program makes. */
export interface RentedVm {
    readonly address: string;
    readonly hostKey: string;
}

/** The firewall of the rehearsal's cloud, which outlives what it guards. */
export function firewall(): Firewall {
    return new Firewall(NAME);
}

/**
 * Removes what any rehearsal has left on this machine. What cannot be removed is in the way of no other rehearsal.
 *
 * @returns A line for each thing that is left.
 */
export async function removeRehearsals(docker: Docker): Promise<string[]> {
    const left = await removeLabelled(docker, LABEL);
    await firewall().remove();
    return left;
}

/** Makes and knows the machines. */
export class Topology {
    readonly docker = new Docker();
    readonly ca = rehearsalCa();
    readonly zone = new Zone(join(RUN, "zone.json"));
    /** PATH with an `ssh` that knows the rehearsal's names and key, and the rehearsal's CA. */
    readonly env: NodeJS.ProcessEnv;
    private readonly sshHosts: string[] = [];

    private constructor(
        readonly images: TopologyImages,
        private readonly place: Place,
    ) {
        this.env = {
            ...process.env,
            PATH: `${join(RUN, "bin")}:${process.env.PATH}`,
            // The rehearsal's CA plays the public ones, also for the programs that Pulumi runs on this machine.
            NODE_EXTRA_CA_CERTS: CAS_FILE,
        };
    }

    /**
     * {@link env} for a program that keeps its connections, as the Docker provider does.
     *
     * @param folder A private one with a short path, since it gets sockets.
     */
    sharedSshEnv(folder: string): NodeJS.ProcessEnv {
        return { ...this.env, [SHARED_SSH]: folder };
    }

    /** Networks, keys and nothing else yet. */
    static async start(images: TopologyImages): Promise<Topology> {
        rmSync(RUN, { recursive: true, force: true });
        mkdirSync(join(RUN, "bin"), { recursive: true, mode: 0o700 });
        const name = `${NAME}-${randomBytes(2).toString("hex")}`;
        const docker = new Docker();
        const make = (network: Network, space?: Space) =>
            createNetwork(docker, `${name}-${network}`, [LABEL], undefined, space);
        // One after the other: each takes a range that the ones before have left.
        const lan = await make("lan");
        const ranges = { lan, link: await make("link", "public"), world: await make("world", "public") };
        const topology = new Topology(images, { name, ranges });
        writeWhole(PLACE_FILE, JSON.stringify(topology.place));
        await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", NAME, "-f", join(RUN, "id")]);
        topology.trust(topology.ca.cert);
        writeFileSync(join(RUN, "bin", "ssh"), sshWith(join(RUN, "ssh.conf")));
        chmodSync(join(RUN, "bin", "ssh"), 0o755);
        topology.writeSshConfiguration();
        // Names that the rehearsal does not have get a quick no. dockerd looks up docker.io itself before it asks a mirror,
        // and waits 10 s where nobody answers: moby v20.10.24, registry/config.go, isCIDRMatch.
        for (const network of ["lan", "link"] as const) {
            await startDns((host) => topology.zone.records()[host], topology.gateway(network), DNS_PORT);
        }
        return topology;
    }

    /** The topology that another process of this rehearsal has started. */
    static attach(images: TopologyImages): Topology {
        return new Topology(images, JSON.parse(readFileSync(PLACE_FILE, "utf8")));
    }

    /** The container of a role on this machine's Docker. */
    container(role: Role): string {
        return `${this.place.name}-${role}`;
    }

    /** The network's name on this machine's Docker. */
    network(network: Network): string {
        return `${this.place.name}-${network}`;
    }

    /** What the names of all containers and networks of this rehearsal begin with. */
    get name(): string {
        return this.place.name;
    }

    /** Address of the name server that knows the zone's records. */
    get nameServer(): string {
        return `${this.gateway("link")}:${DNS_PORT}`;
    }

    /** Has what is made from now on take another CA for a public one. */
    trust(ca: string): void {
        writeFileSync(CAS_FILE, [...this.publicCas, ca.trimEnd()].join("\n").concat("\n"));
    }

    /** The CAs that play the public ones, PEM. */
    get publicCas(): string[] {
        if (!existsSync(CAS_FILE)) return [];
        return readFileSync(CAS_FILE, "utf8")
            .split(/(?<=-----END CERTIFICATE-----)\n/)
            .filter(Boolean);
    }

    /** The cloud as one stack sees it: its machines have their public addresses on the link network. */
    cloud(stack: string): Cloud {
        return new Cloud({
            docker: this.docker,
            firewall: firewall(),
            image: this.images.vm,
            prefix: this.place.name,
            labels: [LABEL],
            role: relayRole("vm", stack),
            network: { name: this.network("link"), subnet: this.place.ranges.link.subnet },
            others: [this.network("world")],
            dns: this.gateway("link"),
            publicCas: this.publicCas,
            addressesFile: ADDRESSES_FILE,
        });
    }

    /** The address from which this machine reaches the machines overseas. */
    get ownAddress(): string {
        return this.gateway("link");
    }

    /** A VM as a user may have one for a stack: booted from a fresh image, with a fixed address and this user. */
    async rentedVm(stack: string, user: string): Promise<RentedVm> {
        const id = `rented-${stack}`;
        const vm = this.container(relayRole("vm", stack));
        const cloud = this.cloud(stack);
        const login = { name: user, ssh_authorized_keys: [readFileSync(join(RUN, "id.pub"), "utf8").trim()] };
        const sudoer = { ...login, shell: "/bin/sh", sudo: "ALL=(ALL) NOPASSWD: ALL" };
        const userData = { disable_root: false, users: [user === "root" ? login : sudoer] };
        await cloud.launch(id, `#cloud-config\n${JSON.stringify(userData)}\n`);
        const address = cloud.allocate(id);
        await cloud.associate(id, id);
        await this.docker.exec(vm, ["cloud-init", "status", "--wait"]);
        const line = await this.docker.exec(vm, ["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]);
        return { address, hostKey: line.trim().split(" ").slice(0, 2).join(" ") };
    }

    /** The private key that every machine lets in, PEM. */
    get sshPrivateKey(): string {
        return readFileSync(join(RUN, "id"), "utf8");
    }

    /** A Debian host: sshd, and the rehearsal's CAs among the public ones. */
    async machine(role: Role, networks: Networks, mounts: readonly string[] = []): Promise<void> {
        const name = this.container(role);
        const [first, aliases, others] = firstOf(networks);
        await this.docker.run([
            ...["run", "--detach", "--init", "--name", name, "--hostname", role, "--label", LABEL],
            ...["--dns", this.gateway(first)],
            ...DOCKERD_CAPABILITIES.flatMap((capability) => ["--cap-add", capability]),
            ...["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"],
            ...["--volume", "/sys/fs/cgroup:/sys/fs/cgroup", "--volume", "/var/lib/docker"],
            ...mounts.flatMap((mount) => ["--volume", mount]),
            ...["--network", this.network(first), ...aliases.flatMap((alias) => ["--network-alias", alias])],
            ...[this.images.machine, "sh", "-c", BOOT],
        ]);
        for (const [network, names] of others) await this.connect(role, network, names);
        for (const [index, ca] of this.publicCas.entries())
            await this.lay(role, `/usr/local/share/ca-certificates/rehearsal-${index}.crt`, ca);
        await this.lay(role, "/root/.ssh/authorized_keys", readFileSync(join(RUN, "id.pub"), "utf8"));
        await this.docker.exec(name, ["update-ca-certificates", "--fresh"]);
        if (role !== "onprem") return;
        const wrapper = readFileSync(join(__dirname, "docker-run.sh"), "utf8");
        await this.lay(role, DOCKER_RUN, fill(wrapper, { cas: PUBLIC_CAS }, "docker-run.sh"));
        await this.docker.exec(name, ["chmod", "755", DOCKER_RUN]);
    }

    /** A container with programs of this machine laid in, such as node or workerd. */
    async program(
        role: Role,
        networks: Networks,
        mounts: string[],
        command: string[],
        env: string[] = [],
    ): Promise<void> {
        const name = this.container(role);
        const [first, aliases, others] = firstOf(networks);
        await this.docker.run([
            ...["create", "--init", "--name", name, "--hostname", role, "--label", LABEL],
            ...mounts.flatMap((mount) => ["--volume", mount]),
            ...env.flatMap((variable) => ["--env", variable]),
            ...["--network", this.network(first), ...aliases.flatMap((alias) => ["--network-alias", alias])],
            ...[this.images.slim, ...command],
        ]);
        for (const [network, names] of others) await this.connect(role, network, names);
        await this.docker.run(["start", name]);
    }

    /** The Hub double, under all its names, on the world network only. It knows these accounts, token by user name. */
    async hub(storeFolder: string, accounts: Readonly<Record<string, string>>): Promise<HubClient> {
        const folder = join(RUN, "hub");
        mkdirSync(folder, { recursive: true });
        const { key, cert } = issue(this.ca, HUB_HOSTS);
        writeFileSync(join(folder, "key.pem"), key, { mode: 0o600 });
        writeFileSync(join(folder, "cert.pem"), cert);
        // A machine that proves for an hour must not meet the Hub's limit of an afternoon.
        const options = { accounts, pullLimit: { anonymous: 1000, account: 2000 } };
        writeFileSync(join(folder, "options.json"), JSON.stringify(options), { mode: 0o600 });
        const entryPoints = [join(__dirname, "hub", "main.ts")];
        buildSync({ entryPoints, bundle: true, platform: "node", target: "node20", outfile: join(folder, "hub.js") });
        await this.program(
            "hub",
            { world: [...HUB_HOSTS] },
            [`${process.execPath}:/usr/local/bin/node:ro`, `${folder}:/hub:ro`, `${storeFolder}:/store:ro`],
            ["node", "/hub/hub.js"],
            [
                "HUB_STORE=/store",
                "HUB_KEY_FILE=/hub/key.pem",
                "HUB_CERT_FILE=/hub/cert.pem",
                "HUB_OPTIONS_FILE=/hub/options.json",
                `HUB_CONTROL_PORT=${CONTROL_PORT}`,
            ],
        );
        const client = new HubClient(`http://${await this.address("hub", "world")}:${CONTROL_PORT}`);
        await eventually("the Hub double answers", READY_SECONDS, async () =>
            (await client.healthy()) ? true : undefined,
        );
        return client;
    }

    /** Starts dockerd in a machine, and waits until it answers. */
    async startDockerd(role: Role): Promise<void> {
        const name = this.container(role);
        await this.docker.run(["exec", "--detach", name, "sh", "-c", "exec dockerd >/var/log/dockerd.log 2>&1"]);
        await eventually(`dockerd of ${role} answers`, READY_SECONDS, async () => {
            const { code } = await this.docker.attempt(["exec", name, "docker", "info"]);
            return code === 0 ? true : undefined;
        });
    }

    /** Writes a file in a machine. */
    async lay(role: Role, path: string, text: string): Promise<void> {
        await this.docker.exec(this.container(role), ["sh", "-c", 'mkdir -p "$(dirname "$0")" && cat > "$0"', path], {
            input: text,
        });
    }

    async connect(role: Role, network: Network, aliases: string[]): Promise<void> {
        const names = aliases.flatMap((alias) => ["--alias", alias]);
        await this.docker.run(["network", "connect", ...names, this.network(network), this.container(role)]);
    }

    /** The address of a machine on one of its networks. */
    async address(role: Role, network: Network): Promise<string> {
        type Inspected = { NetworkSettings: { Networks: Record<string, { IPAddress: string }> } };
        const container = await this.docker.inspect<Inspected>("container", this.container(role));
        const address = container?.NetworkSettings.Networks[this.network(network)]?.IPAddress;
        if (!address) throw new Error(`${role} has no address on ${network}`);
        return address;
    }

    /** This machine's own address on a network. */
    private gateway(network: Network): string {
        return this.place.ranges[network].gateway;
    }

    /** Makes a name (or the address that the settings have for a machine) reach a machine over SSH, as this user too. */
    async sshName(host: string, role: Role, network: Network, user = "root"): Promise<void> {
        if (user && user !== "root") await this.addUser(role, user);
        this.sshHosts.push(`Host ${host}\n    HostName ${await this.address(role, network)}\n    Port 22\n`);
        this.writeSshConfiguration();
    }

    /** A user as the settings may name one: may use Docker, and sudo without a password. */
    private async addUser(role: Role, user: string): Promise<void> {
        const machine = this.container(role);
        await this.docker.exec(machine, ["useradd", "--create-home", "--shell", "/bin/sh", "--groups", "docker", user]);
        await this.lay(role, `/etc/sudoers.d/${user}`, `${user} ALL=(ALL) NOPASSWD: ALL\n`);
        await this.lay(role, `/home/${user}/.ssh/authorized_keys`, readFileSync(join(RUN, "id.pub"), "utf8"));
        await this.docker.exec(machine, ["chown", "-R", `${user}:`, `/home/${user}/.ssh`]);
    }

    private writeSshConfiguration(): void {
        const everywhere = [
            "Host *",
            `    IdentityFile ${join(RUN, "id")}`,
            "    IdentityAgent none",
            "    UserKnownHostsFile /dev/null",
            "    StrictHostKeyChecking no",
            "    LogLevel ERROR",
            "",
        ];
        writeFileSync(join(RUN, "ssh.conf"), [...this.sshHosts, ...everywhere].join("\n"));
    }
}

/**
 * The rehearsal's own `ssh`, with its configuration.
 *
 * @returns A shell script. Where {@link SHARED_SSH} is set, calls for one machine share a connection.
 */
function sshWith(configuration: string): string {
    const shared = [
        "-o ControlMaster=auto",
        `-o "ControlPath=$${SHARED_SSH}/%C"`,
        `-o ControlPersist=${SHARED_SSH_SECONDS}`,
    ].join(" ");
    return `#!/bin/sh
[ -z "$${SHARED_SSH}" ] || set -- ${shared} "$@"
exec /usr/bin/ssh -F '${configuration}' "$@"
`;
}

/** The network that a container is made on, its names there, and the networks that it joins afterwards. */
function firstOf(networks: Networks): [Network, string[], [Network, string[]][]] {
    const [[first, aliases], ...others] = Object.entries(networks) as [[Network, string[]], ...[Network, string[]][]];
    return [first, aliases, others];
}
