/** The shape of a stack's settings, field by field. */
import { z } from "zod";
import { UPSTREAMS } from "../services/registry/upstreams";
import { PRIVATE_RANGES } from "./addresses";
import { accountId, certificate, cidr, contact, containerLimits, hostname, keyName, port } from "./fields";
import { forms } from "./forms";
import { IMAGE_LIST, REGISTRY_VERSION, readImageList } from "./image-list";
import { overseas } from "./overseas";
import { privateAccounts } from "./private-accounts";
import { redirectHosts } from "./redirect-hosts";
import { relay } from "./relays";

const imagePrefix = z
    .string()
    .regex(
        /^[a-z0-9.-]+(?::\d+)?(?:\/[a-z0-9._-]+)*$/,
        "must be a registry with an optional path, such as harbor.acme.lan/library",
    );

/** The keys of a stack that names none. */
export const DEFAULT_KEYS = [{ name: "default", generation: 1 }];

/** One entry a top-level key; the shape of what is not a secret. */
export const schemas = {
    zone: hostname,
    createZone: z.strictObject({ accountId }),
    zoneReady: z.boolean(),
    edge: z.strictObject({ accountId, hostname }),
    overseas,
    onprem: z.strictObject({
        docker: z
            .string()
            .regex(
                /^(unix:\/\/\/.+|ssh:\/\/([a-z_][a-z0-9_-]*@)?[a-zA-Z0-9.-]+(:\d+)?)$/,
                "must be unix:///var/run/docker.sock or ssh://user@host[:port]",
            ),
        hostname,
        port: port.default(443),
        listenOn: z.ipv4("must be an IPv4 address of the Docker host such as 10.1.0.5").default("0.0.0.0"),
        limits: z
            .strictObject({
                front: containerLimits.optional(),
                cache: containerLimits.optional(),
                uplink: containerLimits.optional(),
            })
            .optional(),
        engine: z
            .literal("registry", { error: 'must be "registry" (harbor and nexus come later)' })
            .default("registry"),
        registryVersion: z
            .string()
            .regex(REGISTRY_VERSION, "must be a version of distribution such as 3.1.2, or 2.8.x")
            .optional(),
        allowFrom: z.array(cidr).min(1).default(PRIVATE_RANGES),
        allowFromPublic: z.boolean().default(false),
        canary: z
            .string()
            .regex(
                /^[a-z0-9.-]+\.[a-z]+(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/,
                "must be an image with its registry and tag, such as docker.io/library/hello-world:latest",
            )
            .optional(),
        spoolBudgetGiB: z.int().min(1).default(10),
        key: keyName.optional(),
        certificate: certificate.optional(),
        ca: certificate.optional(),
        images: forms("from", [
            z.strictObject({ from: z.literal("relay") }),
            z.strictObject({ from: z.literal("registry"), registry: imagePrefix }),
            z.strictObject({ from: z.literal("archive"), archive: z.string().min(1) }),
        ]).default({ from: "relay" }),
        imageList: z
            .string()
            .superRefine((file, context) => {
                try {
                    readImageList(file);
                } catch (error) {
                    const message = `must be a file such as ${IMAGE_LIST}; ${(error as Error).message}`;
                    context.addIssue({ code: "custom", message });
                }
            })
            .prefault(IMAGE_LIST),
    }),
    relays: z.array(relay),
    upstreams: z.array(z.enum(UPSTREAMS.map((upstream) => upstream.name))).min(1),
    redirectHosts,
    publicMirrors: z.array(z.string()).max(0, "is not supported yet: leave it out"),
    keys: z.array(z.strictObject({ name: keyName, generation: z.int().min(1).default(1) })).min(1),
    access: z.enum(["keys", "public"]),
    abuseContact: contact,
    publicLimit: z.strictObject({ requestsPerMinute: z.int().min(10).max(100_000) }),
    hub: z.strictObject({
        username: z.string().regex(/^[a-z0-9]{4,30}$/, "must be a Docker ID, of 4 to 30 of a-z and 0-9"),
    }),
    privateAccounts,
};

/** Optional secrets; a plain value is refused. What each is: `stacks/Pulumi.example.yaml`. */
export const SECRETS = [
    "hubToken",
    "privateTokens",
    "relayKey",
    "relayKeys",
    "sshPrivateKey",
    "overseasCertificateKey",
    "onpremCertificateKey",
    "onpremCaKey",
    "acmeDnsToken",
] as const;

export type SecretName = (typeof SECRETS)[number];

/** What the examples have instead of a secret. Not \`secure: …\`, of which Pulumi says no more than "bad value". */
export const PLACEHOLDER = "set-by-pulumi-config-set---secret";

/** Key ids and keys: what needs no quoting in any file that they land in. */
export const OWN_KEYS = z.record(
    z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}\.[1-9]\d*$/),
    z.string().regex(/^[A-Za-z0-9]{40,}$/),
);

/** What is set, each value right in itself. */
export type Plain = { [Key in keyof typeof schemas]?: z.infer<(typeof schemas)[Key]> };
