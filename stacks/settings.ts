/** Reads one stack's configuration: checked, typed, every problem told at once. Imports nothing of the components. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { selectUpstreams, UPSTREAMS, type Upstream } from "../services/registry/upstreams";
import { isPrivate, PRIVATE_RANGES } from "./addresses";
import { accountId, certificate, cidr, contact, hostname, keyName, port } from "./fields";
import { type OverseasSettings, overseas, overseasProblems, overseasSettings, type TlsSettings } from "./overseas";
import {
    type PrivateAccountSettings,
    privateAccounts,
    privateAccountsProblems,
    privateTokens,
    tokenName,
} from "./private-accounts";
import { type RelaySettings, relay, relaysProblems } from "./relays";

// Public in the SDK's JavaScript, marked internal in its types.
const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret(key: string): boolean };

const imagePrefix = z
    .string()
    .regex(
        /^[a-z0-9.-]+(?::\d+)?(?:\/[a-z0-9._-]+)*$/,
        "must be a registry with an optional path, such as harbor.acme.lan/library",
    );

const DEFAULT_KEYS = [{ name: "default", generation: 1 }];

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
        engine: z
            .literal("registry", { error: 'must be "registry" (harbor and nexus come later)' })
            .default("registry"),
        registryVersion: z
            .string()
            .regex(/^(3\.[1-9]\d*|2\.8)\.\d+$/, "must be a version of distribution such as 3.1.2, or 2.8.x")
            .default("3.1.2"),
        allowFrom: z.array(cidr).min(1).default(PRIVATE_RANGES),
        allowFromPublic: z.boolean().default(false),
        spoolBudgetGiB: z.int().min(1).default(10),
        key: keyName.optional(),
        certificate: certificate.optional(),
        images: z
            .discriminatedUnion("from", [
                z.strictObject({ from: z.literal("relay") }),
                z.strictObject({ from: z.literal("registry"), registry: imagePrefix }),
                z.strictObject({ from: z.literal("archive"), archive: z.string().min(1) }),
            ])
            .default({ from: "relay" }),
    }),
    relays: z.array(relay),
    upstreams: z.array(z.enum(UPSTREAMS.map((upstream) => upstream.name))).min(1),
    publicMirrors: z.array(z.string()).max(0, "is not supported yet: leave it out"),
    keys: z.array(z.strictObject({ name: keyName, generation: z.int().min(1).default(1) })).min(1),
    access: z.enum(["keys", "public"]),
    abuseContact: contact,
    publicLimit: z.strictObject({ requestsPerMinute: z.int().min(10).max(100_000) }),
    hub: z.strictObject({ username: z.string().regex(/^[a-z0-9]{4,30}$/, "must be a Docker ID") }),
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
    "acmeDnsToken",
] as const;

/** Key ids and keys: what needs no quoting in any file that they land in. */
const OWN_KEYS = z.record(
    z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}\.[1-9]\d*$/),
    z.string().regex(/^[A-Za-z0-9]{40,}$/),
);

type Plain = { [Key in keyof typeof schemas]?: z.infer<(typeof schemas)[Key]> };
type Site<Key extends keyof Plain> = Omit<NonNullable<Plain[Key]>, "certificate">;

/** A stack's settings, checked, with their defaults, secrets beside what they belong to. */
export interface Settings {
    readonly zone?: string;
    /** The zone is made by the stack, and not looked up. */
    readonly createZone?: { readonly name: string; readonly accountId: string; readonly ready: boolean };
    /** The sites are absent, too, in a run that only makes the zone. */
    readonly edge?: Site<"edge">;
    readonly overseas?: OverseasSettings;
    readonly onprem?: Site<"onprem"> & { readonly tls: TlsSettings };
    readonly upstreams: Upstream[];
    readonly access: "keys" | "public";
    /** Where whoever runs a public relay is written to: a `mailto:` or `https:` URL. */
    readonly abuseContact?: string;
    /** Of an address without a key, with public access. */
    readonly publicLimit?: { readonly requestsPerMinute: number };
    readonly keys: { readonly name: string; readonly generation: number }[];
    /** Keys of the user's own, by key id (`acme.2`): they take the place of generated ones. */
    readonly ownKeys?: pulumi.Output<Record<string, string>>;
    /** Relays of other stacks. */
    readonly relays: RelaySettings[];
    /** The key that those of `relays` ask for that are no reference to a stack. */
    readonly relayKey?: pulumi.Output<string>;
    readonly hubAccount?: { readonly username: string; readonly token: pulumi.Output<string> };
    /** Accounts for private repositories. */
    readonly privateAccounts: PrivateAccountSettings[];
}

