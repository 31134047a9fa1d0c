/**
 * What RelayHost asks for, by kind. That a machine becomes what its user data say is proven in user-data.test.ts; that
 * AWS takes it is not proven here: the rehearsal's cloud is this machine's Docker.
 */
import assert from "node:assert/strict";
import { RelayHost, type RelayHostArgs } from "../../../components/overseas/relay-host";
import { launchScript, userData } from "../../../components/overseas/user-data";
import { readTemplate } from "../../../templates/render";
import { type Deployed, deploy, isSecret, only, plainOccurrences, type Resource, reveal } from "../../support/deploy";

const INSTANCE = "aws:ec2/instance:Instance";
const GROUP = "aws:ec2/securityGroup:SecurityGroup";
const ASSOCIATION = "aws:ec2/eipAssociation:EipAssociation";
const LIGHTSAIL = "aws:lightsail/instance:Instance";
const PORTS = "aws:lightsail/instancePublicPorts:InstancePublicPorts";
const ATTACHMENT = "aws:lightsail/staticIpAttachment:StaticIpAttachment";
const KEY = "tls:index/privateKey:PrivateKey";
const COMMAND = "command:remote:Command";

type Args<Kind> = Extract<RelayHostArgs, { readonly kind: Kind }>;

const MADE = {
    region: "ap-northeast-1",
    sshFrom: ["203.0.113.7/32", "2001:db8::/64", "198.51.100.0/24"],
    httpChallenge: true,
    generation: 1,
    rebootAt: "19:30",
    ipv6: false,
};
const EC2: Args<"ec2"> = { kind: "ec2", ...MADE, instanceType: "t4g.micro", diskGiB: 8 };
const LIGHT: Args<"lightsail"> = {
    kind: "lightsail",
    ...MADE,
    availabilityZone: "ap-northeast-1a",
    bundle: "micro_3_0",
};
const HOST: Args<"host"> = {
    kind: "host",
    connection: {
        host: "198.51.100.9",
        port: 2222,
        user: "admin",
        hostKey: "ssh-ed25519 AAAA",
        privateKey: "sEntiNelSsh",
    },
};
const MADE_BY_ALL = [
    "vm dockermirror:overseas:RelayHost",
    "vm-aws pulumi:providers:aws",
    `vm-host-key-1 ${KEY}`,
    `vm-login-key ${KEY}`,
    `vm-ready ${COMMAND}`,
];
const EVERYWHERE = { cidrBlocks: ["0.0.0.0/0"], ipv6CidrBlocks: ["::/0"] };

const OUTPUTS = {
    [KEY]: (_: unknown, name: string) => ({
        privateKeyOpenssh: `sEntiNel ${name}\n`,
        publicKeyOpenssh: `ssh-ed25519 ${name}\n`,
    }),
    "aws:ec2/eip:Eip": () => ({ publicIp: "198.51.100.7" }),
    "aws:lightsail/staticIp:StaticIp": (_: unknown, name: string) => ({ name, ipAddress: "198.51.100.8" }),
    "aws:lightsail/keyPair:KeyPair": (_: unknown, name: string) => ({ name }),
    [INSTANCE]: () => ({ ipv6Addresses: ["2001:db8::7"] }),
    [LIGHTSAIL]: (_: unknown, name: string) => ({ name: `${name}-1a2b3c4`, ipv6Addresses: ["2001:db8::8"] }),
};
const SUBNETS: Record<string, string> = { "subnet-4": "", "subnet-46": "2001:db8::/64" };

