/** @pulumi/command: real processes here, and real SSH there. */
import { randomBytes } from "node:crypto";
import { attempt, type Ran } from "../run";
import { dialAndRun } from "../ssh";
import type { Made, Properties, Provider, StandIn, Wanted } from "./stand-in";

/** The provider. `env` has the PATH with the rehearsal's own `ssh`, which knows the names. */
export function commandProvider(env: NodeJS.ProcessEnv): Provider {
    const remote: Execute = ({ inputs }, command) => overSsh(inputs.connection, command, inputs.stdin, env);
    const local: Execute = ({ inputs, outputs }, command) => {
        const [shell = "/bin/sh", ...flags] = inputs.interpreter ?? ["/bin/sh", "-c"];
        const before = inputs.addPreviousOutputInEnv === false ? {} : previous(outputs);
        return attempt(shell, [...flags, command], {
            input: inputs.stdin,
            cwd: inputs.dir,
            env: { ...env, ...inputs.environment, ...before },
        });
    };
    return {
        package: "command",
        standIns: { "command:remote:Command": commands(remote), "command:local:Command": commands(local) },
    };
}

type Execute = (wanted: Wanted & { readonly outputs?: Properties }, command: string) => Promise<Ran>;

/** What the run before has printed: https://github.com/pulumi/pulumi-command, provider/pkg/provider/util/util.go. */
function previous({ stdout, stderr }: Properties = {}): NodeJS.ProcessEnv {
    return {
        ...(stdout ? { PULUMI_COMMAND_STDOUT: stdout } : {}),
        ...(stderr ? { PULUMI_COMMAND_STDERR: stderr } : {}),
    };
}

/**
 * The life of a command (provider/pkg/provider/local/commandController.go and its neighbour in remote): a changed
 * trigger replaces it; another input runs `update`, or else `create` again; nothing is ever looked at.
 */
function commands(execute: Execute): StandIn {
    const ran = async (wanted: Wanted, command: string | undefined, before?: Made): Promise<Made> => {
        const id = before?.id ?? `${wanted.name}${randomBytes(4).toString("hex")}`;
        const outputs = { stdout: "", stderr: "", ...before?.outputs };
        if (command === undefined) return { id, outputs };
        const { code, stdout, stderr } = await execute({ ...wanted, outputs: before?.outputs }, command);
        // The provider's own words, with all of the command in them.
        if (code !== 0) throw new Error(`exit status ${code}: running ${JSON.stringify(command)}:\n${stdout}${stderr}`);
        return { id, outputs: { stdout: stdout.replace(/\n$/, ""), stderr: stderr.replace(/\n$/, "") } };
    };
    return {
        create: (wanted) => ran(wanted, wanted.inputs.create),
        // `replaceOnChanges` of schema.json; all others are in place.
        inPlace: IN_PLACE,
        update: (wanted, old) => ran(wanted, wanted.inputs.update ?? wanted.inputs.create, old),
        read: async () => ({}),
        remove: async (old) => {
            if (old.inputs.delete !== undefined) await ran(old, old.inputs.delete, old);
        },
        secretWithInputs: ["stdout", "stderr"],
    };
}

const IN_PLACE = [
    ...["addPreviousOutputInEnv", "archivePaths", "assetPaths", "connection", "create", "delete", "dir", "environment"],
    ...["interpreter", "logging", "stdin", "update"],
];

/** Without a host key any is taken, as by the real provider. */
async function overSsh(
    { host, user = "root", port = 22, privateKey, hostKey, ...dialing }: Properties,
    command: string,
    input: string | undefined,
    env: NodeJS.ProcessEnv,
): Promise<Ran> {
    return dialAndRun({ host, user, port, privateKey, hostKey }, command, dialing, { input, env });
}
