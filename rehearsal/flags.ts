/** The command line of `npm start`. */
import { DEBIAN } from "../components/overseas/user-data";
import { readCommandLine, UsageShown } from "./command-line";
import { DEBIANS, type Debian } from "./debian";

const USAGE = `npm start -- [--once] [--no-proof] [--keep] [--wait] [--stack NAME] [--debian 12|13] [--json FILE]

  --once        leave when everything is done, with 1 if a step failed; without it everything stays up until Ctrl-C
  --no-proof    bring everything up, say how to pull, and prove nothing
  --keep        after a failure leave machines, logs and state as they are, and say where; the next start removes them
  --wait        wait for the end of a rehearsal that is running, and do not refuse to start
  --stack NAME  rehearse stacks/Pulumi.NAME.yaml instead of stacks/Pulumi.local.yaml
  --debian N    release of Debian that the machines overseas have: 13, or 12, as earlier releases made them
  --json FILE   also write the steps of the proof, and why it failed, as JSON
`;

/** What a rehearsal is asked to do. */
export interface Flags {
    readonly once: boolean;
    readonly proof: boolean;
    readonly keep: boolean;
    readonly wait: boolean;
    readonly stack: string;
    readonly debian: Debian;
    readonly json?: string;
}

/** @throws UsageShown */
export function readFlags(args: readonly string[]): Flags {
    const {
        once = false,
        "no-proof": noProof = false,
        keep = false,
        wait = false,
        stack = "local",
        debian = String(DEBIAN),
        json,
    } = readCommandLine(args, USAGE, {
        once: { type: "boolean" },
        "no-proof": { type: "boolean" },
        keep: { type: "boolean" },
        wait: { type: "boolean" },
        stack: { type: "string" },
        debian: { type: "string" },
        json: { type: "string" },
    });
    return { once, keep, wait, stack, json, proof: !noProof, debian: readDebian(debian) };
}

function readDebian(value: string): Debian {
    const debian = DEBIANS.find((each) => String(each) === value);
    if (debian === undefined) throw new UsageShown(USAGE, `--debian must be ${DEBIANS.join(" or ")}, got "${value}"`);
    return debian;
}
