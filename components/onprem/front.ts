import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Upstream } from "../../services/registry/upstreams";
import type { ServerCertificate } from "../private-ca";
import { child, type Transform } from "../transform";
import { type Configuration, type ConfiguredContainer, CURRENT, configuredContainer } from "./configured-container";
import { type Confinement, type ContainerLimits, confined } from "./confinement";
import { CERTIFICATE, CONTAINER, frontFiles, versionFile } from "./front-files";
import { LIMITED_LOGS } from "./limited-logs";

const HTTPS_PORT = 443;
/** The one of nginx in the stock image. */
const USER = "101:101";
const LIMITS: ContainerLimits = { memoryMiB: 1024, pids: 256 };

// The stock image has curl; its Alpine form, and others, have wget.
const HEALTH_URL = `http://127.0.0.1:${CONTAINER.healthPort}/`;
const HEALTH = `curl -fsS ${HEALTH_URL} || wget -q -O - ${HEALTH_URL}`;
/** Where nginx logs until it has read its configuration: its own default is a file of root's. */
const NGINX = ["nginx", "-e", "stderr"];

/** Arguments of {@link Front}. */
export interface FrontArgs {
    /** What clients call the mirror. */
    readonly hostname: string;
    /** The Docker host, `unix://…` or `ssh://…`. */
    readonly docker: string;
    /** On the Docker host. @default 443 */
    readonly port?: number;
    /** Address of the Docker host that the port is published on. IPv4. @default all, 0.0.0.0 */
    readonly listenOn?: string;
    readonly limits?: Partial<ContainerLimits>;
    /** Name of the private network. */
    readonly network: pulumi.Input<string>;
    /** Name of the cache's volume: warm blobs go out straight from there. Read-only. */
    readonly storeVolume: pulumi.Input<string>;
    readonly upstreams: readonly Upstream[];
    readonly tls: ServerCertificate;
    /** Address ranges that may pull. */
    readonly allowFrom: readonly string[];
    /** Id of an nginx image, 1.22 or newer. */
    readonly image: pulumi.Input<string>;
    readonly transform?: { readonly container?: Transform<docker.ContainerArgs> };
}

/** What clients talk to: TLS, one canonical name for each image, and warm blobs from the cache's own disk. */
export class Front extends pulumi.ComponentResource {
    /** What clients use as registry mirror. It answers once the component is there. */
    readonly mirrorUrl: pulumi.Output<string>;
    /** PEM of the private CA that clients must trust; absent with a certificate of one's own. */
    readonly ca?: pulumi.Output<string>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: ConfiguredContainer;

    constructor(name: string, args: FrontArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:Front", name, {}, opts);
        const own = { parent: this };
        const port = args.port ?? HTTPS_PORT;
        const mirrorUrl = `https://${args.hostname}${port === HTTPS_PORT ? "" : `:${port}`}`;

        const confinement = { user: USER, limits: { ...LIMITS, ...args.limits } };
        this.nodes = configuredContainer(name, {
            host: args.docker,
            container: child(args.transform?.container, `${name}-container`, containerArgs(args, confinement), own),
            confinement,
            configuration: configuration(args, mirrorUrl),
        });
        // Not derived from the container: what is made of it would be unknown in a preview whenever that is replaced.
        this.mirrorUrl = pulumi.output(mirrorUrl);
        this.ca = args.tls.ca;
        this.registerOutputs({ mirrorUrl: this.mirrorUrl, ca: this.ca });
    }
}

function containerArgs(args: FrontArgs, confinement: Confinement): docker.ContainerArgs {
    return {
        name: "dockermirror-front",
        image: args.image,
        networksAdvanced: [{ name: args.network, aliases: ["front"] }],
        // IPv4 alone: what comes by IPv6 reaches a container with Docker's own address, which allowFrom would let in.
        // https://github.com/moby/moby/issues/44408
        ports: [{ ip: args.listenOn ?? "0.0.0.0", internal: CONTAINER.port, external: args.port ?? HTTPS_PORT }],
        volumes: [{ volumeName: args.storeVolume, containerPath: CONTAINER.store, readOnly: true }],
        ...confined(confinement),
        ...LIMITED_LOGS,
        restart: "unless-stopped",
        healthcheck: {
            tests: ["CMD-SHELL", HEALTH],
            interval: "5s",
            timeout: "5s",
            retries: 3,
            startPeriod: "10s",
        },
    };
}

function configuration(args: FrontArgs, mirrorUrl: string): Configuration {
    const { hostname, upstreams, allowFrom, tls } = args;
    return {
        what: "the front's configuration",
        files: {
            ...frontFiles({ hostname, mirrorUrl, upstreams, allowFrom }),
            [CERTIFICATE.certificate]: tls.certificate,
            [CERTIFICATE.key]: pulumi.secret(tls.key),
        },
        versionFile,
        check: (folder) => [...NGINX, "-t", "-q", "-c", `${folder}/nginx.conf`],
        command: [...NGINX, "-c", `${CURRENT}/nginx.conf`, "-g", "daemon off;"],
        ask: `[ "$(${HEALTH})" = "$1" ]`,
    };
}
