/**
 * What an office's pulls come to: requests, bytes, disk, bandwidth. Plain arithmetic on what the uplink was measured to do
 * and on a few guesses about a day, each with its reason.
 */
import type { Office } from "./office";

/** Days that traffic and prices are told for. CI does not rest on Sundays. */
export const DAYS_PER_MONTH = 30;

/** What the uplink fetches of a blob by one request: `DOWNLOAD_LIMITS` of services/uplink/download.ts. */
export const PIECE_BYTES = 8 * 1024 * 1024;

/**
 * A guess: people and what they start work 8 hours, and the busiest of them has 1.6 times what an average one has, a fifth
 * of the day. As in telephony, it is the busy hour that a link has to be wide enough for.
 */
const SHARE_OF_BUSIEST_HOUR = 0.2;

/** A guess of the same kind, for limits that count six hours: 6 of 8. */
const SHARE_OF_BUSIEST_SIX_HOURS = 0.75;

/** The on-prem host's network card, Mbit/s: what servers of the last years have. */
export const HOST_MBIT = 10_000;

/** What of a link can be counted on before those who wait notice: beyond it, queues grow quickly. */
export const USABLE_SHARE = 0.7;

/** One office's numbers, unless they say "all offices". GB are 10^9 bytes. */
export interface Numbers {
    readonly pullsPerDay: number;
    /** Pulls that need the relays. */
    readonly coldPullsPerDay: number;
    readonly requestsPerColdPull: number;
    /** At the relays, all offices. */
    readonly relayRequestsPerDay: number;
    /** Counted by Docker Hub in the busiest six hours, all offices, if everything came from there. */
    readonly hubPullsInSixHours: number;
    readonly linkGBPerDay: number;
    readonly linkGBPerMonth: number;
    /** Over 24 hours. */
    readonly linkAverageMbit: number;
    /** In the busiest hour. */
    readonly linkPeakMbit: number;
    /** For what came in during seven days. */
    readonly diskGBForWeek: number;
    /** For what came in during thirty days. */
    readonly diskGBForMonth: number;
    /** Of all relays together, each direction, all offices. */
    readonly relayGBPerMonth: number;
    /** Of all relays together, in the busiest hour, all offices. */
    readonly relayPeakMbit: number;
    /** Out of the front, in the busiest hour. */
    readonly lanPeakMbit: number;
    /** Until every machine has a new image, all asking at once. */
    readonly rolloutSeconds: number;
}

/** The numbers of an office. */
export function numbersOf({ machines, pulls, imageBytes, hit, layers, offices }: Office): Numbers {
    const pullsPerDay = machines * pulls;
    const coldPullsPerDay = pullsPerDay * (1 - hit);
    const requestsPerColdPull = requestsOfColdPull(imageBytes, layers);
    const linkGBPerDay = (coldPullsPerDay * imageBytes) / 1e9;
    const linkPeakMbit = mbit(linkGBPerDay * SHARE_OF_BUSIEST_HOUR, 3600);
    return {
        pullsPerDay,
        coldPullsPerDay,
        requestsPerColdPull,
        // A warm pull asks whether the tag has moved: one HEAD, which machines that ask within 5 seconds share.
        relayRequestsPerDay: offices * (coldPullsPerDay * requestsPerColdPull + (pullsPerDay - coldPullsPerDay)),
        // The Hub counts a pull once however many manifests it needs, and no HEAD.
        hubPullsInSixHours: offices * coldPullsPerDay * SHARE_OF_BUSIEST_SIX_HOURS,
        linkGBPerDay,
        linkGBPerMonth: linkGBPerDay * DAYS_PER_MONTH,
        linkAverageMbit: mbit(linkGBPerDay, 24 * 3600),
        linkPeakMbit,
        diskGBForWeek: linkGBPerDay * 7,
        diskGBForMonth: linkGBPerDay * DAYS_PER_MONTH,
        relayGBPerMonth: offices * linkGBPerDay * DAYS_PER_MONTH,
        relayPeakMbit: offices * linkPeakMbit,
        lanPeakMbit: mbit(((pullsPerDay * imageBytes) / 1e9) * SHARE_OF_BUSIEST_HOUR, 3600),
        rolloutSeconds: (machines * imageBytes * 8) / (HOST_MBIT * USABLE_SHARE * 1e6),
    };
}

/**
 * Requests on the link for an image that is not there: HEAD of the tag, its index, the manifest of the platform, the
 * configuration, and each layer in pieces. 14 for ten layers of up to 8 MiB, which is measured
 * (test/services/uplink/registry.test.ts, and the first line of the rehearsal's proof).
 */
function requestsOfColdPull(imageBytes: number, layers: number): number {
    return 4 + layers * Math.ceil(imageBytes / layers / PIECE_BYTES);
}

function mbit(gigabytes: number, seconds: number): number {
    return (gigabytes * 8000) / seconds;
}
