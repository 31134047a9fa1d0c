/**
 * How far things are, for people. What does something tells lines; one that begins with a bar's form (`barLine`) is the
 * state of that bar. It stays text, because most of it is printed by other processes, a line at a time.
 */

const WIDTH = 20;
const QUARTERS = 4;
/** Above a cursor that stands below them: erases this many lines. */
const erase = (lines: number) => (lines === 0 ? "" : `\x1b[${lines}A\x1b[J`);
// Indentation is of who hands the line on.
const BAR = /^(\s*)(\S.*?) {2}\[#*-*\] (\d+)\/(\d+)(?: {2}.*)?$/;

/** `name  [########------------] 4/10  what`: how far something is whose end is known. */
export function barLine(name: string, done: number, total: number, what = ""): string {
    const filled = total === 0 ? 0 : Math.round((Math.min(done, total) / total) * WIDTH);
    const bar = `[${"#".repeat(filled)}${"-".repeat(WIDTH - filled)}] ${done}/${total}`;
    return `${name}  ${bar}${what && `  ${what}`}`;
}

/** Where lines go: a terminal, or a file or pipe. */
export interface Target {
    readonly isTTY?: boolean;
    readonly columns?: number;
    write(text: string): unknown;
}

/**
 * Shows lines. On a terminal each bar has one line that is drawn again, below everything else, until it is full. Else a
 * bar is a line at its start, at each quarter and at its end. A line that begins with "warning: " is shown once.
 */
export class Display {
    /** Bars that are not full, and on a terminal what is being done; in the order in which they came. */
    private readonly moving = new Map<string, { line: string; quarter: number }>();
    private readonly warnings = new Set<string>();
    private drawn = 0;

    /** @param stamp What lines begin with at the moment. */
    constructor(
        private readonly target: Target = process.stdout,
        private readonly stamp: () => string = () => "",
    ) {}

    /** One line, or the new state of a bar. */
    tell(line: string): void {
        const warning = /^\s*(warning: .*)$/s.exec(line)?.[1];
        if (warning !== undefined) {
            if (this.warnings.has(warning)) return;
            this.warnings.add(warning);
        }
        const [, indent = "", name, done, total] = BAR.exec(line) ?? [];
        if (name === undefined) this.last(line);
        else this.bar(indent + name, line, Number(done), Number(total));
    }

    /** What is being done, on a terminal alone: there it is the line that moves, and `tell` says what came of it. */
    doing(line: string | undefined): void {
        if (!this.target.isTTY) return;
        if (line === undefined) this.moving.delete("");
        else this.moving.set("", { line, quarter: 0 });
        this.draw("");
    }

    /** Leaves what moved as it is: whatever did it has ended. */
    leave(): void {
        this.moving.clear();
        this.drawn = 0;
    }

    private bar(name: string, line: string, done: number, total: number): void {
        const before = this.moving.get(name);
        if (done >= total) {
            this.moving.delete(name);
            this.last(line);
            return;
        }
        const quarter = Math.floor((done * QUARTERS) / total);
        this.moving.set(name, { line, quarter: Math.max(quarter, before?.quarter ?? 0) });
        if (this.target.isTTY) this.draw("");
        else if (before === undefined || quarter > before.quarter) this.last(line);
    }

    /** A line that stays. */
    private last(line: string): void {
        this.draw(`${this.stamp()}${line}\n`);
    }

    private draw(lasting: string): void {
        if (!this.target.isTTY) {
            if (lasting) this.target.write(lasting);
            return;
        }
        // A line that the terminal breaks would be two when it is erased.
        const width = (this.target.columns ?? 80) - 1;
        const lines = [...this.moving.values()].map(({ line }) => `${(this.stamp() + line).slice(0, width)}\n`);
        this.target.write(erase(this.drawn) + lasting + lines.join(""));
        this.drawn = lines.length;
    }
}
