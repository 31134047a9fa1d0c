/** Address ranges as firewalls take them. */

/** All addresses. */
export const EVERYWHERE: readonly string[] = ["0.0.0.0/0", "::/0"];

/** Ranges in CIDR notation, IPv4 and IPv6 apart. */
export function byVersion(cidrs: readonly string[]): { ipv4: string[]; ipv6: string[] } {
    return { ipv4: cidrs.filter((cidr) => !cidr.includes(":")), ipv6: cidrs.filter((cidr) => cidr.includes(":")) };
}
