/** Records in a zone, and a zone. */
import * as cloudflare from "@pulumi/cloudflare";

/** What the program makes. */
export interface ZoneArgs {
    /** By name in the stack. */
    readonly records?: Readonly<Record<string, Omit<cloudflare.DnsRecordArgs, "zoneId">>>;
    readonly zone?: string;
}

export function program({ records = {}, zone }: ZoneArgs) {
    for (const [name, record] of Object.entries(records)) new cloudflare.DnsRecord(name, { zoneId: "zone", ...record });
    if (zone === undefined) return {};
    const made = new cloudflare.Zone("zone", { name: zone, account: { id: "0" } }, { retainOnDelete: true });
    const { status, nameServers } = cloudflare.getZoneOutput({ zoneId: made.id });
    const found = cloudflare.getZoneOutput({ filter: { name: zone } });
    return { made: [made.id, made.nameServers], status, nameServers, found: found.id };
}
