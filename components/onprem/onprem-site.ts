import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Upstream } from "../../services/registry/upstreams";
import type { RelayEndpoint } from "../relay-endpoint";
import { clientFiles } from "./client-files";
import { Front, type FrontArgs } from "./front";
import { type ImageSource, OnpremImages } from "./onprem-images";
import { RegistryCache } from "./registry-cache";
import { RelayTrust } from "./relay-trust";
import { Uplink } from "./uplink";

/** Arguments of {@link OnpremSite}. */
export interface OnpremSiteArgs {
    /** `unix:///var/run/docker.sock` or `ssh://user@host[:port]`. */
    readonly docker: string;
    /** What clients call the mirror. */
    readonly hostname: string;
    /** @default 443 */
    readonly port?: number;
    /** In the order in which the uplink asks them. At least one. */
    readonly relays: readonly RelayEndpoint[];
    readonly upstreams: readonly Upstream[];
    /** Address ranges that may pull. */
    readonly allowFrom: readonly string[];
    /** Version of distribution. */
    readonly registryVersion: string;
    /** Disk for downloads in flight, GiB. */
    readonly spoolBudgetGiB: number;
    /** `relay`: through the first relay of the list. */
    readonly images: { readonly from: "relay" } | Exclude<ImageSource, { readonly from: "relay" }>;
    readonly tls: FrontArgs["tls"];
}

/** The cache at home: front, cache and uplink on one Docker host, wired to the relays. */
export class OnpremSite extends pulumi.ComponentResource {
    /** What clients use as registry mirror. */
    readonly mirrorUrl: pulumi.Output<string>;
    /** PEM of the private CA that clients must trust; absent with a certificate of one's own. */
    readonly ca?: pulumi.Output<string>;
    /** Files to lay down on a client, by path. */
    readonly clients: pulumi.Output<Record<string, string>>;
    /** What is underneath. */
    readonly nodes: { readonly uplink: Uplink; readonly cache: RegistryCache; readonly front: Front };

    constructor(name: string, args: OnpremSiteArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:OnpremSite", name, {}, opts);
        const own = { parent: this };
        const [first] = args.relays;
        if (!first) throw new pulumi.RunError("an on-prem site needs at least one relay, got none");

        const provider = new docker.Provider(`${name}-docker`, providerArgs(args, first), own);
        const onHost = { ...own, provider };
        const inside = { ...own, providers: [provider] };
        const network = new docker.Network(
            `${name}-network`,
            { name: "dockermirror" },
            { ...onHost, deleteBeforeReplace: true },
        );
        const volume = (role: string) =>
            new docker.Volume(
                `${name}-${role}`,
                { name: `dockermirror-${role}` },
                { ...onHost, deleteBeforeReplace: true },
            );
        const [store, spool] = [volume("store"), volume("spool")];
        const trusts = args.relays.flatMap((relay) =>
            relay.ca === undefined
                ? []
                : [new RelayTrust(`${name}-trust-${relay.name}`, { docker: args.docker, relay }, own)],
        );
        const images = new OnpremImages(
            `${name}-images`,
            {
                docker: args.docker,
                source: args.images.from === "relay" ? { ...args.images, hostname: first.hostname } : args.images,
                registryVersion: args.registryVersion,
            },
            // The trust must be laid before the first image is asked for.
            { ...inside, dependsOn: trusts },
        );

        const placed = { network: network.name, storeVolume: store.name };
        const uplink = new Uplink(
            `${name}-uplink`,
            {
                ...placed,
                relays: args.relays,
                upstreams: args.upstreams,
                spoolVolume: spool.name,
                spoolBudgetGiB: args.spoolBudgetGiB,
                image: images.uplink,
            },
            inside,
        );
        const cache = new RegistryCache(
            `${name}-cache`,
            { ...placed, remoteUrl: uplink.remoteUrl, version: args.registryVersion, image: images.cache },
            { ...inside, dependsOn: uplink },
        );
        const front = new Front(
            `${name}-front`,
            {
                ...placed,
                hostname: args.hostname,
                port: args.port,
                upstreams: args.upstreams,
                allowFrom: args.allowFrom,
                tls: args.tls,
                image: images.front,
            },
            { ...inside, dependsOn: cache },
        );

        this.nodes = { uplink, cache, front };
        this.mirrorUrl = front.mirrorUrl;
        this.ca = front.ca;
        this.clients = pulumi.all([front.mirrorUrl, front.ca]).apply(([url, ca]) => clientFiles({ url, ca }));
        this.registerOutputs({ mirrorUrl: this.mirrorUrl, ca: this.ca, clients: this.clients });
    }
}

function providerArgs({ docker: host, images }: OnpremSiteArgs, relay: RelayEndpoint): docker.ProviderArgs {
    return {
        host,
        // A preview, in CI on a pull request, reaches no Docker host.
        disableDockerDaemonCheck: true,
        registryAuth:
            images.from === "relay"
                ? [{ address: relay.hostname, username: "dockermirror", password: pulumi.secret(relay.key) }]
                : undefined,
    };
}
