/** The verdict of a tried container, as the provider has it pronounced. */
import { attempt, type Ran } from "../../rehearsal/run";
import { type Deployed, only } from "./deploy";

/** Runs the only verdict among the resources, as @pulumi/command does. */
export function pronounce(deployed: Deployed): Promise<Ran> {
    const { interpreter, create, environment } = only(deployed, "command:local:Command", "-verdict").inputs;
    const [program, ...flags] = interpreter as [string, ...string[]];
    return attempt(program, [...flags, create], { env: { ...process.env, ...environment } });
}
