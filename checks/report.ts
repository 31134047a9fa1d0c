/** How the programs of this folder end: findings as a table and as JSON, and an exit code. */
import { writeFileSync } from "node:fs";
import type { Finding } from "./finding";

const COLUMNS: readonly [string, (finding: Finding) => string][] = [
    ["", ({ state }) => (state === "failed" ? "FAIL" : state === "warning" ? "warn" : state === "ok" ? "ok" : "-")],
    ["what", ({ what }) => what],
    ["where", ({ where }) => where],
    ["seconds", ({ seconds }) => seconds?.toFixed(1) ?? ""],
    ["", ({ note, state }) => (state === "skipped" ? `skipped: ${note}` : note)],
];

/** The table: a row a finding, and below it what to do where something is to be done. */
export function table(findings: readonly Finding[]): string {
    const cells = (finding: Finding) => COLUMNS.map(([, cell]) => cell(finding).replace(/\s+/g, " ").trim());
    const rows = [COLUMNS.map(([title]) => title), ...findings.map(cells)];
    // The last column is as wide as it likes.
    const widths = COLUMNS.slice(0, -1).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
    const line = (row: readonly string[]) =>
        row
            .map((cell, column) => cell.padEnd(widths[column] ?? 0))
            .join("  ")
            .trimEnd();
    const [head = [], ...body] = rows;
    const lines = body.flatMap((row, index) => {
        const { state, todo } = findings[index] ?? {};
        // Said once, below the last of several rows that have it in common.
        const isSaid = todo === undefined || state === "ok" || todo === findings[index + 1]?.todo;
        return [line(row), ...(isSaid ? [] : [`      → ${todo}`])];
    });
    const count = (state: Finding["state"]) => findings.filter((each) => each.state === state).length;
    const sum = `${count("ok")} ok, ${count("failed")} failed, ${count("warning")} to be known, ${count("skipped")} skipped`;
    return [line(head), ...lines, "", sum].join("\n");
}

/**
 * Prints the table, and writes the findings to `file` if one is given.
 *
 * @returns The exit code: 1 when something failed.
 */
export function report(findings: readonly Finding[], file?: string): number {
    console.log(table(findings));
    if (file) writeFileSync(file, `${JSON.stringify({ findings }, undefined, 2)}\n`);
    return findings.some(({ state }) => state === "failed") ? 1 : 0;
}

/** Runs a program to its exit code; an error that it did not expect is told without a stack. */
export function runProgram(main: () => Promise<number>): void {
    main().then(
        // Connections that are kept alive would keep the process.
        (code) => process.exit(code),
        (error: Error) => {
            console.error(error.message);
            process.exit(1);
        },
    );
}
