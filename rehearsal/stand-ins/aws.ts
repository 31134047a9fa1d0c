/**
 * @pulumi/aws, EC2 and Lightsail: machines of the rehearsal's cloud. Network and first boot are real; a machine's type and
 * architecture are noted, not played. Which inputs change in place is the provider's doing: `ForceNew` in
 * https://github.com/hashicorp/terraform-provider-aws, internal/service/ec2 and internal/service/lightsail. Of what was changed
 * by hand a refresh sees here what is gone (a machine, an address, an association, a group), and what a group lets in.
 */
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Cloud } from "../cloud";
import { DEBIANS } from "../debian";
import type { Opening } from "../firewall";
import type { Properties, Provider, StandIn } from "./stand-in";

const EVERYWHERE = "0.0.0.0/0";
/** Without ForceNew: internal/service/ec2/ec2_instance.go. */
const INSTANCE_IN_PLACE = [
    ...["creditSpecification", "disableApiStop", "disableApiTermination", "ebsOptimized", "iamInstanceProfile"],
    ...["instanceInitiatedShutdownBehavior", "instanceType", "maintenanceOptions", "metadataOptions", "monitoring"],
    ...["rootBlockDevice.iops", "rootBlockDevice.tags", "rootBlockDevice.throughput", "rootBlockDevice.volumeSize"],
    ...["rootBlockDevice.volumeType", "rootBlockDevice.deleteOnTermination", "sourceDestCheck", "tags", "userData"],
    ...["userDataReplaceOnChange", "volumeTags", "vpcSecurityGroupIds"],
];
const WORLD_SSH: Opening[] = [22, 80].map((port) => ({
    protocol: "tcp",
    fromPort: port,
    toPort: port,
    from: [EVERYWHERE],
}));
/** Lightsail runs the user data behind a shell script of its own: all that is known of it is what it leaves. */
const LIGHTSAIL_SCRIPT = `#!/bin/sh
ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/lightsail_instance_ca
echo "TrustedUserCAKeys /etc/ssh/lightsail_instance_ca.pub" >>/etc/ssh/sshd_config
systemctl restart ssh
`;

/** Debian's own images of the releases that are supported; which of them a machine has, the rehearsal says (`--debian`). */
const DEBIAN_ACCOUNT = "136693071363";
const EC2_IMAGES = new RegExp(`^debian-(${DEBIANS.join("|")})-(amd64|arm64)-`);
const LIGHTSAIL_IMAGES = new RegExp(`^debian_(${DEBIANS.join("|")})$`);

/** The provider. Credentials are not asked for. */
export function awsProvider(cloud: Cloud): Provider {
    return { package: "aws", standIns: { ...ec2(cloud), ...lightsail(cloud) }, functions };
}

