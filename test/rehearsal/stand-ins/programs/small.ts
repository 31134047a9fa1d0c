/** Small programs for tests of the engine and of its stand-ins. */
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** What the program makes. */
export interface SmallArgs {
    /** Of a password; a change replaces it. */
    readonly length?: number;
    /** Of a command that prints it. */
    readonly trigger?: string;
    readonly print?: string;
    /** Standard input, secret. */
    readonly stdin?: string;
    /** Further inputs of the command, which may be wrong. */
    readonly inputs?: object;
    /** Throws in an `apply`, after the password is there. */
    readonly throws?: string;
    readonly network?: string;
    readonly networkInputs?: object;
}

export function program(args: SmallArgs = {}) {
    const { length, trigger = "one", print, stdin, throws, network, inputs, networkInputs } = args;
    const password =
        length === undefined ? undefined : new random.RandomPassword("password", { length, special: false });
    const printed =
        print === undefined
            ? undefined
            : new command.local.Command("printed", {
                  create: print,
                  stdin: stdin === undefined ? undefined : pulumi.secret(stdin),
                  triggers: [trigger],
                  ...inputs,
              });
    const failed =
        throws === undefined
            ? undefined
            : password?.result.apply((): string => {
                  throw new pulumi.RunError(throws);
              });
    if (failed) new command.local.Command("never", { create: failed });
    if (network) new docker.Network("network", { name: network, ...networkInputs });
    return { result: password?.result, printed: printed?.stdout };
}
