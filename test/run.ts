/** `npm test`: set-up, format, lint, types, mocha, then rehearsals; `--heavy`: further rehearsals. Its last line is `N passed, N failed`. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import Mocha from "mocha";
import { KEEP } from "../rehearsal/images";
import { attempt } from "../rehearsal/run";
import { setup } from "../rehearsal/setup";

interface Count {
    readonly passed: number;
    readonly failed: number;
}

const ROOT = join(__dirname, "..");
const CHECKS: Readonly<Record<string, readonly string[]>> = {
    "format and lint": ["biome", "ci", "."],
    types: ["tsc", "--project", "."],
    "types of the Worker, without Node": ["tsc", "--project", "services/worker"],
};

/** Test files that run at a time, each in a process: more of them would only wait for a processor. */
const JOBS = Math.min(availableParallelism(), 4);

/** What is rehearsed: every site, and an office that takes the relays of two other stacks. */
const REHEARSED = ["local", "example-shanghai"];
/** What `npm run test:heavy` rehearses, and nothing else: a relay that is open to everybody. */
const HEAVY = ["example-public"];

main().catch((error: Error) => {
    console.error(error);
    process.exitCode = 1;
});

async function main(): Promise<void> {
    const parts: Record<string, number> = {};
    const timed = async <T>(part: string, work: () => Promise<T>): Promise<T> => {
        const began = performance.now();
        const result = await work();
        parts[part] = (performance.now() - began) / 1000;
        return result;
    };
    await timed("set-up", () => setup(console.log));
    const heavy = process.argv.includes("--heavy");
    const counts = heavy ? [] : [await timed("format, lint, types", checks), await timed("tests", mocha)];
    for (const stack of heavy ? HEAVY : REHEARSED)
        counts.push(await timed(`rehearsal of ${stack}`, () => rehearsal(stack)));
    console.log("\nseconds");
    for (const [part, seconds] of Object.entries(parts)) console.log(`${seconds.toFixed(0).padStart(7)}  ${part}`);
    const sum = (key: keyof Count) => counts.reduce((total, count) => total + count[key], 0);
    console.log(`\n${sum("passed")} passed, ${sum("failed")} failed`);
    // Tests may leave handles of Pulumi's runtime behind: the verdict is in.
    process.exit(sum("failed") === 0 && sum("passed") > 0 ? 0 : 1);
}

async function checks(): Promise<Count> {
    let passed = 0;
    for (const [name, [program = "", ...args]] of Object.entries(CHECKS)) {
        const { code, stdout, stderr } = await attempt(join(ROOT, "node_modules", ".bin", program), args, {
            cwd: ROOT,
        });
        console.log(`${code === 0 ? "ok  " : "FAIL"}  ${name}`);
        if (code === 0) passed += 1;
        else console.log(stdout + stderr);
    }
    return { passed, failed: Object.keys(CHECKS).length - passed };
}

async function mocha(): Promise<Count> {
    const { timeout } = JSON.parse(readFileSync(join(ROOT, ".mocharc.json"), "utf8")) as { timeout: number };
    const suite = new Mocha({ timeout, forbidOnly: true, forbidPending: true, parallel: true, jobs: JOBS });
    const files = readdirSync(__dirname, { recursive: true, encoding: "utf8" }).filter((name) =>
        name.endsWith(".test.ts"),
    );
    for (const file of files.sort()) suite.addFile(join(__dirname, file));
    return new Promise((resolve) => {
        const runner = suite.run(() => {
            const { passes = 0, failures = 0 } = runner.stats ?? {};
            resolve({ passed: passes, failed: failures });
        });
    });
}

/** `npm start -- --once --stack …`, each step counted. A rehearsal that did not come to its proof is one failure. */
async function rehearsal(stack: string): Promise<Count> {
    mkdirSync(KEEP, { recursive: true });
    const report = join(KEEP, "proof.json");
    rmSync(report, { force: true });
    const args = ["--require", "tsx/cjs", join(ROOT, "rehearsal", "main.ts"), "--once", "--wait", "--stack", stack];
    const { code } = await attempt(process.execPath, [...args, "--json", report], { onLine: console.log, cwd: ROOT });
    try {
        const { steps } = JSON.parse(readFileSync(report, "utf8")) as { steps: { ok: boolean }[] };
        const passed = steps.filter(({ ok }) => ok).length;
        return { passed, failed: Math.max(steps.length - passed, code === 0 ? 0 : 1) };
    } catch {
        return { passed: 0, failed: 1 };
    }
}
