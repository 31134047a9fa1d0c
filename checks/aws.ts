/** AWS: who one is there, and what the account may make in the region. Every call reads, or is a dry run. */

import { say } from "../language/say";
import { NoAnswer } from "./ask";
import { AwsError, json, query, texts } from "./aws-call";
import { type Check, once, Remark } from "./finding";
import type { Surroundings } from "./surroundings";

/** A machine that the stack makes on EC2. */
export interface Ec2Use {
    readonly region: string;
    readonly instanceType: string;
    /** @default a subnet of the default VPC */
    readonly subnetId?: string;
    readonly ipv6: boolean;
}

/** A machine that the stack makes on Lightsail. */
export interface LightsailUse {
    readonly region: string;
    /** Such as `ap-northeast-1a`. */
    readonly availabilityZone: string;
    readonly bundle: string;
}

/** Where the account as a whole is asked about: a region that is on in every account. */
const HOME = "us-east-1";

/** The release that a machine which the stack makes gets: components/overseas/user-data.ts. */
export const DEBIAN = 13;
/** Debian's own account on AWS: https://wiki.debian.org/Cloud/AmazonEC2Image */
const DEBIAN_ACCOUNT = "136693071363";
const DEBIAN_IMAGE = say("Debian {release} image", { release: DEBIAN });

const TODO: Readonly<Record<string, string>> = {
    InvalidClientTokenId: say("these credentials are not known to AWS: make new ones"),
    UnrecognizedClientException: say("these credentials are not known to AWS: make new ones"),
    SignatureDoesNotMatch: say("the secret access key is another one's"),
    ExpiredToken: say("log in again: aws sso login, or whatever gave these credentials"),
    ExpiredTokenException: say("log in again: aws sso login, or whatever gave these credentials"),
    RequestExpired: say("set this machine's clock"),
    AuthFailure: say("the credentials are refused in this region: is it on for the account?"),
};

/** No answer says nothing about the credentials. */
const NO_WAY = say("set HTTPS_PROXY, or run Pulumi from CI overseas (README)");

/** The credentials, the region, and what a machine on EC2 needs there. */
export function ec2Check(where: Surroundings, use: Ec2Use): Check {
    const { region, instanceType } = use;
    const type = once(() => findType(where, use));
    const image = once(async () => findImage(where, region, (await type()).architecture));
    const network = once(() => findNetwork(where, use));
    const checks: Check[] = [
        {
            what: say("instance type {instanceType}", { instanceType }),
            where: region,
            todo: say("set overseas.instanceType to one that the region has"),
            ask: async () => {
                const { architecture, vcpus } = await type();
                return say("{architecture}, {vcpus} vCPUs", { architecture, vcpus });
            },
            next: [
                {
                    what: DEBIAN_IMAGE,
                    where: region,
                    ask: image,
                    next: [dryRun(where, region, "RunInstances", async () => runInstances(use, await image()))],
                },
            ],
        },
        {
            what: say("network"),
            where: use.subnetId ?? say("default VPC"),
            ask: async () => (await network()).told,
            next: [
                dryRun(where, region, "CreateSecurityGroup", async () => ({
                    GroupName: "dockermirror-preflight",
                    GroupDescription: "a dry run",
                    VpcId: (await network()).vpc,
                })),
            ],
        },
        dryRun(where, region, "AllocateAddress", async () => ({ Domain: "vpc" })),
        addressesCheck(where, region),
        vcpuCheck(where, region),
    ];
    return identityCheck(where, [{ ...regionCheck(where, region), next: checks }]);
}

/**
 * The credentials, and what a machine on Lightsail needs. Lightsail has no dry run.
 *
 * Source: https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/
 */
