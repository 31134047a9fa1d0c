import type * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { render } from "../../templates/render";
import { quote } from "../shell";
import { child, type Transform } from "../transform";
import { pidsLimit, script, withoutProvider } from "./configured-container";
import { type Confinement, type ContainerLimits, confined } from "./confinement";
import { hostCommand } from "./docker-host";
import { LIMITED_LOGS } from "./limited-logs";
import { UPLINK_USER } from "./uplink";

const CONFIG_FILE = "/tmp/registry.yml";
const HEALTH = ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:5000/"];

/** The uplink's, which sets aside what is wrong in the store. The image has no user of its own; any number will do. */
export const CACHE_USER = UPLINK_USER;
const LIMITS: ContainerLimits = { memoryMiB: 2048, pids: 1024 };
/** Seconds in which it must answer. */
const PATIENCE = 60;

/** Docker copies no file into a container whose own files are read-only. */
const START = `printf %s "$CONFIG" >${CONFIG_FILE} && exec registry serve ${CONFIG_FILE}`;

/** Arguments of {@link RegistryCache}. */
export interface RegistryCacheArgs {
    /** The Docker host, `unix://…` or `ssh://…`. */
    readonly docker: string;
    /** `proxy.remoteurl`: the uplink. */
    readonly remoteUrl: pulumi.Input<string>;
    /** Version of distribution, such as `3.1.2` or `2.8.3`: decides the form of the configuration. */
    readonly version: string;
    /** Id of an image of that version. */
    readonly image: pulumi.Input<string>;
    /** Name of the private network. */
    readonly network: pulumi.Input<string>;
    /** Name of the volume with the images: what a company must not lose when its relays are down. */
    readonly storeVolume: pulumi.Input<string>;
    readonly limits?: Partial<ContainerLimits>;
    readonly transform?: { readonly container?: Transform<docker.ContainerArgs> };
}

/** The cache engine: distribution as a pull-through cache of the uplink. Serves alone when the world is down. */
export class RegistryCache extends pulumi.ComponentResource {
    /** Where the front finds it on the private network. */
    readonly url = "http://cache:5000";
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: { readonly container: docker.Container; readonly ready: command.local.Command };

    constructor(name: string, args: RegistryCacheArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:RegistryCache", name, {}, opts);
        const own = { parent: this };
        const confinement = { user: CACHE_USER, limits: { ...LIMITS, ...args.limits } };

        const container = new docker.Container(
            ...child(args.transform?.container, `${name}-container`, containerArgs(args, confinement), {
                ...own,
                // The fixed name would clash with the container that is replaced.
                deleteBeforeReplace: true,
            }),
        );
        // Not by the container's own `wait`: one that did not become healthy would stay in the state as if it had.
        const ready = hostCommand(
            `${name}-ready`,
            args.docker,
            {
                create: script("onprem/ready.sh", {
                    name: container.name.apply(quote),
                    limit: pidsLimit(confinement),
                    ask: HEALTH.map(quote).join(" "),
                    patience: String(PATIENCE),
                }),
                triggers: [container.id],
            },
            withoutProvider(own),
        );

        this.nodes = { container, ready };
        this.registerOutputs({ url: this.url });
    }
}

function containerArgs(args: RegistryCacheArgs, confinement: Confinement): docker.ContainerArgs {
    return {
        name: "dockermirror-cache",
        image: args.image,
        entrypoints: ["sh", "-c", START],
        // registry 3 looks for a collector of traces on localhost otherwise, and logs that there is none.
        envs: ["OTEL_TRACES_EXPORTER=none", pulumi.interpolate`CONFIG=${config(args)}`],
        networksAdvanced: [{ name: args.network, aliases: ["cache"] }],
        // While the uplink is being replaced its name is unknown to Docker, which asks the host's resolver:
        // with a silent one each answer from the cache took 10 s, with these options 1 s.
        dnsOpts: ["timeout:1", "attempts:1"],
        volumes: [{ volumeName: args.storeVolume, containerPath: "/var/lib/registry" }],
        ...confined(confinement),
        ...LIMITED_LOGS,
        restart: "unless-stopped",
        healthcheck: { tests: ["CMD", ...HEALTH], interval: "5s", timeout: "5s", retries: 3, startPeriod: "10s" },
    };
}

function config({ version, remoteUrl }: RegistryCacheArgs): pulumi.Output<string> {
    return render(version.startsWith("2.") ? "registry/config-2.yml" : "registry/config-3.yml", { remoteUrl });
}