function deployHost(args: RelayHostArgs, tell: (what: string) => void = () => {}): Promise<Deployed> {
    return deploy(
        () => {
            const { id, address, ipv6Address, connection } = new RelayHost("vm", args);
            connection.apply(() => tell("connection"));
            return { id, address, ipv6Address, connection };
        },
        {
            outputs: {
                ...OUTPUTS,
                [COMMAND]: () => {
                    tell("ready");
                    return {};
                },
            },
            functions: {
                "aws:ec2/getAmi:getAmi": (inputs) => {
                    assert.deepEqual(inputs.owners, ["136693071363"]);
                    assert.equal(inputs.mostRecent, true);
                    return { id: `ami of ${inputs.filters[0].values}` };
                },
                "aws:ec2/getSubnet:getSubnet": ({ id }) => ({ id, vpcId: "vpc-1", ipv6CidrBlock: SUBNETS[id] }),
            },
        },
    );
}

const inputsOf = async (args: RelayHostArgs, type: string) => only(await deployHost(args), type).inputs;

/** Sorted: Pulumi asks for what does not wait for anything in any order. */
const made = (resources: readonly Resource[]) => resources.map(({ name, type }) => `${name} ${type}`).sort();

/** The ranges that may reach a port, of either kind of machine. */
function rangesFor(port: number, resources: readonly Resource[]): string[] {
    const rules = resources.flatMap(({ inputs }) => [...(inputs.ingress ?? []), ...(inputs.portInfos ?? [])]);
    return rules
        .filter(({ fromPort, toPort, protocol }) => protocol !== "tcp" || (fromPort <= port && port <= toPort))
        .flatMap((rule) => [rule.cidrBlocks, rule.ipv6CidrBlocks, rule.cidrs, rule.ipv6Cidrs])
        .flatMap((list) => list ?? []);
}

describe("RelayHost of a machine that is there", () => {
    it("makes nothing, and hands on what it was given", async () => {
        const { resources, outputs } = await deployHost({ ...HOST, ipv6Address: "2001:db8::9" });
        assert.deepEqual(
            resources.map(({ name }) => name),
            ["vm"],
        );
        assert.deepEqual(outputs, {
            id: "198.51.100.9 2222 ssh-ed25519 AAAA",
            address: "198.51.100.9",
            ipv6Address: "2001:db8::9",
            connection: HOST.connection,
        });
    });

    it("is another machine under another address, port or host key, and not for another login", async () => {
        const id = async (change: object) =>
            (await deployHost({ ...HOST, connection: { ...HOST.connection, ...change } as never })).outputs.id;
        const before = await id({});
        for (const change of [{ host: "198.51.100.10" }, { port: 22 }, { hostKey: "ssh-ed25519 BBBB" }]) {
            assert.notEqual(await id(change), before, JSON.stringify(change));
        }
        assert.equal(await id({ user: "root", privateKey: "another" }), before);
    });
});

