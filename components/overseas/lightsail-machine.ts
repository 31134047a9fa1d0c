import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { child, type Transform } from "../transform";
import { byVersion, EVERYWHERE } from "./address-ranges";
import { DEBIAN } from "./user-data";

/** https://docs.aws.amazon.com/cli/latest/reference/lightsail/get-blueprints.html names them; preflight asks for it. */
const BLUEPRINT = `debian_${DEBIAN}`;

/** Arguments of {@link LightsailMachine}. */
export interface LightsailMachineArgs {
    /** In full, such as `ap-northeast-1a`. A change makes another machine. */
    readonly availabilityZone: string;
    /** Size, such as `micro_3_0`: 1 GB. A change makes another machine. */
    readonly bundle: string;
    /** Address ranges that may log in; IPv4 and IPv6. */
    readonly sshFrom: readonly string[];
    /** Opens port 80, for certificates by HTTP-01. */
    readonly httpChallenge: boolean;
    /** Raised by one, another machine takes this one's place. */
    readonly generation: number;
    /** An IPv6 address too. */
    readonly ipv6: boolean;
    /** The stack's login key, of the type `ssh-rsa`: Lightsail takes no other. */
    readonly publicKey: pulumi.Input<string>;
    /** What the first boot does. Secret. */
    readonly userData: pulumi.Input<string>;
    readonly transform?: {
        readonly keyPair?: Transform<aws.lightsail.KeyPairArgs>;
        readonly instance?: Transform<aws.lightsail.InstanceArgs>;
        readonly ports?: Transform<aws.lightsail.InstancePublicPortsArgs>;
        readonly staticIp?: Transform<aws.lightsail.StaticIpArgs>;
        readonly attachment?: Transform<aws.lightsail.StaticIpAttachmentArgs>;
    };
}

/**
 * A Debian machine of Amazon Lightsail with an address that outlives it, in the region of the provider that it is given.
 * Whether its disk is encrypted is Lightsail's business: there is no setting.
 *
 * What it costs a month, by list prices (look yours up: https://aws.amazon.com/lightsail/pricing/): micro_3_0 with its
 * address is $7, with 2 TB of traffic in it, and both directions count: each byte that is pulled comes in and goes out.
 * At 100 GB of pulls 2 × 100 = 200 GB of the 2 TB, which makes $7; at 1 TB 2 × 1 = 2 TB, all of it, which makes $7. What
 * goes out beyond it is $0.09 to $0.17 a GB, $0.14 in ap-northeast-1; some regions (bundles of another name) include half.
 * https://docs.aws.amazon.com/lightsail/latest/userguide/amazon-lightsail-faq-data-transfer-allowance.html
 */
export class LightsailMachine extends pulumi.ComponentResource {
    /** Of the instance: another one for another machine. */
    readonly id: pulumi.Output<string>;
    /** The static address. */
    readonly address: pulumi.Output<string>;
    readonly ipv6Address?: pulumi.Output<string>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: {
        readonly keyPair: aws.lightsail.KeyPair;
        readonly instance: aws.lightsail.Instance;
        readonly ports: aws.lightsail.InstancePublicPorts;
        readonly staticIp: aws.lightsail.StaticIp;
        readonly attachment: aws.lightsail.StaticIpAttachment;
    };

    constructor(name: string, args: LightsailMachineArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:overseas:LightsailMachine", name, {}, opts);
        const { transform } = args;
        const own = { parent: this };

        // Without one the image's user could be logged in to by the region's default key, which the account hands out.
        const keyPair = new aws.lightsail.KeyPair(
            ...child(transform?.keyPair, `${name}-key-pair`, { publicKey: args.publicKey }, own),
        );
        const instance = new aws.lightsail.Instance(
            ...child(
                transform?.instance,
                `${name}-instance-${args.generation}`,
                {
                    availabilityZone: args.availabilityZone,
                    blueprintId: BLUEPRINT,
                    bundleId: args.bundle,
                    keyPairName: keyPair.name,
                    ipAddressType: args.ipv6 ? "dualstack" : "ipv4",
                    userData: args.userData,
                },
                // A new version of dockermirror makes no new machine: the generation does, by its name.
                { ...own, ignoreChanges: ["userData", "blueprintId"] },
            ),
        );
        // Closes what is not in it: Lightsail opens 22 and 80 to the world.
        const ports = new aws.lightsail.InstancePublicPorts(
            ...child(
                transform?.ports,
                `${name}-ports`,
                {
                    instanceName: instance.name,
                    portInfos: [
                        opened(22, args.sshFrom, args.ipv6),
                        opened(443, EVERYWHERE, args.ipv6),
                        ...(args.httpChallenge ? [opened(80, EVERYWHERE, args.ipv6)] : []),
                    ],
                },
                // Any change replaces it, and what is deleted closes its ports: those of its successor too, if that were there.
                { ...own, deleteBeforeReplace: true },
            ),
        );
        const staticIp = new aws.lightsail.StaticIp(...child(transform?.staticIp, `${name}-static-ip`, {}, own));
        const attachment = new aws.lightsail.StaticIpAttachment(
            ...child(
                transform?.attachment,
                `${name}-attachment`,
                { staticIpName: staticIp.name, instanceName: instance.name },
                // An attachment is deleted by the address' name: after a replacement that would detach the new one.
                { ...own, deleteBeforeReplace: true },
            ),
        );

        this.nodes = { keyPair, instance, ports, staticIp, attachment };
        this.id = instance.id;
        this.address = staticIp.ipAddress;
        this.ipv6Address = args.ipv6 ? instance.ipv6Addresses.apply(([first = ""]) => first) : undefined;
        this.registerOutputs({ id: this.id, address: this.address, ipv6Address: this.ipv6Address });
    }
}

/** @throws pulumi.RunError for a port without an IPv4 range: Lightsail takes none for all. */
function opened(port: number, cidrs: readonly string[], ipv6: boolean) {
    const ranges = byVersion(cidrs);
    if (ranges.ipv4.length === 0) {
        throw new pulumi.RunError(
            `sshFrom must have an IPv4 range for Lightsail, got ${cidrs.join(", ") || "nothing"}`,
        );
    }
    return {
        protocol: "tcp",
        fromPort: port,
        toPort: port,
        cidrs: ranges.ipv4,
        ipv6Cidrs: ipv6 ? ranges.ipv6 : undefined,
    };
}
