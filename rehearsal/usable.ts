/** Whether the program takes a stack's settings, before anything is made for it. */
import * as pulumi from "@pulumi/pulumi";
import { settingsProblems } from "../stacks/settings";
import type { StackConfig } from "./stack-file";
import type { NamedStack } from "./stacks";
import { PROJECT } from "./workspace";

/** Every problem of a stack's settings, a line each, as the program will find them. */
export function problemsOf({ config, secretKeys, strays = [] }: StackConfig): readonly string[] {
    pulumi.runtime.setAllConfig(config, secretKeys);
    const unread = strays.map(
        (name) => `${name}  stands beside "config:" and is not read: settings stand below, indented`,
    );
    return [...unread, ...settingsProblems(new pulumi.Config(PROJECT))];
}

/**
 * Reads the settings of each stack as the program will.
 *
 * @throws Error with every problem of every one, by file.
 */
export function refuseUnusable(stacks: readonly NamedStack[]): void {
    const refused = stacks.flatMap(({ name, stackConfig }) => {
        const problems = problemsOf(stackConfig);
        const lines = problems.map((problem) => `  ${problem}`);
        return problems.length > 0 ? [`stacks/Pulumi.${name}.yaml cannot be used:`, ...lines] : [];
    });
    if (refused.length > 0) throw new Error(refused.join("\n"));
}
