/** Address ranges as firewalls take them. */

/** All addresses. */
export const EVERYWHERE: readonly string[] = ["0.0.0.0/0", "::/0"];

/**
 * Ranges in CIDR notation, IPv4 and IPv6 apart, each once. IPv6 as AWS writes it (RFC 5952): written otherwise, a rule
 * looks changed for ever (https://github.com/hashicorp/terraform-provider-aws/issues/15982).
 */
export function byVersion(cidrs: readonly string[]): { ipv4: string[]; ipv6: string[] } {
    const ipv4 = cidrs.filter((cidr) => !cidr.includes(":"));
    const ipv6 = cidrs.filter((cidr) => cidr.includes(":")).map(inShort);
    return { ipv4: [...new Set(ipv4)], ipv6: [...new Set(ipv6)] };
}

/** By the URL parser, which writes an IPv6 address in that form. */
function inShort(cidr: string): string {
    const [address, prefix] = cidr.split("/");
    return `${new URL(`http://[${address}]`).hostname.slice(1, -1)}/${prefix}`;
}
