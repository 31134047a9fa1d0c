/**
 * A far link in the lab, for the rehearsal and the tests: everything that passes between two ends is late and may get
 * lost, TCP's own handshake with it, unlike behind a proxy. For as long as this process runs.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Docker } from "./docker";
import type { Namespace } from "./namespace";
import { run } from "./run";

const PROGRAM = join(__dirname, "far-link.py");

/** What the link is like. */
export interface LinkQuality {
    /** There and back. @default 0 */
    readonly roundTripMs?: number;
    /** Every so manieth SYN is lost: 20 for 5 %. @default none */
    readonly loseSynEvery?: number;
    /** So many SYNs from now on are lost. @default 0 */
    readonly loseNextSyns?: number;
    /** Nothing reaches these addresses, and nothing comes from them. */
    readonly silentAddresses?: readonly string[];
    /** Nothing passes at all. @default false */
    readonly cut?: boolean;
}

export class FarLink {
    private readonly lines: AsyncIterator<string>;
    private readonly ended: Promise<number>;

    private constructor(
        private readonly child: ChildProcess,
        reader: Interface,
    ) {
        this.lines = reader[Symbol.asyncIterator]();
        this.ended = new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
    }

    /**
     * A link between two namespaces that have none yet: a device of the same name in each, which are up and have no
     * addresses.
     */
    static async between(near: Namespace, far: Namespace, device: string, quality: LinkQuality): Promise<FarLink> {
        const names = [deviceName(), deviceName()] as const;
        const link = await FarLink.start([`tap:${names[0]}`, `tap:${names[1]}`], quality);
        for (const [index, namespace] of [near, far].entries()) {
            await run("ip", ["link", "set", names[index] ?? "", "netns", String(namespace.pid), "name", device]);
            await namespace.run(["ip", "link", "set", device, "up"]);
        }
        return link;
    }

    /**
     * Makes a network of this machine's Docker far for one running container on it. The others stay where they are.
     *
     * @param network Its name, as Docker knows it.
     * @throws Error when the container is not running, or not on the network.
     */
    static async ofContainer(
        docker: Docker,
        container: string,
        network: string,
        quality: LinkQuality,
    ): Promise<FarLink> {
        const { device, bridge } = await bridgePort(docker, container, network);
        return FarLink.start([`bridged:${device}`, `tap:${deviceName()}@${bridge}`], quality);
    }

    private static async start(ends: readonly [string, string], quality: LinkQuality): Promise<FarLink> {
        const child = spawn("python3", [PROGRAM, ...ends], { stdio: ["pipe", "pipe", "inherit"] });
        const link = new FarLink(child, createInterface({ input: child.stdout }));
        await link.expect("ready");
        await link.set(quality);
        return link;
    }

    /** Changes what it is like; what is not mentioned is as on a good link. What is on its way arrives as it would have. */
    async set(quality: LinkQuality): Promise<void> {
        this.child.stdin?.write(`${JSON.stringify(quality)}\n`);
        await this.expect("ok");
    }

    /** Takes it away: a container is as near as it was, two namespaces have no link. */
    async remove(): Promise<void> {
        this.child.stdin?.end();
        await this.ended;
    }

    private async expect(line: string): Promise<void> {
        const { value } = await this.lines.next();
        if (value === line) return;
        throw new Error(`the far link ended with ${await this.ended}: it needs root's rights and /dev/net/tun`);
    }
}

/** Linux' names of devices are short; of one process that is killed nothing stays that could have the same. */
function deviceName(): string {
    return `far-${randomBytes(4).toString("hex")}`;
}

/** The port of a network's bridge that a container hangs on. */
async function bridgePort(
    docker: Docker,
    container: string,
    network: string,
): Promise<{ readonly device: string; readonly bridge: string }> {
    type Inspected = {
        readonly State: { readonly Pid: number };
        readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly MacAddress: string }>> };
    };
    type Device = { readonly ifname: string; readonly address: string; readonly link_index?: number; master?: string };
    const { State, NetworkSettings } = (await docker.inspect<Inspected>("container", container)) ?? {};
    const mac = NetworkSettings?.Networks[network]?.MacAddress;
    if (!State?.Pid || !mac) throw new Error(`the container ${container} does not run on the network ${network}`);
    // Not through nsenter for this one: that of Debian 13 refuses to be called without a namespace.
    const devices = async (command: string, ...args: string[]): Promise<(Device & { readonly ifindex: number })[]> =>
        JSON.parse(await run(command, [...args, "--json", "link"]));
    const within = await devices("nsenter", `--net=/proc/${State.Pid}/ns/net`, "ip");
    const inside = within.find(({ address }) => address === mac);
    const outside = (await devices("ip")).find(({ ifindex }) => ifindex === inside?.link_index);
    if (!outside?.master) {
        throw new Error(`${container} on ${network} hangs on no bridge: got ${outside?.ifname ?? "no device"}`);
    }
    return { device: outside.ifname, bridge: outside.master };
}
