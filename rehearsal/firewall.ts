import { attempt, run } from "./run";

/** What one rule lets in. */
export interface Opening {
    /** `-1`: everything. */
    readonly protocol: "tcp" | "udp" | "icmp" | "-1";
    /** Both without a meaning where the protocol has no ports. */
    readonly fromPort: number;
    readonly toPort: number;
    /** IPv4 ranges. */
    readonly from: readonly string[];
}

/**
 * What a cloud's firewall does in front of its machines: which new connections reach an address. This machine's bridges
 * enforce it, outside the containers, so that nothing that runs in one can change it.
 */
export class Firewall {
    /** @param table Its name in nftables. Everything is in there. */
    constructor(private readonly table: string) {}

    /** Makes a group of openings, or changes it for every address in it at once. */
    async setGroup(group: string, openings: readonly Opening[]): Promise<void> {
        await this.change([
            `add table bridge ${this.table}`,
            `add map bridge ${this.table} addresses { type ipv4_addr : verdict; }`,
            // From other containers, and from this machine itself.
            ...["forward", "output"].flatMap((hook) => [
                `add chain bridge ${this.table} ${hook} { type filter hook ${hook} priority 0; }`,
                `flush chain bridge ${this.table} ${hook}`,
                `add rule bridge ${this.table} ${hook} ip daddr vmap @addresses`,
            ]),
            `add chain bridge ${this.table} ${group}`,
            `flush chain bridge ${this.table} ${group}`,
            // ALWAYS of them. What belongs to a connection that the machine made or took already. By what the packets say of themselves:
            // not every kernel follows connections on bridges.
            `add rule bridge ${this.table} ${group} tcp flags & (syn | ack) != syn accept`,
            `add rule bridge ${this.table} ${group} udp sport 53 accept`,
            `add rule bridge ${this.table} ${group} icmp type != echo-request accept`,
            ...openings.map(
                (opening) => `add rule bridge ${this.table} ${group} ${ipFrom(opening)} ${matching(opening)} accept`,
            ),
            `add rule bridge ${this.table} ${group} drop`,
        ]);
    }

    /** True while there is such a group. */
    async has(group: string): Promise<boolean> {
        return (await attempt("nft", ["list", "chain", "bridge", this.table, group])).code === 0;
    }

    /** What a group lets in; `undefined` where there is no such group. */
    async openings(group: string): Promise<Opening[] | undefined> {
        const { code, stdout } = await attempt("nft", ["--json", "list", "chain", "bridge", this.table, group]);
        if (code !== 0) return undefined;
        const { nftables } = JSON.parse(stdout) as { nftables: { rule?: Rule }[] };
        const rules = nftables.flatMap(({ rule }) => (rule ? [rule.expr] : []));
        // Around them are the rules that every group has.
        return rules.slice(ALWAYS, -1).map(openingOf);
    }

    /** @throws Error when an address is in it, as the cloud does. */
    async removeGroup(group: string): Promise<void> {
        await this.change([`delete chain bridge ${this.table} ${group}`]);
    }

    /** Puts an address into a group, and takes it out of the one that it was in. */
    async guard(address: string, group: string): Promise<void> {
        const add = `add element bridge ${this.table} addresses { ${address} : jump ${group} }`;
        await this.change([...(await this.letGo(address)), add]);
    }

    /** Leaves an address open, as any other container's. */
    async unguard(address: string): Promise<void> {
        await this.change(await this.letGo(address));
    }

    /** The group that an address is in. */
    async groupOf(address: string): Promise<string | undefined> {
        const { code, stdout } = await attempt("nft", ["--json", "list", "map", "bridge", this.table, "addresses"]);
        if (code !== 0) return undefined;
        const { nftables } = JSON.parse(stdout) as { nftables: { map?: { elem?: Element[] } }[] };
        const elements = nftables.flatMap(({ map }) => map?.elem ?? []);
        return elements.find(([guarded]) => guarded === address)?.[1].jump.target;
    }

    /** Removes all groups, also those of a process that was killed. */
    async remove(): Promise<void> {
        // Adding what is there is no error, and removing what is not there is one.
        await this.change([`add table bridge ${this.table}`, `delete table bridge ${this.table}`]);
    }

    private async letGo(address: string): Promise<string[]> {
        const guarded = (await this.groupOf(address)) !== undefined;
        return guarded ? [`delete element bridge ${this.table} addresses { ${address} }`] : [];
    }

    /** All of the lines, or none. */
    private async change(lines: readonly string[]): Promise<void> {
        await run("nft", ["-f", "-"], { input: `${lines.join("\n")}\n` });
    }
}

/** Rules before a group's own. */
const ALWAYS = 3;

/** A rule in nft's JSON: https://manpages.debian.org/bookworm/libnftables1/libnftables-json.5.en.html */
interface Rule {
    readonly expr: readonly { readonly match?: { readonly left: { payload?: Payload }; readonly right: unknown } }[];
}
interface Payload {
    readonly protocol: string;
    readonly field: string;
}

/** The opening that a rule was made of by {@link ipFrom} and {@link matching}. */
function openingOf(expressions: Rule["expr"]): Opening {
    const matches = expressions.flatMap(({ match }) => (match ? [match] : []));
    const right = (field: string) => matches.find(({ left }) => left.payload?.field === field)?.right;
    const ports = matches.find(({ left }) => left.payload?.field === "dport");
    const [fromPort = 0, toPort = 0] = ports ? ends(ports.right) : [];
    const protocol = ports?.left.payload?.protocol ?? right("protocol") ?? "-1";
    const from = right("saddr");
    return {
        protocol: protocol as Opening["protocol"],
        fromPort,
        toPort,
        from: from === undefined ? ["0.0.0.0/0"] : elements(from).map(range),
    };
}

function ends(right: unknown): readonly number[] {
    if (typeof right === "number") return [right, right];
    return (right as { range: number[] }).range;
}

function elements(right: unknown): unknown[] {
    return typeof right === "object" && right !== null && "set" in right ? (right.set as unknown[]) : [right];
}

function range(address: unknown): string {
    if (typeof address === "string") return `${address}/32`;
    const { addr, len } = (address as { prefix: { addr: string; len: number } }).prefix;
    return `${addr}/${len}`;
}

type Element = [string, { jump: { target: string } }];

function ipFrom({ from }: Opening): string {
    if (from.length === 0) throw new Error("a firewall's opening needs at least one range of addresses, got none");
    // nft takes no range of all addresses into a set.
    return from.includes("0.0.0.0/0") ? "" : `ip saddr { ${from.join(", ")} }`;
}

function matching({ protocol, fromPort, toPort }: Opening): string {
    if (protocol === "-1") return "";
    return protocol === "icmp" ? "ip protocol icmp" : `${protocol} dport ${fromPort}-${toPort}`;
}
