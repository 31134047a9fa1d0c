/**
 * What the parts cost, and what is in it: the one place for prices. USD without tax, for ap-northeast-1 (Tokyo), which is
 * near to the mainland and has both kinds of machine. Prices change: each says where it is from and when it was seen.
 * A GB is 10^9 bytes here; AWS counts 2^30, so that a bill comes out some percent lower.
 */

/** Where all machines of the table are. */
export const REGION = "ap-northeast-1";

/** Hours of a month, as AWS's own calculator has them. */
const HOURS_PER_MONTH = 730;

/** Traffic at a price, up to an amount a month. */
interface Tier {
    /** Gigabytes a month up to which this price holds. */
    readonly upToGB: number;
    readonly usdPerGB: number;
}

/** A machine that can be a relay. */
export interface Machine {
    /** `overseas.kind` of the settings. */
    readonly kind: "lightsail" | "ec2";
    /** Its bundle or instance type. */
    readonly name: string;
    /** A month of it, with its disk and its IPv4 address, without traffic. */
    readonly usdPerMonth: number;
    /** Counted against {@link traffic}: what goes out, or what comes in as well. What is billed goes out in any case. */
    readonly counted: "out" | "in and out";
    /** By what is counted, cheapest amounts first; beyond the last tier its price goes on. */
    readonly traffic: readonly Tier[];
    /** What it can send all day, Mbit/s; for a short time it can do more. Absent where nobody says. */
    readonly baselineMbit?: number;
}

/** Price of what goes out of EC2: 100 GB free an account, then by tiers. From memory: look yours up. */
const EC2_TRAFFIC: readonly Tier[] = [
    { upToGB: 100, usdPerGB: 0 },
    { upToGB: 10_000, usdPerGB: 0.114 },
    { upToGB: 50_000, usdPerGB: 0.089 },
    { upToGB: 150_000, usdPerGB: 0.086 },
    { upToGB: Number.POSITIVE_INFINITY, usdPerGB: 0.084 },
];
/** A public IPv4 address, an hour. https://aws.amazon.com/vpc/pricing/ seen 2026-10. */
const EC2_ADDRESS_USD_PER_HOUR = 0.005;
/** A root disk of 8 GB gp3. 0.08 a GB in us-east-1, seen 2026-10; 0.096 in Tokyo from memory. */
const EC2_DISK_USD_PER_MONTH = 8 * 0.096;
/**
 * What a Lightsail machine sends beyond its allowance.
 * https://docs.aws.amazon.com/lightsail/latest/userguide/amazon-lightsail-faq-data-transfer-allowance.html
 */
const LIGHTSAIL_OVERAGE_USD_PER_GB = 0.14;

/**
 * - Lightsail: list prices of the Linux bundles with IPv4, seen 2026-09 second hand. What comes in and what goes out counts
 *   against the allowance; beyond it only what goes out is billed (the FAQ above).
 * - EC2: 4/3 of the price of us-east-1 ($0.0084 an hour for t4g.micro, seen 2026-10), from memory. Baselines: AWS's list
 *   of network specifications, second hand. https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html
 */
export const MACHINES: readonly Machine[] = [
    lightsail("nano", 5, 1000),
    lightsail("micro", 7, 2000),
    lightsail("small", 12, 3000),
    lightsail("medium", 24, 4000),
    lightsail("large", 44, 5000),
    ec2("t4g.nano", 0.0054, 32),
    ec2("t4g.micro", 0.0108, 64),
    ec2("t4g.small", 0.0216, 128),
    ec2("t4g.medium", 0.0432, 256),
];

/** What `overseas.instanceType` is when nobody says: `stacks/overseas.ts`. */
export const DEFAULT_INSTANCE_TYPE = "t4g.micro";

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

/** What all of it rests on, for those who read the numbers. */
export const PRICE_NOTES: readonly string[] = [
    `USD without tax, ${REGION}. Lightsail: list of 2026-09, second hand. Not verified: EC2's hours, disk and traffic (from memory).`,
    "Verified in the vendors' pages: Lightsail's overage, Workers, Docker Hub's limits, the price of an IPv4 address.",
];

/**
 * A month of a machine that hands `outGB` on: each byte that is pulled through a relay comes in once and goes out once.
 *
 * Where both count, half of what is counted beyond the allowance went out, and only that is billed.
 */
export function machineUsdPerMonth({ usdPerMonth, counted, traffic }: Machine, outGB: number): number {
    const both = counted === "in and out";
    const countedGB = both ? 2 * outGB : outGB;
    let from = 0;
    let usd = usdPerMonth;
    for (const { upToGB, usdPerGB } of traffic) {
        const inTier = Math.max(0, Math.min(countedGB, upToGB) - from);
        usd += (both ? inTier / 2 : inTier) * usdPerGB;
        from = upToGB;
    }
    return usd;
}

/** A month of a Worker that answers so many requests a day, on the free plan if it can. */
export function workerUsdPerMonth(requestsPerDay: number, days: number): number {
    if (requestsPerDay <= WORKERS.freeRequestsPerDay) return 0;
    const more = Math.max(0, requestsPerDay * days - WORKERS.paidRequestsPerMonth);
    return WORKERS.paidUsdPerMonth + (more / 1e6) * WORKERS.paidUsdPerMillionMore;
}

function lightsail(name: string, usdPerMonth: number, allowanceGB: number): Machine {
    return {
        kind: "lightsail",
        name,
        usdPerMonth,
        counted: "in and out",
        traffic: [
            { upToGB: allowanceGB, usdPerGB: 0 },
            { upToGB: Number.POSITIVE_INFINITY, usdPerGB: LIGHTSAIL_OVERAGE_USD_PER_GB },
        ],
    };
}

function ec2(name: string, usdPerHour: number, baselineMbit: number): Machine {
    return {
        kind: "ec2",
        name,
        usdPerMonth: (usdPerHour + EC2_ADDRESS_USD_PER_HOUR) * HOURS_PER_MONTH + EC2_DISK_USD_PER_MONTH,
        counted: "out",
        traffic: EC2_TRAFFIC,
        baselineMbit,
    };
}
