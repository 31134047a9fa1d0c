import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { render } from "../../templates/render";
import { child, type Transform } from "../transform";
import { LIMITED_LOGS } from "./limited-logs";

const CONFIG_FILE = "/etc/dockermirror/registry.yml";
const HEALTH_URL = "http://127.0.0.1:5000/";

/** Arguments of {@link RegistryCache}. */
export interface RegistryCacheArgs {
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
    readonly transform?: { readonly container?: Transform<docker.ContainerArgs> };
}

/** The cache engine: distribution as a pull-through cache of the uplink. Serves alone when the world is down. */
export class RegistryCache extends pulumi.ComponentResource {
    /** Where the front finds it on the private network. */
    readonly url = "http://cache:5000";
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: { readonly container: docker.Container };

    constructor(name: string, args: RegistryCacheArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:RegistryCache", name, {}, opts);
        // The fixed name would clash with the container that is replaced.
        const own = { parent: this, deleteBeforeReplace: true };

        const container = new docker.Container(
            ...child(
                args.transform?.container,
                `${name}-container`,
                {
                    name: "dockermirror-cache",
                    image: args.image,
                    command: ["serve", CONFIG_FILE],
                    // registry 3 looks for a collector of traces on localhost otherwise, and logs that there is none.
                    envs: ["OTEL_TRACES_EXPORTER=none"],
                    networksAdvanced: [{ name: args.network, aliases: ["cache"] }],
                    // While the uplink is being replaced its name is unknown to Docker, which asks the host's resolver:
                    // with a silent one each answer from the cache took 10 s, with these options 1 s.
                    dnsOpts: ["timeout:1", "attempts:1"],
                    volumes: [{ volumeName: args.storeVolume, containerPath: "/var/lib/registry" }],
                    uploads: [{ file: CONFIG_FILE, content: config(args) }],
                    ...LIMITED_LOGS,
                    restart: "unless-stopped",
                    healthcheck: {
                        tests: ["CMD", "wget", "-q", "-O", "/dev/null", HEALTH_URL],
                        interval: "5s",
                        timeout: "5s",
                        retries: 3,
                        startPeriod: "10s",
                    },
                    wait: true,
                },
                own,
            ),
        );

        this.nodes = { container };
        this.registerOutputs({ url: this.url });
    }
}

function config({ version, remoteUrl }: RegistryCacheArgs): pulumi.Output<string> {
    return render(version.startsWith("2.") ? "registry/config-2.yml" : "registry/config-3.yml", { remoteUrl });
}
