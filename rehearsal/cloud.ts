/** A small cloud on this machine's Docker: machines that boot from a fresh image, with addresses that can be moved. */
import { existsSync, readFileSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import type { Docker } from "./docker";
import type { Firewall } from "./firewall";
import { writeWhole } from "./whole-file";

/** Where a cloud is, and what its machines are made of. */
export interface CloudPlace {
    readonly docker: Docker;
    readonly firewall: Firewall;
    /** Image of the machines: systemd and cloud-init, never booted. */
    readonly image: string;
    /** Of the containers' names and of the label by which they are known: the machine `x` is `<prefix>-x`. */
    readonly prefix: string;
    /** Further labels of the containers. */
    readonly labels: readonly string[];
    /** The machine with an elastic address is called so, and no longer by its own name, while it has it. */
    readonly role: string;
    /** Network of the public addresses; the upper half of this /24 is not handed out by Docker. */
    readonly network: { readonly name: string; readonly subnet: string };
    /** Other networks that each machine joins. */
    readonly others: readonly string[];
    readonly dns: string;
    /** PEM certificates that each machine takes for public CAs. */
    readonly publicCas: readonly string[];
    /** Elastic addresses that are taken, by their ids, as JSON: the program runs more than once. */
    readonly addressesFile: string;
}

/** What systemd needs as the first process of a container where --privileged is not to be had. */
const CAPABILITIES = [
    ...["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH", "SYSLOG"],
    ...["SYS_NICE", "IPC_LOCK", "LINUX_IMMUTABLE"],
];
const SYSTEMD = [
    ...CAPABILITIES.flatMap((capability) => ["--cap-add", capability]),
    ...["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"],
    ...["--tmpfs", "/run", "--tmpfs", "/run/lock", "--cgroupns", "private"],
    ...["--env", "container=docker", "--stop-signal", "SIGRTMIN+3"],
];
/**
 * Not the host's mount of the hierarchy, whose paths begin above the container: systemd's journal does not start there
 * since 256. A mount of the container's own begins where the container does, and is writable; on hosts of either version.
 */
const BOOT = "umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec /lib/systemd/systemd";
/** Where cloud-init finds what it would ask a cloud's metadata service for (NoCloud). */
const SEED = "/var/lib/cloud/seed/nocloud";
const CAS = "/usr/local/share/ca-certificates";
const UPPER_HALF = { first: 129, last: 254 };

interface Inspected {
    readonly Id: string;
    readonly Name: string;
    readonly Config: { readonly Labels: Readonly<Record<string, string>> };
    readonly NetworkSettings: {
        readonly Networks: Readonly<
            Record<string, { readonly IPAddress: string; readonly IPAMConfig: { IPv4Address?: string } | null }>
        >;
    };
}

/** Makes, moves and removes machines. All it knows is in Docker, nftables and one file, so that any process can go on. */
export class Cloud {
    constructor(private readonly place: CloudPlace) {}

    get firewall(): Firewall {
        return this.place.firewall;
    }

    /** Boots a new machine with this user data. Returns the public address that it has for the moment. */
    async launch(machine: string, userData: string, group?: string): Promise<string> {
        const { docker, prefix, labels, network, others, dns, image, publicCas } = this.place;
        const name = `${prefix}-${machine}`;
        await docker.run([
            ...["create", "--name", name, "--hostname", machine, "--label", `${this.label}=${machine}`],
            ...labels.flatMap((label) => ["--label", label]),
            ...[...SYSTEMD, "--dns", dns, "--network", network.name, image, "sh", "-c", BOOT],
        ]);
        for (const other of others) await docker.run(["network", "connect", other, name]);
        await this.lay(name, {
            [`${SEED}/user-data`]: userData,
            [`${SEED}/meta-data`]: `instance-id: ${machine}\nlocal-hostname: ${machine}\n`,
            ...Object.fromEntries(publicCas.map((ca, index) => [`${CAS}/rehearsal-${index}.crt`, ca])),
        });
        await docker.run(["start", name]);
        const address = await this.address(machine);
        if (group !== undefined) await this.firewall.guard(address, group);
        // Not in /tmp, which the boot empties meanwhile.
        await docker.exec(name, ["env", "TMPDIR=/root", "update-ca-certificates"]);
        return address;
    }

    /** Ends a machine for good; its elastic address stays taken. */
    async terminate(machine: string): Promise<void> {
        const found = await this.find(machine);
        if (!found) return;
        await this.firewall.unguard(this.addressOf(found));
        await this.place.docker.run(["rm", "--force", "--volumes", found.Id]);
    }

    /** True while there is such a machine. */
    async has(machine: string): Promise<boolean> {
        return (await this.find(machine)) !== undefined;
    }

    /** @throws Error when there is no such machine. */
    async address(machine: string): Promise<string> {
        return this.addressOf(await this.get(machine));
    }

    /** Puts the address of a machine into a group of the firewall. */
    async guard(machine: string, group: string): Promise<void> {
        await this.firewall.guard(await this.address(machine), group);
    }

    /** Stops a machine and starts it again. */
    async restart(machine: string): Promise<void> {
        await this.place.docker.run(["restart", (await this.get(machine)).Id]);
    }

    /** Takes an elastic address, to be known by this id. Returns it. */
    allocate(id: string): string {
        const taken = this.taken();
        const net = this.place.network.subnet.replace(/\d+\/24$/, "");
        for (let last = UPPER_HALF.first; last <= UPPER_HALF.last; last += 1) {
            const address = `${net}${last}`;
            if (Object.values(taken).includes(address)) continue;
            this.writeTaken({ ...taken, [id]: address });
            return address;
        }
        throw new Error(`the rehearsal's cloud has no elastic address left in ${this.place.network.subnet}`);
    }

    /** The elastic address of this id; `undefined` where none is taken. */
    reserved(id: string): string | undefined {
        return this.taken()[id];
    }

    release(id: string): void {
        const { [id]: _, ...others } = this.taken();
        this.writeTaken(others);
    }

    /** The machine that has an elastic address. */
    async holder(id: string): Promise<string | undefined> {
        const address = this.elastic(id);
        const found = (await this.all()).find((container) => this.addressOf(container) === address);
        return found?.Config.Labels[this.label];
    }

    /** Gives a machine an elastic address in place of the one that it has. Who had it before gets another. */
    async associate(id: string, machine: string): Promise<void> {
        const before = await this.holder(id);
        if (before === machine) return;
        if (before !== undefined) await this.disassociate(id, before);
        const { docker, prefix, role } = this.place;
        const container = await this.get(machine);
        await this.readdress(container, this.elastic(id));
        await docker.run(["rename", container.Id, `${prefix}-${role}`]);
    }

    /** Takes an elastic address from a machine, which gets another. Nothing happens where it does not have it. */
    async disassociate(id: string, machine: string): Promise<void> {
        const container = await this.find(machine);
        if (!container || this.addressOf(container) !== this.elastic(id)) return;
        await this.place.docker.run(["rename", container.Id, `${this.place.prefix}-${machine}`]);
        await this.readdress(container);
    }

    /** The group of the firewall goes with the machine. */
    private async readdress(container: Inspected, address?: string): Promise<void> {
        const { docker, firewall, network } = this.place;
        const before = this.addressOf(container);
        const group = await firewall.groupOf(before);
        await docker.run(["network", "disconnect", network.name, container.Id]);
        await firewall.unguard(before);
        if (group && address) await firewall.guard(address, group);
        const fixed = address === undefined ? [] : ["--ip", address];
        await docker.run(["network", "connect", ...fixed, network.name, container.Id]);
        if (!group || address) return;
        const after = await docker.inspect<Inspected>("container", container.Id);
        if (after) await firewall.guard(this.addressOf(after), group);
    }

    private get label(): string {
        return `${this.place.prefix}.machine`;
    }

    private async all(): Promise<Inspected[]> {
        const { docker } = this.place;
        const ids = await docker.run(["ps", "--all", "--quiet", "--filter", `label=${this.label}`]);
        const found = ids
            .split("\n")
            .filter(Boolean)
            .map((id) => docker.inspect<Inspected>("container", id));
        return (await Promise.all(found)).filter((container) => container !== undefined);
    }

    private async find(machine: string): Promise<Inspected | undefined> {
        return (await this.all()).find(({ Config }) => Config.Labels[this.label] === machine);
    }

    private async get(machine: string): Promise<Inspected> {
        const found = await this.find(machine);
        if (!found) throw new Error(`the rehearsal's cloud has no machine ${machine}`);
        return found;
    }

    private addressOf({ Name, NetworkSettings }: Inspected): string {
        const at = NetworkSettings.Networks[this.place.network.name];
        // A stopped container keeps only the address that it was given.
        const address = at?.IPAMConfig?.IPv4Address ?? at?.IPAddress;
        if (!address) throw new Error(`${Name} has no address on ${this.place.network.name}`);
        return address;
    }

    /** Before the machine's first boot: nothing runs in it yet that could write a file. The folders are there. */
    private async lay(container: string, files: Readonly<Record<string, string>>): Promise<void> {
        const tar = pack();
        for (const [path, text] of Object.entries(files)) tar.entry({ name: path.slice(1), mode: 0o644 }, text);
        tar.finalize();
        await this.place.docker.run(["cp", "-", `${container}:/`], { input: await buffer(tar) });
    }

    private elastic(id: string): string {
        const address = this.taken()[id];
        if (address === undefined) throw new Error(`the rehearsal's cloud has no elastic address ${id}`);
        return address;
    }

    private taken(): Record<string, string> {
        const { addressesFile } = this.place;
        return existsSync(addressesFile) ? JSON.parse(readFileSync(addressesFile, "utf8")) : {};
    }

    private writeTaken(addresses: Readonly<Record<string, string>>): void {
        writeWhole(this.place.addressesFile, JSON.stringify(addresses));
    }
}
