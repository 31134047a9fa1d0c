import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { child, type Transform } from "../transform";
import { byVersion, EVERYWHERE } from "./address-ranges";
import { DEBIAN } from "./user-data";

/** Debian's own account at AWS: https://wiki.debian.org/Cloud/AmazonEC2Image */
const DEBIAN_ACCOUNT = "136693071363";

/** Arguments of {@link Ec2Machine}. */
export interface Ec2MachineArgs {
    /** A change stops the machine for minutes, and keeps it; one of another architecture is another machine. */
    readonly instanceType: string;
    /** Size of the one disk. May grow in place, not shrink. */
    readonly diskGiB: number;
    /** A public subnet: one with a route to an internet gateway. @default one of the region's default VPC */
    readonly subnetId?: string;
    /** Address ranges that may log in; IPv4 and IPv6. */
    readonly sshFrom: readonly string[];
    /** Opens port 80, for certificates by HTTP-01. */
    readonly httpChallenge: boolean;
    /** Raised by one, another machine takes this one's place. */
    readonly generation: number;
    /** An IPv6 address too; needs {@link subnetId}, because a default VPC has no IPv6. */
    readonly ipv6: boolean;
    /** What the first boot does. Secret. */
    readonly userData: pulumi.Input<string>;
    readonly transform?: {
        readonly securityGroup?: Transform<aws.ec2.SecurityGroupArgs>;
        readonly instance?: Transform<aws.ec2.InstanceArgs>;
        readonly eip?: Transform<aws.ec2.EipArgs>;
        readonly association?: Transform<aws.ec2.EipAssociationArgs>;
    };
}

/**
 * A Debian machine of Amazon EC2 with an address that outlives it, in the region of the provider that it is given.
 *
 * What it costs: the instance's hours, those of its public IPv4 address, its gp3 disk, and traffic out; traffic in is free.
 * Prices: https://aws.amazon.com/ec2/pricing/on-demand/ and https://calculator.aws
 */
export class Ec2Machine extends pulumi.ComponentResource {
    /** Of the instance: another one for another machine. */
    readonly id: pulumi.Output<string>;
    /** The elastic address. */
    readonly address: pulumi.Output<string>;
    readonly ipv6Address?: pulumi.Output<string>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: {
        readonly securityGroup: aws.ec2.SecurityGroup;
        readonly instance: aws.ec2.Instance;
        readonly eip: aws.ec2.Eip;
        readonly association: aws.ec2.EipAssociation;
    };

