/** What `npm start` refuses before it makes anything. That it proves an architecture is seen by `npm test` as a whole. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFlags } from "../../rehearsal/flags";
import { takeLock } from "../../rehearsal/lock";
import { Report } from "../../rehearsal/report";
import { attempt, type Ran } from "../../rehearsal/run";

const MAIN = join(__dirname, "../../rehearsal/main.ts");

/** Not the one of rehearsals: one may be running on this machine, and end at any time. */
const LOCK = `dockermirror-test-${process.pid}`;

const start = (...args: string[]): Promise<Ran> =>
    attempt(process.execPath, ["--require", "tsx/cjs", MAIN, ...args], {
        env: { ...process.env, DOCKERMIRROR_REHEARSAL_LOCK: LOCK },
    });

describe("npm start", () => {
    let folder: string;
    before(() => {
        folder = mkdtempSync(join(tmpdir(), "dockermirror-start-"));
    });
    after(() => rmSync(folder, { recursive: true }));

    const refusals: Record<string, [args: string[], code: number, message: RegExp]> = {
        "a Debian that no relay runs on": [["--debian", "11"], 2, /^--debian must be 12 or 13, got "11"\n\nnpm start/],
        "a file for --json that cannot be written": [
            ["--json", "/proc/nowhere/report.json"],
            1,
            /^--json \/proc\/nowhere\/report\.json cannot be written: ENOENT/,
        ],
        "a stack that is not there": [["--stack", "nowhere"], 1, /^there is no stack "nowhere"/],
    };
    for (const [what, [args, code, message]] of Object.entries(refusals)) {
        it(`refuses ${what}`, async () => {
            const ran = await start("--once", ...args);
            assert.equal(ran.code, code, ran.stderr);
            assert.match(ran.stderr, message);
            assert.equal(ran.stdout, "");
        });
    }

    it("leaves a rehearsal alone that is running, says which, and reports it", async () => {
        const lock = await takeLock(LOCK);
        assert.ok("release" in lock);
        const json = join(folder, "running.json");
        try {
            const { code, stdout, stderr } = await start("--once", "--json", json);
            assert.equal(code, 1);
            assert.match(
                stderr.trim(),
                new RegExp(`^a rehearsal is running since \\d{4}-\\S+Z, pid ${process.pid}: wait for its end`),
            );
            assert.equal(stdout, "");
            assert.deepEqual(JSON.parse(readFileSync(json, "utf8")), { steps: [], error: stderr.trim() });
        } finally {
            await lock.release();
        }
    });
});

describe("readFlags", () => {
    it("reads all of them", () => {
        const flags = readFlags([
            "--once",
            "--no-proof",
            "--keep",
            "--wait",
            "--stack",
            "x",
            "--debian",
            "12",
            "--json",
            "f",
        ]);
        assert.deepEqual(flags, {
            once: true,
            proof: false,
            keep: true,
            wait: true,
            stack: "x",
            debian: 12,
            json: "f",
        });
    });

    it("proves the local stack, stays, and cleans up, if nothing else is said", () => {
        const usual = {
            once: false,
            proof: true,
            keep: false,
            wait: false,
            stack: "local",
            debian: 13,
            json: undefined,
        };
        assert.deepEqual(readFlags([]), usual);
    });
});

describe("Report", () => {
    it("has each step, with the reason of one that failed, and why there are no more", () => {
        const folder = mkdtempSync(join(tmpdir(), "dockermirror-report-"));
        const file = join(folder, "report.json");
        const report = new Report(file);
        report.write([], "a long first error, which is replaced whole");
        const good = { name: "pulls", ok: true, seconds: 1, note: "for people" };
        report.write([good, { name: "fails", ok: false, note: "why" }], "the machine is gone");
        assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), {
            steps: [
                { name: "pulls", ok: true, seconds: 1 },
                { name: "fails", ok: false, reason: "why" },
            ],
            error: "the machine is gone",
        });
        rmSync(folder, { recursive: true });
    });
});
