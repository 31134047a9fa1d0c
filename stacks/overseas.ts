/** The settings of the relay overseas: the machine, made or found, and how its TLS comes about. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { isAnywhere, isPrivate } from "./addresses";
import { AWS_REGIONS } from "./aws-regions";
import { certificate, checked, cidr, hostname, port, publicAddress } from "./fields";
import { forms } from "./forms";
import { suggestion } from "./known-names";
import type { Right } from "./right";
import { publicKeyProblem } from "./ssh-key";

/** https://letsencrypt.org/docs/acme-protocol-updates/ */
const LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory";

/**
 * Where Lightsail has an endpoint, by AWS's own data for its SDKs (endpoints.json of botocore 1.44.5, 2026-11-17; the API's
 * reference names us-west-1 too, where there is none), and the bundle of 1 GB with IPv4 there. Its name ends differently
 * where less traffic is included. No page of AWS lists the names, `aws lightsail get-bundles` does: undefined where nobody
 * whom we have read has asked.
 */
const LIGHTSAIL_BUNDLES: Readonly<Record<string, string | undefined>> = {
    "ap-east-1": "micro_3_1",
    "ap-northeast-1": "micro_3_0",
    "ap-northeast-2": "micro_3_0",
    "ap-south-1": "micro_3_1",
    "ap-southeast-1": "micro_3_0",
    "ap-southeast-2": "micro_3_2",
    "ap-southeast-3": undefined,
    "ap-southeast-5": undefined,
    "ca-central-1": "micro_3_0",
    "eu-central-1": "micro_3_0",
    "eu-north-1": "micro_3_0",
    "eu-south-2": undefined,
    "eu-west-1": "micro_3_0",
    "eu-west-2": "micro_3_0",
    "eu-west-3": "micro_3_0",
    "sa-east-1": undefined,
    "us-east-1": "micro_3_0",
    "us-east-2": "micro_3_0",
    "us-west-2": "micro_3_0",
};
const LIGHTSAIL_REGIONS = Object.keys(LIGHTSAIL_BUNDLES);

/**
 * Ends of names that nobody outside a network can own, so that no public CA signs them (CA/Browser Forum, Baseline
 * Requirements 4.2.2): RFC 6761, RFC 6762 with its appendix G, RFC 8375, and a number, which is an address's end.
 */
const PRIVATE_NAME =
    /\.(?:test|example|invalid|localhost|local|intranet|internal|private|corp|home|lan|home\.arpa|localdomain|\d+)$/;

const tlsFields = {
    hostname,
    tls: z.enum(["acme", "privateCa"]).optional(),
    certificate: certificate.optional(),
    acmeServer: z.url({ protocol: /^https$/, error: "must be the https URL of an ACME directory" }).optional(),
    acmeEmail: z.email("must be an e-mail address").optional(),
    acmeChallenge: z.enum(["http-01", "dns-01"]).optional(),
};

const madeFields = {
    sshFrom: z.array(cidr).min(1),
    sshFromAnywhere: z.boolean().default(false),
    generation: z.int().min(1).default(1),
    rebootAt: z
        .string()
        .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day in UTC such as "19:30"')
        .default("19:30"),
    ipv6: z.boolean().default(false),
};

const host = z.strictObject({
    kind: z.literal("host"),
    ...tlsFields,
    address: publicAddress(4),
    ipv6Address: publicAddress(6).optional(),
    user: z
        .string()
        .regex(/^[a-z_][a-z0-9_-]*$/, "must be a user name")
        .default("root"),
    port: port.default(22),
    hostKey: checked(publicKeyProblem).optional(),
});

const ec2 = z.strictObject({
    kind: z.literal("ec2"),
    ...tlsFields,
    ...madeFields,
    region: z.string().refine((name) => AWS_REGIONS.includes(name), {
        error: ({ input }) =>
            `must be an AWS region outside mainland China (${AWS_REGIONS.join(", ")})${suggestion(input, AWS_REGIONS)}`,
    }),
    instanceType: z
        .string()
        .regex(/^[a-z][a-z0-9-]*\d[a-z0-9-]*\.[a-z0-9-]+$/, "must be an EC2 instance type such as t4g.micro")
        .default("t4g.micro"),
    // No smaller than Debian's own image, and what one gp3 volume may have.
    diskGiB: z.int().min(8).max(16384).default(8),
    subnetId: z
        .string()
        .regex(/^subnet-[0-9a-f]{8,17}$/, "must be a subnet such as subnet-0123456789abcdef0")
        .optional(),
});

