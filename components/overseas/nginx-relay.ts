import * as cloudflare from "@pulumi/cloudflare";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Upstream } from "../../services/registry/upstreams";
import { readTemplate } from "../../templates/render";
import { type OwnCertificate, PrivateCa, type TlsArgs } from "../private-ca";
import { RelayGate } from "../relay-gate";
import { quote } from "../shell";
import { child, type Transform } from "../transform";
import { type RelayFilesArgs, relayFiles, releaseHash, releaseLines } from "./relay-files";

/** Seconds that resolvers keep the relay's address: short, so that a new machine is found soon. */
const DNS_TTL = 300;

/** Arguments of {@link NginxRelay}. */
export interface NginxRelayArgs {
    /** The relay's own host name, a name of its own. */
    readonly hostname: string;
    /** Public IPv4 address of the machine. */
    readonly address: pulumi.Input<string>;
    /** SSH to the machine, as root or as a user who may `sudo -n`. Debian 12 or newer. */
    readonly connection: pulumi.Input<command.types.input.remote.ConnectionArgs>;
    /** Valid keys by id (`acme.2`), the newest last. Secret. */
    readonly keys: Readonly<Record<string, pulumi.Input<string>>>;
    /** Docker Hub account whose rate limit the relay uses; its private images stay closed. @default anonymous */
    readonly hubAccount?: { readonly username: string; readonly token: pulumi.Input<string> };
    readonly upstreams: readonly Upstream[];
    /** @default "keys" */
    readonly access?: "keys" | "public";
    readonly tls: TlsArgs;
    /** Cloudflare zone of the host name. @default no DNS record: {@link NginxRelay.dnsRecord} says what to enter */
    readonly zone?: { readonly id: pulumi.Input<string>; readonly nameServers: pulumi.Input<string[]> };
    readonly transform?: {
        readonly apply?: Transform<command.remote.CommandArgs>;
        readonly record?: Transform<cloudflare.DnsRecordArgs>;
    };
}

/**
 * The relay on a machine overseas: Nginx, laid over SSH, on any machine that is there already.
 *
 * Each change goes by templates/vm/apply.sh, which leaves the machine as it was when the new release does not answer,
 * and then the update fails with its message. Destroying the relay leaves the machine alone, which is not ours: Nginx
 * goes on with the last release, and `/etc/nginx/nginx.conf.before-dockermirror` is what the machine had before.
 */
export class NginxRelay extends pulumi.ComponentResource {
    readonly hostname: pulumi.Output<string>;
    /** Where the uplink and people pull from, known once the relay answers. */
    readonly url: pulumi.Output<string>;
    readonly address: pulumi.Output<string>;
    /** PEM of the private CA; absent with a certificate of one's own. */
    readonly ca?: pulumi.Output<string>;
    /** The DNS record that the relay needs, as a line of a zone file. */
    readonly dnsRecord: pulumi.Output<string>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: {
        readonly apply: command.remote.Command;
        readonly privateCa?: PrivateCa;
        readonly record?: cloudflare.DnsRecord;
        readonly gate: RelayGate;
    };

    constructor(name: string, args: NginxRelayArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:overseas:NginxRelay", name, {}, opts);
        const own = { parent: this };

        const privateCa =
            args.tls === "privateCa" ? new PrivateCa(`${name}-ca`, { hostname: args.hostname }, own) : undefined;
        const files = releaseOf(args, privateCa ?? (args.tls as OwnCertificate), privateCa?.ca);
        const release = pulumi.unsecret(files.apply(releaseHash));
        const apply = new command.remote.Command(
            ...child(
                args.transform?.apply,
                `${name}-apply`,
                {
                    connection: args.connection,
                    create: asRoot(readTemplate("vm/apply.sh")),
                    // Files and secrets go by standard input: an argument list is for all to read.
                    stdin: pulumi.secret(files.apply(releaseLines)),
                    triggers: [release],
                },
                own,
            ),
        );
        const record =
            args.zone === undefined
                ? undefined
                : new cloudflare.DnsRecord(
                      ...child(
                          args.transform?.record,
                          `${name}-record`,
                          // Grey: Cloudflare's terms do not allow large files through its proxy.
                          {
                              zoneId: args.zone.id,
                              name: args.hostname,
                              type: "A",
                              content: args.address,
                              ttl: DNS_TTL,
                              proxied: false,
                          },
                          { ...own, dependsOn: apply },
                      ),
                  );

        const gate = new RelayGate(
            `${name}-gate`,
            {
                hostname: args.hostname,
                nameServers: args.zone?.nameServers,
                address: args.address,
                ca: privateCa?.ca,
                access: args.access ?? "keys",
                triggers: [release, args.address],
            },
            { ...own, dependsOn: record ?? apply },
        );

        this.nodes = { apply, privateCa, record, gate };
        this.hostname = pulumi.output(args.hostname);
        this.url = apply.id.apply(() => `https://${args.hostname}`);
        this.address = pulumi.output(args.address);
        this.ca = privateCa?.ca;
        this.dnsRecord = pulumi.interpolate`${args.hostname}. ${DNS_TTL} IN A ${args.address}`;
        this.registerOutputs({ url: this.url, address: this.address, ca: this.ca, dnsRecord: this.dnsRecord });
    }
}

function releaseOf(
    { hostname, upstreams, access, keys, hubAccount }: NginxRelayArgs,
    { certificate, key }: OwnCertificate,
    ca: pulumi.Output<string> | undefined,
): pulumi.Output<ReturnType<typeof relayFiles>> {
    const secrets = pulumi.output({ keys, hubAccount, certificate, key, ca });
    return secrets.apply((values) => relayFiles({ hostname, upstreams, access, ...(values as ReleaseSecrets) }));
}

type ReleaseSecrets = Pick<RelayFilesArgs, "keys" | "hubAccount" | "certificate" | "key" | "ca">;

/** A command line that runs `script` as root, whoever the SSH user is, and leaves standard input to it. */
function asRoot(script: string): string {
    return `script=${quote(script)}; if [ "$(id -u)" = 0 ]; then exec sh -c "$script"; else exec sudo -n sh -c "$script"; fi`;
}
