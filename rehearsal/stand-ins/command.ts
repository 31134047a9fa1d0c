/** @pulumi/command: real processes here, and real SSH there. */
import type { Made, Properties, Remembered, StandIn, Wanted } from "../engine";
import { CommandError, run } from "../run";
import { dialAndRun } from "../ssh";

/** Stand-ins for local and remote commands. `env` has the PATH with the rehearsal's own `ssh`, which knows the names. */
export function commandStandIns(env: NodeJS.ProcessEnv): Record<string, StandIn> {
    const remote = (wanted: Wanted, command: string) =>
        overSsh(wanted.inputs.connection, command, wanted.inputs.stdin, env);
    const local = ({ inputs }: Wanted, command: string) => {
        const [shell = "/bin/sh", ...flags] = inputs.interpreter ?? ["/bin/sh", "-c"];
        return run(shell, [...flags, command], {
            input: inputs.stdin,
            cwd: inputs.dir,
            env: { ...env, ...inputs.environment },
        });
    };
    return { "command:remote:Command": commands(remote), "command:local:Command": commands(local) };
}

/** The life of a command: a changed trigger replaces it; another input runs `update`, or else `create` again. */
function commands(execute: (wanted: Wanted, command: string) => Promise<string>): StandIn {
    const made = async (wanted: Wanted, command: string): Promise<Made> => ({
        id: wanted.name,
        outputs: { stdout: await execute(wanted, command), stderr: "" },
    });
    return {
        create: (wanted) => made(wanted, wanted.inputs.create ?? "true"),
        replaceOn: ["triggers"],
        update: (wanted) => made(wanted, wanted.inputs.update ?? wanted.inputs.create ?? "true"),
        remove: async (old: Remembered) => {
            if (old.inputs.delete) await execute(old, old.inputs.delete);
        },
    };
}

/** Without a host key any is taken, as by the real provider. */
async function overSsh(
    { host, user = "root", port = 22, privateKey, hostKey, ...dialing }: Properties,
    command: string,
    input: string | undefined,
    env: NodeJS.ProcessEnv,
): Promise<string> {
    const ran = await dialAndRun({ host, user, port, privateKey, hostKey }, command, dialing, { input, env });
    if (ran.code !== 0) throw new CommandError(`the command on ${host}`, ran);
    return ran.stdout;
}
