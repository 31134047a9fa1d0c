/** A container whose files are swapped without replacing it: a container with a published port is away for seconds. */
import type * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { fill, readTemplate } from "../../templates/render";
import { quote } from "../shell";
import { type Confinement, runFlags } from "./confinement";
import { hostCommand } from "./docker-host";
import { fileLines, shortHash } from "./file-lines";
import type { ProgramFile } from "./program-file";

/** Where a container has the volume with its files. */
const FOLDER = "/config";
/** The files that it uses: a link to one of the versions beside it. */
export const CURRENT = `${FOLDER}/current`;

/** Seconds in which a program must have its new files: a loaded machine may take a while to start one. */
const PATIENCE = 60;

/** The files of a program, and how it is had to take others. */
export interface Configuration {
    /** What they are, for errors: `the front's configuration`. */
    readonly what: string;
    /** Texts by path, such as `front/server.conf`. The whole is a secret. */
    readonly files: pulumi.Input<Readonly<Record<string, pulumi.Input<string>>>>;
    /** A file more, made of the version: for a program that cannot tell otherwise which one it has. */
    readonly versionFile?: (version: string) => { readonly path: string; readonly text: string };
    /** Shell commands on the Docker host that make ready what the program needs there, before it has its first files. */
    readonly before?: pulumi.Input<string>;
    /** The program itself, where the image does not have it: when it is another one, it is restarted. */
    readonly program?: ProgramFile;
    /** Exits 0 when the program can use what is in `folder`, and does nothing else. */
    readonly check: (folder: string) => readonly string[];
    /** The program, with the files in {@link CURRENT}. On SIGHUP it takes the files that are there then. */
    readonly command: readonly string[];
    /** Shell command in the container that ends with 0 when the program has the version `$1`. */
    readonly ask: string;
}

/** What there is of such a container. */
export interface ConfiguredContainer {
    /** Holds the files, and is mounted read-only. */
    readonly volume: docker.Volume;
    /** Has new files checked before anything is changed. */
    readonly trial: command.local.Command;
    readonly container: docker.Container;
    /** Takes the files over, and has waited until the program has them. */
    readonly files: command.local.Command;
}

/** What is made, and where. */
export interface ConfiguredContainerArgs {
    /** The Docker host, `unix://…` or `ssh://…`. */
    readonly host: string;
    /** The container, after the user's transform; none of its arguments are made of the files. */
    readonly container: readonly [string, docker.ContainerArgs, pulumi.CustomResourceOptions];
    readonly confinement: Confinement;
    readonly configuration: Configuration;
}

/**
 * A container that is replaced only for its own arguments, such as image and ports. Other files are first checked by the
 * program itself in a throw-away container, then taken over in the running one (templates/onprem/). Either fails the
 * update with the program's own output, and what ran before still runs.
 *
 * A container that is made waits until it has files. It is waited for by the command that brings them, not by the
 * container's `wait`: one that did not become healthy would stay in the state as if it had.
 */
