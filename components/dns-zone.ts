import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import { child, type Transform } from "./transform";

/** A zone as what needs DNS sees it, whether it was made or found. */
export interface Zone {
    readonly id: pulumi.Output<string>;
    /** Where the zone is asked, and what the registrar of the domain must name. */
    readonly nameServers: pulumi.Output<string[]>;
}

/** Arguments of {@link DnsZone}. */
export interface DnsZoneArgs {
    /** The domain, such as `example.com`. */
    readonly name: string;
    /** Cloudflare account, 32 hex digits. */
    readonly accountId: pulumi.Input<string>;
    /** The zone is active: the registrar names its name servers. Nothing can be put into it before. */
    readonly ready: boolean;
    readonly transform?: { readonly zone?: Transform<cloudflare.ZoneArgs> };
}

/**
 * A zone in Cloudflare that the stack makes.
 *
 * It stays when the stack is destroyed, with whatever else was put into it by then: mail must not stop because a mirror
 * goes. To use it again, or to let another stack have it, leave `createZone` and `zoneReady` out: it is looked up then.
 * Making it anew fails as long as it is there, and so does making a zone that was made by hand.
 */
export class DnsZone extends pulumi.ComponentResource implements Zone {
    /** Known, where the zone is said to be ready, once Cloudflare calls it active. */
    readonly id: pulumi.Output<string>;
    readonly nameServers: pulumi.Output<string[]>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: { readonly zone: cloudflare.Zone };

    constructor(name: string, args: DnsZoneArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:index:DnsZone", name, {}, opts);
        const own = { parent: this };

        const zone = new cloudflare.Zone(
            ...child(
                args.transform?.zone,
                `${name}-zone`,
                { name: args.name, account: { id: args.accountId }, type: "full" },
                { ...own, retainOnDelete: true },
            ),
        );

        this.nodes = { zone };
        this.nameServers = zone.nameServers;
        this.id = args.ready ? cloudflare.getZoneOutput({ zoneId: zone.id }, own).apply(activeId) : zone.id;
        this.registerOutputs({ id: this.id, nameServers: this.nameServers });
    }
}

/** The zone of that name, which is there already; none for no name. */
export function findZone(name: string | undefined): Zone | undefined {
    if (name === undefined) return undefined;
    const { id, nameServers } = cloudflare.getZoneOutput({ filter: { name } });
    return { id, nameServers };
}

/** What is made in a pending zone fails one by one, and its certificates only after minutes. */
function activeId({ id, name, status, nameServers }: cloudflare.GetZoneResult): string {
    if (status === "active") return id;
    throw new pulumi.RunError(
        `the zone ${name} must be active before anything is put into it (zoneReady says that it is), got "${status}": ` +
            `enter ${nameServers.join(" and ")} as its name servers at the registrar of ${name} and wait for Cloudflare's mail`,
    );
}
