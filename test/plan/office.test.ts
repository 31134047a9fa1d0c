import assert from "node:assert/strict";
import { readOffice } from "../../plan/office";
import type { UsageShown } from "../../rehearsal/command-line";

const FLAGS = { machines: "200", pulls: "40", image: "600MB", hit: "0.9" };

const args = (flags: Record<string, string>) => Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
const read = (more: Record<string, string> = {}) => readOffice(args({ ...FLAGS, ...more })).office;

describe("The flags of npm run plan", () => {
    it("tell of an office, with ten layers and one office where nobody says more", () => {
        assert.deepEqual(readOffice(args(FLAGS)), {
            office: { machines: 200, pulls: 40, imageBytes: 600e6, hit: 0.9, layers: 10, offices: 1 },
            json: false,
        });
        assert.deepEqual(readOffice([...args({ ...FLAGS, layers: "3", offices: "4" }), "--json"]), {
            office: { machines: 200, pulls: 40, imageBytes: 600e6, hit: 0.9, layers: 3, offices: 4 },
            json: true,
        });
    });

    it("take sizes with their unit", () => {
        const sizes = { "1kB": 1e3, "1.2GB": 1.2e9, "700MiB": 700 * 2 ** 20, "2 GiB": 2 * 2 ** 30, "80mb": 80e6 };
        for (const [image, bytes] of Object.entries(sizes)) assert.equal(read({ image }).imageBytes, bytes);
    });

    it("take pulls that are not whole, and shares at both ends", () => {
        assert.equal(read({ pulls: "0.5" }).pulls, 0.5);
        assert.deepEqual(
            ["0", "1", "1.0", "0.999"].map((hit) => read({ hit }).hit),
            [0, 1, 1, 0.999],
        );
    });

    it("are refused with every problem at once: the flag, what was got, what is allowed", () => {
        const wrong = ["--machines", "some", "--pulls", "0", "--image", "600", "--hit", "90%", "--layers", "1.5"];
        assert.throws(
            () => readOffice([...wrong, "--offices", "0"]),
            (error: UsageShown) => {
                assert.equal(
                    error.problem,
                    [
                        '--machines must be a whole number from 1 such as 200, got "some"',
                        '--pulls must be a number above 0 such as 40, or 0.5 for one in two days, got "0"',
                        '--image must be a size such as 600MB, 1.2GB or 700MiB, got "600"',
                        '--hit must be a share from 0 to 1 such as 0.9, got "90%"',
                        '--layers must be a whole number from 1 such as 10, got "1.5"',
                        '--offices must be a whole number from 1, got "0"',
                    ].join("\n"),
                );
                return true;
            },
        );
    });

    it("are refused when one is missing", () => {
        assert.throws(
            () => readOffice(["--pulls", "40"]),
            ({ problem = "" }: UsageShown) => {
                const lines = problem.split("\n");
                assert.deepEqual(
                    lines.map((line) => line.split(" ")[0]),
                    ["--machines", "--image", "--hit"],
                );
                assert.ok(lines.every((line) => line.endsWith("got nothing")));
                return true;
            },
        );
    });

    const refused: Record<string, string[]> = {
        machines: ["-1", "1e3", "", "9007199254740993", "Infinity", "0x10"],
        hit: ["1.1", "-0.1", ".9", "", "NaN"],
        image: ["MB", "1.2.3MB", "600 M", "0MB", "-1MB", "600MBit"],
    };
    for (const [flag, values] of Object.entries(refused)) {
        it(`refuse ${values.map((value) => `"${value}"`).join(", ")} for --${flag}`, () => {
            for (const value of values) {
                const given = args(FLAGS).filter(
                    (_, index, all) => ![index, index - 1].some((at) => all[at] === `--${flag}`),
                );
                assert.throws(
                    () => readOffice([...given, `--${flag}=${value}`]),
                    new RegExp(`--${flag} must (be|have)`),
                );
            }
        });
    }
});
