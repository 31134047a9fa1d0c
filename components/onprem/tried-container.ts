/** New configuration is tried by the real program in a throw-away container before the old container goes. */
import { createHash } from "node:crypto";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

/** How a container's configuration is tried. */
export interface Trial {
    /** Command that reads the configuration and exits 0 when the program can use it, without doing anything else. */
    readonly command: string[];
    /** What is tried, for the error: `the front's configuration`. */
    readonly what: string;
}

/** The container, and the one that has tried its configuration. */
export interface TriedContainer {
    readonly container: docker.Container;
    readonly trial: docker.Container;
}

/**
 * A container with a fixed name that is only replaced once `trial.command` has accepted the new files in a container of
 * the same image, files, environment and network. When it does not, the update fails with the program's own output as a
 * pulumi.RunError, and the old container goes on.
 *
 * @param args Of the container, after the user's transform: what he adds is tried as well.
 */
export function triedContainer(
    name: string,
    args: docker.ContainerArgs,
    opts: pulumi.CustomResourceOptions,
    trial: Trial,
): TriedContainer {
    const { image, uploads, envs, entrypoints, user, capabilities, labels, networksAdvanced } = args;
    const tried = new docker.Container(
        `${name}-trial`,
        {
            image,
            uploads,
            envs,
            entrypoints,
            user,
            capabilities,
            command: trial.command,
            // Without the aliases: nobody may be sent here.
            networksAdvanced: pulumi
                .output(networksAdvanced)
                .apply((networks) => networks?.map(({ name }) => ({ name })) ?? []),
            attach: true,
            logs: true,
            mustRun: false,
            restart: "no",
        },
        // Replaced by a second one beside it: were it deleted first, the container that depends on it would go with it.
        { ...opts, deleteBeforeReplace: false },
    );
    const accepted = pulumi
        .all([tried.exitCode, tried.containerLogs, pulumi.output({ image, uploads, envs })])
        .apply(([exitCode, logs, files]) => {
            if (exitCode !== 0) throw new pulumi.RunError(refusal(trial, exitCode, logs));
            return createHash("sha256").update(JSON.stringify(files)).digest("hex");
        });
    const container = new docker.Container(
        name,
        {
            ...args,
            // The dependency on the trial's outcome, in a form that changes only when the files do.
            labels: pulumi
                .all([labels ?? [], pulumi.unsecret(accepted)])
                .apply(([own, value]) => [...(own ?? []), { label: "dockermirror.tried", value }]),
        },
        // The fixed name, and the port, would clash with the container that is replaced.
        { ...opts, deleteBeforeReplace: true },
    );
    return { container, trial: tried };
}

function refusal({ what, command }: Trial, exitCode: number, logs: string | undefined): string {
    return [
        `${what} is not usable, what ran before still runs. "${command.join(" ")}" ended with ${exitCode}:`,
        ...(logs ?? "it said nothing").trim().split("\n"),
    ].join("\n  ");
}
