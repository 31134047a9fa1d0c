import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Upstream } from "../../services/registry/upstreams";
import { type Endpoint, endpoints, type RelayList, withoutKeys } from "../relay-endpoint";
import { Canary, type CanaryArgs, canaryImage, idsOf, withCanary } from "./canary";
import { clientFiles } from "./client-files";
import type { OnpremLimits } from "./confinement";
import { Front, type FrontArgs } from "./front";
import { type ImageSource, OnpremImages, type OnpremImagesArgs } from "./onprem-images";
import { CACHE_USER, RegistryCache } from "./registry-cache";
import { RelayTrust } from "./relay-trust";
import { UPLINK_USER, Uplink } from "./uplink";
import { VolumeOwners } from "./volume-owners";

/** Arguments of {@link OnpremSite}. */
export interface OnpremSiteArgs {
    /** `unix:///var/run/docker.sock` or `ssh://user@host[:port]`. */
    readonly docker: string;
    /** What clients call the mirror. */
    readonly hostname: string;
    /** @default 443 */
    readonly port?: number;
    /** Address of the Docker host that the port is published on. @default all */
    readonly listenOn?: string;
    /** How much of the Docker host the containers may take. */
    readonly limits?: OnpremLimits;
    /** In the order in which the uplink asks them. At least one. */
    readonly relays: RelayList;
    readonly upstreams: readonly Upstream[];
    /** Address ranges that may pull. */
    readonly allowFrom: readonly string[];
    /** Version of distribution. */
    readonly registryVersion: string;
    /** Disk for downloads in flight, GiB. */
    readonly spoolBudgetGiB: number;
    /** What the containers are made of. */
    readonly imageReferences: OnpremImagesArgs["references"];
    /** `relay`: through the first relay of the list. */
    readonly images: { readonly from: "relay" } | Exclude<ImageSource, { readonly from: "relay" }>;
    readonly tls: FrontArgs["tls"];
    /** Image that each update ends by asking for. @default a small one of the upstreams, where one is known */
    readonly canary?: string;
    /** Relays of this stack: when one of them changed, the canary is asked for again. @default none */
    readonly sites?: readonly { readonly changes: pulumi.Input<string> }[];
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
        const { docker: host, relays, upstreams, registryVersion, limits = {} } = args;
        const provider = new docker.Provider(`${name}-docker`, providerArgs(args), { parent: this });
        const inside = { parent: this, providers: [provider] };

        // A trust under another name would be taken away after this one is laid, and this one's file with it.
        const former = { name: `${name}-trust-nginx` };
        const { network, store, spool } = placesFor(name, { parent: this, provider });
        const trust =
            args.images.from === "relay"
                ? new RelayTrust(
                      `${name}-trust`,
                      { docker: host, hostId: network.id, relays },
                      { parent: this, aliases: [former] },
                  )
                : undefined;
        const images = new OnpremImages(
            `${name}-images`,
            { docker: host, source: imageSource(args), references: args.imageReferences },
            // The trust must be laid before the first image is asked for.
            { ...inside, dependsOn: trust },
        );
        const owners = new VolumeOwners(
            `${name}-volumes`,
            {
                docker: host,
                hostId: network.id,
                volumes: [
                    { volume: store.name, user: CACHE_USER },
                    { volume: spool.name, user: UPLINK_USER },
                ],
                image: images.uplink,
            },
            { parent: this },
        );
        const placed = { docker: host, network: network.name, storeVolume: store.name };
        const uplink = new Uplink(
            `${name}-uplink`,
            {
                ...placed,
                relays,
                upstreams,
                spoolVolume: spool.name,
                spoolBudgetGiB: args.spoolBudgetGiB,
                limits: limits.uplink,
                image: images.uplink,
            },
            { ...inside, dependsOn: owners },
        );
        const cache = new RegistryCache(
            `${name}-cache`,
            {
                ...placed,
                remoteUrl: uplink.remoteUrl,
                version: registryVersion,
                limits: limits.cache,
                image: images.cache,
            },
            { ...inside, dependsOn: uplink },
        );
        const { hostname, port, listenOn, tls } = args;
        const allowFrom = withCanary(args.allowFrom);
        const front = new Front(
            `${name}-front`,
            {
                ...placed,
                hostname,
                port,
                listenOn,
                upstreams,
                allowFrom,
                tls,
                limits: limits.front,
                image: images.front,
            },
            { ...inside, dependsOn: cache },
        );

        const reference = canaryImage(args.canary, upstreams);
        if (reference !== undefined)
            new Canary(
                `${name}-canary`,
                {
                    docker: host,
                    reference,
                    hostname,
                    trust: canaryTrust(tls),
                    front: front.nodes.container.name,
                    uplink: uplink.remoteUrl,
                    relays,
                    image: images.uplink,
                    triggers: [...idsOf(uplink, cache, front), ...(args.sites ?? []).map(({ changes }) => changes)],
                },
                { parent: this, dependsOn: [front, cache, uplink] },
            );

        this.nodes = { uplink, cache, front };
        this.mirrorUrl = front.mirrorUrl;
        this.ca = front.ca;
        this.clients = pulumi
            .all([front.mirrorUrl, front.ca])
            .apply(([url, ca]) => clientFiles({ url, ca, upstreams }));
        this.registerOutputs({ mirrorUrl: this.mirrorUrl, ca: this.ca, clients: this.clients });
    }
}

function canaryTrust({ ca, certificate }: FrontArgs["tls"]): CanaryArgs["trust"] {
    return ca === undefined ? { certificate } : { ca };
}

function providerArgs({ docker: host, images, relays }: OnpremSiteArgs): docker.ProviderArgs {
    const login = ([first]: readonly Endpoint[]) =>
        first ? [{ address: first.hostname, username: "dockermirror", password: first.key }] : [];
    return {
        host,
        // A preview, in CI on a pull request, reaches no Docker host.
        disableDockerDaemonCheck: true,
        registryAuth: images.from === "relay" ? pulumi.secret(firstOf(relays).apply(login)) : undefined,
    };
}

/** The one that images come through: its key alone, so that no other one makes the login unknown in a preview. */
function firstOf(relays: RelayList): pulumi.Output<Endpoint[]> {
    const [first] = relays;
    if (first === undefined || pulumi.Output.isInstance<readonly Endpoint[]>(first)) return endpoints(relays);
    const { name, hostname, key, pullKey = key } = first;
    return endpoints([{ name, hostname, key: pullKey }]);
}

function imageSource({ images, relays }: OnpremSiteArgs): ImageSource {
    if (images.from !== "relay") return images;
    return { ...images, hostname: withoutKeys(relays).apply(([first]) => first?.hostname ?? "") };
}

/** The private network, and what containers share on disk. Fixed names, which are free only once what had them is gone. */
function placesFor(name: string, opts: pulumi.CustomResourceOptions) {
    const own = { ...opts, deleteBeforeReplace: true };
    const volume = (role: string) => new docker.Volume(`${name}-${role}`, { name: `dockermirror-${role}` }, own);
    return {
        network: new docker.Network(`${name}-network`, { name: "dockermirror" }, own),
        store: volume("store"),
        spool: volume("spool"),
    };
}
