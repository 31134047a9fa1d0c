import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { quote } from "../shell";
import { child, type Transform } from "../transform";

/** Where the on-prem host gets its own images: it cannot have them from the mirror that they are. */
export type ImageSource =
    | { readonly from: "relay"; readonly hostname: pulumi.Input<string> }
    | { readonly from: "registry"; readonly registry: string }
    | { readonly from: "archive"; readonly archive: string };

/** What the images are for. */
export type OnpremRole = "uplink" | "cache" | "front";

/** Arguments of {@link OnpremImages}. */
export interface OnpremImagesArgs {
    /** The on-prem host, `unix://…` or `ssh://…`. */
    readonly docker: string;
    readonly source: ImageSource;
    /** Official images of Docker Hub: `nginx:1.30-trixie`, with `@sha256:…` where the digest is known. */
    readonly references: Readonly<Record<OnpremRole, string>>;
    readonly transform?: { readonly image?: Transform<docker.RemoteImageArgs> };
}

/** The three images of the on-prem site, present on its Docker host. */
export class OnpremImages extends pulumi.ComponentResource {
    /** Image ids. */
    readonly uplink: pulumi.Output<string>;
    readonly cache: pulumi.Output<string>;
    readonly front: pulumi.Output<string>;
    /** The resources underneath. */
    readonly nodes: {
        readonly uplink: docker.RemoteImage;
        readonly cache: docker.RemoteImage;
        readonly front: docker.RemoteImage;
    };

    constructor(name: string, args: OnpremImagesArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:OnpremImages", name, {}, opts);
        const own = { parent: this };
        const loaded =
            args.source.from === "archive" ? [load(`${name}-archive`, args.docker, args.source.archive, own)] : [];

        const image = (role: OnpremRole) =>
            new docker.RemoteImage(
                ...child(
                    args.transform?.image,
                    `${name}-${role}`,
                    // Kept on destroy and on a change: it may be the only copy that this office can reach.
                    { name: qualified(args.source, args.references[role]), keepLocally: true },
                    { ...own, dependsOn: loaded },
                ),
            );
        this.nodes = { uplink: image("uplink"), cache: image("cache"), front: image("front") };

        this.uplink = this.nodes.uplink.imageId;
        this.cache = this.nodes.cache.imageId;
        this.front = this.nodes.front.imageId;
        this.registerOutputs({});
    }
}

function qualified(source: ImageSource, reference: string): pulumi.Input<string> {
    if (source.from === "relay") return pulumi.interpolate`${source.hostname}/library/${reference}`;
    // The digest is Docker Hub's: a copy for one platform has another one, and what was loaded has none.
    const [tagged = ""] = reference.split("@");
    return source.from === "registry" ? `${source.registry}/${tagged}` : tagged;
}

/** The archive is read on the machine that runs Pulumi, and goes to whichever host by Docker's own command line. */
function load(name: string, docker: string, archive: string, opts: pulumi.ResourceOptions): pulumi.Resource {
    return new command.local.Command(
        name,
        { create: `docker --host ${quote(docker)} load --input ${quote(archive)}` },
        opts,
    );
}