describe("RelayHost at EC2", () => {
    it("makes the machine, its firewall and its address, and waits for it", async () => {
        const { resources, outputs } = await deployHost(EC2);
        assert.deepEqual(
            made(resources),
            [
                ...MADE_BY_ALL,
                "vm dockermirror:overseas:Ec2Machine",
                `vm-association ${ASSOCIATION}`,
                "vm-eip aws:ec2/eip:Eip",
                `vm-instance-1-arm64 ${INSTANCE}`,
                `vm-security-group ${GROUP}`,
            ].sort(),
        );
        assert.deepEqual(outputs, {
            id: "vm-instance-1-arm64-id",
            address: "198.51.100.7",
            ipv6Address: undefined,
            connection: {
                host: "198.51.100.7",
                user: "dockermirror",
                privateKey: "sEntiNel vm-login-key\n",
                hostKey: "ssh-ed25519 vm-host-key-1\n",
                dialErrorLimit: 120,
                perDialTimeout: 10,
            },
        });
    });

    it("puts all of it into the region, tagged with the stack", async () => {
        const { resources } = await deployHost(EC2);
        const { region, defaultTags } = resources.find(({ type }) => type === "pulumi:providers:aws")!.inputs;
        assert.equal(region, "ap-northeast-1");
        const tags = { Name: "dockermirror/test", "pulumi:project": "dockermirror", "pulumi:stack": "test" };
        assert.deepEqual(JSON.parse(defaultTags), { tags });
        const theirs = resources.filter(({ type }) => type.startsWith("aws:"));
        assert.equal(theirs.length, 4);
        for (const { name, provider: used } of theirs) assert.match(used ?? "", /::vm-aws::vm-aws-id$/, name);
    });

    it("asks for an encrypted disk, tokens at the metadata service and no bill for CPU credits", async () => {
        const { userData: _, ...inputs } = await inputsOf(EC2, INSTANCE);
        assert.deepEqual(inputs, {
            ami: "ami of debian-13-arm64-*",
            instanceType: "t4g.micro",
            vpcSecurityGroupIds: ["vm-security-group-id"],
            associatePublicIpAddress: true,
            metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
            rootBlockDevice: { volumeType: "gp3", volumeSize: 8, encrypted: true },
            creditSpecification: { cpuCredits: "standard" },
        });
        const other = await inputsOf({ ...EC2, instanceType: "m7i.large", diskGiB: 20 }, INSTANCE);
        assert.equal(other.ami, "ami of debian-13-amd64-*");
        assert.equal(other.creditSpecification, undefined);
        assert.equal(other.rootBlockDevice.volumeSize, 20);
    });

    it("opens 443 to all, 22 to whom the settings name, and 80 for HTTP-01 alone", async () => {
        const { ingress, egress, vpcId } = await inputsOf(EC2, GROUP);
        const rule = (description: string, port: number, ranges: object) => ({
            ...{ description, protocol: "tcp", fromPort: port, toPort: port },
            ...ranges,
        });
        const ssh = rule("SSH", 22, {
            cidrBlocks: ["203.0.113.7/32", "198.51.100.0/24"],
            ipv6CidrBlocks: ["2001:db8::/64"],
        });
        const https = rule("HTTPS", 443, EVERYWHERE);
        assert.deepEqual(ingress, [ssh, https, rule("ACME HTTP-01", 80, EVERYWHERE)]);
        assert.deepEqual(egress, [{ protocol: "-1", fromPort: 0, toPort: 0, ...EVERYWHERE }]);
        assert.equal(vpcId, undefined);
        assert.deepEqual((await inputsOf({ ...EC2, httpChallenge: false }, GROUP)).ingress, [ssh, https]);
    });

    it("goes into the subnet that it is given, and with its firewall into the subnet's network", async () => {
        const deployed = await deployHost({ ...EC2, subnetId: "subnet-4" });
        assert.equal(only(deployed, INSTANCE).inputs.subnetId, "subnet-4");
        assert.equal(only(deployed, GROUP).inputs.vpcId, "vpc-1");
    });

    it("has an IPv6 address where that is wanted and the subnet has one to give", async () => {
        const deployed = await deployHost({ ...EC2, ipv6: true, subnetId: "subnet-46" });
        assert.equal(only(deployed, INSTANCE).inputs.ipv6AddressCount, 1);
        assert.equal(deployed.outputs.ipv6Address, "2001:db8::7");
        await assert.rejects(
            deployHost({ ...EC2, ipv6: true, subnetId: "subnet-4" }),
            /subnetId must be a subnet with an IPv6 range when ipv6 is true, and subnet-4 has none/,
        );
        await assert.rejects(deployHost({ ...EC2, ipv6: true }), /ipv6 needs subnetId: a default VPC has no IPv6/);
    });

    it("is another machine for another architecture, and the same for another type of its own", async () => {
        const named = async (instanceType: string) => only(await deployHost({ ...EC2, instanceType }), INSTANCE).name;
        assert.equal(await named("c7g.large"), await named(EC2.instanceType));
        assert.notEqual(await named("t3.micro"), await named(EC2.instanceType));
    });

    it("moves the address to the new machine before the old one goes", async () => {
        const { inputs, deleteBeforeReplace } = only(await deployHost(EC2), ASSOCIATION);
        assert.deepEqual(inputs, {
            allocationId: "vm-eip-id",
            instanceId: "vm-instance-1-arm64-id",
            allowReassociation: true,
        });
        assert.equal(deleteBeforeReplace, false);
    });

    it("lets the user change what it makes", async () => {
        const deployed = await deployHost({
            ...EC2,
            transform: {
                provider: { profile: "relay" },
                instance: { tenancy: "dedicated" },
                ready: (args) => {
                    args.triggers = ["mine"];
                },
            },
        });
        assert.equal(only(deployed, INSTANCE).inputs.tenancy, "dedicated");
        assert.equal(only(deployed, "pulumi:providers:aws").inputs.profile, "relay");
        assert.deepEqual(only(deployed, COMMAND).inputs.triggers, ["mine"]);
    });
});