const lightsail = z.strictObject({
    kind: z.literal("lightsail"),
    ...tlsFields,
    ...madeFields,
    region: z.enum(LIGHTSAIL_REGIONS, {
        error: ({ input }) =>
            input === undefined || typeof input === "object"
                ? undefined
                : `must be a region that Lightsail has (${LIGHTSAIL_REGIONS.join(", ")}; kind ec2 works in all)${AWS_REGIONS.includes(String(input)) ? "" : suggestion(input, LIGHTSAIL_REGIONS)}`,
    }),
    availabilityZone: z
        .string()
        .regex(/^[a-f]$/, "must be the last letter of an availability zone, such as a")
        .default("a"),
    bundle: z
        .string()
        .regex(/^(?!.*(?:ipv6|win))[a-z0-9_]+_\d+_\d+$/, "must be a Linux bundle with IPv4 such as micro_3_0")
        .optional(),
});

/** The shape of `overseas`. */
export const overseas = forms("kind", [host, ec2, lightsail]);

/** What the configuration says of the relay overseas. */
export type PlainOverseas = z.infer<typeof overseas>;

/** A server's certificate: of a private CA that the stack makes, or the settings' own. */
export type TlsSettings = "privateCa" | { readonly certificate: string; readonly key: pulumi.Output<string> };

/** A certificate that the machine gets for itself, and renews. */
export interface AcmeSettings {
    /** URL of the ACME directory. */
    readonly server: string;
    readonly email?: string;
    readonly challenge: "http-01" | "dns-01";
    /** Cloudflare token that may edit the zone's DNS; with dns-01. */
    readonly dnsToken?: pulumi.Output<string>;
}

/** SSH to a machine; without a private key by the agent's keys, without a host key to whoever answers. */
export interface SshSettings {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly hostKey?: string;
    readonly privateKey?: pulumi.Output<string>;
}

interface MadeMachine {
    readonly region: string;
    /** Address ranges that may log in. */
    readonly sshFrom: readonly string[];
    /** Port 80 is needed, for HTTP-01. */
    readonly httpChallenge: boolean;
    /** Another machine takes this one's place when it is raised. */
    readonly generation: number;
    /** Time of day in UTC at which a security upgrade may reboot it: `19:30`. */
    readonly rebootAt: string;
    readonly ipv6: boolean;
}

/** The machine: one that is there, or one to make. */
export type MachineSettings =
    | { readonly kind: "host"; readonly connection: SshSettings; readonly ipv6Address?: string }
    | (MadeMachine & {
          readonly kind: "ec2";
          readonly instanceType: string;
          readonly diskGiB: number;
          readonly subnetId?: string;
      })
    | (MadeMachine & {
          readonly kind: "lightsail";
          /** In full: `ap-northeast-1a`. */
          readonly availabilityZone: string;
          readonly bundle: string;
      });

/** The relay overseas, with its defaults. */
export interface OverseasSettings {
    readonly hostname: string;
    readonly machine: MachineSettings;
    readonly tls: TlsSettings | { readonly acme: AcmeSettings };
}

/** Secrets beside `overseas`. */
export interface OverseasSecrets {
    readonly sshPrivateKey?: pulumi.Output<string>;
    readonly certificateKey?: pulumi.Output<string>;
    readonly acmeDnsToken?: pulumi.Output<string>;
}

/** The relay overseas of settings in which {@link overseasProblems} finds none. */
export function overseasSettings(plain: PlainOverseas, secrets: OverseasSecrets): OverseasSettings {
    const tls = tlsSettings(plain, secrets);
    const httpChallenge = typeof tls === "object" && "acme" in tls && tls.acme.challenge === "http-01";
    return { hostname: plain.hostname, machine: machineSettings(plain, httpChallenge, secrets), tls };
}