export function lightsailCheck(where: Surroundings, { region, availabilityZone, bundle }: LightsailUse): Check {
    const has = (
        what: string,
        action: string,
        name: string,
        list: (answer: Lists) => readonly (readonly [string | undefined, boolean | undefined])[],
        todo: string,
    ): Check => ({
        what,
        where: region,
        todo,
        ask: async () => {
            const known = list(await json<Lists>(where, "lightsail", region, action, ACTIONS[action]));
            const usable = known.flatMap(([id, active = true]) => (id !== undefined && active ? [id] : []));
            if (usable.includes(name)) return say("{name} is there", { name });
            throw new Error(say("there is no {name}; there are {usable}", { name, usable: usable.join(", ") }));
        },
    });
    return identityCheck(where, [
        has(
            say("availability zone"),
            "GetRegions",
            availabilityZone,
            ({ regions = [] }) =>
                regions.flatMap(({ availabilityZones = [] }) =>
                    availabilityZones.map(({ zoneName, state }) => [zoneName, state !== "unavailable"] as const),
                ),
            say("set overseas.availabilityZone to the letter of one that is there"),
        ),
        has(
            say("bundle"),
            "GetBundles",
            bundle,
            ({ bundles = [] }) => bundles.map(({ bundleId, isActive }) => [bundleId, isActive] as const),
            say("set overseas.bundle to one that is there"),
        ),
        has(
            DEBIAN_IMAGE,
            "GetBlueprints",
            `debian_${DEBIAN}`,
            ({ blueprints = [] }) => blueprints.map(({ blueprintId, isActive }) => [blueprintId, isActive] as const),
            say("choose another region"),
        ),
        {
            what: say("rights to make things"),
            where: region,
            ask: async () => {
                throw new Remark("skipped", say("Lightsail has no dry run: pulumi up will tell"));
            },
        },
    ]);
}

interface Lists {
    readonly regions?: readonly {
        readonly availabilityZones?: readonly { readonly zoneName?: string; readonly state?: string }[];
    }[];
    readonly bundles?: readonly { readonly bundleId?: string; readonly isActive?: boolean }[];
    readonly blueprints?: readonly { readonly blueprintId?: string; readonly isActive?: boolean }[];
}

/** Parameters of the actions that need some. */
const ACTIONS: Readonly<Record<string, object>> = { GetRegions: { includeAvailabilityZones: true } };

/** Whose the credentials are. A region that is off for the account would call them wrong, so it is not the one asked. */
export function identityCheck(where: Surroundings, next: readonly Check[]): Check {
    return {
        what: say("AWS credentials"),
        where: new URL(where.services.aws("sts", HOME)).host,
        todo: say("set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ask: withAdvice(async () => {
            const answer = await query(where, "sts", HOME, "GetCallerIdentity");
            return texts(answer, "Arn").join();
        }),
        next,
    };
}

/**
 * Some regions are off until the account's owner turns them on.
 *
 * Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html
 */
function regionCheck(where: Surroundings, region: string): Check {
    return {
        what: say("region"),
        where: region,
        ask: withAdvice(async () => {
            const wanted = { AllRegions: "true", "RegionName.1": region };
            const [status = "unknown"] = texts(
                await query(where, "ec2", HOME, "DescribeRegions", wanted),
                "optInStatus",
            );
            if (status !== "not-opted-in") return say("is on ({status})", { status });
            throw new Remark(
                "failed",
                say("is off in this account"),
                say("turn it on: AWS console, Account, AWS Regions; it takes some minutes"),
            );
        }),
    };
}

/**
 * Whether an action would be allowed: EC2 answers a dry run with an error either way.
 *
 * Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html (`DryRun`)
 */
function dryRun(
    where: Surroundings,
    region: string,
    action: string,
    parameters: () => Promise<Record<string, string>>,
): Check {
    return {
        what: say("right to {action}", { action }),
        where: region,
        todo: say("allow ec2:{action} in the policy of whom the credentials belong to", { action }),
        ask: async () => {
            const wanted = { ...(await parameters()), DryRun: "true" };
            const refusal = await query(where, "ec2", region, action, wanted).then(
                () => new Error(say("EC2 did not take it for a dry run")),
                (error: Error) => error,
            );
            if (refusal instanceof AwsError && refusal.code === "DryRunOperation") return say("given");
            throw refusal;
        },
    };
}

function runInstances({ instanceType, subnetId }: Ec2Use, image: string): Record<string, string> {
    const subnet = subnetId === undefined ? undefined : { SubnetId: subnetId };
    return { ImageId: image, InstanceType: instanceType, MinCount: "1", MaxCount: "1", ...subnet };
}

async function findType(where: Surroundings, { region, instanceType }: Ec2Use) {
    const answer = await query(where, "ec2", region, "DescribeInstanceTypes", { "InstanceType.1": instanceType });
    const architecture = /<supportedArchitectures>.*?<item>([^<]+)</s.exec(answer)?.[1] ?? "";
    const [vcpus = "?"] = texts(answer, "defaultVCpus");
    return { architecture, vcpus };
}

