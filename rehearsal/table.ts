/** The proof as a table for people. */
import type { Step } from "./proof/step";

const COLUMNS: readonly [string, (step: Step) => string][] = [
    ["", ({ ok }) => (ok ? "ok" : "FAIL")],
    ["step", ({ name }) => name],
    ["relay", ({ relay = "" }) => relay],
    ["link MB", ({ linkBytes }) => megabytes(linkBytes)],
    ["image MB", ({ imageBytes }) => megabytes(imageBytes)],
    ["requests", ({ linkRequests }) => linkRequests?.toString() ?? ""],
    ["seconds", ({ seconds }) => seconds?.toFixed(1) ?? ""],
    ["", ({ note = "", ok }) => (ok ? note : (note.split("\n")[0] ?? ""))],
];

/** Prints the table to standard output. */
export function printTable(steps: readonly Step[]): void {
    const rows = [COLUMNS.map(([title]) => title), ...steps.map((step) => COLUMNS.map(([, cell]) => cell(step)))];
    const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
    console.log();
    for (const row of rows)
        console.log(
            row
                .map((cell, column) => cell.padEnd(widths[column] ?? 0))
                .join("  ")
                .trimEnd(),
        );
    console.log(`\n${steps.filter(({ ok }) => ok).length} of ${steps.length} steps hold`);
}

function megabytes(bytes: number | undefined): string {
    return bytes === undefined ? "" : (bytes / 1e6).toFixed(2);
}
