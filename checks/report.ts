/** What the programs of this folder say: a line as each check ends, then the table, JSON, and an exit code. */
import { writeFileSync } from "node:fs";
import { inLanguage, type Spoken, say, widthOf } from "../language/say";
import { openForWriting } from "../rehearsal/command-line";
import type { Finding, Seen } from "./finding";

const MARKS: Readonly<Record<Finding["state"], string>> = { failed: "FAIL", warning: "warn", ok: "ok", skipped: "-" };

const COLUMNS: readonly [string, (finding: Finding) => string][] = [
    ["", ({ state }) => MARKS[state]],
    [say("what"), ({ what }) => what],
    [say("where"), ({ where }) => where],
    [say("seconds"), ({ seconds }) => seconds?.toFixed(1) ?? ""],
    ["", ({ note, state }) => (state === "skipped" ? say("skipped: {note}", { note }) : note)],
];

/** The table: a row a finding, and below it what to do where something is to be done. */
export function table(findings: readonly Finding[], language: Spoken = "en"): string {
    const spoken = (text: string) => inLanguage(text.replace(/\s+/g, " ").trim(), language);
    const cells = (finding: Finding) => COLUMNS.map(([, cell]) => spoken(cell(finding)));
    const rows = [COLUMNS.map(([title]) => spoken(title)), ...findings.map(cells)];
    // The last column is as wide as it likes.
    const widths = COLUMNS.slice(0, -1).map((_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ""))));
    const line = (row: readonly string[]) =>
        row
            .map((cell, column) => cell + " ".repeat(Math.max((widths[column] ?? 0) - widthOf(cell), 0)))
            .join("  ")
            .trimEnd();
    const [head = [], ...body] = rows;
    const lines = body.flatMap((row, index) => {
        const { state, todo } = findings[index] ?? {};
        // Said once, below the last of several rows that have it in common.
        const isSaid = todo === undefined || state === "ok" || todo === findings[index + 1]?.todo;
        return [line(row), ...(isSaid ? [] : [`      → ${spoken(todo)}`])];
    });
    const count = (state: Finding["state"]) => findings.filter((each) => each.state === state).length;
    const sum = say("{ok} ok, {failed} failed, {warnings} to be known, {skipped} skipped", {
        ok: count("ok"),
        failed: count("failed"),
        warnings: count("warning"),
        skipped: count("skipped"),
    });
    return [line(head), ...lines, "", spoken(sum)].join("\n");
}

/** A finding on its own, while others are waited for: its note is for the table. */
export function shortLine({ what, where, state, seconds }: Finding, language: Spoken = "en"): string {
    const looked = [what, where].map((text) => inLanguage(text, language)).join(language === "zh" ? "，" : ", ");
    return `${MARKS[state].padEnd(4)}  ${looked}${seconds === undefined ? "" : `  ${seconds.toFixed(1)} s`}`;
}

/** What a program found: a line while it looks, and a table at its end. */
export class Report {
    private readonly file: number | undefined;

    /**
     * @param language For people; the file is in English.
     * @param json File for `--json`, opened before anything is looked at. @throws Error when it cannot be written.
     */
    constructor(
        json: string | undefined,
        private readonly language: Spoken,
    ) {
        this.file = json === undefined ? undefined : openForWriting("json", json);
    }

    /** Tells of a finding at once. */
    readonly ended: Seen = (finding) => console.log(shortLine(finding, this.language));

    /**
     * Prints the table, and writes the findings to the file.
     *
     * @returns The exit code: 1 when something failed.
     */
    finish(findings: readonly Finding[]): number {
        console.log(`\n${table(findings, this.language)}`);
        if (this.file !== undefined) writeFileSync(this.file, `${JSON.stringify({ findings }, undefined, 2)}\n`);
        return findings.some(({ state }) => state === "failed") ? 1 : 0;
    }
}