    constructor(name: string, args: Ec2MachineArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:overseas:Ec2Machine", name, {}, opts);
        const own = { parent: this };
        const subnet = checkedSubnet(args, own);
        const arch = architecture(args.instanceType);

        const securityGroup = new aws.ec2.SecurityGroup(
            ...child(
                args.transform?.securityGroup,
                `${name}-security-group`,
                {
                    description: "dockermirror relay",
                    vpcId: subnet?.vpcId,
                    ingress: [
                        opened("SSH", 22, args.sshFrom),
                        opened("HTTPS", 443, EVERYWHERE),
                        ...(args.httpChallenge ? [opened("ACME HTTP-01", 80, EVERYWHERE)] : []),
                    ],
                    egress: [{ protocol: "-1", fromPort: 0, toPort: 0, ...ranges(EVERYWHERE) }],
                },
                own,
            ),
        );
        const instance = new aws.ec2.Instance(
            ...child(
                args.transform?.instance,
                `${name}-instance-${args.generation}-${arch}`,
                {
                    ami: newestImage(arch, own),
                    instanceType: args.instanceType,
                    subnetId: subnet?.id,
                    vpcSecurityGroupIds: [securityGroup.id],
                    // The first boot installs packages, and may be there before the elastic address is.
                    associatePublicIpAddress: true,
                    ipv6AddressCount: args.ipv6 ? 1 : undefined,
                    userData: args.userData,
                    // The user data hold the host key: to be had by nobody who can make the relay fetch a URL for them.
                    metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
                    rootBlockDevice: { volumeType: "gp3", volumeSize: args.diskGiB, encrypted: true },
                    // "unlimited" is what AWS does otherwise, and bills.
                    creditSpecification: isBurstable(args.instanceType) ? { cpuCredits: "standard" } : undefined,
                },
                // A new image of Debian's or a new version of dockermirror makes no new machine: the generation does,
                // by its name. Nor does an address that was taken away by hand. The architecture does, because the
                // provider would stop the machine, be refused the other type, and leave it stopped: `modifyInstance-
                // AttributeWithStopStart` of https://github.com/hashicorp/terraform-provider-aws, internal/service/ec2.
                { ...own, ignoreChanges: ["ami", "userData", "associatePublicIpAddress"] },
            ),
        );
        const eip = new aws.ec2.Eip(...child(args.transform?.eip, `${name}-eip`, { domain: "vpc" }, own));
        const association = new aws.ec2.EipAssociation(
            ...child(
                args.transform?.association,
                `${name}-association`,
                // Reassociation: a new machine takes the address over before the old one is gone.
                { allocationId: eip.id, instanceId: instance.id, allowReassociation: true },
                own,
            ),
        );

        this.nodes = { securityGroup, instance, eip, association };
        this.id = instance.id;
        this.address = eip.publicIp;
        this.ipv6Address = args.ipv6 ? instance.ipv6Addresses.apply(([first = ""]) => first) : undefined;
        this.registerOutputs({ id: this.id, address: this.address, ipv6Address: this.ipv6Address });
    }
}

/**
 * The architecture of an instance type, in Debian's word for it: a `g` right behind the generation's number says
 * Graviton, and so did `a1` before there was a rule (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html).
 */
export function architecture(instanceType: string): "arm64" | "amd64" {
    return /^(a1|[a-z]+\d+g[a-z]*)\./.test(instanceType) ? "arm64" : "amd64";
}

/** True for the families that collect CPU credits: T2, T3, T3a and T4g. */
export function isBurstable(instanceType: string): boolean {
    return /^t\d/.test(instanceType);
}

function ranges(cidrs: readonly string[]) {
    const { ipv4, ipv6 } = byVersion(cidrs);
    return { cidrBlocks: ipv4, ipv6CidrBlocks: ipv6 };
}

function opened(description: string, port: number, cidrs: readonly string[]) {
    return { description, protocol: "tcp", fromPort: port, toPort: port, ...ranges(cidrs) };
}

function newestImage(arch: string, opts: pulumi.InvokeOutputOptions): pulumi.Output<string> {
    const filters = [{ name: "name", values: [`debian-${DEBIAN}-${arch}-*`] }];
    // One that was deprecated since would do: the answer is only used for a new machine, but none at all is an error.
    return aws.ec2.getAmiOutput({ owners: [DEBIAN_ACCOUNT], filters, mostRecent: true, includeDeprecated: true }, opts)
        .id;
}

/** @throws pulumi.RunError when the machine cannot have an IPv6 address. */
function checkedSubnet({ subnetId, ipv6 }: Ec2MachineArgs, opts: pulumi.InvokeOutputOptions) {
    if (subnetId === undefined) {
        if (ipv6)
            throw new pulumi.RunError(
                "ipv6 needs subnetId: a default VPC has no IPv6 range; name a subnet that has one",
            );
        return undefined;
    }
    return aws.ec2.getSubnetOutput({ id: subnetId }, opts).apply(({ id, vpcId, ipv6CidrBlock }) => {
        if (ipv6 && !ipv6CidrBlock) {
            throw new pulumi.RunError(
                `subnetId must be a subnet with an IPv6 range when ipv6 is true, and ${id} has none: give it one, or leave ipv6 out`,
            );
        }
        return { id, vpcId };
    });
}
