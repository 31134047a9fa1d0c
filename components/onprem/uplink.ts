import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Upstream } from "../../services/registry/upstreams";
import type { RelayEndpoint } from "../relay-endpoint";
import { child, type Transform } from "../transform";
import { LIMITED_LOGS } from "./limited-logs";
import { type TriedContainer, triedContainer } from "./tried-container";
import { uplinkBundle } from "./uplink-bundle";

const PROGRAM = "/opt/dockermirror/uplink.js";
const CONFIG_FILE = "/etc/dockermirror/uplink.json";
const SPOOL = "/var/spool/dockermirror";
const STORE = "/var/lib/registry";
const PORT = 5000;
/** Not from the cache's component, which needs the uplink to be there first. */
const CACHE = "http://cache:5000";

const TRIAL = { command: ["node", PROGRAM, "--check", CONFIG_FILE], what: "the uplink's configuration" };

/** Seconds for which one answer about a tag serves all who ask: a deployment to many nodes costs one request. */
const TAG_SECONDS = 5;

/** The stock node image has no curl; node itself asks. */
const HEALTH = `fetch("http://127.0.0.1:${PORT}/healthz").then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))`;

/** Arguments of {@link Uplink}. */
export interface UplinkArgs {
    /** In the order in which they are asked. At least one. */
    readonly relays: pulumi.Input<readonly RelayEndpoint[]>;
    readonly upstreams: readonly Upstream[];
    /** Name of the private network. */
    readonly network: pulumi.Input<string>;
    /** Name of the cache's volume; looked into before the link. What is wrong there is set aside. */
    readonly storeVolume: pulumi.Input<string>;
    /** Name of the volume for downloads in flight. */
    readonly spoolVolume: pulumi.Input<string>;
    /** Id of a node image, 20 or newer. */
    readonly image: pulumi.Input<string>;
    /**
     * Disk for downloads in flight, GiB.
     * @default 10
     */
    readonly spoolBudgetGiB?: number;
    readonly transform?: { readonly container?: Transform<docker.ContainerArgs> };
}

/** Many unreliable relays look like one good registry: what the cache engine pulls from. Starts with all of them dead. */
export class Uplink extends pulumi.ComponentResource {
    /** What the cache's `proxy.remoteurl` is set to. */
    readonly remoteUrl: pulumi.Output<string>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: TriedContainer;

    constructor(name: string, args: UplinkArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:Uplink", name, {}, opts);
        const own = { parent: this };

        this.nodes = triedContainer(
            ...child(args.transform?.container, `${name}-container`, containerArgs(args), own),
            TRIAL,
        );
        // Not derived from the container: the cache would be deleted with it when it is replaced. What needs the uplink
        // to be there (a cache that starts before it panics) depends on the component.
        this.remoteUrl = pulumi.output(`http://uplink:${PORT}`);
        this.registerOutputs({ remoteUrl: this.remoteUrl });
    }
}

function containerArgs(args: UplinkArgs): docker.ContainerArgs {
    return {
        name: "dockermirror-uplink",
        image: args.image,
        command: ["node", PROGRAM, CONFIG_FILE],
        // Lookups and the spool's reads share these threads; a dead DNS server holds one a relay.
        envs: ["UV_THREADPOOL_SIZE=16", "NODE_ENV=production"],
        networksAdvanced: [{ name: args.network, aliases: ["uplink"] }],
        volumes: [
            { volumeName: args.spoolVolume, containerPath: SPOOL },
            { volumeName: args.storeVolume, containerPath: STORE },
        ],
        uploads: [
            { file: PROGRAM, content: uplinkBundle() },
            { file: CONFIG_FILE, content: configText(args), permissions: "0600" },
        ],
        capabilities: { drops: ["ALL"] },
        ...LIMITED_LOGS,
        restart: "unless-stopped",
        // Progress of what is on its way is written down before it ends.
        stopSignal: "SIGTERM",
        stopTimeout: 20,
        destroyGraceSeconds: 20,
        healthcheck: {
            tests: ["CMD", "node", "-e", HEALTH],
            interval: "5s",
            timeout: "5s",
            retries: 3,
            startPeriod: "10s",
        },
        wait: true,
    };
}

/** The text of the uplink's configuration file, as `services/uplink/config.ts` reads it. A secret: it holds the key. */
function configText(args: UplinkArgs): pulumi.Output<string> {
    const config = {
        port: PORT,
        upstreams: args.upstreams.map((upstream) => upstream.name),
        relays: pulumi.output(args.relays).apply((relays) =>
            relays.map(({ name, hostname, key, address, ca }) => ({
                name,
                url: `https://${hostname}`,
                key,
                address,
                ca,
            })),
        ),
        spool: { path: SPOOL, budgetGiB: args.spoolBudgetGiB ?? 10 },
        store: STORE,
        cache: CACHE,
        tagSeconds: TAG_SECONDS,
    };
    return pulumi.secret(pulumi.jsonStringify(config, undefined, 2));
}
