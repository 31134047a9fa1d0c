import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { script } from "./configured-container";
import { hostCommand } from "./docker-host";

/** A volume, and whose it is. */
export interface OwnedVolume {
    /** Name of the volume. */
    readonly volume: pulumi.Input<string>;
    /** `<uid>:<gid>` of the program that writes there. */
    readonly user: string;
}

/** What is given to whom, by what. */
export interface OwnedVolumes {
    readonly volumes: readonly OwnedVolume[];
    /** Id of an image with a shell. */
    readonly image: pulumi.Input<string>;
}

/** Arguments of {@link VolumeOwners}. */
export interface VolumeOwnersArgs extends OwnedVolumes {
    /** The Docker host, `unix://…` or `ssh://…`. */
    readonly docker: string;
    /** Another one where the host is another machine, or was lost: volumes of the same names are new ones then. */
    readonly hostId: pulumi.Input<string>;
}

/**
 * Volumes that programs without root can write. Changes nothing where that is so; with a full store it takes a while, once,
 * during which what ran before still runs.
 */
export class VolumeOwners extends pulumi.ComponentResource {
    /** The resources underneath. */
    readonly nodes: { readonly owner: command.local.Command };

    constructor(name: string, args: VolumeOwnersArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:onprem:VolumeOwners", name, {}, opts);
        const { docker, hostId, volumes, image } = args;
        const named = pulumi.output(volumes);

        const owner = hostCommand(
            `${name}-owner`,
            docker,
            {
                create: ownVolumes({ volumes, image }),
                triggers: pulumi
                    .all([hostId, named])
                    .apply(([id, all]) => [id, ...all.map(({ volume, user }) => `${volume}=${user}`)]),
            },
            { parent: this },
        );

        this.nodes = { owner };
        this.registerOutputs({});
    }
}

/** Shell commands for the Docker host that do it. */
export function ownVolumes({ volumes, image }: OwnedVolumes): pulumi.Output<string> {
    const named = pulumi.output(volumes);
    return script("onprem/owner.sh", {
        image,
        mounts: named.apply((all) => all.map(({ volume }) => `--volume ${volume}:${within(volume)}`).join(" ")),
        owners: named.apply((all) =>
            all.map(({ volume, user }) => `${within(volume)} ${user.split(":")[0]}`).join(" "),
        ),
    });
}

function within(volume: string): string {
    return `/volumes/${volume}`;
}
