/** Where Pulumi's file backend keeps a stack's state. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { PROJECT, type Workspace } from "../../rehearsal/workspace";
import { eventually } from "./eventually";

/** With nothing written for so long, all that is under way is what a test holds. */
const QUIET_MS = 1500;

/**
 * Waits until the state is whole and is not written to. Pulumi writes it in place at each step: who kills it in the middle
 * of that leaves half a file, which only a backup helps.
 */
export async function writtenState({ workDir }: Workspace, stack: string): Promise<void> {
    const file = join(workDir, "state/.pulumi/stacks", PROJECT, `${stack}.json`);
    const look = () => {
        try {
            JSON.parse(readFileSync(file, "utf8"));
            return Date.now() - statSync(file).mtimeMs > QUIET_MS || undefined;
        } catch {
            return undefined;
        }
    };
    await eventually(`the state of ${stack} is written`, look, 120_000);
}
