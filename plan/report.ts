/** The numbers of an office as tables for people. */
import { HOST_MBIT, type Numbers, USABLE_SHARE } from "./numbers";
import type { Office } from "./office";
import { DEFAULT_INSTANCE, HUB, PRICE_NOTES, REGION, WORKERS } from "./prices";
import type { Threshold } from "./thresholds";

/** Everything that is told. */
export interface Plan {
    readonly office: Office;
    readonly numbers: Numbers;
    readonly costs: {
        /** For all that goes through the relays, on one machine of the kind. */
        readonly machines: readonly {
            readonly kind: string;
            readonly name: string;
            readonly usdPerMonth: number;
        }[];
        /** For all that goes through the relays, on the Worker. */
        readonly workerUsdPerMonth: number;
    };
    readonly thresholds: readonly Threshold[];
}

/** The text, several tables. */
export function report({ office, numbers, costs, thresholds }: Plan): string {
    const { machines, pulls, imageBytes, hit, layers, offices } = office;
    const each = offices === 1 ? "" : ", each office";
    const all = offices === 1 ? "" : ", all offices";
    const relays = [
        ["pulls a day", number(numbers.pullsPerDay), `${number(numbers.coldPullsPerDay)} need the relays${each}`],
        [
            "relay requests a day",
            number(numbers.relayRequestsPerDay),
            `${numbers.requestsPerColdPull} a cold pull, 1 a warm one; Worker, free plan: ${number(WORKERS.freeRequestsPerDay)}${all}`,
        ],
        [
            "Docker Hub pulls in 6 h",
            number(numbers.hubPullsInSixHours),
            `if all are the Hub's; allowed: ${HUB.anonymous} an address, ${HUB.account} a free account${all}`,
        ],
        ["thin link, GB a day", number(numbers.linkGBPerDay), `${number(numbers.linkGBPerMonth)} a month${each}`],
        [
            "thin link, Mbit/s",
            number(numbers.linkAverageMbit),
            `on average; ${number(numbers.linkPeakMbit)} in the busiest hour${each}`,
        ],
        [
            "cache disk, GB",
            number(numbers.diskGBForMonth),
            `for what came in during 30 days, ${number(numbers.diskGBForWeek)} for 7; the spool comes on top${each}`,
        ],
        [
            "relays' traffic, GB a month",
            number(2 * numbers.relayGBPerMonth),
            `${number(numbers.relayGBPerMonth)} in and as much out${all}`,
        ],
        ["LAN, Mbit/s", number(numbers.lanPeakMbit), `out of the front in the busiest hour${each}`],
        [
            "roll-out to every machine, s",
            number(numbers.rolloutSeconds),
            `one new image, by ${USABLE_SHARE * 100} % of ${HOST_MBIT / 1000} Gbit/s${each}`,
        ],
    ];
    const machineRows = [
        ...costs.machines.map(({ kind, name, usdPerMonth }) => [`${kind} ${name}`, usd(usdPerMonth), ""]),
        [
            "ec2",
            "",
            `not estimated; ${DEFAULT_INSTANCE.type} sends ${number(DEFAULT_INSTANCE.baselineMbit)} Mbit/s all day`,
        ],
        ["host", "", "not estimated: what its provider asks"],
    ];
    const worker = [
        "Worker in its place",
        usd(costs.workerUsdPerMonth),
        `${costs.workerUsdPerMonth > 0 ? "paid" : "free"} plan; Cloudflare's terms on large files: README, Limits and terms`,
    ];
    const limits = thresholds.map(({ add, now, limit, unit, fromMachines, needed }) => [
        needed ? "now" : "",
        fromMachines === undefined ? "never" : number(fromMachines),
        add,
        `${number(now)} of ${number(limit)} ${unit}`,
    ]);
    return [
        `${number(machines)} machines, ${number(pulls)} pulls a day each, images of ${number(imageBytes / 1e6)} MB in ${layers} layers, ` +
            `${number(hit * 100)} % of pulls from the cache${offices === 1 ? "" : `, ${offices} offices alike`}`,
        "",
        ...table(relays, [1]),
        "",
        `One VM for all of it, USD a month (${REGION})`,
        ...table([...machineRows, worker], [1]),
        "",
        `What to add, and from how many machines on${each}`,
        ...table([["needed", "machines", "", "now"], ...limits], [1]),
        "",
        ...thresholds.filter(({ needed }) => needed).map(({ add, because }) => `${add}: ${because}.`),
        ...PRICE_NOTES,
        "How each is reckoned: plan/numbers.ts, plan/prices.ts, plan/thresholds.ts.",
        "",
    ].join("\n");
}

/** Rows with columns of one width; those in `right` flush right. */
function table(rows: readonly (readonly string[])[], right: readonly number[]): string[] {
    const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
    return rows.map((row) =>
        row
            .map((cell, column) => {
                const width = widths[column] ?? 0;
                return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
            })
            .join("  ")
            .trimEnd(),
    );
}

/** Three digits that matter are more than the guesses bear; below 10 one after the point. */
function number(value: number): string {
    return value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function usd(value: number): string {
    return value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}
