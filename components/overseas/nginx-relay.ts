import * as cloudflare from "@pulumi/cloudflare";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { checkPrivateAccounts, type PrivateAccount } from "../../services/registry/accounts";
import type { RedirectHosts } from "../../services/registry/redirect-hosts";
import type { Upstream } from "../../services/registry/upstreams";
import { readTemplate } from "../../templates/render";
import { trustFiles } from "../onprem/client-files";
import { type OwnCertificate, PrivateCa, type TlsArgs } from "../private-ca";
import { RelayGate } from "../relay-gate";
import { asRoot, quote } from "../shell";
import { child, type Transform } from "../transform";
import {
    fileHashes,
    MACHINE,
    packedRelease,
    type RelayFilesArgs,
    relayFiles,
    releaseHash,
    UNPACK,
} from "./relay-files";

/** Seconds that resolvers keep the relay's address: short, so that a new machine is found soon. */
const DNS_TTL = 60;

/** A machine to lay the relay on: what a RelayHost gives. */
export interface RelayMachine {
    /** Another one for another machine: everything is laid again. */
    readonly id: pulumi.Input<string>;
    /** Public IPv4 address. */
    readonly address: pulumi.Input<string>;
    /** Public IPv6 address. @default the relay is reached by IPv4 alone */
    readonly ipv6Address?: pulumi.Input<string>;
    /** SSH to it, as root or as a user who may `sudo -n`. Debian 12 or newer. */
    readonly connection: pulumi.Input<command.types.input.remote.ConnectionArgs>;
}

/** A publicly trusted certificate that the machine gets from an ACME server (RFC 8555), and renews for as long as it runs. */
export interface AcmeArgs {
    /** URL of the server's directory. Its terms of service are agreed to. */
    readonly server: string;
    /** Where the server may write to. @default hostmaster@ the host name */
    readonly email?: string;
    /** `http-01` needs port 80 open to the world; `dns-01` a zone at Cloudflare and `dnsToken`. */
    readonly challenge: "http-01" | "dns-01";
    /** Cloudflare API token with the permission DNS Edit for the one zone. Lies on the machine, for root alone. Secret. */
    readonly dnsToken?: pulumi.Input<string>;
}

/** Arguments of {@link NginxRelay}. */
export interface NginxRelayArgs {
    /** The relay's own host name, a name of its own. */
    readonly hostname: string;
    readonly host: RelayMachine;
    /** Valid keys by id (`acme.2`), the newest last. Secret. */
    readonly keys: Readonly<Record<string, pulumi.Input<string>>>;
    /** Docker Hub account whose rate limit the relay uses; its private images stay closed. @default anonymous */
    readonly hubAccount?: { readonly username: string; readonly token: pulumi.Input<string> };
    /**
     * Accounts for private repositories, which every caller with a key can then pull. They lie on the machine, for root
     * alone. @default none
     */
    readonly privateAccounts?: readonly (Omit<PrivateAccount, "token"> & { readonly token: pulumi.Input<string> })[];
    readonly upstreams: readonly Upstream[];
    /** Hosts that they may redirect to beside those of the table. @default none */
    readonly redirectHosts?: RedirectHosts;
    /** @default "keys" */
    readonly access?: "keys" | "public";
    /** With public access: the `mailto:` or `https:` URL that the page at `/` names for complaints. @default nobody */
    readonly abuseContact?: string;
    /** With public access: of an address without a key. @default 300 */
    readonly publicLimit?: { readonly requestsPerMinute: number };
    /** Where its certificate comes from: the stack, or an ACME server. */
    readonly tls: TlsArgs | { readonly acme: AcmeArgs };
    /** Cloudflare zone of the host name. @default no DNS record: {@link NginxRelay.dnsRecord} says what to enter */
    readonly zone?: { readonly id: pulumi.Input<string>; readonly nameServers: pulumi.Input<string[]> };
    readonly transform?: {
        readonly apply?: Transform<command.remote.CommandArgs>;
        readonly record?: Transform<cloudflare.DnsRecordArgs>;
        readonly ipv6Record?: Transform<cloudflare.DnsRecordArgs>;
        readonly certificate?: Transform<command.remote.CommandArgs>;
    };
}

