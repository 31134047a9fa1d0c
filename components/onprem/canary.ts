import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Upstream } from "../../services/registry/upstreams";
import { bundle, FOR_NODE } from "../bundle";
import { endpoints, type RelayList } from "../relay-endpoint";
import { hostCommand } from "./docker-host";
import { CONTAINER } from "./front-files";

/** Within the front's network that is the front. */
const LOOPBACK = "127.0.0.1";
/** What is asked for where the settings name no image: small ones that have been there for years, by upstream. */
const IMAGES: Readonly<Record<string, string>> = {
    "docker.io": "library/hello-world:latest",
    "registry.k8s.io": "pause:3.10",
    "quay.io": "prometheus/busybox:latest",
};
/** Nothing of the host, and no rights: it only asks. */
const CONFINED = ["--pull=never", "--read-only", "--cap-drop=ALL", "--user=65534:65534", "--pids-limit=64"];

/** Arguments of {@link Canary}. */
export interface CanaryArgs {
    /** `unix:///var/run/docker.sock` or `ssh://user@host[:port]`; there is the program `docker`, too. */
    readonly docker: string;
    /** The image that is asked for, from {@link canaryImage}. */
    readonly reference: string;
    /** What clients call the mirror. */
    readonly hostname: string;
    /** PEM: of the mirror's private CA, or its own certificate. */
    readonly trust: { readonly ca: pulumi.Input<string> } | { readonly certificate: pulumi.Input<string> };
    /** Name of the front's container. */
    readonly front: pulumi.Input<string>;
    /** URL of the uplink. */
    readonly uplink: pulumi.Input<string>;
    readonly relays: RelayList;
    /** Id of a node image, 20 or newer. */
    readonly image: pulumi.Input<string>;
    /** It runs again when one of these changes. */
    readonly triggers: readonly pulumi.Input<string>[];
}

/**
 * The end of an on-prem site: one small image is asked for through front, cache and uplink, and through each relay by
 * itself (services/canary). The update fails when it cannot be had, and names the hop. A relay that does not serve it is
 * printed, and fails the update only where no other does.
 */
export class Canary extends pulumi.ComponentResource {
    /** The resources underneath. */
    readonly nodes: { readonly command: command.local.Command };

    constructor(name: string, args: CanaryArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:Canary", name, {}, opts);
        const { docker, reference, hostname, front, uplink, relays, image, triggers, trust } = args;
        const asked = {
            image: reference,
            path: pathOf(reference),
            front: { hostname, address: LOOPBACK, port: CONTAINER.port, ...trust },
            uplink,
            relays: endpoints(relays).apply((all) => all.map(({ pullKey: _, ...relay }) => relay)),
        };
        const asking = hostCommand(
            `${name}-command`,
            docker,
            {
                create: pulumi.interpolate`docker run --rm --interactive --network=container:${front} ${CONFINED.join(" ")} ${image} node -`,
                // It has left nothing.
                delete: "true",
                // Keys go by standard input: an argument list is for all to read.
                stdin: pulumi.secret(
                    pulumi.interpolate`globalThis.canary = ${pulumi.jsonStringify(asked)};\n${bundle("services/canary/main.ts", FOR_NODE)}`,
                ),
                // What is on standard input has it run again as well.
                triggers: [...triggers],
            },
            { parent: this },
        );

        this.nodes = { command: asking };
        this.registerOutputs({});
    }
}

/**
 * The image to ask for: the one that is named, else one that an upstream of the site is known to have.
 *
 * @returns `undefined` where there is neither: then there is no canary.
 */
export function canaryImage(named: string | undefined, upstreams: readonly Upstream[]): string | undefined {
    const [known] = upstreams.filter(({ name }) => name in IMAGES).map(({ name }) => `${name}/${IMAGES[name]}`);
    return named ?? known;
}

/** The front's address ranges with the canary's own address among them. */
export function withCanary(allowFrom: readonly string[]): string[] {
    return allowFrom.includes("127.0.0.0/8") ? [...allowFrom] : [...allowFrom, `${LOOPBACK}/32`];
}

/** Ids of all that components have made: another one when something of it changed. */
export function idsOf(...components: readonly { readonly nodes: object }[]): pulumi.Output<string>[] {
    return components
        .flatMap(({ nodes }): unknown[] => Object.values(nodes))
        .filter((node): node is pulumi.CustomResource => pulumi.CustomResource.isInstance(node))
        .map(({ id }) => id);
}

function pathOf(reference: string): string {
    const [, repository = "", tag = ""] = /^(?:docker\.io\/)?(.+):([^:]+)$/.exec(reference) ?? [];
    return `/v2/${repository}/manifests/${tag}`;
}
