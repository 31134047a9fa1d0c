/** The Pulumi CLI on this machine, if there is one: nothing is downloaded to find out. */
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { say } from "../language/say";
import { CommandError } from "../rehearsal/run";
import { pulumiHome } from "./plugins";
import type { Surroundings } from "./surroundings";

/** Where the CLI is: on the PATH, or where its installer and `npx pulumi` put it. */
export function findPulumi(env: NodeJS.ProcessEnv): string | undefined {
    const home = pulumiHome(env);
    const versions = join(home, "versions");
    const folders = [
        ...(env.PATH ?? "").split(delimiter),
        join(home, "bin"),
        ...(existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, "bin")) : []),
    ];
    return folders.map((folder) => join(folder, "pulumi")).find(isExecutable);
}

/**
 * What `pulumi` says on standard output, for a command that only reads.
 *
 * @throws Error when there is no CLI, or with what it said when it ends with another code than 0.
 */
export async function pulumi(where: Surroundings, args: readonly string[]): Promise<string> {
    const program = findPulumi(where.env);
    if (!program) throw new Error(say("there is no pulumi on this machine yet: run npx pulumi version once"));
    const env = { ...where.env, PULUMI_SKIP_UPDATE_CHECK: "true" };
    const ran = await where.run(program, [...args, "--non-interactive"], { env });
    if (ran.code !== 0) throw new CommandError(`pulumi ${args.slice(0, 2).join(" ")}`, ran);
    return ran.stdout;
}

function isExecutable(path: string): boolean {
    try {
        accessSync(path, constants.X_OK);
        return true;
    } catch {
        return false;
    }
}
