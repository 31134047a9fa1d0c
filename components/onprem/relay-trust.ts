import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { type RelayList, withoutKeys } from "../relay-endpoint";
import { hostCommand } from "./docker-host";

/** Arguments of {@link RelayTrust}. */
export interface RelayTrustArgs {
    /** The on-prem host, `unix://…` or `ssh://…`. */
    readonly docker: string;
    /** Another one where the host is another machine, which does not have the file yet. */
    readonly hostId: pulumi.Input<string>;
    /** Nothing is laid for those without a private CA. */
    readonly relays: RelayList;
}

/**
 * Makes the on-prem host's Docker trust the relays that have a private CA, so that it can pull its own first images
 * through them: `/etc/docker/certs.d/<relay>/ca.crt`, which dockerd reads at each pull.
 * https://docs.docker.com/engine/security/certificates/
 *
 * One command for all, because how many there are may be known only to another stack.
 */
export class RelayTrust extends pulumi.ComponentResource {
    /** The resources underneath. */
    readonly nodes: { readonly file: command.local.Command };

    constructor(name: string, args: RelayTrustArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:RelayTrust", name, {}, opts);
        const trusted = withoutKeys(args.relays).apply((relays) =>
            relays.flatMap(({ hostname, ca }) => (ca === undefined ? [] : [{ hostname, ca }])),
        );

        const file = hostCommand(
            `${name}-file`,
            args.docker,
            {
                create: LAY,
                delete: TAKE_AWAY,
                stdin: trusted.apply((relays) =>
                    relays.map(({ hostname, ca }) => `${hostname} ${Buffer.from(ca).toString("base64")}\n`).join(""),
                ),
                // A relay that is there no more is trusted no more; a renewed CA is laid over the old one.
                triggers: [trusted.apply((relays) => relays.map(({ hostname }) => hostname).join(" ")), args.hostId],
            },
            // Taken away afterwards, what is still wanted would go with it.
            { parent: this, deleteBeforeReplace: true },
        );

        this.nodes = { file };
        this.registerOutputs({});
    }
}

/** Nothing for root, else sudo without a password, whose own message says when it may not. */
const AS_ROOT = '$([ "$(id -u)" = 0 ] || echo sudo -n)';
const FOLDER = '"/etc/docker/certs.d/$host"';
// Both read lines of "<host name> <base64>". Without </dev/null sudo takes the lines that are left.
const LAY = `while read -r host ca; do ${AS_ROOT} install -d -m 0755 ${FOLDER} </dev/null && echo "$ca" | base64 -d | ${AS_ROOT} tee ${FOLDER}/ca.crt >/dev/null || exit 1; done`;
const TAKE_AWAY = `while read -r host ca; do ${AS_ROOT} rm -rf ${FOLDER} </dev/null || exit 1; done`;
