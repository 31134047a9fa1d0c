/** Address ranges as settings have them: `10.0.0.0/8`, `2001:db8::/32`. */
import { isIPv4, isIPv6 } from "node:net";

/** Private address space (RFC 1918, RFC 6598, RFC 4193) and loopback: whom a mirror in an office serves by default. */
export const PRIVATE_RANGES = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "fc00::/7",
];

/** Prefixes shorter than these are no network's own: IANA gave nobody more than a /8 of IPv4; IPv6 by the same measure. */
const BROADEST = { 4: 8, 6: 16 };

interface Range {
    readonly family: 4 | 6;
    readonly first: bigint;
    readonly prefix: number;
    readonly width: number;
}

/** What is wrong with a range, or undefined. With bits behind the prefix, one address and its network may both be meant. */
export function rangeProblem(text: string): string | undefined {
    const range = parse(text);
    if (!range) return "must be an address range such as 10.0.0.0/8 or 203.0.113.7/32";
    if (range.first === start(range, range.prefix) << BigInt(range.width - range.prefix)) return undefined;
    return `must have nothing but zeros behind its prefix; for the one address write /${range.width}`;
}

/** Address space that no route of the Internet leads to, beside the private one: RFC 6890. */
const UNROUTED = ["0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];
/** What IANA has handed out of IPv6 for the Internet: RFC 4291 section 2.4. */
const GLOBAL_IPV6 = "2000::/3";

/** What is wrong with an address that others are to reach by the Internet, or undefined. */
export function publicAddressProblem(text: string, family: 4 | 6): string | undefined {
    const must = `must be a public IPv${family} address such as ${family === 4 ? "198.51.100.7" : "2001:db8::7"}`;
    if (text.includes("/")) return `${must}, without a prefix length`;
    if (family === 4 ? !isIPv4(text) : !isIPv6(text) || text.includes("%")) return must;
    const one = `${text}/${family === 4 ? 32 : 128}`;
    if (isPrivate(one)) return `${must}: this one is private, and is reached only within its own network`;
    const routed = family === 6 ? contains(GLOBAL_IPV6, one) : !UNROUTED.some((range) => contains(range, one));
    return routed ? undefined : `${must}: the Internet has no way to this one`;
}

/** True when every address of the range is private. */
export function isPrivate(text: string): boolean {
    return PRIVATE_RANGES.some((outer) => contains(outer, text));
}

/** True for 0.0.0.0/0 and ::/0, and for the halves and quarters of the Internet that would say the same in pieces. */
export function isAnywhere(text: string): boolean {
    const range = parse(text);
    return range !== undefined && range.prefix < BROADEST[range.family];
}

function contains(outerText: string, innerText: string): boolean {
    const [outer, inner] = [parse(outerText), parse(innerText)];
    if (!outer || !inner || outer.family !== inner.family || inner.prefix < outer.prefix) return false;
    return start(inner, outer.prefix) === start(outer, outer.prefix);
}

/** The first `prefix` bits. */
function start({ first, width }: Range, prefix: number): bigint {
    return first >> BigInt(width - prefix);
}

function parse(text: string): Range | undefined {
    const [address = "", prefix = "", ...rest] = text.split("/");
    const family = isIPv4(address) ? 4 : isIPv6(address) && !address.includes("%") ? 6 : undefined;
    const width = family === 4 ? 32 : 128;
    if (!family || rest.length > 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > width) return undefined;
    return { family, first: family === 4 ? valueOf4(address) : valueOf6(address), prefix: Number(prefix), width };
}

function valueOf4(address: string): bigint {
    return address.split(".").reduce((sum, part) => (sum << 8n) + BigInt(part), 0n);
}

function valueOf6(address: string): bigint {
    // The URL parser writes every form of an address as groups of hex digits, with at most one gap.
    const [before = [], after = []] = new URL(`http://[${address}]`).hostname
        .slice(1, -1)
        .split("::")
        .map((half) => half.split(":").filter((group) => group !== ""));
    const gap = new Array<string>(8 - before.length - after.length).fill("0");
    return [...before, ...gap, ...after].reduce((sum, group) => (sum << 16n) + BigInt(`0x${group}`), 0n);
}