export function configuredContainer(name: string, args: ConfiguredContainerArgs): ConfiguredContainer {
    const { host, confinement, configuration } = args;
    const [containerName, containerArgs, opts] = args.container;
    const { what, program, check, command, ask } = configuration;
    const { image } = containerArgs;
    const run = pulumi.output(containerArgs.name).apply((own) => own ?? name);

    const volume = new docker.Volume(
        `${name}-config`,
        { name: pulumi.interpolate`${run}-config` },
        // The fixed name is free only once what had it is gone.
        { ...opts, deleteBeforeReplace: true },
    );
    const texts = pulumi.output(configuration.files) as pulumi.Output<Record<string, string>>;
    const hashes = pulumi.unsecret(texts.apply((files) => fileHashes(files, program)));
    const version = hashes.apply((all) => shortHash(all.join("\n")));
    const stdin = pulumi.secret(
        pulumi.all([texts, version]).apply(([files, own]) => {
            const shown = configuration.versionFile?.(own);
            return fileLines({ ...files, ...(shown && { [shown.path]: shown.text }) });
        }),
    );
    const shared = { stdin, stdinFile: program?.file };
    const beside = withoutProvider(opts);
    const refusal = `${what} cannot be used, see above; what ran before still runs`;

    const trial = hostCommand(
        `${name}-trial`,
        host,
        {
            ...shared,
            create: script("onprem/try.sh", {
                confinement: runFlags(confinement),
                image,
                script: quote(`${readFiles()}exec ${words(check(CURRENT))}`),
                refusal: quote(refusal),
            }),
            triggers: triggers(image, hashes),
        },
        beside,
    );
    const container = new docker.Container(
        containerName,
        {
            ...containerArgs,
            entrypoints: ["sh", "-c", START, "start"],
            command: [...command],
            volumes: pulumi
                .all([containerArgs.volumes ?? [], volume.name])
                .apply(([own, volumeName]) => [...(own ?? []), { volumeName, containerPath: FOLDER, readOnly: true }]),
        },
        // The fixed name, and the port, would clash with the container that is replaced.
        pulumi.mergeOptions(opts, { deleteBeforeReplace: true, dependsOn: trial }),
    );
    const files = hostCommand(
        `${name}-files`,
        host,
        {
            ...shared,
            create: script("onprem/take-over.sh", {
                name: run.apply(quote),
                volume: volume.name.apply(quote),
                image,
                version: version.apply(quote),
                patience: String(PATIENCE),
                owner: quote(`0:${confinement.user.split(":").at(-1)}`),
                script: quote(readFiles()),
                program: quote(program?.path ?? ""),
                check: version.apply((own) => words(check(`${FOLDER}/${own}`))),
                ask: quote(ask),
                limit: pidsLimit(confinement),
                before: configuration.before ?? "",
                refusal: quote(refusal),
                putBack: quote(
                    `${what} was not taken over in time, so that what was there before was put back; the container's last lines are above`,
                ),
            }),
            // A container that was made again has lost its limit of processes, and may have lost its volume.
            triggers: triggers(container.id, hashes),
        },
        beside,
    );
    return { volume, trial, container, files };
}

/** Waits for the files of its first start; then the program is process 1, and gets the signals. */
const START = `until [ -e ${CURRENT} ]; do sleep 0.2; done; exec "$@"`;

/**
 * The provider has no argument for it. `$name` is the container's. A Docker that cannot limit, such as a rootless one with
 * cgroup v1, runs containers without limits; so does this.
 */
export function pidsLimit({ limits }: Confinement): string {
    return `docker update --pids-limit ${limits.pids} "$name" >/dev/null || echo "$name has no limit of processes" >&2`;
}

/** A script of templates/onprem, without its comments: it is shown whole when it fails. */
export function script(file: string, view: Readonly<Record<string, pulumi.Input<string>>>): pulumi.Output<string> {
    return pulumi.output(view).apply((values) => fill(withoutComments(file), values as Record<string, string>, file));
}

function withoutComments(file: string): string {
    return readTemplate(file).replace(/^\s*#.*\n/gm, "");
}

function readFiles(): string {
    return withoutComments("onprem/read-files.sh");
}

/** So that a preview says which file changes, though what is in them is secret. */
function fileHashes(files: Readonly<Record<string, string>>, program: ProgramFile | undefined): string[] {
    const all = Object.entries(files).map(([path, text]) => [path, shortHash(text)] as const);
    return [...all, ...(program ? [[program.path, program.hash] as const] : [])].map(([path, own]) => `${path}=${own}`);
}

function triggers(made: pulumi.Input<string>, hashes: pulumi.Output<string[]>): pulumi.Output<string[]> {
    return pulumi.all([made, hashes]).apply(([first, rest]) => [first, ...rest]);
}

function words(command: readonly string[]): string {
    return command.map(quote).join(" ");
}

/** The command is not the Docker provider's. */
export function withoutProvider({ provider: _, ...opts }: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions {
    return opts;
}
