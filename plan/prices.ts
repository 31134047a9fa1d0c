/**
 * What the parts cost, and what is in it: the one place for prices. Each has the page that it is from and when it was seen;
 * what no page could be found for is not estimated, and the printed text says so. USD without tax, for ap-northeast-1
 * (Tokyo), which is near to the mainland and has both kinds of machine. A GB is 10^9 bytes here; AWS counts 2^30, so that a
 * bill comes out some percent lower.
 */

/** Where all machines of the table are. */
export const REGION = "ap-northeast-1";

/** A bundle of Lightsail, as a relay. */
export interface Machine {
    /** `overseas.kind` of the settings. */
    readonly kind: "lightsail";
    /** Its size, as `overseas.bundle` begins. */
    readonly name: string;
    /** A month of it, with its disk, its IPv4 address and the traffic of its allowance. */
    readonly usdPerMonth: number;
    /** What comes in and what goes out counts against it. */
    readonly allowanceGB: number;
}

/**
 * What a Lightsail machine in Tokyo sends beyond its allowance; what comes in is never billed.
 * https://docs.aws.amazon.com/lightsail/latest/userguide/amazon-lightsail-faq-data-transfer-allowance.html seen 2026-11
 */
const LIGHTSAIL_OVERAGE_USD_PER_GB = 0.14;

/**
 * AWS's list of the Linux bundles with a public IPv4 address, for us-east-1:
 * https://docs.aws.amazon.com/lightsail/latest/userguide/amazon-lightsail-bundles.html of 2026-09-17, as
 * https://github.com/api-evangelist/amazon-lightsail has it (plans/amazon-lightsail-plans-pricing.yml), seen 2026-11.
 * A region may have others: `aws lightsail get-bundles --region REGION`.
 */
export const MACHINES: readonly Machine[] = [
    { kind: "lightsail", name: "nano", usdPerMonth: 5, allowanceGB: 1000 },
    { kind: "lightsail", name: "micro", usdPerMonth: 7, allowanceGB: 2000 },
    { kind: "lightsail", name: "small", usdPerMonth: 12, allowanceGB: 3000 },
    { kind: "lightsail", name: "medium", usdPerMonth: 24, allowanceGB: 4000 },
    { kind: "lightsail", name: "large", usdPerMonth: 44, allowanceGB: 5000 },
];

/**
 * What EC2 makes where `overseas.instanceType` is not set (stacks/overseas.ts), and what that can send all day; for a short
 * time it can do more. AWS's list: https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html, as
 * https://gist.github.com/DingGGu/25f011cff71b2eab36f0317ce127a2ae has it, seen 2026-11. AWS itself tells by
 * `aws ec2 describe-instance-types --instance-types t4g.micro --query 'InstanceTypes[].NetworkInfo.NetworkCards'`.
 */
export const DEFAULT_INSTANCE = { type: "t4g.micro", baselineMbit: 64 } as const;

/** Cloudflare Workers: https://developers.cloudflare.com/workers/platform/pricing/ and …/limits/, seen 2026-11. */
export const WORKERS = {
    /** The free plan's; the next ones that day are refused. */
    freeRequestsPerDay: 100_000,
    paidUsdPerMonth: 5,
    paidRequestsPerMonth: 10_000_000,
    paidUsdPerMillionMore: 0.3,
} as const;

/** Docker Hub, pulls in six hours: https://docs.docker.com/docker-hub/usage/pulls/ seen 2026-11. Paid accounts: no limit. */
export const HUB = {
    /** For an IPv4 address, or a /64 of IPv6: for each relay on a machine of its own. */
    anonymous: 100,
    /** For a free account, however many relays use it. */
    account: 200,
} as const;

/** What all of it rests on, and what it leaves out, for those who read the numbers. */
export const PRICE_NOTES: readonly string[] = [
    `Prices: USD without tax, by the vendors' pages of 2026-09 to 2026-11; Lightsail's bundles as in us-east-1, its overage of ${REGION}.`,
    "Not estimated: EC2 (hours, disk, address, traffic out: https://calculator.aws), other providers, the on-prem host, your line, tax.",
    "Assumed: a fifth of a day's pulls in its busiest hour, three quarters in its busiest six; an on-prem host with 10 Gbit/s and 8 TB.",
];

/**
 * A month of a machine that hands `outGB` on: each byte that is pulled through a relay comes in once and goes out once.
 * Half of what is counted beyond the allowance went out, and only that is billed.
 */
export function machineUsdPerMonth({ usdPerMonth, allowanceGB }: Machine, outGB: number): number {
    const beyondGB = Math.max(0, 2 * outGB - allowanceGB);
    return usdPerMonth + (beyondGB / 2) * LIGHTSAIL_OVERAGE_USD_PER_GB;
}

/** A month of a Worker that answers so many requests a day, on the free plan if it can. */
export function workerUsdPerMonth(requestsPerDay: number, days: number): number {
    if (requestsPerDay <= WORKERS.freeRequestsPerDay) return 0;
    const more = Math.max(0, requestsPerDay * days - WORKERS.paidRequestsPerMonth);
    return WORKERS.paidUsdPerMonth + (more / 1e6) * WORKERS.paidUsdPerMillionMore;
}
