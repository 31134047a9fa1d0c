/** The whole program on mocks: what providers would answer, and a stack's outputs as another stack reads them. */
import * as pulumi from "@pulumi/pulumi";
import { makeCa } from "../../rehearsal/pki";
import { type Deployed, type DeployOptions, deploy, type OtherStack, type Outputs } from "./deploy";
import { freshProgram } from "./fresh-program";

/** In every value that must stay secret, those of the settings and those that providers make. */
export const SENTINEL = "sEntiNel";
export const NAME_SERVERS = ["ns1.example.net", "ns2.example.net"];
export const ZONE_ID = "the-zone-id";
/** Of a machine that is made. */
export const ADDRESS = "198.51.100.7";
export const IPV6_ADDRESS = "2001:db8::7";

/** Real ones, for the uplink reads them: by the name of the resource. */
export const AUTHORITIES: Readonly<Record<string, string>> = {
    "nginx-ca-authority": makeCa("relay").cert,
    "onprem-front-ca-authority": makeCa("front").cert,
};

/** What providers answer; their secrets come plain, because the program may not rely on them to mark anything. */
export const OUTPUTS: Outputs = {
    "docker:index/container:Container": (inputs) => (inputs.attach ? { exitCode: 0, containerLogs: "" } : {}),
    "docker:index/remoteImage:RemoteImage": (_, name) => ({ imageId: `sha256:${name}` }),
    "random:index/randomPassword:RandomPassword": (_, name) => ({
        result: `${SENTINEL}0${name.replace(/[^a-z0-9]/g, "")}`,
    }),
    "tls:index/privateKey:PrivateKey": (_, name) => ({
        privateKeyPem: `${SENTINEL}0${name}`,
        privateKeyOpenssh: `${SENTINEL}0${name}`,
        publicKeyOpenssh: `ssh-ed25519 ${name}`,
    }),
    "tls:index/selfSignedCert:SelfSignedCert": (_, name) => ({ certPem: AUTHORITIES[name] }),
    "tls:index/certRequest:CertRequest": () => ({ certRequestPem: "a request" }),
    "tls:index/locallySignedCert:LocallySignedCert": (_, name) => ({ certPem: `certificate ${name}` }),
    "cloudflare:index/zone:Zone": () => ({ nameServers: NAME_SERVERS }),
    "aws:ec2/instance:Instance": () => ({ ipv6Addresses: [IPV6_ADDRESS] }),
    "aws:lightsail/instance:Instance": () => ({ ipv6Addresses: [IPV6_ADDRESS] }),
    "aws:ec2/eip:Eip": () => ({ publicIp: ADDRESS }),
    "aws:lightsail/staticIp:StaticIp": () => ({ ipAddress: ADDRESS }),
};

/** What functions of providers answer. */
export const FUNCTIONS: NonNullable<DeployOptions["functions"]> = {
    "cloudflare:index/getZone:getZone": ({ filter }) => ({
        id: ZONE_ID,
        name: filter?.name ?? "example.com",
        status: "active",
        nameServers: NAME_SERVERS,
    }),
    "aws:ec2/getAmi:getAmi": () => ({ id: "ami-0123456789abcdef0" }),
    "aws:ec2/getSubnet:getSubnet": ({ id }) => ({ id, vpcId: "vpc-01234567", ipv6CidrBlock: "2001:db8::/64" }),
};

/** What came of a run: other stacks can refer to it. */
export type DeployedProgram = Deployed & OtherStack;

/** Runs index.ts. */
export async function runProgram(options: DeployOptions): Promise<DeployedProgram> {
    const secretOutputs: Record<string, boolean> = {};
    const deployed = await deploy(
        async () => {
            const exported = freshProgram();
            for (const [name, value] of Object.entries(exported)) {
                secretOutputs[name] = await pulumi.isSecret(pulumi.output(value));
            }
            return exported;
        },
        { functions: FUNCTIONS, ...options },
    );
    return { ...deployed, secretOutputs };
}
