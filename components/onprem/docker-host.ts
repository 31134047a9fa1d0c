/** The machine that runs the on-prem containers, as @pulumi/docker and as @pulumi/command address it. */
import * as command from "@pulumi/command";
import type { Input, ResourceOptions } from "@pulumi/pulumi";

/** Where the on-prem containers run. */
export interface DockerHost {
    /** `unix:///var/run/docker.sock` or `ssh://user@host[:port]`. */
    readonly docker: string;
    /** For `ssh://`. @default the SSH agent's keys */
    readonly sshPrivateKey?: Input<string>;
}

/** A command on the Docker host: over SSH, or here when the Docker socket is here. */
export interface HostCommandArgs {
    readonly create: Input<string>;
    readonly delete?: Input<string>;
    readonly stdin?: Input<string>;
    readonly triggers?: Input<Input<string>[]>;
}

/** Runs `args.create` by a POSIX shell on the Docker host. */
export function hostCommand(
    name: string,
    { docker, sshPrivateKey }: DockerHost,
    args: HostCommandArgs,
    opts: ResourceOptions,
): command.local.Command | command.remote.Command {
    const { protocol, username, hostname, port } = new URL(docker);
    if (protocol !== "ssh:") return new command.local.Command(name, args, opts);
    const connection = {
        host: hostname,
        user: username || "root",
        port: port ? Number(port) : 22,
        privateKey: sshPrivateKey,
    };
    return new command.remote.Command(name, { ...args, connection }, opts);
}
