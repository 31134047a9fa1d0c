/** AWS' rows, against a double of its APIs on loopback. Proves nothing of what the real ones answer. */
import assert from "node:assert/strict";
import { DEBIAN, ec2Check, identityCheck, lightsailCheck } from "../../checks/aws";
import { type Check, look } from "../../checks/finding";
import type { Surroundings } from "../../checks/surroundings";
import { DEBIAN as MADE } from "../../components/overseas/user-data";
import { type Asked, Double, everywhere, type Reply, worldOf } from "../support/world";

const REGION = "ap-northeast-1";
const USE = { region: REGION, instanceType: "t4g.micro", ipv6: false };

const refusal = (code: string, message: string): Reply => [
    403,
    `<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors></Response>`,
];
const DRY: Reply = refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.");

/** What the double answers when all is well, by action. */
const WELL: Readonly<Record<string, Reply>> = {
    GetCallerIdentity: [
        200,
        "<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ops</Arn></GetCallerIdentityResult>",
    ],
    DescribeRegions: [
        200,
        `<item><regionName>${REGION}</regionName><optInStatus>opt-in-not-required</optInStatus></item>`,
    ],
    DescribeInstanceTypes: [
        200,
        "<processorInfo><supportedArchitectures><item>arm64</item></supportedArchitectures></processorInfo><vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo>",
    ],
    DescribeImages: [
        200,
        "<imagesSet><item><imageId>ami-1</imageId></item><item><imageId>ami-2</imageId></item></imagesSet>",
    ],
    DescribeVpcs: [200, "<vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet>"],
    DescribeSubnets: [200, "<subnetSet><item><subnetId>subnet-1</subnetId><vpcId>vpc-2</vpcId></item></subnetSet>"],
    RunInstances: DRY,
    CreateSecurityGroup: DRY,
    AllocateAddress: DRY,
    DescribeAccountAttributes: [200, "<attributeValue>5</attributeValue>"],
    DescribeAddresses: [200, "<item><publicIp>203.0.113.9</publicIp></item>"],
    GetServiceQuota: [200, { Quota: { Value: 5 } }],
    GetRegions: [200, { regions: [{ availabilityZones: [{ zoneName: "ap-northeast-1a", state: "available" }] }] }],
    GetBundles: [
        200,
        {
            bundles: [
                { bundleId: "micro_3_0", isActive: true },
                { bundleId: "micro_2_0", isActive: false },
            ],
        },
    ],
    GetBlueprints: [200, { blueprints: [{ blueprintId: "debian_13", isActive: true }] }],
};

function action({ body, headers }: Asked): string {
    const target = headers["x-amz-target"]?.toString();
    return target?.split(".")[1] ?? new URLSearchParams(body).get("Action") ?? "";
}

interface Rows {
    readonly found: Record<string, { state: string; note: string; todo: string }>;
    readonly asked: Asked[];
}

async function rows(check: (where: Surroundings) => Check, replies: Readonly<Record<string, Reply>>): Promise<Rows> {
    const double = await Double.start((asked) => ({ ...WELL, ...replies })[action(asked)]);
    const findings = await look(check(worldOf({ services: everywhere(double.url) })));
    await double.stop();
    const found = Object.fromEntries(findings.map(({ what, state, note, todo = "" }) => [what, { state, note, todo }]));
    return { found, asked: double.asked };
}

const ec2 = (replies: Readonly<Record<string, Reply>>, use = {}) =>
    rows((where) => ec2Check(where, { ...USE, ...use }), replies);
const lightsail = (replies: Readonly<Record<string, Reply>>, use = {}) =>
    rows(
        (where) =>
            lightsailCheck(where, { region: REGION, availabilityZone: `${REGION}a`, bundle: "micro_3_0", ...use }),
        replies,
    );

describe("The Debian that is asked for", () => {
    it("is the one that machines are made with", () => assert.equal(DEBIAN, MADE));
});