async function findImage(where: Surroundings, region: string, architecture: string): Promise<string> {
    const answer = await query(where, "ec2", region, "DescribeImages", {
        "Owner.1": DEBIAN_ACCOUNT,
        "Filter.1.Name": "name",
        "Filter.1.Value.1": `debian-${DEBIAN}-*`,
        "Filter.2.Name": "architecture",
        "Filter.2.Value.1": architecture,
    });
    const [image] = texts(answer, "imageId");
    if (image === undefined)
        throw new Error(say("Debian has none for {architecture} in this region", { architecture }));
    return image;
}

async function findNetwork(where: Surroundings, { region, subnetId, ipv6 }: Ec2Use) {
    const wantsIpv6 = (answer: string) => {
        if (!ipv6 || texts(answer, "ipv6CidrBlock").length > 0) return;
        throw new Remark("failed", say("has no IPv6 range"), say("add one, or set overseas.ipv6 to false"));
    };
    if (subnetId !== undefined) {
        const answer = await query(where, "ec2", region, "DescribeSubnets", { "SubnetId.1": subnetId });
        wantsIpv6(answer);
        const [vpc = ""] = texts(answer, "vpcId");
        return { vpc, told: `${subnetId} of ${vpc}` };
    }
    const filter = { "Filter.1.Name": "isDefault", "Filter.1.Value.1": "true" };
    const [vpc] = texts(await query(where, "ec2", region, "DescribeVpcs", filter), "vpcId");
    if (vpc === undefined) {
        const todo = say("set overseas.subnetId, or make one: aws ec2 create-default-vpc");
        throw new Remark("failed", say("the account has no default VPC in this region"), todo);
    }
    if (ipv6) {
        const within = { "Filter.1.Name": "vpc-id", "Filter.1.Value.1": vpc };
        wantsIpv6(await query(where, "ec2", region, "DescribeSubnets", within));
    }
    return { vpc, told: vpc };
}

/** An account has 5 elastic IPs a region unless AWS raises it. */
function addressesCheck(where: Surroundings, region: string): Check {
    return {
        what: say("elastic IPs left"),
        where: region,
        ask: asWarning(async () => {
            const wanted = { "AttributeName.1": "vpc-max-elastic-ips" };
            const limits = await query(where, "ec2", region, "DescribeAccountAttributes", wanted);
            const most = Number(texts(limits, "attributeValue")[0]);
            const used = texts(await query(where, "ec2", region, "DescribeAddresses"), "publicIp").length;
            if (used < most) return say("{used} of {most} used", { used, most });
            const todo = say("release one, or have the quota raised: Service Quotas, EC2-VPC Elastic IPs");
            throw new Remark("warning", say("{used} of {most} used: a new machine gets none", { used, most }), todo);
        }),
    };
}

/**
 * New accounts may run very few vCPUs.
 *
 * Source: https://docs.aws.amazon.com/cli/latest/userguide/cli_service-quotas_code_examples.html (L-1216C47A: on-demand
 * instances of the families A, C, D, H, I, M, R, T, Z)
 */
function vcpuCheck(where: Surroundings, region: string): Check {
    return {
        what: say("vCPU quota"),
        where: region,
        ask: asWarning(async () => {
            const wanted = { ServiceCode: "ec2", QuotaCode: "L-1216C47A" };
            const { Quota } = await json<{ Quota?: { Value?: number } }>(
                where,
                "servicequotas",
                region,
                "GetServiceQuota",
                wanted,
            );
            return say("{quota} in all, used ones among them", { quota: String(Quota?.Value) });
        }),
    };
}

/** What only helps to know: who may not ask has no less of a stack for it. */
function asWarning(ask: () => Promise<string>): () => Promise<string> {
    return () =>
        ask().catch((error: Error) => {
            throw error instanceof Remark
                ? error
                : new Remark("skipped", say("cannot be asked: {message}", { message: error.message }));
        });
}

function withAdvice(ask: () => Promise<string>): () => Promise<string> {
    return () =>
        ask().catch((error: Error) => {
            const todo = error instanceof NoAnswer ? NO_WAY : error instanceof AwsError ? TODO[error.code] : undefined;
            throw todo === undefined ? error : new Remark("failed", error.message, todo);
        });
}
