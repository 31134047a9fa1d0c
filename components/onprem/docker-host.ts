/** The machine that runs the on-prem containers, beside what @pulumi/docker does there. */
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { quote } from "../shell";

/** A command on the Docker host. */
export interface HostCommandArgs {
    readonly create: pulumi.Input<string>;
    readonly delete: pulumi.Input<string>;
    readonly stdin: pulumi.Input<string>;
    /** It is run anew, after `delete` with what it had, when one of these changes. */
    readonly triggers: readonly pulumi.Input<string>[];
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
    const there = (text: pulumi.Input<string>) => pulumi.output(text).apply((line) => onHost(docker, line));
    const { create, stdin, triggers } = args;
    return new command.local.Command(
        name,
        { create: there(create), delete: there(args.delete), stdin, triggers: [...triggers] },
        opts,
    );
}

function onHost(docker: string, line: string): string {
    const { protocol, username, hostname, port } = new URL(docker);
    if (protocol !== "ssh:") return line;
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