/**
 * The relay on a machine overseas: Nginx, laid over SSH.
 *
 * Each change goes by templates/vm/apply.sh, which leaves the machine as it was when the new release does not answer,
 * and then the update fails with its message. With ACME, templates/vm/renew.sh then gets the first certificate, and a
 * timer on the machine every one after it.
 *
 * Destroying the relay takes its DNS records away and leaves what is on the machine: where that is not the stack's own,
 * Nginx goes on with the last release, the timer with its renewals (`systemctl disable --now dockermirror-renew.timer`
 * ends them), `/etc/systemd/system/nginx.service.d/dockermirror.conf` with its restarts, and
 * `/etc/nginx/nginx.conf.before-dockermirror` is what the machine had before. The certificate stays valid until it ends;
 * nobody revokes it.
 */
export class NginxRelay extends pulumi.ComponentResource {
    readonly hostname: pulumi.Output<string>;
    /** Where the uplink and people pull from, known once the relay answers. */
    readonly url: pulumi.Output<string>;
    readonly address: pulumi.Output<string>;
    /** PEM of the private CA; absent with any other certificate. */
    readonly ca?: pulumi.Output<string>;
    /** Another one when the relay's files or its machine changed. */
    readonly changes: pulumi.Output<string>;
    /** Files to lay down on a machine that pulls from the relay itself, by path: none with any other certificate. */
    readonly clients: pulumi.Output<Record<string, string>>;
    /** The DNS records that the relay needs, as lines of a zone file. */
    readonly dnsRecord: pulumi.Output<string>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: {
        readonly apply: command.remote.Command;
        readonly privateCa?: PrivateCa;
        readonly record?: cloudflare.DnsRecord;
        readonly ipv6Record?: cloudflare.DnsRecord;
        readonly certificate?: command.remote.Command;
        readonly gate: RelayGate;
    };

    constructor(name: string, args: NginxRelayArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:overseas:NginxRelay", name, {}, opts);
        const own = { parent: this };
        const { hostname, host, zone, tls, transform } = args;
        const acme = typeof tls === "object" && "acme" in tls ? tls.acme : undefined;

        const privateCa = tls === "privateCa" ? new PrivateCa(`${name}-ca`, { hostname }, own) : undefined;
        const files = releaseOf(args, privateCa);
        const release = pulumi.unsecret(files.apply(releaseHash));
        const apply = new command.remote.Command(
            ...child(
                transform?.apply,
                `${name}-apply`,
                {
                    connection: host.connection,
                    create: asRoot(UNPACK),
                    // Files and secrets go by standard input: an argument list is for all to read.
                    stdin: pulumi.secret(files.apply((all) => packedRelease(readTemplate("vm/apply.sh"), all))),
                    triggers: pulumi
                        .all([pulumi.unsecret(files.apply(fileHashes)), host.id])
                        .apply((all) => all.flat()),
                },
                own,
            ),
        );

        const certify = (after: pulumi.Resource[]) =>
            new command.remote.Command(
                ...child(
                    transform?.certificate,
                    `${name}-certificate`,
                    {
                        connection: host.connection,
                        create: zone ? firstCertificate() : pulumi.output(host.address).apply(firstCertificate),
                        triggers: [release, host.id],
                    },
                    { ...own, dependsOn: after },
                ),
            );
        // DNS-01 needs no name that leads here: then no client ever meets the placeholder.
        const early = acme?.challenge === "dns-01" ? certify([apply]) : undefined;
        const enter = (type: "A" | "AAAA", suffix: "record" | "ipv6Record", content: pulumi.Input<string>) =>
            zone &&
            new cloudflare.DnsRecord(
                ...child(
                    transform?.[suffix],
                    `${name}-${suffix}`,
                    // Grey: Cloudflare's terms do not allow large files through its proxy.
                    { zoneId: zone.id, name: hostname, type, content, ttl: DNS_TTL, proxied: false },
                    { ...own, dependsOn: early ?? apply },
                ),
            );
        const record = enter("A", "record", host.address);
        const ipv6Record = host.ipv6Address === undefined ? undefined : enter("AAAA", "ipv6Record", host.ipv6Address);
        const entered = [apply, record, ipv6Record].filter((resource) => resource !== undefined);
        const certificate = early ?? (acme && certify(entered));

        const gate = new RelayGate(
            `${name}-gate`,
            {
                hostname,
                nameServers: zone?.nameServers,
                address: host.address,
                ca: privateCa?.ca,
                access: args.access ?? "keys",
                triggers: [release, host.address, host.id],
            },
            { ...own, dependsOn: certificate ? [...entered, certificate] : entered },
        );

        this.nodes = { apply, privateCa, record, ipv6Record, certificate, gate };
        this.hostname = pulumi.output(hostname);
        this.url = apply.id.apply(() => `https://${hostname}`);
        this.address = pulumi.output(host.address);
        this.ca = privateCa?.ca;
        this.changes = apply.id;
        this.clients = pulumi.output(this.ca).apply((ca) => trustFiles(hostname, ca));
        this.dnsRecord = pulumi
            .all([host.address, host.ipv6Address])
            .apply((addresses) => zoneLines(hostname, addresses));
        this.registerOutputs({ url: this.url, address: this.address, ca: this.ca, dnsRecord: this.dnsRecord });
    }
}

