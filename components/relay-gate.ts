import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { bundle, FOR_NODE } from "./bundle";
import { child, type Transform } from "./transform";

/** A certificate for a new custom domain takes Cloudflare minutes; a DNS record seconds. */
const GATE_SECONDS = 600;

/** Arguments of {@link RelayGate}. */
export interface RelayGateArgs {
    readonly hostname: pulumi.Input<string>;
    /** The zone's own name servers. @default `address` is asked, whatever DNS says */
    readonly nameServers?: pulumi.Input<string[]>;
    readonly address?: pulumi.Input<string>;
    /** PEM of the relay's private CA; absent where its certificate is publicly trusted. */
    readonly ca?: pulumi.Input<string>;
    /** Who may pull: decides what a caller without a key is answered. */
    readonly access: "keys" | "public";
    /** It is passed again when one of these changes. */
    readonly triggers: readonly pulumi.Input<string>[];
    readonly transform?: { readonly command?: Transform<command.local.CommandArgs> };
}

/**
 * The end of a relay: passed when the relay answers under its own name over TLS that can be trusted. What pulls through
 * the relay depends on it. Runs by the Node that runs Pulumi, never in a preview.
 */
export class RelayGate extends pulumi.ComponentResource {
    /** The resources underneath. */
    readonly nodes: { readonly command: command.local.Command };

    constructor(name: string, args: RelayGateArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:index:RelayGate", name, {}, opts);
        const { hostname, nameServers = [], address, ca, access, triggers } = args;
        const gate = {
            hostname,
            nameServers,
            address,
            ca,
            status: access === "public" ? 200 : 401,
            seconds: GATE_SECONDS,
        };

        const passed = new command.local.Command(
            ...child(
                args.transform?.command,
                `${name}-command`,
                {
                    interpreter: ["node", "--eval"],
                    create: bundle("services/gate/main.ts", FOR_NODE),
                    stdin: pulumi.jsonStringify(gate),
                    triggers: [...triggers],
                },
                { parent: this },
            ),
        );

        this.nodes = { command: passed };
        this.registerOutputs({});
    }
}
