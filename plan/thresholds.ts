/** At which size something has to be added: each a number of the office against what one of what is there can do. */
import { HOST_MBIT, type Numbers, numbersOf, USABLE_SHARE } from "./numbers";
import type { Office } from "./office";
import { DEFAULT_INSTANCE, HUB, MACHINES, WORKERS } from "./prices";

/**
 * What one on-prem host holds, GB: two disks of 8 TB that mirror each other, which any server takes. A guess about the
 * server, to be changed for yours.
 */
const HOST_DISK_GB = 8000;

/**
 * How long a roll-out to every machine may take: Kubernetes calls one stalled after 600 seconds.
 * https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds
 */
const ROLLOUT_SECONDS = 600;

/** A size from which something has to be added. */
export interface Threshold {
    /** What to add. */
    readonly add: string;
    /** Why, and by which rule. */
    readonly because: string;
    readonly now: number;
    readonly limit: number;
    readonly unit: string;
    /** Machines in each office from which it is needed, all else as it is; absent when it never is. */
    readonly fromMachines?: number;
    /** It is needed now. */
    readonly needed: boolean;
}

interface Rule extends Pick<Threshold, "add" | "because" | "limit" | "unit"> {
    /** The number that is held against the limit; grows with the machines in proportion. */
    readonly of: (numbers: Numbers) => number;
}

const RULES: readonly Rule[] = [
    {
        add: "a free Docker Hub account (hub, hubToken)",
        because: `the Hub allows an address ${HUB.anonymous} pulls in 6 hours`,
        of: ({ hubPullsInSixHours }) => hubPullsInSixHours,
        limit: HUB.anonymous,
        unit: "Hub pulls in 6 h",
    },
    {
        add: "a paid Docker Hub account",
        because: `the Hub allows a free account ${HUB.account} pulls in 6 hours, a paid one any number`,
        of: ({ hubPullsInSixHours }) => hubPullsInSixHours,
        limit: HUB.account,
        unit: "Hub pulls in 6 h",
    },
    {
        add: "the paid Workers plan",
        because:
            "the free plan refuses what comes after its requests of the day; counted as if the Worker were the only relay",
        of: ({ relayRequestsPerDay }) => relayRequestsPerDay,
        limit: WORKERS.freeRequestsPerDay,
        unit: "requests a day",
    },
    {
        add: `a second VM, or a larger one than ${DEFAULT_INSTANCE.type}`,
        because: "in the busiest hour the relays send more than it can send all day (its baseline)",
        of: ({ relayPeakMbit }) => relayPeakMbit,
        limit: DEFAULT_INSTANCE.baselineMbit,
        unit: "Mbit/s",
    },
    {
        add: "a second VM at Lightsail, of another bundle or in another region",
        because:
            "each byte counts twice against the largest bundle's allowance, and another allowance costs less than overage; two machines of one bundle in one region are said to share one (https://routeharden.com/blog/lightsail-data-transfer-pool-postmortem)",
        of: ({ relayGBPerMonth }) => 2 * relayGBPerMonth,
        limit: Math.max(...MACHINES.map(({ allowanceGB }) => allowanceGB)),
        unit: "GB a month, in and out",
    },
    {
        add: "S3 storage for the cache, or a smaller disk budget",
        because:
            "what came in during 30 days is more than one host's disks; from S3, blobs are no longer sent straight from disk",
        of: ({ diskGBForMonth }) => diskGBForMonth,
        limit: HOST_DISK_GB,
        unit: "GB of disk",
    },
    {
        add: "Harbor on Kubernetes, with several replicas and S3 storage",
        because: `in the busiest hour one host would send more than ${USABLE_SHARE * 100} % of its ${HOST_MBIT / 1000} Gbit/s; replicas need storage that they share (https://goharbor.io/docs/latest/install-config/harbor-ha-helm/)`,
        of: ({ lanPeakMbit }) => lanPeakMbit,
        limit: HOST_MBIT * USABLE_SHARE,
        unit: "Mbit/s on the LAN",
    },
    {
        add: "P2P behind the cache: Spegel in a Kubernetes cluster, Dragonfly for anything",
        because: `a new image for every machine at once would take one host longer than Kubernetes waits (${ROLLOUT_SECONDS} s); peers hand on what they have (https://spegel.dev/ https://d7y.io/docs/)`,
        of: ({ rolloutSeconds }) => rolloutSeconds,
        limit: ROLLOUT_SECONDS,
        unit: "s for a roll-out",
    },
];

/** Every threshold, with where the office stands. */
export function thresholdsOf(office: Office): Threshold[] {
    const numbers = numbersOf(office);
    return RULES.map(({ add, because, of, limit, unit }) => {
        const now = of(numbers);
        const fromMachines = now > 0 ? Math.floor((office.machines * limit) / now) + 1 : undefined;
        return { add, because, now, limit, unit, fromMachines, needed: now > limit };
    });
}