function ec2(cloud: Cloud): Record<string, StandIn> {
    const securityGroup: StandIn = {
        create: async ({ name, inputs }) => {
            const id = newId("sg");
            await cloud.firewall.setGroup(id, ec2Openings(name, inputs));
            return { id, outputs: { name: id } };
        },
        inPlace: ["egress", "ingress", "revokeRulesOnDelete", "tags"],
        update: async ({ name, inputs }, { id, outputs }) => {
            await cloud.firewall.setGroup(id, ec2Openings(name, inputs));
            return { id, outputs };
        },
        read: async ({ id, name, inputs }) => {
            const openings = await cloud.firewall.openings(id);
            if (!openings) return undefined;
            // Descriptions and IPv6 ranges are not the firewall's: what lets the same in is as it was.
            if (isDeepStrictEqual(openings, ec2Openings(name, inputs))) return {};
            const ingress = openings.map(({ from, ...opening }) => ({ ...opening, cidrBlocks: from }));
            return { inputs: { ingress } };
        },
        remove: ({ id }) => cloud.firewall.removeGroup(id),
        autonamed: "name",
    };
    const instance: StandIn = {
        create: async ({ name, inputs }) => {
            const { userData = "", vpcSecurityGroupIds: [group, ...others] = [], ipv6AddressCount } = inputs;
            if (ipv6AddressCount) throw new Error(`${name}: the rehearsal has no IPv6`);
            if (!group || others.length > 0) throw new Error(`${name}: the stand-in takes one security group`);
            const id = newId("i");
            const publicIp = await cloud.launch(id, userData, group);
            return { id, outputs: { publicIp, ipv6Addresses: [], instanceState: "running" } };
        },
        inPlace: INSTANCE_IN_PLACE,
        update: async ({ inputs }, { id, outputs, inputs: before }) => {
            await cloud.guard(id, inputs.vpcSecurityGroupIds[0]);
            if (inputs.instanceType !== before.instanceType) await cloud.restart(id);
            return { id, outputs };
        },
        read: async ({ id }) => ((await cloud.has(id)) ? {} : undefined),
        remove: ({ id }) => cloud.terminate(id),
    };
    const eip: StandIn = {
        create: async () => {
            const id = newId("eipalloc");
            return { id, outputs: { allocationId: id, publicIp: cloud.allocate(id) } };
        },
        inPlace: ["associateWithPrivateIp", "instance", "networkInterface", "tags"],
        read: async ({ id }) => addressOf(cloud, id, "publicIp"),
        remove: async ({ id }) => cloud.release(id),
    };
    const association: StandIn = {
        create: async ({ name, inputs: { allocationId, instanceId, allowReassociation } }) => {
            const holder = await cloud.holder(allocationId);
            if (holder && !allowReassociation)
                throw new Error(`${name}: the address is already associated with ${holder}`);
            await cloud.associate(allocationId, instanceId);
            return { id: newId("eipassoc"), outputs: {} };
        },
        read: async ({ inputs: { allocationId, instanceId } }) =>
            (await cloud.holder(allocationId)) === instanceId ? {} : undefined,
        // Where the address was reassociated this association is no longer there.
        remove: ({ inputs }) => cloud.disassociate(inputs.allocationId, inputs.instanceId),
    };
    return {
        "aws:ec2/securityGroup:SecurityGroup": securityGroup,
        "aws:ec2/instance:Instance": instance,
        "aws:ec2/eip:Eip": eip,
        "aws:ec2/eipAssociation:EipAssociation": association,
    };
}

