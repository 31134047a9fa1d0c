/** The machine that runs the on-prem containers, beside what @pulumi/docker does there. */
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { quote } from "../shell";

/** A command on the Docker host. */
export interface HostCommandArgs {
    readonly create: pulumi.Input<string>;
    readonly delete?: pulumi.Input<string>;
    readonly stdin?: pulumi.Input<string>;
    /** A file of this project that follows on standard input: it is not kept in the state. */
    readonly stdinFile?: string | undefined;
    /** It is run again, after `delete` with what it had, when one of these changes. */
    readonly triggers: pulumi.Input<readonly pulumi.Input<string>[]>;
}

/**
 * Runs a POSIX shell command on the Docker host, by the same `ssh` as @pulumi/docker does: with the user's own SSH
 * configuration, agent and known hosts. A socket on this machine means that the host is this machine.
 *
 * @param docker `unix:///var/run/docker.sock` or `ssh://user@host[:port]`.
 */
export function hostCommand(
    name: string,
    docker: string,
    args: HostCommandArgs,
    opts: pulumi.CustomResourceOptions,
): command.local.Command {
    const there = (text: pulumi.Input<string>) =>
        pulumi.output(text).apply((line) => withFile(args.stdinFile, onHost(docker, line)));
    const { create, stdin } = args;
    const triggers = pulumi.output(args.triggers).apply((all) => [...all]);
    const remove = args.delete === undefined ? {} : { delete: there(args.delete) };
    return new command.local.Command(name, { create: there(create), ...remove, stdin, triggers }, opts);
}

function withFile(file: string | undefined, line: string): string {
    return file === undefined ? line : `cat - ${quote(file)} | ${line}`;
}

/** By a shell of its own: a user's may be none that knows POSIX's words. */
function onHost(docker: string, script: string): string {
    const line = `sh -c ${quote(script)}`;
    const { protocol, username, hostname, port } = new URL(docker);
    if (protocol !== "ssh:") return `DOCKER_HOST=${quote(docker)} ${line}`;
    const words = [
        "ssh",
        "-T",
        ...(port ? ["-p", port] : []),
        ...(username ? ["-l", username] : []),
        "--",
        hostname,
        line,
    ];
    return words.map(quote).join(" ");
}
