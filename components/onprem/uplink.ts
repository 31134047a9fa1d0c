import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Upstream } from "../../services/registry/upstreams";
import { endpoints, type RelayList } from "../relay-endpoint";
import { child, type Transform } from "../transform";
import { type Configuration, type ConfiguredContainer, CURRENT, configuredContainer } from "./configured-container";
import { type Confinement, type ContainerLimits, confined } from "./confinement";
import { LIMITED_LOGS } from "./limited-logs";
import { uplinkProgram } from "./uplink-bundle";
import { ownVolumes } from "./volume-owners";

const CONFIG_FILE = "uplink.json";
const SPOOL = "/var/spool/dockermirror";
const STORE = "/var/lib/registry";
const PORT = 5000;
/** Not from the cache's component, which needs the uplink to be there first. */
const CACHE = "http://cache:5000";

/** The one of node in the stock image. */
export const UPLINK_USER = "1000:1000";
const LIMITS: ContainerLimits = { memoryMiB: 1024, pids: 256 };

/** Seconds for which one answer about a tag serves all who ask: a deployment to many nodes costs one request. */
const TAG_SECONDS = 5;

/** The stock node image has no curl; node itself asks. */
const HEALTH = `fetch("http://127.0.0.1:${PORT}/healthz").then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))`;
const HAS_VERSION = [
    `fetch("http://127.0.0.1:${PORT}/status").then((answer) => answer.json())`,
    `.then(({ configuration }) => process.exit(configuration === process.argv[1] ? 0 : 1), () => process.exit(1))`,
].join("");

/** Arguments of {@link Uplink}. */
export interface UplinkArgs {
    /** The Docker host, `unix://…` or `ssh://…`. */
    readonly docker: string;
    /** In the order in which they are asked. At least one. */
    readonly relays: RelayList;
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
    readonly limits?: Partial<ContainerLimits>;
    readonly transform?: { readonly container?: Transform<docker.ContainerArgs> };
}

/** Many unreliable relays look like one good registry: what the cache engine pulls from. Starts with all of them dead. */
export class Uplink extends pulumi.ComponentResource {
    /** What the cache's `proxy.remoteurl` is set to. */
    readonly remoteUrl: pulumi.Output<string>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: ConfiguredContainer;

    constructor(name: string, args: UplinkArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:Uplink", name, {}, opts);
        const own = { parent: this };

        const confinement = { user: UPLINK_USER, limits: { ...LIMITS, ...args.limits } };
        this.nodes = configuredContainer(name, {
            host: args.docker,
            container: child(args.transform?.container, `${name}-container`, containerArgs(args, confinement), own),
            confinement,
            configuration: configuration(args),
        });
        // Not derived from the container: the cache would be deleted with it when it is replaced. What needs the uplink
        // to be there (a cache that starts before it panics) depends on the component.
        this.remoteUrl = pulumi.output(`http://uplink:${PORT}`);
        this.registerOutputs({ remoteUrl: this.remoteUrl });
    }
}

function containerArgs(args: UplinkArgs, confinement: Confinement): docker.ContainerArgs {
    return {
        name: "dockermirror-uplink",
        image: args.image,
        // libuv gives lookups half of these threads, two of four (src/threadpool.c, slow_work_thread_threshold), and a
        // dead DNS server holds one per relay: the third relay's name would wait behind the first two.
        envs: ["UV_THREADPOOL_SIZE=16", "NODE_ENV=production"],
        networksAdvanced: [{ name: args.network, aliases: ["uplink"] }],
        volumes: [
            { volumeName: args.spoolVolume, containerPath: SPOOL },
            { volumeName: args.storeVolume, containerPath: STORE },
        ],
        ...confined(confinement),
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
    };
}

function configuration(args: UplinkArgs): Configuration {
    const run = (folder: string, ...flags: string[]) => [
        "node",
        `${folder}/uplink.js`,
        ...flags,
        `${folder}/${CONFIG_FILE}`,
    ];
    return {
        what: "the uplink's configuration",
        // Both again here: a volume that was lost comes back as root's, and takes this container along.
        before: ownVolumes({
            image: args.image,
            volumes: [args.storeVolume, args.spoolVolume].map((volume) => ({ volume, user: UPLINK_USER })),
        }),
        files: { [CONFIG_FILE]: configText(args) },
        program: uplinkProgram(),
        check: (folder) => run(folder, "--check"),
        command: run(CURRENT),
        ask: `node --eval '${HAS_VERSION}' "/config/$1/${CONFIG_FILE}"`,
    };
}

/** The text of the uplink's configuration file, as `services/uplink/config.ts` reads it. A secret: it holds the key. */
function configText(args: UplinkArgs): pulumi.Output<string> {
    const config = {
        port: PORT,
        upstreams: args.upstreams.map((upstream) => upstream.name),
        relays: endpoints(args.relays).apply((relays) =>
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