describe("RelayHost at Lightsail", () => {
    it("makes the machine, its firewall and its address, and waits for it", async () => {
        const { resources, outputs } = await deployHost(LIGHT);
        assert.deepEqual(
            made(resources),
            [
                ...MADE_BY_ALL,
                "vm dockermirror:overseas:LightsailMachine",
                `vm-attachment ${ATTACHMENT}`,
                `vm-instance-1 ${LIGHTSAIL}`,
                "vm-key-pair aws:lightsail/keyPair:KeyPair",
                `vm-ports ${PORTS}`,
                "vm-static-ip aws:lightsail/staticIp:StaticIp",
            ].sort(),
        );
        assert.equal(outputs.address, "198.51.100.8");
        assert.equal(outputs.connection.user, "dockermirror");
    });

    it("asks for Debian with the stack's own key, of the one type that Lightsail takes", async () => {
        const deployed = await deployHost(LIGHT);
        const { userData: _, ...inputs } = only(deployed, LIGHTSAIL).inputs;
        assert.deepEqual(inputs, {
            availabilityZone: "ap-northeast-1a",
            blueprintId: "debian_13",
            bundleId: "micro_3_0",
            keyPairName: "vm-key-pair",
            ipAddressType: "ipv4",
        });
        assert.deepEqual(only(deployed, KEY, "login").inputs, { algorithm: "RSA", rsaBits: 4096 });
        assert.equal(only(deployed, "aws:lightsail/keyPair:KeyPair").inputs.publicKey, "ssh-ed25519 vm-login-key\n");
    });

    it("opens 443 to all, 22 to whom the settings name, and 80 for HTTP-01 alone", async () => {
        const rule = (port: number, ranges: object) => ({ protocol: "tcp", fromPort: port, toPort: port, ...ranges });
        const ssh = rule(22, { cidrs: ["203.0.113.7/32", "198.51.100.0/24"] });
        const { instanceName, portInfos } = await inputsOf(LIGHT, PORTS);
        assert.equal(instanceName, "vm-instance-1-1a2b3c4");
        assert.deepEqual(portInfos, [ssh, rule(443, { cidrs: ["0.0.0.0/0"] }), rule(80, { cidrs: ["0.0.0.0/0"] })]);
        const { portInfos: without } = await inputsOf({ ...LIGHT, httpChallenge: false }, PORTS);
        assert.deepEqual(without, portInfos.slice(0, 2));
        const { portInfos: both } = await inputsOf({ ...LIGHT, ipv6: true }, PORTS);
        assert.deepEqual(both[0], { ...ssh, ipv6Cidrs: ["2001:db8::/64"] });
        assert.deepEqual(both[1], rule(443, { cidrs: ["0.0.0.0/0"], ipv6Cidrs: ["::/0"] }));
    });

    it("closes the ports of before, and only then opens the ones of now", async () => {
        assert.equal(only(await deployHost(LIGHT), PORTS).deleteBeforeReplace, true);
    });

    it("never leaves 22 without a range, which Lightsail would take for all", async () => {
        await assert.rejects(
            deployHost({ ...LIGHT, sshFrom: ["2001:db8::/64"] }),
            /sshFrom must have an IPv4 range for Lightsail, got 2001:db8::\/64/,
        );
    });

    it("has an IPv6 address where that is wanted", async () => {
        const deployed = await deployHost({ ...LIGHT, ipv6: true });
        assert.equal(only(deployed, LIGHTSAIL).inputs.ipAddressType, "dualstack");
        assert.equal(deployed.outputs.ipv6Address, "2001:db8::8");
    });

    it("takes the address from the old machine before it gives it to the new one", async () => {
        const { inputs, deleteBeforeReplace } = only(await deployHost(LIGHT), ATTACHMENT);
        assert.deepEqual(inputs, { staticIpName: "vm-static-ip", instanceName: "vm-instance-1-1a2b3c4" });
        assert.equal(deleteBeforeReplace, true);
    });
});

