/** What a start shows of its progress, on a terminal and in a file. The terminal is one of a few lines of code here. */
import assert from "node:assert/strict";
import { barLine, Display } from "../../rehearsal/progress";

/** What somebody sees of what was written: cursor up, erase to the end, and new lines. */
function screen(text: string): string[] {
    const lines = [""];
    for (const [part] of text.replaceAll("\x1b[", "␛").matchAll(/␛\d+A|␛J|\n|[^␛\n]+/g)) {
        const up = /^␛(\d+)A$/.exec(part);
        if (up) lines.length -= Number(up[1]);
        else if (part === "\n") lines.push("");
        else if (part !== "␛J") lines[lines.length - 1] += part;
        if (up) lines[lines.length - 1] = "";
    }
    return lines.slice(0, -1);
}

function shown(isTTY: boolean, columns = 80) {
    let text = "";
    const target = { isTTY, columns, write: (more: string) => (text += more) };
    const display = new Display(target, () => "1.0 s  ");
    return { display, raw: () => text, lines: () => (isTTY ? screen(text) : text.split("\n").slice(0, -1)) };
}

describe("barLine", () => {
    it("says how far it is, and of what", () => {
        assert.equal(barLine("vm", 4, 10, "unpacking"), "vm  [########------------] 4/10  unpacking");
        assert.equal(barLine("vm", 0, 0), "vm  [--------------------] 0/0");
        assert.equal(barLine("vm", 12, 10), "vm  [####################] 12/10");
    });
});

describe("Display", () => {
    const three = (tell: (line: string) => void, done: number) => {
        for (const name of ["slim", "machine", "vm"]) tell(barLine(`image ${name}`, done, 8, `step ${done}`));
    };

    it("has one line for each bar on a terminal, below what else is told", () => {
        const { display, lines } = shown(true);
        const tell = display.tell.bind(display);
        for (const done of [0, 1, 2]) three(tell, done);
        tell("Pulumi is there");
        three(tell, 3);
        assert.deepEqual(lines(), [
            "1.0 s  Pulumi is there",
            "1.0 s  image slim  [########------------] 3/8  step 3",
            "1.0 s  image machine  [########------------] 3/8  step 3",
            "1.0 s  image vm  [########------------] 3/8  step 3",
        ]);
    });

    it("leaves each bar once it is full, and goes on with the others", () => {
        const { display, lines } = shown(true);
        const tell = display.tell.bind(display);
        three(tell, 7);
        tell(barLine("image machine", 8, 8));
        assert.deepEqual(
            lines().map((line) => line.replace(/ {2}\[.*/, "")),
            ["1.0 s  image machine", "1.0 s  image slim", "1.0 s  image vm"],
        );
        three(tell, 8);
        tell("done");
        assert.equal(lines().filter((line) => line.includes("8/8")).length, 4);
        assert.equal(lines().at(-1), "1.0 s  done");
    });

    it("cuts what the terminal would break, and only there", () => {
        const long = barLine("image vm", 1, 8, "x".repeat(100));
        const terminal = shown(true, 40);
        terminal.display.tell(long);
        assert.deepEqual(
            terminal.lines().map(({ length }) => length),
            [39],
        );
        const file = shown(false);
        file.display.tell(long);
        assert.deepEqual(file.lines(), [`1.0 s  ${long}`]);
    });

    it("writes a bar to a file at its start, at each quarter and at its end", () => {
        const { display, lines, raw } = shown(false);
        for (let done = 0; done <= 200; done++) display.tell(barLine("building dockerd", done, 200));
        assert.deepEqual(
            lines().map((line) => line.replace(/.*\] /, "")),
            ["0/200", "50/200", "100/200", "150/200", "200/200"],
        );
        assert.ok(!raw().includes("\x1b"));
    });

    it("writes no more lines when the end moves away, as of a pull that finds further layers", () => {
        const { display, lines } = shown(false);
        for (const [done, total] of [
            [1, 2],
            [2, 5],
            [3, 9],
            [4, 9],
            [8, 9],
            [9, 9],
        ] as const)
            display.tell(barLine("  pulling node", done, total));
        assert.deepEqual(
            lines().map((line) => line.replace(/.*\] /, "")),
            ["1/2", "8/9", "9/9"],
        );
    });

    it("takes bars with the same name and another indentation for others", () => {
        const { display, lines } = shown(true);
        display.tell(barLine("pulling", 1, 2));
        display.tell(`  ${barLine("pulling", 1, 3)}`);
        assert.equal(lines().length, 2);
    });

    it("leaves the bars where they are when nothing goes on with them", () => {
        const { display, lines } = shown(true);
        display.tell(barLine("image vm", 1, 8));
        display.leave();
        display.tell("removing everything");
        assert.deepEqual(lines(), ["1.0 s  image vm  [###-----------------] 1/8", "1.0 s  removing everything"]);
    });

    it("shows each warning once, and everything else as often as it is told", () => {
        const { display, lines } = shown(false);
        for (const line of ["warning: no account", "  warning: no account", "made x", "made x", "warning: other"])
            display.tell(line);
        assert.deepEqual(lines(), [
            "1.0 s  warning: no account",
            "1.0 s  made x",
            "1.0 s  made x",
            "1.0 s  warning: other",
        ]);
    });

    it("says what is being done on a terminal, until it is done", () => {
        const terminal = shown(true);
        terminal.display.doing("step 1 of 2  pull");
        assert.deepEqual(terminal.lines(), ["1.0 s  step 1 of 2  pull"]);
        terminal.display.doing("step 2 of 2  push");
        assert.deepEqual(terminal.lines(), ["1.0 s  step 2 of 2  push"]);
        terminal.display.doing(undefined);
        terminal.display.tell("ok");
        assert.deepEqual(terminal.lines(), ["1.0 s  ok"]);
        const file = shown(false);
        file.display.doing("step 1 of 2  pull");
        assert.equal(file.raw(), "");
    });
});
