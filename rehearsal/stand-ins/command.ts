/** @pulumi/command: real processes here, and real SSH there. */
import { withSsh } from "../../checks/ssh";
import type { Made, Properties, Remembered, StandIn, Wanted } from "../engine";
import { attempt, run } from "../run";

/** The provider's own defaults: perDialTimeout and dialErrorLimit. */
const DIAL_SECONDS = 15;
const DIAL_ERRORS = 10;
/** How long it waits between dials: https://github.com/pulumi/pulumi, sdk/go/common/util/retry/until.go. */
const REDIAL = { firstMilliseconds: 100, factor: 1.5, mostMilliseconds: 5000 };
/** What ssh ends with when it did not get as far as the command. */
const NO_CONNECTION = 255;

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
function overSsh(
    connection: Properties,
    command: string,
    input: string | undefined,
    env: NodeJS.ProcessEnv,
): Promise<string> {
    const { host, user = "root", port = 22, privateKey, hostKey } = connection;
    const { perDialTimeout = DIAL_SECONDS, dialErrorLimit = DIAL_ERRORS } = connection;
    return withSsh({ host, user, port, privateKey, hostKey }, perDialTimeout, async (ssh) => {
        await dial(ssh, dialErrorLimit, env);
        return run("ssh", [...ssh, command], { input, env });
    });
}

/** Until the machine lets us in, as the provider does it: also a refused key is asked again, while the machine boots. */
async function dial(ssh: readonly string[], errorLimit: number, env: NodeJS.ProcessEnv): Promise<void> {
    let wait = REDIAL.firstMilliseconds;
    for (let errors = 0; ; errors += 1) {
        const { code, stderr } = await attempt("ssh", [...ssh, "true"], { env });
        if (code !== NO_CONNECTION) return;
        if (errorLimit >= 0 && errors >= errorLimit)
            throw new Error(`no SSH connection to ${ssh.at(-1)}: ${stderr.trim()}`);
        await new Promise((resolve) => setTimeout(resolve, wait));
        wait = Math.min(wait * REDIAL.factor, REDIAL.mostMilliseconds);
    }
}
