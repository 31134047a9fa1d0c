import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { RelayEndpoint } from "../relay-endpoint";
import { quote } from "../shell";
import { hostCommand } from "./docker-host";

/** Arguments of {@link RelayTrust}. */
export interface RelayTrustArgs {
    /** The on-prem host, `unix://…` or `ssh://…`. */
    readonly docker: string;
    /** A relay with a private CA. */
    readonly relay: RelayEndpoint;
}

/**
 * Makes the on-prem host's Docker trust a relay with a private CA, so that it can pull its own first images through it:
 * `/etc/docker/certs.d/<relay>/ca.crt`, which dockerd reads at each pull.
 * https://docs.docker.com/engine/security/certificates/
 */
export class RelayTrust extends pulumi.ComponentResource {
    /** The resources underneath. */
    readonly nodes: { readonly file: command.local.Command };

    constructor(name: string, args: RelayTrustArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:RelayTrust", name, {}, opts);
        const own = { parent: this };
        const folder = pulumi.output(args.relay.hostname).apply((hostname) => quote(`/etc/docker/certs.d/${hostname}`));

        const file = hostCommand(
            `${name}-file`,
            args.docker,
            {
                // The certificate comes by standard input, so that no quoting of its lines is needed.
                create: pulumi.interpolate`${AS_ROOT} install -d -m 0755 ${folder} && ${AS_ROOT} tee ${folder}/ca.crt >/dev/null`,
                delete: pulumi.interpolate`${AS_ROOT} rm -rf ${folder}`,
                stdin: pulumi.output(args.relay.ca).apply((ca) => ca ?? ""),
            },
            own,
        );

        this.nodes = { file };
        this.registerOutputs({});
    }
}

/** Nothing for root, else sudo without a password, whose own message says when it may not. */
const AS_ROOT = '$([ "$(id -u)" = 0 ] || echo sudo -n)';