function lightsail(cloud: Cloud): Record<string, StandIn> {
    const keyPair: StandIn = {
        create: async ({ inputs }) => ({ id: inputs.name, outputs: {} }),
        inPlace: ["tags"],
        // The rehearsal's cloud keeps none: the user data lay the key.
        read: async () => ({}),
        autonamed: "name",
    };
    const instance: StandIn = {
        create: async ({ inputs }) => {
            const { name: machine, blueprintId } = inputs;
            if (!LIGHTSAIL_IMAGES.test(blueprintId))
                throw new Error(`InvalidInputException: there is no blueprint ${blueprintId}`);
            await cloud.firewall.setGroup(machine, WORLD_SSH);
            const publicIpAddress = await cloud.launch(machine, LIGHTSAIL_SCRIPT + (inputs.userData ?? ""), machine);
            return { id: machine, outputs: { publicIpAddress, ipv6Addresses: [], username: "admin" } };
        },
        inPlace: ["addOn", "ipAddressType", "tags"],
        read: async ({ id }) => ((await cloud.has(id)) ? {} : undefined),
        autonamed: "name",
        remove: async ({ id }) => {
            await cloud.terminate(id);
            await cloud.firewall.removeGroup(id);
        },
    };
    const publicPorts: StandIn = {
        create: async ({ inputs: { instanceName, portInfos } }) => {
            await cloud.firewall.setGroup(instanceName, portInfos.map(lightsailOpening));
            return { id: newId(instanceName), outputs: {} };
        },
        read: async ({ inputs: { instanceName, portInfos } }) => {
            const openings = await cloud.firewall.openings(instanceName);
            if (!openings) return undefined;
            if (isDeepStrictEqual(openings, portInfos.map(lightsailOpening))) return {};
            const found = openings.map(({ from, protocol, ...ports }) => ({
                ...ports,
                protocol: protocol === "-1" ? "all" : protocol,
                cidrs: from,
            }));
            return { inputs: { portInfos: found } };
        },
        // It closes the ports by their numbers: also those that a successor has opened on the same machine.
        remove: ({ inputs }) => cloud.firewall.setGroup(inputs.instanceName, []),
    };
    const staticIp: StandIn = {
        create: async ({ inputs: { name } }) => ({ id: name, outputs: { ipAddress: cloud.allocate(name) } }),
        read: async ({ id }) => addressOf(cloud, id, "ipAddress", { name: id }),
        remove: async ({ id }) => cloud.release(id),
        autonamed: "name",
    };
    const attachment: StandIn = {
        create: async ({ name, inputs: { staticIpName, instanceName } }) => {
            const holder = await cloud.holder(staticIpName);
            if (holder) throw new Error(`${name}: the address is still attached to ${holder}`);
            await cloud.associate(staticIpName, instanceName);
            return { id: staticIpName, outputs: {} };
        },
        read: async ({ inputs: { staticIpName, instanceName } }) =>
            (await cloud.holder(staticIpName)) === instanceName ? {} : undefined,
        // By the address' name alone, whichever machine has it.
        remove: async ({ inputs }) => {
            const holder = await cloud.holder(inputs.staticIpName);
            if (holder) await cloud.disassociate(inputs.staticIpName, holder);
        },
    };
    return {
        "aws:lightsail/keyPair:KeyPair": keyPair,
        "aws:lightsail/instance:Instance": instance,
        "aws:lightsail/instancePublicPorts:InstancePublicPorts": publicPorts,
        "aws:lightsail/staticIp:StaticIp": staticIp,
        "aws:lightsail/staticIpAttachment:StaticIpAttachment": attachment,
    };
}

const functions: Provider["functions"] = {
    // Each time a newer one, as if Debian had just published it: it must not replace the machine.
    "aws:ec2/getAmi:getAmi": async ({ owners = [], filters = [] }) => {
        const names: string[] = filters.find(({ name }: Properties) => name === "name")?.values ?? [];
        if (!owners.includes(DEBIAN_ACCOUNT) || !names.some((name) => EC2_IMAGES.test(name)))
            throw new Error(`Your query returned no results: ${owners} has no image ${names.join(", ")}`);
        return { id: newId("ami") };
    },
    "aws:ec2/getSubnet:getSubnet": async ({ id }) => ({ id, vpcId: "vpc-0", ipv6CidrBlock: "" }),
};

/** @throws Error without an opening for everything outwards: the provider removes the one that AWS makes. */
function ec2Openings(name: string, { ingress = [], egress = [] }: Properties): Opening[] {
    const outwards = egress.some((rule: Properties) => rule.protocol === "-1" && rule.cidrBlocks?.includes(EVERYWHERE));
    if (!outwards) throw new Error(`${name}: its egress lets nothing out, and the stand-in knows only all or nothing`);
    return ingress.map(({ protocol, fromPort, toPort, cidrBlocks = [] }: Properties) => ({
        protocol,
        fromPort,
        toPort,
        from: cidrBlocks,
    }));
}

/** An address that was taken, by its id; `undefined` where it was given back. */
async function addressOf(cloud: Cloud, id: string, output: string, inputs: Properties = {}) {
    const address = cloud.reserved(id);
    return address === undefined ? undefined : { inputs, outputs: { [output]: address } };
}

function lightsailOpening({ protocol, fromPort, toPort, cidrs }: Properties): Opening {
    return { protocol: protocol === "all" ? "-1" : protocol, fromPort, toPort, from: cidrs ?? [EVERYWHERE] };
}

/** In the form of AWS' own ids, which its names take too. */
function newId(kind: string): string {
    return `${kind}-${randomBytes(9).toString("hex").slice(1)}`;
}
