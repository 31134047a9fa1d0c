import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Upstream } from "../../services/registry/upstreams";
import { type OwnCertificate, PrivateCa, type TlsArgs } from "../private-ca";
import { child, type Transform } from "../transform";
import { CONTAINER, certificatePaths, frontFiles } from "./front-files";
import { LIMITED_LOGS } from "./limited-logs";
import { type TriedContainer, triedContainer } from "./tried-container";

const HEALTH_URL = `http://127.0.0.1:${CONTAINER.healthPort}/`;
const HTTPS_PORT = 443;

/** Arguments of {@link Front}. */
export interface FrontArgs {
    /** What clients call the mirror. */
    readonly hostname: string;
    /** On the Docker host. @default 443 */
    readonly port?: number;
    /** Name of the private network. */
    readonly network: pulumi.Input<string>;
    /** Name of the cache's volume: warm blobs go out straight from there. Read-only. */
    readonly storeVolume: pulumi.Input<string>;
    readonly upstreams: readonly Upstream[];
    readonly tls: TlsArgs;
    /** Address ranges that may pull. */
    readonly allowFrom: readonly string[];
    /** Id of an nginx image, 1.22 or newer. */
    readonly image: pulumi.Input<string>;
    readonly transform?: { readonly container?: Transform<docker.ContainerArgs> };
}

/** What clients talk to: TLS, one canonical name for each image, and warm blobs from the cache's own disk. */
export class Front extends pulumi.ComponentResource {
    /** What clients use as registry mirror, known once the front answers. */
    readonly mirrorUrl: pulumi.Output<string>;
    /** PEM of the private CA that clients must trust; absent with a certificate of one's own. */
    readonly ca?: pulumi.Output<string>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: TriedContainer & { readonly privateCa?: PrivateCa };

    constructor(name: string, args: FrontArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:Front", name, {}, opts);
        const own = { parent: this };
        const port = args.port ?? HTTPS_PORT;
        const mirrorUrl = `https://${args.hostname}${port === HTTPS_PORT ? "" : `:${port}`}`;

        const privateCa =
            args.tls === "privateCa" ? new PrivateCa(`${name}-ca`, { hostname: args.hostname }, own) : undefined;
        const tried = triedContainer(
            ...child(
                args.transform?.container,
                `${name}-container`,
                containerArgs(args, mirrorUrl, privateCa ?? (args.tls as OwnCertificate)),
                own,
            ),
            { command: ["nginx", "-t", "-q"], what: "the front's configuration" },
        );

        this.nodes = { ...tried, privateCa };
        this.mirrorUrl = tried.container.id.apply(() => mirrorUrl);
        this.ca = privateCa?.ca;
        this.registerOutputs({ mirrorUrl: this.mirrorUrl, ca: this.ca });
    }
}

function containerArgs(args: FrontArgs, mirrorUrl: string, tls: OwnCertificate): docker.ContainerArgs {
    const { hostname, upstreams, allowFrom } = args;
    const paths = certificatePaths();
    return {
        name: "dockermirror-front",
        image: args.image,
        command: ["nginx", "-g", "daemon off;"],
        networksAdvanced: [{ name: args.network, aliases: ["front"] }],
        // IPv4 alone: what comes by IPv6 reaches a container with Docker's own address, which allowFrom would let in.
        // https://github.com/moby/moby/issues/44408
        ports: [{ ip: "0.0.0.0", internal: CONTAINER.port, external: args.port ?? HTTPS_PORT }],
        volumes: [{ volumeName: args.storeVolume, containerPath: CONTAINER.store, readOnly: true }],
        uploads: [
            ...frontFiles({ hostname, mirrorUrl, upstreams, allowFrom }),
            { file: paths.certificate, content: tls.certificate },
            { file: paths.key, content: pulumi.secret(tls.key), permissions: "0600" },
        ],
        ...LIMITED_LOGS,
        restart: "unless-stopped",
        healthcheck: {
            // The stock image has curl; its Alpine form, and others, have wget.
            tests: ["CMD-SHELL", `curl -fsS ${HEALTH_URL} || wget -q -O /dev/null ${HEALTH_URL}`],
            interval: "5s",
            timeout: "5s",
            retries: 3,
            startPeriod: "10s",
        },
        wait: true,
    };
}
