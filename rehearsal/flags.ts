/** The command line of `npm start`. */
import { parseArgs } from "node:util";
import { DEBIAN } from "../components/overseas/user-data";
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

/** What is wrong with the command line, with the usage; or the usage alone, where that was asked for. */
export class UsageShown extends Error {
    constructor(readonly problem?: string) {
        super(problem === undefined ? USAGE : `${problem}\n\n${USAGE}`);
    }
}

/** @throws UsageShown */
export function readFlags(args: readonly string[]): Flags {
    const { values } = parsed(args);
    if (values.help) throw new UsageShown();
    const { once, keep, wait, stack, json } = values;
    return { once, keep, wait, stack, json, proof: !values["no-proof"], debian: readDebian(values.debian) };
}

function readDebian(value: string): Debian {
    const debian = DEBIANS.find((each) => String(each) === value);
    if (debian === undefined) throw new UsageShown(`--debian must be ${DEBIANS.join(" or ")}, got ${value}`);
    return debian;
}

function parsed(args: readonly string[]) {
    try {
        return parseArgs({
            args: [...args],
            options: {
                once: { type: "boolean", default: false },
                "no-proof": { type: "boolean", default: false },
                keep: { type: "boolean", default: false },
                wait: { type: "boolean", default: false },
                stack: { type: "string", default: "local" },
                debian: { type: "string", default: String(DEBIAN) },
                json: { type: "string" },
                help: { type: "boolean" },
            },
        });
    } catch (error) {
        throw new UsageShown((error as Error).message);
    }
}