/**
 * The settings of the stack.
 *
 * @throws pulumi.RunError that tells every problem: the key, what was got, what is allowed, the command that sets it.
 */
export function readSettings(config: pulumi.Config): Settings {
    const { plain, problems } = checkValues(config);
    if (problems.length > 0) throw new pulumi.RunError(refusal(config, problems));

    const { zone, createZone, zoneReady = false, hub, upstreams, ...checked } = plain;
    const { edge, overseas, onprem } = createZone && !zoneReady ? {} : (checked as Partial<typeof checked>);
    const secret = (name: (typeof SECRETS)[number]) => config.getSecret(name);
    const tokens = config.getSecretObject<Record<string, string>>("privateTokens");
    const overseasSecrets = {
        sshPrivateKey: secret("sshPrivateKey"),
        certificateKey: secret("overseasCertificateKey"),
        acmeDnsToken: secret("acmeDnsToken"),
    };
    return {
        zone,
        createZone: zone !== undefined && createZone ? { name: zone, ...createZone, ready: zoneReady } : undefined,
        edge,
        overseas: overseas && overseasSettings(overseas, overseasSecrets),
        onprem: onprem && withTls(onprem, secret("onpremCertificateKey")),
        upstreams: upstreams ? selectUpstreams(upstreams) : [...UPSTREAMS],
        access: checked.access ?? "keys",
        abuseContact: checked.abuseContact,
        publicLimit: checked.publicLimit,
        keys: checked.keys ?? DEFAULT_KEYS,
        ownKeys: config.getSecretObject("relayKeys"),
        relays: onprem ? (checked.relays ?? []) : [],
        relayKey: secret("relayKey"),
        hubAccount: hub && { ...hub, token: config.requireSecret("hubToken") },
        privateAccounts: (checked.privateAccounts ?? []).map((account) => ({
            ...account,
            token: pulumi.secret(tokens?.apply((values) => values[tokenName(account)] ?? "") ?? ""),
        })),
    };
}

/** Every problem of the stack's settings, a line each: `dockermirror:edge.hostname  must be …`. */
export function settingsProblems(config: pulumi.Config): readonly string[] {
    return checkValues(config).problems;
}

function checkValues(config: pulumi.Config): { readonly plain: Plain; readonly problems: readonly string[] } {
    const problems: string[] = [...unknownKeys(config), ...plainSecrets(config), ...unusableSecrets(config)];
    const plain: Record<string, unknown> = {};
    for (const [key, schema] of Object.entries(schemas)) {
        const value = readValue(config, key);
        if (value === undefined) continue;
        const result = schema.safeParse(value, { reportInput: true });
        if (result.success) plain[key] = result.data;
        else problems.push(...result.error.issues.map((issue) => `${path(config, key, issue.path)}  ${told(issue)}`));
    }
    if (problems.length === 0) problems.push(...crossFieldProblems(config, plain));
    return { plain, problems };
}

function withTls<T extends { readonly certificate?: string }>(
    { certificate, ...site }: T,
    key: pulumi.Output<string> | undefined,
): Omit<T, "certificate"> & { readonly tls: TlsSettings } {
    return { ...site, tls: certificate && key ? { certificate, key } : "privateCa" };
}