describe("RelayHost of a made machine", () => {
    const KINDS = { ec2: { args: EC2, type: INSTANCE }, lightsail: { args: LIGHT, type: LIGHTSAIL } };
    for (const [kind, { args, type }] of Object.entries(KINDS)) {
        it(`names machine and host key by their generation, and nothing else by it: ${kind}`, async () => {
            const names = async (generation: number) =>
                (await deployHost({ ...args, generation })).resources.map(({ name }) => name);
            const [first, second] = [await names(1), await names(2)];
            assert.deepEqual(
                second.filter((name) => !first.includes(name)),
                ["vm-host-key-2", kind === "ec2" ? "vm-instance-2-arm64" : "vm-instance-2"],
            );
        });

        it(`is not replaced for a new image or other user data: ${kind}`, async () => {
            const { ignoreChanges } = only(await deployHost(args), type);
            assert.ok(ignoreChanges.includes("userData"));
            assert.ok(ignoreChanges.includes(kind === "ec2" ? "ami" : "blueprintId"));
        });

        it(`keeps 22 shut to the world: ${kind}`, async () => {
            const { resources } = await deployHost({ ...args, ipv6: kind === "lightsail" });
            const ssh = rangesFor(22, resources);
            assert.ok(ssh.includes("203.0.113.7/32"), ssh.join());
            assert.deepEqual(
                ssh.filter((range) => !args.sshFrom.includes(range)),
                [],
            );
        });

        it(`shows no secret: ${kind}`, async () => {
            const deployed = await deployHost(args);
            for (const { name, inputs } of deployed.resources) {
                assert.deepEqual(plainOccurrences(inputs, "sEntiNel"), [], name);
            }
            assert.ok(isSecret(only(deployed, type).inputs.userData));
            assert.ok(isSecret(only(deployed, COMMAND).inputs.connection));
        });

        it(`boots with the login key and the host key of its generation: ${kind}`, async () => {
            const said = reveal(await inputsOf({ ...args, generation: 3, rebootAt: "04:05" }, type)).userData;
            const expected = userData({
                authorizedKey: "ssh-ed25519 vm-login-key",
                hostKey: { private: "sEntiNel vm-host-key-3\n", public: "ssh-ed25519 vm-host-key-3" },
                rebootAt: "04:05",
            });
            assert.equal(said, kind === "ec2" ? expected : launchScript(expected));
        });

        it(`is waited for once it can be reached, and its connection is known after that: ${kind}`, async () => {
            const told: string[] = [];
            const deployed = await deployHost(args, (what) => told.push(what));
            const { inputs, dependencies } = only(deployed, COMMAND);
            assert.deepEqual(inputs.triggers, [kind === "ec2" ? "vm-instance-1-arm64-id" : "vm-instance-1-id"]);
            assert.ok(inputs.create.includes(readTemplate("vm/wait.sh").split("'")[0]));
            for (const last of kind === "ec2" ? ["association", "security-group"] : ["attachment", "ports"]) {
                assert.ok(
                    dependencies.some((urn) => urn.endsWith(`::vm-${last}`)),
                    last,
                );
            }
            assert.deepEqual(told, ["ready", "connection"]);
        });
    }
});
