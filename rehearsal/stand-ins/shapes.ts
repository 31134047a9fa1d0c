/** What the real providers take: the names and types of inputs, checked as they check them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UNKNOWN } from "./values";

/**
 * The type of a value: that of a plain one, a list of one shape, `{ "*": shape }` for any keys, or fields by name, those
 * that may be missing with a question mark.
 */
export type Shape = "string" | "number" | "boolean" | "any" | readonly [Shape] | { readonly [name: string]: Shape };

/** A resource type of a provider. */
export interface ResourceShape {
    readonly inputs: { readonly [name: string]: Shape };
    /** Names of all properties of a resource that exists: also inputs that the provider hands back. */
    readonly outputs: readonly string[];
}

/** Written by write-inputs.ts. */
export const INPUTS_FILE = join(__dirname, "inputs.json");

/** The resource types that this program uses, with the typings that describe them: paths below `@pulumi`. */
export const SHAPES_OF: Readonly<Record<string, string>> = {
    "pulumi:providers:aws": "aws/provider",
    "pulumi:providers:cloudflare": "cloudflare/provider",
    "pulumi:providers:command": "command/provider",
    "pulumi:providers:docker": "docker/provider",
    "pulumi:providers:random": "random/provider",
    "pulumi:providers:tls": "tls/provider",
    "aws:ec2/eip:Eip": "aws/ec2/eip",
    "aws:ec2/eipAssociation:EipAssociation": "aws/ec2/eipAssociation",
    "aws:ec2/instance:Instance": "aws/ec2/instance",
    "aws:ec2/securityGroup:SecurityGroup": "aws/ec2/securityGroup",
    "aws:lightsail/instance:Instance": "aws/lightsail/instance",
    "aws:lightsail/instancePublicPorts:InstancePublicPorts": "aws/lightsail/instancePublicPorts",
    "aws:lightsail/keyPair:KeyPair": "aws/lightsail/keyPair",
    "aws:lightsail/staticIp:StaticIp": "aws/lightsail/staticIp",
    "aws:lightsail/staticIpAttachment:StaticIpAttachment": "aws/lightsail/staticIpAttachment",
    "cloudflare:index/dnsRecord:DnsRecord": "cloudflare/dnsRecord",
    "cloudflare:index/workersCustomDomain:WorkersCustomDomain": "cloudflare/workersCustomDomain",
    "cloudflare:index/workersScript:WorkersScript": "cloudflare/workersScript",
    "cloudflare:index/workersScriptSubdomain:WorkersScriptSubdomain": "cloudflare/workersScriptSubdomain",
    "cloudflare:index/zone:Zone": "cloudflare/zone",
    "command:local:Command": "command/local/command",
    "command:remote:Command": "command/remote/command",
    "docker:index/container:Container": "docker/container",
    "docker:index/network:Network": "docker/network",
    "docker:index/remoteImage:RemoteImage": "docker/remoteImage",
    "docker:index/volume:Volume": "docker/volume",
    "random:index/randomPassword:RandomPassword": "random/randomPassword",
    "tls:index/certRequest:CertRequest": "tls/certRequest",
    "tls:index/locallySignedCert:LocallySignedCert": "tls/locallySignedCert",
    "tls:index/privateKey:PrivateKey": "tls/privateKey",
    "tls:index/selfSignedCert:SelfSignedCert": "tls/selfSignedCert",
};

/** What a provider refuses: a property by its path, and why. */
export interface Refusal {
    readonly property: string;
    readonly reason: string;
}

/** The shapes of all resource types. */
export const SHAPES: Readonly<Record<string, ResourceShape>> = JSON.parse(readFileSync(INPUTS_FILE, "utf8"));

/** What is wrong with inputs, secrets opened: names that the provider does not know, missing ones, other types. */
export function refusals(token: string, inputs: unknown): Refusal[] {
    const shape = SHAPES[token];
    if (!shape) return [{ property: "", reason: `there is no shape of ${token} in inputs.json: see write-inputs.ts` }];
    return wrong(shape.inputs, inputs, "");
}

function wrong(shape: Shape, value: unknown, path: string): Refusal[] {
    if (shape === "any" || value === UNKNOWN) return [];
    const refuse = (reason: string) => [{ property: path, reason }];
    const got = Array.isArray(value) ? "a list" : value === null ? "null" : typeof value;
    if (typeof shape === "string") {
        return typeof value === shape || isConverted(shape, value) ? [] : refuse(`must be a ${shape}, got ${got}`);
    }
    if (isList(shape)) {
        if (!Array.isArray(value)) return refuse(`must be a list, got ${got}`);
        return value.flatMap((element, index) => wrong(shape[0], element, `${path}[${index}]`));
    }
    if (got !== "object") return refuse(`must be an object, got ${got}`);
    const given = Object.entries(value as object).filter(([, inner]) => inner !== undefined && inner !== null);
    const at = (name: string) => (path ? `${path}.${name}` : name);
    const anyKey = shape["*"];
    if (anyKey) return given.flatMap(([name, inner]) => wrong(anyKey, inner, at(name)));
    const known = Object.keys(shape).map((name) => name.replace("?", ""));
    const missing = Object.keys(shape).filter((name) => !name.endsWith("?") && !given.some(([key]) => key === name));
    return [
        ...missing.map((name) => ({ property: at(name), reason: "is missing, and must be set" })),
        ...given.flatMap(([name, inner]) => {
            const inside = shape[name] ?? shape[`${name}?`];
            if (inside !== undefined) return wrong(inside, inner, at(name));
            return [{ property: at(name), reason: `is no input; there are ${known.join(", ")}` }];
        }),
    ];
}

/** Pulumi's bridge takes the text of a number or boolean: pulumi-terraform-bridge, pkg/tfbridge/schema.go. */
function isConverted(shape: Shape, value: unknown): boolean {
    if (typeof value !== "string") return false;
    if (shape === "boolean") return value === "true" || value === "false";
    return shape === "number" && value !== "" && Number.isFinite(Number(value));
}

function isList(shape: Shape): shape is readonly [Shape] {
    return Array.isArray(shape);
}