/** What can be used, though it should be known; for `pulumi.log.warn`. */
export function warnings(settings: Settings): string[] {
    const { createZone, edge, hubAccount } = settings;
    if (createZone && !createZone.ready) {
        return [
            `this run makes the zone ${createZone.name} and none of the sites: enter the name servers of the output ` +
                "zoneNameServers at the domain's registrar, wait until Cloudflare calls the zone active (minutes to a day), " +
                "then: pulumi config set dockermirror:zoneReady true, and run again",
        ];
    }
    if (!edge || hubAccount) return [];
    return [
        "edge without hub and hubToken: Docker Hub limits anonymous pulls from Cloudflare's addresses, so that the Worker " +
            "will often answer 429; a free Docker Hub account with a read-only access token helps",
    ];
}

function crossFieldProblems(config: pulumi.Config, plain: Plain): string[] {
    const { zone, createZone, zoneReady, edge, overseas, onprem, relays = [], keys = DEFAULT_KEYS, hub } = plain;
    const { access, abuseContact, publicLimit } = plain;
    const problems: string[] = [];
    const refuse = (key: string, problem: string) => problems.push(`${config.name}:${key}  ${problem}`);
    const secret = (name: (typeof SECRETS)[number]) => config.get(name) !== undefined;
    const asSecret = (name: (typeof SECRETS)[number]) => `pulumi config set --secret ${config.name}:${name}`;

    if (!edge && !overseas && !onprem)
        refuse("edge", "or overseas or onprem must be set: this stack would make nothing");
    if (onprem && !edge && !overseas && relays.length === 0) {
        refuse("onprem", "needs a relay: set edge or overseas, or relays with another stack that has one");
    }
    if (!onprem && relays.length > 0)
        refuse("relays", "are what an on-prem site pulls through: set onprem, or leave them out");
    const literal = relays.filter((relay) => !("stack" in relay));
    if (literal.length > 0 && !secret("relayKey"))
        refuse("relays", `need the key that those with a hostname ask for: ${asSecret("relayKey")}`);
    if (literal.length === 0 && secret("relayKey"))
        refuse("relayKey", "is the key of relays with a hostname, which are not set");
    const ownNames = [...(overseas ? ["nginx"] : []), ...(edge ? ["worker"] : [])];
    for (const [key, problem] of relaysProblems(relays, ownNames)) refuse(key, problem);

    if (createZone && !zone) refuse("createZone", "needs the name of the zone to make: set zone");
    if (zoneReady && !createZone)
        refuse("zoneReady", "is about the zone of createZone, which is not set: a zone that is there needs neither");
    if (createZone && edge && createZone.accountId !== edge.accountId) {
        refuse(
            "edge.accountId",
            `must be the account that the zone is made in, ${createZone.accountId}, got "${edge.accountId}"`,
        );
    }
    if (edge && !zone) refuse("edge", "needs zone: the Worker gets a custom domain in it");
    for (const [key, site] of [["edge", edge] as const, ["overseas", overseas] as const]) {
        if (zone && site && site.hostname !== zone && !site.hostname.endsWith(`.${zone}`)) {
            refuse(`${key}.hostname`, `must be ${zone} or end with .${zone}, got "${site.hostname}"`);
        }
    }
    const ofOverseas = overseas ? overseasProblems(overseas, zone !== undefined) : [];
    for (const [field, problem] of ofOverseas) refuse(`overseas.${field}`, problem);
    const tiers = new Map<string, string>();
    const named: [string, string | undefined][] = [
        ["edge.hostname", edge?.hostname],
        ["overseas.hostname", overseas?.hostname],
        ["onprem.hostname", onprem?.hostname],
        ...relays.map((relay, index): [string, string | undefined] => [
            `relays[${index}].hostname`,
            "stack" in relay ? undefined : relay.hostname,
        ]),
    ];
    for (const [key, name] of named) {
        if (name === undefined) continue;
        const other = tiers.get(name);
        if (other) refuse(key, `must be a host name of its own, got "${name}", which ${config.name}:${other} has`);
        tiers.set(name, key);
    }
    for (const repeated of duplicates(keys.map((key) => key.name)))
        refuse("keys", `must have one entry a name, got "${repeated}" twice`);
    const hasRelay = edge !== undefined || overseas !== undefined;
    if (onprem && !hasRelay) {
        const others = {
            keys: plain.keys,
            hub,
            access: access === "public" || undefined,
            relayKeys: secret("relayKeys"),
        };
        for (const [key, value] of Object.entries(others)) {
            if (value) refuse(key, "is for relays of this stack, which has none: set it where edge or overseas is");
        }
        if (onprem.key) refuse("onprem.key", "is for relays of this stack, which has none: set key in relays");
    }
    const ownIds = Object.keys((readValue(config, "relayKeys") ?? {}) as z.infer<typeof OWN_KEYS>);
    for (const id of ownIds.filter((each) => hasRelay && !isKeyId(each, keys))) {
        const known = keys.map(({ name, generation }) => `${name}.${generation}`).join(", ");
        refuse("relayKeys", `has "${id}", which ${config.name}:keys does not (${known}, and lower numbers)`);
    }
    if (hasRelay && onprem?.key && !keys.some((key) => key.name === onprem.key)) {
        refuse(
            "onprem.key",
            `must be the name of one of ${config.name}:keys (${keys.map((key) => key.name).join(", ")}), got "${onprem.key}"`,
        );
    }
    const open = onprem?.allowFrom.filter((range) => !isPrivate(range)) ?? [];
    if (open.length > 0 && !onprem?.allowFromPublic) {
        refuse(
            "onprem.allowFrom",
            `has public addresses (${open.join(", ")}), which Docker opens past the host's firewall: if it is meant, also set onprem.allowFromPublic to true`,
        );
    }
    if (access === "public" && !abuseContact) {
        const why = "because who runs a service for everybody must be reachable";
        refuse("access", `public needs abuseContact, ${why}: set it to such as mailto:abuse@example.org`);
    }
    for (const [key, value] of Object.entries({ abuseContact, publicLimit })) {
        if (value !== undefined && access !== "public") refuse(key, "is for access: public, which is not set");
    }
    const tokens = (readValue(config, "privateTokens") ?? {}) as z.infer<typeof privateTokens>;
    const { privateAccounts: accounts = [], upstreams = UPSTREAMS.map(({ name }) => name) } = plain;
    const context = { upstreams, hasRelay, hasWorker: edge !== undefined };
    for (const [key, problem] of privateAccountsProblems(accounts, tokens, context)) refuse(key, problem);
    if (hub && !secret("hubToken")) refuse("hub", `needs the account's access token: ${asSecret("hubToken")}`);
    if (!hub && secret("hubToken")) refuse("hubToken", "needs the account's name: set hub.username");
    const dns01 = overseas?.acmeChallenge === "dns-01";
    if (dns01 && !secret("acmeDnsToken")) {
        refuse(
            "overseas.acmeChallenge",
            `dns-01 needs a Cloudflare token that may edit the DNS of the zone: ${asSecret("acmeDnsToken")}`,
        );
    }
    if (!dns01 && secret("acmeDnsToken"))
        refuse("acmeDnsToken", "is for overseas.acmeChallenge dns-01, which is not set");
    if (overseas && overseas.kind !== "host" && secret("sshPrivateKey"))
        refuse("sshPrivateKey", "is for overseas.kind host: a machine that is made here gets a key of its own");
    for (const [key, site, name] of [
        ["overseas", overseas, "overseasCertificateKey"] as const,
        ["onprem", onprem, "onpremCertificateKey"] as const,
    ]) {
        if (site?.certificate && !secret(name))
            refuse(`${key}.certificate`, `needs its private key: ${asSecret(name)}`);
        if (!site?.certificate && secret(name)) refuse(name, `needs its certificate: set ${key}.certificate`);
    }
    return problems;
}

