/** `npm test`: set-up, format, lint, types, mocha, then rehearsals; `--heavy`: further rehearsals. Its last line is `N passed, N failed`. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import Mocha from "mocha";
import { DEBIAN } from "../components/overseas/user-data";
import { readCommandLine, runProgram } from "../rehearsal/command-line";
import { DEBIANS, type Debian } from "../rehearsal/debian";
import { KEEP } from "../rehearsal/images";
import { Display } from "../rehearsal/progress";
import type { Reported } from "../rehearsal/report";
import { attempt } from "../rehearsal/run";
import { setup } from "../rehearsal/setup";
import { ownTemporaryFolder } from "./support/temporary-folder";

interface Count {
    readonly passed: number;
    /** One text for each failure: where it failed and what was said. They are shown together at the end of the run. */
    readonly failed: readonly string[];
}

const ROOT = join(__dirname, "..");
const CHECKS: Readonly<Record<string, readonly string[]>> = {
    "format and lint": ["biome", "ci", "."],
    types: ["tsc", "--project", "."],
    "types of the Worker, without Node": ["tsc", "--project", "services/worker"],
};

/** Test files that run at a time, each in a process: more of them would only wait for a processor. */
const JOBS = Math.min(availableParallelism(), 4);

/**
 * What is rehearsed, with the Debian of its machines: every site, and an office that takes the relays of two other stacks,
 * whose machines are as an earlier release of this program has made them.
 */
const REHEARSED: Readonly<Record<string, Debian>> = { local: DEBIAN, "example-shanghai": 12 };
/** What `npm run test:heavy` rehearses, and nothing else: a relay that is open to everybody. */
const HEAVY: Readonly<Record<string, Debian>> = { "example-public": DEBIAN };

const USAGE = `npm test
npm run test:heavy

  --heavy  further rehearsals, and nothing else; test:heavy has it
`;

runProgram(main);

async function main(): Promise<number> {
    const parts: Record<string, number> = {};
    const timed = async <T>(part: string, work: () => Promise<T>): Promise<T> => {
        const began = performance.now();
        const result = await work();
        parts[part] = (performance.now() - began) / 1000;
        return result;
    };
    const { heavy = false } = readCommandLine(process.argv.slice(2), USAGE, { heavy: { type: "boolean" } });
    ownTemporaryFolder();
    const others = DEBIANS.filter((debian) => debian !== DEBIAN);
    const display = new Display();
    await timed("set-up", () => setup((line) => display.tell(line), DEBIAN, others));
    const counts = heavy ? [] : [await timed("format, lint, types", checks), await timed("tests", mocha)];
    for (const [stack, debian] of Object.entries(heavy ? HEAVY : REHEARSED))
        counts.push(await timed(`rehearsal of ${stack}`, () => rehearsal(stack, debian)));
    console.log("\nseconds");
    for (const [part, seconds] of Object.entries(parts)) console.log(`${seconds.toFixed(0).padStart(7)}  ${part}`);
    const passed = counts.reduce((total, count) => total + count.passed, 0);
    const failed = counts.flatMap((count) => count.failed);
    // Once more, at the end: of a long log, a CI system may keep the last lines only.
    for (const [index, failure] of failed.entries()) console.log(`\nfailed ${index + 1}: ${failure}`);
    console.log(`\n${passed} passed, ${failed.length} failed`);
    return failed.length === 0 && passed > 0 ? 0 : 1;
}

async function checks(): Promise<Count> {
    const failed: string[] = [];
    for (const [name, [program = "", ...args]] of Object.entries(CHECKS)) {
        const { code, stdout, stderr } = await attempt(join(ROOT, "node_modules", ".bin", program), args, {
            cwd: ROOT,
        });
        console.log(`${code === 0 ? "ok  " : "FAIL"}  ${name}`);
        if (code === 0) continue;
        console.log(stdout + stderr);
        failed.push(name);
    }
    return { passed: Object.keys(CHECKS).length - failed.length, failed };
}

async function mocha(): Promise<Count> {
    const { timeout } = JSON.parse(readFileSync(join(ROOT, ".mocharc.json"), "utf8")) as { timeout: number };
    const suite = new Mocha({ timeout, forbidOnly: true, forbidPending: true, parallel: true, jobs: JOBS });
    const files = readdirSync(__dirname, { recursive: true, encoding: "utf8" }).filter((name) =>
        name.endsWith(".test.ts"),
    );
    for (const file of files.sort()) suite.addFile(join(__dirname, file));
    return new Promise((resolve) => {
        const failed: string[] = [];
        const runner = suite.run(() => resolve({ passed: runner.stats?.passes ?? 0, failed }));
        runner.on("fail", (test, error: Error) => failed.push(`${test.fullTitle()}\n${error.stack ?? error.message}`));
    });
}

/** `npm start -- --once --stack …`, each step counted. A rehearsal that did not come to its proof is one failure. */
async function rehearsal(stack: string, debian: Debian): Promise<Count> {
    mkdirSync(KEEP, { recursive: true });
    const report = join(KEEP, "proof.json");
    rmSync(report, { force: true });
    const args = [
        "--require",
        "tsx/cjs",
        join(ROOT, "rehearsal", "main.ts"),
        "--once",
        "--wait",
        "--stack",
        stack,
        "--debian",
        String(debian),
    ];
    const { code } = await attempt(process.execPath, [...args, "--json", report], { onLine: console.log, cwd: ROOT });
    const { steps = [], error } = readReport(report);
    const failed = steps.filter(({ ok }) => !ok).map(({ name, reason }) => `${stack}, ${name}: ${reason}`);
    if (code !== 0 && failed.length === 0) failed.push(`${stack}: ${error ?? `the rehearsal ended with ${code}`}`);
    return { passed: steps.filter(({ ok }) => ok).length, failed };
}

/** What `--json` wrote; nothing of it where the rehearsal ended before it was written. */
function readReport(file: string): Partial<Reported> {
    try {
        return JSON.parse(readFileSync(file, "utf8")) as Reported;
    } catch {
        return {};
    }
}
