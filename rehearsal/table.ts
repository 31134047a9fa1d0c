/** The proof as a table for people: what it has in columns, and below it the notes, by the number of the step. */
import type { Step } from "./proof/step";

/** What a terminal shows at least, and a mail or a README too. */
const WIDTH = 100;
const GAP = "  ";

interface Column {
    readonly title: string;
    readonly cell: (step: Step, index: number) => string;
    /** Numbers stand below each other. */
    readonly right?: boolean;
}

const NAME: Column = { title: "step", cell: ({ name }) => name };
const COLUMNS: readonly Column[] = [
    { title: "", cell: ({ ok }) => (ok ? "ok" : "FAIL") },
    { title: "", cell: (_, index) => String(index + 1), right: true },
    NAME,
    { title: "relay", cell: ({ relay = "" }) => relay },
    { title: "link MB", cell: ({ linkBytes }) => megabytes(linkBytes), right: true },
    { title: "image MB", cell: ({ imageBytes }) => megabytes(imageBytes), right: true },
    { title: "requests", cell: ({ linkRequests }) => linkRequests?.toString() ?? "", right: true },
    { title: "seconds", cell: ({ seconds }) => seconds?.toFixed(1) ?? "", right: true },
];

/** Lines of at most 100 characters; a step's name is broken where it is longer than its column. */
export function proofTable(steps: readonly Step[]): string[] {
    const rows = steps.map((step, index) => COLUMNS.map(({ cell }) => cell(step, index)));
    const natural = COLUMNS.map(({ title }, column) =>
        Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
    );
    const others = natural.reduce((sum, width, column) => sum + (COLUMNS[column] === NAME ? 0 : width + GAP.length), 0);
    const widths = natural.map((width, column) => (COLUMNS[column] === NAME ? Math.min(width, WIDTH - others) : width));
    const lines = [COLUMNS.map(({ title }) => title), ...rows].flatMap((row) => lineOf(row, widths));
    const notes = steps.flatMap(({ note = "", ok }, index) => {
        // What went wrong was shown whole when it did.
        const text = ok ? note : (note.split("\n")[0] ?? "");
        if (text === "") return [];
        const mark = `${String(index + 1).padStart(4)}${GAP}`;
        return wrapped(text, WIDTH - mark.length).map((line, at) => (at === 0 ? mark : " ".repeat(mark.length)) + line);
    });
    const held = `${steps.filter(({ ok }) => ok).length} of ${steps.length} steps hold`;
    return [...lines, ...(notes.length > 0 ? ["", "notes, by step", ...notes] : []), "", held];
}

function lineOf(row: readonly string[], widths: readonly number[]): string[] {
    const [first = "", ...more] = wrapped(row[COLUMNS.indexOf(NAME)] ?? "", widths[COLUMNS.indexOf(NAME)] ?? WIDTH);
    const line = (cells: readonly string[]) =>
        cells
            .map((cell, at) => (COLUMNS[at]?.right ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
            .join(GAP)
            .trimEnd();
    const withName = (name: string, others: readonly string[]) =>
        line(COLUMNS.map((column, at) => (column === NAME ? name : (others[at] ?? ""))));
    return [withName(first, row), ...more.map((rest) => withName(rest, []))];
}

/** Broken between words, and within one that is longer than a line. */
function wrapped(text: string, width: number): string[] {
    const lines = [""];
    for (const word of text.replace(/\s+/g, " ").trim().split(" ")) {
        const last = lines.length - 1;
        const joined = lines[last] === "" ? word : `${lines[last]} ${word}`;
        if (joined.length <= width) lines[last] = joined;
        else if (lines[last] === "") lines.splice(last, 1, ...pieces(word, width));
        else lines.push(...pieces(word, width));
    }
    return lines;
}

function pieces(word: string, width: number): string[] {
    return word.match(new RegExp(`.{1,${width}}`, "gu")) ?? [""];
}

function megabytes(bytes: number | undefined): string {
    return bytes === undefined ? "" : (bytes / 1e6).toFixed(2);
}
