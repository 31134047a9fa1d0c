/** `npm run plan`: the numbers of an office, before anything is made. `--help` tells the flags. */
import { DAYS_PER_MONTH, numbersOf } from "./numbers";
import { readOffice, USAGE } from "./office";
import { MACHINES, machineUsdPerMonth, workerUsdPerMonth } from "./prices";
import { report } from "./report";
import { thresholdsOf } from "./thresholds";

main(process.argv.slice(2));

function main(args: readonly string[]): void {
    if (args.includes("--help") || args.includes("-h")) {
        process.stdout.write(USAGE);
        return;
    }
    try {
        const { office, json } = readOffice(args);
        const numbers = numbersOf(office);
        const costs = {
            machines: MACHINES.map((machine) => ({
                kind: machine.kind,
                name: machine.name,
                usdPerMonth: machineUsdPerMonth(machine, numbers.relayGBPerMonth),
                baselineMbit: machine.baselineMbit,
            })),
            workerUsdPerMonth: workerUsdPerMonth(numbers.relayRequestsPerDay, DAYS_PER_MONTH),
        };
        const plan = { office, numbers, costs, thresholds: thresholdsOf(office) };
        process.stdout.write(json ? `${JSON.stringify(plan, undefined, 2)}\n` : report(plan));
    } catch (error) {
        process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
        process.exitCode = 2;
    }
}
