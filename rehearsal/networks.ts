/** Networks of this machine's Docker with address ranges that nothing here uses. */
import { BlockList } from "node:net";
import type { Docker } from "./docker";
import { run } from "./run";

/** The addresses of a network: a /24, of which Docker hands out the lower half by itself. */
export interface NetworkRange {
    readonly subnet: string;
    readonly lowerHalf: string;
    /** This machine's own address there. */
    readonly gateway: string;
}

/**
 * The ranges that are tried, in this order, each written as the first two numbers and the third's first and last. What plays
 * public addresses must not be private, because the program refuses these where it wants the others; RFC 2544 has set a
 * range apart for laboratories.
 */
const CANDIDATES = {
    private: [
        ["10.213", 64, 127],
        ["172.29", 64, 127],
        ["192.168", 192, 254],
    ],
    public: [
        ["198.18", 64, 127],
        ["198.19", 64, 127],
    ],
} as const;

/** What the addresses of a network play. */
export type Space = keyof typeof CANDIDATES;

/** A route to more addresses than this many bits leave is a VPN or a company's backbone: a /24 in it goes before it. */
const WIDEST_ROUTE = 16;

/**
 * Makes a network with the first range that is free.
 *
 * @param flags Further ones of `docker network create`. @default an internal network, which nothing leaves
 * @param space @default "private"
 * @throws Error that names what was tried and which ranges are in use.
 */
export async function createNetwork(
    docker: Docker,
    name: string,
    labels: readonly string[],
    flags: readonly string[] = ["--internal"],
    space: Space = "private",
): Promise<NetworkRange> {
    const used = await usedRanges(docker);
    const refused: string[] = [];
    for (const range of candidates(space)) {
        if (used.some((other) => overlap(range.subnet, other))) continue;
        const { code, stderr } = await docker.attempt([
            ...["network", "create", ...flags, ...labels.flatMap((label) => ["--label", label])],
            ...["--subnet", range.subnet, "--gateway", range.gateway, "--ip-range", range.lowerHalf, name],
        ]);
        if (code === 0) return range;
        if (!/overlap|in use/i.test(stderr)) throw new Error(`the network ${name} cannot be made: ${stderr.trim()}`);
        refused.push(`${range.subnet}: ${stderr.trim()}`);
    }
    const tried = CANDIDATES[space]
        .map(([net, first, last]) => `${net}.${first}.0/24 to ${net}.${last}.0/24`)
        .join(", ");
    throw new Error(
        [
            `the network ${name} needs a free /24 of ${tried}, and this machine has networks in all of them:`,
            ...used.map((range) => `  ${range}`),
            ...refused.map((line) => `  ${line}`),
            "Remove one that is not needed (docker network prune), or add a free range to rehearsal/networks.ts.",
        ].join("\n"),
    );
}

function* candidates(space: Space): Generator<NetworkRange> {
    for (const [net, first, last] of CANDIDATES[space]) {
        for (let third = first; third <= last; third += 1) {
            const start = `${net}.${third}`;
            yield { subnet: `${start}.0/24`, lowerHalf: `${start}.0/25`, gateway: `${start}.1` };
        }
    }
}

/** What this machine's interfaces and routes, and Docker's networks, have: IPv4 ranges in CIDR notation. */
export async function usedRanges(docker: Docker): Promise<string[]> {
    const [addresses, routes, networks] = await Promise.all([
        run("ip", ["-json", "-4", "address"]),
        run("ip", ["-json", "-4", "route", "show", "table", "all"]),
        docker.run(["network", "ls", "--quiet", "--no-trunc"]),
    ]);
    const ids = networks.split("\n").filter(Boolean);
    type Network = { IPAM: { Config: { Subnet?: string }[] | null } };
    // One of them may be removed meanwhile.
    const inspected = await Promise.all(ids.map((id) => docker.inspect<Network>("network", id)));
    const used = [
        ...(JSON.parse(addresses) as { addr_info: { local: string; prefixlen: number }[] }[]).flatMap(({ addr_info }) =>
            addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
        ),
        ...(JSON.parse(routes) as { dst: string }[])
            .map(({ dst }) => (dst.includes("/") ? dst : `${dst}/32`))
            .filter((dst) => /^\d/.test(dst) && prefixOf(dst) >= WIDEST_ROUTE),
        ...inspected.flatMap((network) => network?.IPAM.Config ?? []).map(({ Subnet = "" }) => Subnet),
    ];
    return [...new Set(used)].filter((range) => /^\d+\.\d+\.\d+\.\d+\/\d+$/.test(range));
}

/** True when two IPv4 ranges in CIDR notation have an address in common. */
export function overlap(one: string, other: string): boolean {
    const [wide, narrow] = prefixOf(one) <= prefixOf(other) ? [one, other] : [other, one];
    const list = new BlockList();
    const [address = "", prefix] = wide.split("/");
    list.addSubnet(address, Number(prefix), "ipv4");
    return list.check(narrow.split("/")[0] ?? "", "ipv4");
}

function prefixOf(range: string): number {
    return Number(range.split("/")[1]);
}
