/** New configuration is tried by the real program in a throw-away container before the old container goes. */
import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

/** How a container's configuration is tried. */
export interface Trial {
    /** Command that reads the configuration and exits 0 when the program can use it, without doing anything else. */
    readonly command: string[];
    /** What is tried, for the error: `the front's configuration`. */
    readonly what: string;
}

/** The container, the one that has tried its configuration, and the command that looks at how that ended. */
export interface TriedContainer {
    readonly container: docker.Container;
    readonly trial: docker.Container;
    readonly verdict: command.local.Command;
}

/** Of what the trial printed, the end: all of it goes through one environment variable, of 128 KiB at most on Linux. */
const LOG_CHARACTERS = 16_000;

/**
 * A container with a fixed name that is only replaced once `trial.command` has accepted the new files in a container of
 * the same image, files, environment and network. When it does not, the update fails with the program's own output, and
 * the old container goes on.
 *
 * The verdict is a resource of its own and not an error in an `apply`, and the container depends on it by `dependsOn`
 * alone: what depends on another resource's outputs is deleted with it when that one is replaced (`deleteBeforeReplace`).
 *
 * @param args Of the container, after the user's transform: what it adds is tried as well.
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
            // Without the aliases: no other container may be sent here.
            networksAdvanced: pulumi
                .output(networksAdvanced)
                .apply((networks) => networks?.map(({ name }) => ({ name })) ?? []),
            attach: true,
            logs: true,
            mustRun: false,
            restart: "no",
        },
        // Replaced by a second one beside it, which leaves the one that passed until the next has passed.
        { ...opts, deleteBeforeReplace: false },
    );
    const files = pulumi.unsecret(pulumi.output({ image, uploads, envs }).apply(hashOf));
    const verdict = new command.local.Command(
        `${name}-verdict`,
        {
            interpreter: ["node", "--eval"],
            create: "if (process.env.REFUSAL) { console.error(process.env.REFUSAL); process.exit(1); }",
            environment: {
                REFUSAL: pulumi
                    .all([tried.exitCode, tried.containerLogs])
                    .apply(([exitCode, logs]) => (exitCode === 0 ? "" : refusal(trial, exitCode, logs))),
            },
            triggers: [files],
        },
        withoutProvider(opts),
    );
    const container = new docker.Container(
        name,
        {
            ...args,
            labels: pulumi
                .all([labels ?? [], files])
                .apply(([own, value]) => [...(own ?? []), { label: "dockermirror.tried", value }]),
        },
        // The fixed name, and the port, would clash with the container that is replaced.
        pulumi.mergeOptions(opts, { deleteBeforeReplace: true, dependsOn: verdict }),
    );
    return { container, trial: tried, verdict };
}

function hashOf(files: object): string {
    return createHash("sha256").update(JSON.stringify(files)).digest("hex");
}

function refusal({ what, command }: Trial, exitCode: number, logs: string | undefined): string {
    return [
        `${what} is not usable, what ran before still runs. "${command.join(" ")}" ended with ${exitCode}:`,
        ...(logs ?? "it printed nothing").trim().slice(-LOG_CHARACTERS).split("\n"),
    ].join("\n  ");
}

/** The command is not the Docker provider's. */
function withoutProvider({ provider: _, ...opts }: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions {
    return opts;
}
