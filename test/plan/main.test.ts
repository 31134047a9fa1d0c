/** `npm run plan` as a process of its own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { scripts } from "../../package.json";
import { numbersOf } from "../../plan/numbers";
import { thresholdsOf } from "../../plan/thresholds";
import { attempt } from "../../rehearsal/run";

const ROOT = join(__dirname, "..", "..");
const ARGS = ["--machines", "200", "--pulls", "40", "--image", "600MB", "--hit", "0.9"];
const OFFICE = { machines: 200, pulls: 40, imageBytes: 600e6, hit: 0.9, layers: 10, offices: 1 };

/** Without the first part of the script, which only looks whether packages are installed. */
const plan = (...args: string[]) =>
    attempt(process.execPath, ["--require", "tsx/cjs", scripts.plan.split(" ")[2] ?? "", ...args], { cwd: ROOT });

describe("npm run plan", () => {
    it("prints the numbers, the prices with their marks, and what to add", async () => {
        const { code, stdout, stderr } = await plan(...ARGS);
        assert.deepEqual([code, stderr], [0, ""]);
        for (const line of [
            /^200 machines, 40 pulls a day each, images of 600 MB in 10 layers, 90 % of pulls from the cache$/m,
            /^relay requests a day +74,400 .*Worker, free plan: 100,000$/m,
            /^thin link, GB a day +480 {2}14,400 a month$/m,
            /^relays' traffic, GB a month +28,800 {2}14,400 in and as much out$/m,
            /^lightsail micro +1,883\.00$/m,
            /^ec2 +not estimated; t4g\.micro sends 64 Mbit\/s all day$/m,
            /^now +61 {2}a second VM, or a larger one than t4g\.micro +213 of 64 Mbit\/s$/m,
            /^ +657 {2}Harbor on Kubernetes/m,
            /^Not estimated: EC2 /m,
        ]) {
            assert.match(stdout, line);
        }
        for (const line of stdout.split("\n").slice(0, 40)) assert.equal(line, line.trimEnd());
    });

    it("says what is each office's and what is all offices'", async () => {
        const { stdout } = await plan(...ARGS, "--offices", "3");
        assert.match(stdout, /3 offices alike$/m);
        assert.match(stdout, /^relay requests a day +223,200 .*, all offices$/m);
        assert.match(stdout, /^thin link, GB a day +480 .*, each office$/m);
    });

    it("prints the same as JSON, for programs", async () => {
        const { code, stdout } = await plan(...ARGS, "--json");
        const { office, numbers, costs, thresholds } = JSON.parse(stdout);
        assert.equal(code, 0);
        assert.deepEqual(office, OFFICE);
        assert.deepEqual(numbers, JSON.parse(JSON.stringify(numbersOf(OFFICE))));
        assert.deepEqual(thresholds, JSON.parse(JSON.stringify(thresholdsOf(OFFICE))));
        assert.equal(costs.machines.length, 5);
    });

    it("refuses flags that it cannot use, all at once, and tells which there are", async () => {
        const { code, stdout, stderr } = await plan("--machines", "many");
        assert.deepEqual([code, stdout], [2, ""]);
        assert.match(stderr, /^--machines .*got "many"\n--pulls .*got nothing\n/);
        assert.match(stderr, /--offices N/);
    });
});