/** What no field tells by itself: which field of `overseas`, and what is wrong with it. */
export function overseasProblems(plain: Right<PlainOverseas>, isSet: (path: string) => boolean): [string, string][] {
    const problems: [string, string][] = [];
    // Whichever of the two is made.
    if ("sshFrom" in plain) {
        const ranges = (plain.sshFrom ?? []).filter((range) => range !== undefined);
        const anywhere = ranges.filter(isAnywhere);
        if (anywhere.length > 0 && !plain.sshFromAnywhere)
            problems.push([
                "sshFrom",
                `lets the whole world try to log in (${anywhere.join(", ")}): name your own public addresses, or, if it is meant, also set overseas.sshFromAnywhere to true`,
            ]);
        const isWhole = ranges.length > 0 && ranges.length === plain.sshFrom?.length;
        if (isWhole && ranges.every((range) => range.includes(":")))
            problems.push([
                "sshFrom",
                `needs an IPv4 range, because the machine is logged in to by its IPv4 address, got ${ranges.join(", ")}`,
            ]);
        const inside = ranges.filter(isPrivate);
        if (inside.length > 0)
            problems.push([
                "sshFrom",
                `has private addresses (${inside.join(", ")}), which no connection to a machine at AWS comes from: name the public ones that your network goes out by (npm run preflight shows this machine's)`,
            ]);
    }
    if (plain.kind === "ec2" && plain.ipv6 && !isSet("overseas.subnetId"))
        problems.push(["ipv6", "needs subnetId: a default VPC has no IPv6, so name a subnet that has it"]);
    if (
        plain.kind === "lightsail" &&
        plain.region !== undefined &&
        !isSet("overseas.bundle") &&
        LIGHTSAIL_BUNDLES[plain.region] === undefined
    )
        problems.push([
            "bundle",
            `must be said in ${plain.region}: aws lightsail get-bundles --region ${plain.region} lists the names`,
        ]);
    const isTlsClear = plain.tls !== undefined || (plain.kind !== undefined && !isSet("overseas.tls"));
    return isTlsClear ? [...problems, ...tlsProblems(plain, isSet)] : problems;
}

function tlsProblems(plain: Right<PlainOverseas>, isSet: (path: string) => boolean): [string, string][] {
    const problems: [string, string][] = [];
    const own = isSet("overseas.certificate");
    const hasZone = isSet("zone");
    if (own && plain.tls)
        problems.push(["tls", `cannot be ${plain.tls} with a certificate of your own: leave one of them out`]);
    if (!usesAcme(plain, own)) {
        for (const key of ["acmeServer", "acmeEmail", "acmeChallenge"]) {
            if (isSet(`overseas.${key}`)) problems.push([key, "is for tls: acme, which this relay does not have"]);
        }
        return problems;
    }
    if (plain.hostname && PRIVATE_NAME.test(plain.hostname))
        problems.push([
            "hostname",
            `must be a name in the public DNS, or no public CA signs it, got "${plain.hostname}": use such a name, or set overseas.tls to privateCa`,
        ]);
    if ((plain.kind === "ec2" || plain.kind === "lightsail") && !hasZone)
        problems.push([
            "tls",
            "acme needs zone with a machine that is made here: nobody could enter its address into DNS before its certificate is asked for; set zone, or overseas.tls to privateCa",
        ]);
    if (plain.acmeChallenge === "dns-01" && !hasZone)
        problems.push(["acmeChallenge", "dns-01 needs zone: the challenge is answered by a record in it"]);
    return problems;
}

function tlsSettings(plain: PlainOverseas, { certificateKey, acmeDnsToken }: OverseasSecrets): OverseasSettings["tls"] {
    if (plain.certificate && certificateKey) return { certificate: plain.certificate, key: certificateKey };
    if (!usesAcme(plain, plain.certificate !== undefined)) return "privateCa";
    const { acmeServer: server = LETS_ENCRYPT, acmeEmail: email, acmeChallenge: challenge = "http-01" } = plain;
    return { acme: { server, email, challenge, dnsToken: acmeDnsToken } };
}

function usesAcme({ kind, tls }: Right<PlainOverseas>, hasOwnCertificate: boolean): boolean {
    return (tls ?? (!hasOwnCertificate && kind !== "host" ? "acme" : "privateCa")) === "acme";
}

function machineSettings(
    plain: PlainOverseas,
    httpChallenge: boolean,
    { sshPrivateKey }: OverseasSecrets,
): MachineSettings {
    if (plain.kind === "host") {
        const { kind, address, user, port: sshPort, hostKey, ipv6Address } = plain;
        const connection = { host: address, port: sshPort, user, hostKey, privateKey: sshPrivateKey };
        return { kind, connection, ipv6Address };
    }
    const { region, sshFrom, generation, rebootAt, ipv6 } = plain;
    const made = { region, sshFrom, httpChallenge, generation, rebootAt, ipv6 };
    if (plain.kind === "ec2") {
        const { kind, instanceType, diskGiB, subnetId } = plain;
        return { kind, ...made, instanceType, diskGiB, subnetId };
    }
    const { kind, availabilityZone, bundle = LIGHTSAIL_BUNDLES[region] } = plain;
    if (bundle === undefined) throw new Error(`no bundle is known in ${region}, which overseasProblems tells`);
    return { kind, ...made, availabilityZone: `${region}${availabilityZone}`, bundle };
}