function releaseOf(
    args: NginxRelayArgs,
    privateCa: PrivateCa | undefined,
): pulumi.Output<ReturnType<typeof relayFiles>> {
    const { hostname, upstreams, redirectHosts, access, abuseContact, publicLimit, host } = args;
    const { keys, hubAccount, privateAccounts = [] } = args;
    checkPrivateAccounts(privateAccounts);
    const open = { access, abuseContact, publicLimit };
    const plain = { hostname, ipv6: host.ipv6Address !== undefined, upstreams, redirectHosts, ...open };
    const secrets = pulumi.output({ keys, hubAccount, privateAccounts, tls: tlsOf(args, privateCa) });
    return secrets.apply((values) => relayFiles({ ...plain, ...(values as ReleaseSecrets) }));
}

function tlsOf({ tls, zone }: NginxRelayArgs, privateCa: PrivateCa | undefined): object {
    if (privateCa) return { certificate: privateCa.certificate, key: privateCa.key, ca: privateCa.ca };
    if (typeof tls !== "object" || !("acme" in tls)) return { ...(tls as OwnCertificate) };
    const { server, email, challenge, dnsToken } = tls.acme;
    if (challenge === "http-01") return { acme: { server, email } };
    if (zone === undefined || dnsToken === undefined) {
        throw new Error(`acme.challenge "dns-01" needs zone and acme.dnsToken: give both, or use "http-01"`);
    }
    return { acme: { server, email, dns: { zoneId: zone.id, token: dnsToken } } };
}

type ReleaseSecrets = Pick<RelayFilesArgs, "keys" | "hubAccount" | "privateAccounts" | "tls">;

/**
 * Gets the certificate of a relay that has none yet.
 *
 * @param waitFor Address that the name must lead to first. Only where a person enters it: for a record that was made a
 * moment ago the machine's resolver could be told that there is none, and would remember that for half an hour
 * (`min_ttl` of Cloudflare's SOA records), while the ACME server asks the zone itself.
 */
function firstCertificate(waitFor?: string): string {
    const first = waitFor === undefined ? "--first" : `--for ${quote(waitFor)}`;
    return asRoot(`exec sh ${MACHINE.nginx}/relay/renew.sh ${first}`);
}

function zoneLines(hostname: string, [ipv4, ipv6]: readonly [string, string | undefined]): string {
    const lines = [`A ${ipv4}`, ...(ipv6 === undefined ? [] : [`AAAA ${ipv6}`])];
    return lines.map((line) => `${hostname}. ${DNS_TTL} IN ${line}`).join("\n");
}
