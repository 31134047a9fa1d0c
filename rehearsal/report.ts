/** What `--json` writes: the steps of the proof, and why it did not come to one. */
import { ftruncateSync, writeSync } from "node:fs";
import { openForWriting } from "./command-line";
import type { Step } from "./proof/step";

export interface Reported {
    /** A step that failed has its note as the reason. */
    readonly steps: readonly (Omit<Step, "note"> & { readonly reason?: string })[];
    /** Why the rehearsal did not come to its end. */
    readonly error?: string;
}

/** The file of a report, opened before there is anything to report, and for as long as the process runs. */
export class Report {
    private readonly file: number | undefined;

    /** @param path None: nothing is written. @throws Error when it cannot be written. */
    constructor(path: string | undefined) {
        this.file = path === undefined ? undefined : openForWriting("json", path);
    }

    /**
     * Writes it whole, over what was written before.
     *
     * @param error Why the rehearsal did not come to its end.
     */
    write(steps: readonly Step[], error?: string): void {
        if (this.file === undefined) return;
        const reported: Reported = {
            steps: steps.map(({ note: reason, ...step }) => (step.ok ? step : { ...step, reason })),
            error,
        };
        ftruncateSync(this.file);
        writeSync(this.file, `${JSON.stringify(reported, undefined, 2)}\n`, 0);
    }
}
