/** What the programs of this folder say: a line as each check ends, then the table, JSON, and an exit code. */
import { writeFileSync } from "node:fs";
import { openForWriting } from "../rehearsal/command-line";
import type { Finding, Seen } from "./finding";

const MARKS: Readonly<Record<Finding["state"], string>> = { failed: "FAIL", warning: "warn", ok: "ok", skipped: "-" };

const COLUMNS: readonly [string, (finding: Finding) => string][] = [
    ["", ({ state }) => MARKS[state]],
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

/** A finding on its own, while others are waited for: its note is for the table. */
export function shortLine({ what, where, state, seconds }: Finding): string {
    return `${MARKS[state].padEnd(4)}  ${what}, ${where}${seconds === undefined ? "" : `  ${seconds.toFixed(1)} s`}`;
}

/** What a program found: a line while it looks, and a table at its end. */
export class Report {
    private readonly file: number | undefined;

    /** @param json File for `--json`, opened before anything is looked at. @throws Error when it cannot be written. */
    constructor(json: string | undefined) {
        this.file = json === undefined ? undefined : openForWriting("json", json);
    }

    /** Tells of a finding at once. */
    readonly ended: Seen = (finding) => console.log(shortLine(finding));

    /**
     * Prints the table, and writes the findings to the file.
     *
     * @returns The exit code: 1 when something failed.
     */
    finish(findings: readonly Finding[]): number {
        console.log(`\n${table(findings)}`);
        if (this.file !== undefined) writeFileSync(this.file, `${JSON.stringify({ findings }, undefined, 2)}\n`);
        return findings.some(({ state }) => state === "failed") ? 1 : 0;
    }
}