describe("EC2", () => {
    it("is ready, by dry runs alone", async () => {
        const { found, asked } = await ec2({});
        assert.deepEqual(
            Object.entries(found).map(([what, { state, note }]) => [what, state, note]),
            [
                ["AWS credentials", "ok", "arn:aws:iam::123456789012:user/ops"],
                ["region", "ok", "is on (opt-in-not-required)"],
                ["instance type t4g.micro", "ok", "arm64, 2 vCPUs"],
                ["Debian 13 image", "ok", "ami-1"],
                ["right to RunInstances", "ok", "given"],
                ["network", "ok", "vpc-1"],
                ["right to CreateSecurityGroup", "ok", "given"],
                ["right to AllocateAddress", "ok", "given"],
                ["elastic IPs left", "ok", "1 of 5 used"],
                ["vCPU quota", "ok", "5 in all, used ones among them"],
            ],
        );
        for (const each of asked) {
            const name = action(each);
            if (/^(Get|Describe)/.test(name)) continue;
            assert.equal(new URLSearchParams(each.body).get("DryRun"), "true", name);
        }
    });

    it("is asked in the region, signed for it", async () => {
        const { asked } = await ec2({});
        const run = asked.find((each) => action(each) === "RunInstances");
        assert.equal(run?.path, `/aws/ec2/${REGION}/`);
        assert.match(
            run?.headers.authorization ?? "",
            /Credential=AKIDEXAMPLE\/\d{8}\/ap-northeast-1\/ec2\/aws4_request/,
        );
        const { ImageId, InstanceType, MinCount, MaxCount } = Object.fromEntries(new URLSearchParams(run?.body));
        assert.deepEqual([ImageId, InstanceType, MinCount, MaxCount], ["ami-1", "t4g.micro", "1", "1"]);
    });

    it("tells credentials that are wrong, and asks nothing more", async () => {
        const message = "The security token included in the request is invalid.";
        const { found, asked } = await ec2({ GetCallerIdentity: refusal("InvalidClientTokenId", message) });
        assert.deepEqual(found["AWS credentials"], {
            state: "failed",
            note: `InvalidClientTokenId: ${message}`,
            todo: "these credentials are not known to AWS: make new ones",
        });
        assert.deepEqual(asked.map(action), ["GetCallerIdentity"]);
        assert.equal(found["right to RunInstances"]?.state, "skipped");
    });

    it("tells a region that is off", async () => {
        const off: Reply = [200, "<item><optInStatus>not-opted-in</optInStatus></item>"];
        const { found, asked } = await ec2({ DescribeRegions: off });
        assert.equal(found.region?.state, "failed");
        assert.match(found.region?.todo ?? "", /turn it on/);
        assert.deepEqual(
            asked.map(({ path }) => path),
            ["/aws/sts/us-east-1/", "/aws/ec2/us-east-1/"],
        );
    });

    it("tells a right that is not given, without AWS' encoded half", async () => {
        const message =
            "You are not authorized to perform this operation. User: arn:aws:iam::1:user/a is not. Encoded authorization failure message: AbC";
        const { found } = await ec2({ AllocateAddress: refusal("UnauthorizedOperation", message) });
        assert.deepEqual(found["right to AllocateAddress"], {
            state: "failed",
            note: "UnauthorizedOperation: You are not authorized to perform this operation",
            todo: "allow ec2:AllocateAddress in the policy of whom the credentials belong to",
        });
        assert.equal(found["right to RunInstances"]?.state, "ok");
    });

    it("does not believe a dry run that was carried out", async () => {
        const { found } = await ec2({ CreateSecurityGroup: [200, "<groupId>sg-1</groupId>"] });
        assert.deepEqual(found["right to CreateSecurityGroup"]?.state, "failed");
    });

    it("tells an instance type that the region lacks", async () => {
        const { found } = await ec2({ DescribeInstanceTypes: refusal("InvalidInstanceType", "The following are not") });
        assert.equal(found["instance type t4g.micro"]?.state, "failed");
        assert.equal(found["right to RunInstances"]?.state, "skipped");
        assert.equal(found["right to AllocateAddress"]?.state, "ok");
    });

    it("tells an account without a default VPC", async () => {
        const { found } = await ec2({ DescribeVpcs: [200, "<vpcSet/>"] });
        assert.equal(found.network?.state, "failed");
        assert.match(found.network?.todo ?? "", /overseas.subnetId/);
    });

    it("looks at the given subnet, and at its IPv6", async () => {
        const { found, asked } = await ec2({}, { subnetId: "subnet-1" });
        assert.equal(found.network?.note, "subnet-1 of vpc-2");
        const group = asked.find((each) => action(each) === "CreateSecurityGroup");
        assert.equal(new URLSearchParams(group?.body).get("VpcId"), "vpc-2");
        const without = await ec2({}, { subnetId: "subnet-1", ipv6: true });
        assert.equal(without.found.network?.state, "failed");
    });

    it("warns of elastic IPs that are all used, and skips what may not be asked", async () => {
        const { found } = await ec2({
            DescribeAccountAttributes: [200, "<attributeValue>1</attributeValue>"],
            GetServiceQuota: [400, { __type: "AccessDeniedException", Message: "not authorized" }],
        });
        assert.equal(found["elastic IPs left"]?.state, "warning");
        assert.deepEqual(found["vCPU quota"]?.note, "cannot be asked: AccessDeniedException: not authorized");
        assert.equal(found["vCPU quota"]?.state, "skipped");
    });
});

describe("Lightsail", () => {
    it("is ready", async () => {
        const { found, asked } = await lightsail({});
        assert.deepEqual(
            Object.entries(found).map(([what, { state, note }]) => [what, state, note]),
            [
                ["AWS credentials", "ok", "arn:aws:iam::123456789012:user/ops"],
                ["availability zone", "ok", "ap-northeast-1a is there"],
                ["bundle", "ok", "micro_3_0 is there"],
                ["Debian 13 image", "ok", "debian_13 is there"],
                ["rights to make things", "skipped", "Lightsail has no dry run: pulumi up will tell"],
            ],
        );
        const bundles = asked.find((each) => action(each) === "GetBundles");
        assert.equal(bundles?.headers["x-amz-target"], "Lightsail_20161128.GetBundles");
    });

    it("tells a bundle that is gone, and what there is", async () => {
        const { found } = await lightsail({}, { bundle: "micro_2_0" });
        assert.deepEqual(found.bundle, {
            state: "failed",
            note: "there is no micro_2_0; there are micro_3_0",
            todo: "set overseas.bundle to one that is there",
        });
    });

    it("tells a right that is not given", async () => {
        const { found } = await lightsail({
            GetBundles: [
                400,
                { __type: "com.amazon.coral#AccessDeniedException", message: "User: a is not authorized" },
            ],
        });
        assert.equal(found.bundle?.note, "AccessDeniedException: User: a is not authorized");
    });
});

describe("AWS credentials", () => {
    it("that there are none of are told as the chain tells it", async () => {
        const where = worldOf({
            awsCredentials: () => Promise.reject(new Error("Could not load credentials from any providers")),
        });
        const [row] = await look(identityCheck(where, []));
        assert.equal(row?.note, "Could not load credentials from any providers");
        assert.match(row?.todo ?? "", /AWS_PROFILE/);
    });
});