/** True for a key id of a name among `keys`, of its current generation or one before. */
function isKeyId(id: string, keys: Settings["keys"]): boolean {
    return keys.some(
        ({ name, generation }) => id.startsWith(`${name}.`) && Number(id.slice(name.length + 1)) <= generation,
    );
}

function unknownKeys(config: pulumi.Config): string[] {
    const known = [...Object.keys(schemas), ...SECRETS];
    return Object.keys(pulumi.runtime.allConfig())
        .filter((key) => key.startsWith(`${config.name}:`))
        .map((key) => key.slice(config.name.length + 1))
        .filter((key) => !known.includes(key))
        .map((key) => `${config.name}:${key}  is not a setting; settings are ${known.join(", ")}`);
}

function plainSecrets(config: pulumi.Config): string[] {
    const isPlain = (name: string) => config.get(name) !== undefined && !isConfigSecret(`${config.name}:${name}`);
    // The value itself is not repeated: it would end in a log.
    return SECRETS.filter(isPlain).map(
        (name) =>
            `${config.name}:${name}  must be encrypted, got a plain value: pulumi config set --secret ${config.name}:${name} (and change it where it was made: it stood in a file)`,
    );
}

/** Secrets that nobody would take. The value is not repeated: it would end in a log. */
function unusableSecrets(config: pulumi.Config): string[] {
    const problems: string[] = [];
    const relayKey = config.get("relayKey");
    if (relayKey !== undefined && !/^[\x21-\x7e]{16,}$/.test(relayKey)) {
        problems.push(
            `${config.name}:relayKey  must be at least 16 visible ASCII characters, got ${relayKey.length} of some kind`,
        );
    }
    const dnsToken = config.get("acmeDnsToken");
    // As Cloudflare's own provider knows a token; a global API key, which opens the whole account, is shorter.
    if (dnsToken !== undefined && !/^[A-Za-z0-9_-]{40,80}$/.test(dnsToken)) {
        problems.push(
            `${config.name}:acmeDnsToken  must be a Cloudflare API token of 40 to 80 letters, digits, - and _, got ${dnsToken.length} of some kind`,
        );
    }
    const ownKeys = readValue(config, "relayKeys");
    if (ownKeys !== undefined && !OWN_KEYS.safeParse(ownKeys).success) {
        const allowed = 'JSON such as {"acme.1": "…"}: the id of a key, and 40 or more letters and digits';
        problems.push(`${config.name}:relayKeys  must be ${allowed}; its value is not repeated here`);
    }
    const tokens = readValue(config, "privateTokens");
    if (tokens !== undefined && !privateTokens.safeParse(tokens).success) {
        const allowed =
            'JSON such as {"ghcr.io/acme-bot": "…"}: upstream and user name, and at most 3000 visible characters';
        problems.push(`${config.name}:privateTokens  must be ${allowed}; its value is not repeated here`);
    }
    return problems;
}

/** The value of a key as JSON has it; `""`, `{}` and `[]` are the "not set" of Pulumi.yaml's defaults. */
function readValue(config: pulumi.Config, key: string): unknown {
    const text = config.get(key);
    if (text === undefined || text === "" || text === "{}" || text === "[]") return undefined;
    try {
        return JSON.parse(text);
    } catch {
        return text;
    }
}

function path(config: pulumi.Config, key: string, parts: PropertyKey[]): string {
    const rest = parts.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
    return `${config.name}:${key}${rest}`;
}

function told(issue: z.core.$ZodIssue): string {
    if (issue.code === "unrecognized_keys") return issue.message;
    const { input, discriminator } = issue as { input?: unknown; discriminator?: string };
    const got = discriminator === undefined ? input : (input as Record<string, unknown>)[discriminator];
    return `${issue.message}, got ${got === undefined ? "nothing" : JSON.stringify(got)}`;
}

function refusal(config: pulumi.Config, problems: readonly string[]): string {
    return [
        "this stack's configuration cannot be used:",
        ...problems.map((problem) => `  ${problem}`),
        `  set one with: pulumi config set --path ${config.name}:<key> <value>`,
    ].join("\n");
}

function duplicates(names: string[]): string[] {
    return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
