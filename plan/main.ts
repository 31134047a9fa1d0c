/** `npm run plan`: the numbers of an office, before anything is made. `--help` tells the flags. */
import { runProgram } from "../rehearsal/command-line";
import { DAYS_PER_MONTH, numbersOf } from "./numbers";
import { readOffice } from "./office";
import { MACHINES, machineUsdPerMonth, workerUsdPerMonth } from "./prices";
import { report } from "./report";
import { thresholdsOf } from "./thresholds";

runProgram(async () => {
    const { office, json } = readOffice(process.argv.slice(2));
    const numbers = numbersOf(office);
    const costs = {
        machines: MACHINES.map((machine) => ({
            kind: machine.kind,
            name: machine.name,
            usdPerMonth: machineUsdPerMonth(machine, numbers.relayGBPerMonth),
        })),
        workerUsdPerMonth: workerUsdPerMonth(numbers.relayRequestsPerDay, DAYS_PER_MONTH),
    };
    const plan = { office, numbers, costs, thresholds: thresholdsOf(office) };
    process.stdout.write(json ? `${JSON.stringify(plan, undefined, 2)}\n` : report(plan));
    return 0;
});
