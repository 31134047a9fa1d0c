/** Reads one stack's configuration: checked, typed, every problem told at once. Imports nothing of the components. */
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { RedirectHosts } from "../services/registry/redirect-hosts";
import { selectUpstreams, UPSTREAMS, type Upstream } from "../services/registry/upstreams";
import { type ImageReferences, onpremImages, readImageList } from "./image-list";
import { nearest, suggestion } from "./known-names";
import { type OverseasSettings, overseasSettings, type TlsSettings } from "./overseas";
import { PARSING } from "./parsing";
import { type PrivateAccountSettings, privateTokens, tokenName } from "./private-accounts";
import { type PlaceProblem, problemLines } from "./problem-text";
import type { RelaySettings } from "./relays";
import { type Right, rightOf } from "./right";
import { crossFieldProblems } from "./rules";
import { DEFAULT_KEYS, OWN_KEYS, PLACEHOLDER, type Plain, SECRETS, type SecretName, schemas } from "./schema";

// Public in the SDK's JavaScript, marked internal in its types.
const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret(key: string): boolean };

/** What Pulumi.yaml has as the default of a list for which an empty one would mean something else. */
const FULL_DEFAULTS: Readonly<Record<string, unknown>> = {
    keys: DEFAULT_KEYS,
    upstreams: UPSTREAMS.map(({ name }) => name),
};

/** Namespaces of the configuration that belong to the providers and to Pulumi: https://www.pulumi.com/docs/concepts/config/ */
const PROVIDERS = ["aws", "cloudflare", "command", "docker", "pulumi", "random", "tls"];

type Site<Key extends keyof Plain> = Omit<NonNullable<Plain[Key]>, "certificate" | "ca">;

/** The mirror's certificate: as of a relay, or of a private CA that was made before. */
export type MirrorTlsSettings =
    | TlsSettings
    | { readonly authority: { readonly certificate: string; readonly key: pulumi.Output<string> } };

/** The cache at home, with the images that it is made of. */
export type OnpremSettings = Omit<Site<"onprem">, "imageList"> & {
    readonly tls: MirrorTlsSettings;
    readonly registryVersion: string;
    readonly imageReferences: ImageReferences;
};

/** A stack's settings, checked, with their defaults, secrets beside what they belong to. */
export interface Settings {
    readonly zone?: string;
    /** The zone is made by the stack, and not looked up. */
    readonly createZone?: { readonly name: string; readonly accountId: string; readonly ready: boolean };
    /** The sites are absent, too, in a run that only makes the zone. */
    readonly edge?: Site<"edge">;
    readonly overseas?: OverseasSettings;
    readonly onprem?: OnpremSettings;
    readonly upstreams: Upstream[];
    /** Hosts that they may redirect the stack's relays to, beside those of the table. */
    readonly redirectHosts: RedirectHosts;
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
    const secret = (name: SecretName) => config.getSecret(name);
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
        onprem: onprem && onpremSettings(onprem, secret("onpremCertificateKey"), secret("onpremCaKey")),
        upstreams: upstreams ? selectUpstreams(upstreams) : [...UPSTREAMS],
        redirectHosts: (checked.redirectHosts ?? {}) as RedirectHosts,
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
    const right: Record<string, unknown> = {};
    const given: Record<string, unknown> = {};
    for (const [key, schema] of Object.entries(schemas)) {
        const value = readPlain(config, key);
        if (value === undefined) continue;
        given[key] = value;
        const { success, data, error } = schema.safeParse(value, PARSING);
        if (success) plain[key] = right[key] = data;
        else {
            right[key] = rightOf(value, error.issues);
            problems.push(...problemLines(key, value, error.issues).map((problem) => line(config, problem)));
        }
    }
    problems.push(...contradictions(config, right, given));
    return { plain, problems };
}

function onpremSettings(
    { certificate, ca, imageList, ...site }: NonNullable<Plain["onprem"]>,
    key: pulumi.Output<string> | undefined,
    caKey: pulumi.Output<string> | undefined,
): OnpremSettings {
    const made = { ...site, ...onpremImages(readImageList(imageList), site.registryVersion) };
    if (certificate && key) return { ...made, tls: { certificate, key } };
    if (ca && caKey) return { ...made, tls: { authority: { certificate: pem(ca), key: caKey.apply(pem) } } };
    return { ...made, tls: "privateCa" };
}

/** As the CA's own resource has it: a CA that comes back from a backup is then no change. */
function pem(text: string): string {
    return `${text.trim()}\n`;
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

/** The rules' problems, each with its key in full. */
function contradictions(
    config: pulumi.Config,
    plain: Right<Plain>,
    given: Readonly<Record<string, unknown>>,
): string[] {
    const isSet = (path: string) =>
        path.split(".").reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], given) !==
        undefined;
    const looked = {
        project: config.name,
        plain,
        isSet,
        hasSecret: (name: SecretName) => config.get(name) !== undefined,
        onpremCaKey: config.get("onpremCaKey"),
        relayKeys: OWN_KEYS.safeParse(readValue(config, "relayKeys") ?? {}).data,
        privateTokens: privateTokens.safeParse(readValue(config, "privateTokens") ?? {}).data,
    };
    return crossFieldProblems(looked).map(([key, problem]) => `${config.name}:${key}  ${problem}`);
}

/** Settings that are none, and settings of this program under a name of another: nothing would read them. */
function unknownKeys(config: pulumi.Config): string[] {
    const known = [...Object.keys(schemas), ...SECRETS];
    return Object.keys(pulumi.runtime.allConfig()).flatMap((key) => {
        const [namespace = "", name = ""] = key.split(/:(.*)/s);
        if (namespace !== config.name) {
            const isOurs =
                nearest(namespace, [config.name]) !== undefined ||
                (known.includes(name) && !PROVIDERS.includes(namespace));
            return isOurs ? [`${key}  is not read: write ${config.name}:${name}`] : [];
        }
        if (known.includes(name)) return [];
        return [`${key}  is not a setting${suggestion(name, known)}; settings are ${known.join(", ")}`];
    });
}

function plainSecrets(config: pulumi.Config): string[] {
    const isPlain = (name: string) => config.get(name) !== undefined && !isConfigSecret(`${config.name}:${name}`);
    // The value itself is not repeated: it would end in a log.
    return SECRETS.filter(isPlain).map((name) => {
        const set = `pulumi config set --secret ${config.name}:${name}`;
        return config.get(name) === PLACEHOLDER
            ? `${config.name}:${name}  must be set, got the example's placeholder: ${set}`
            : `${config.name}:${name}  must be encrypted, got a plain value: ${set} (and change it where it was made: it stood in a file)`;
    });
}

/** Secrets that nobody would take. The value is not repeated: it would end in a log. */
function unusableSecrets(config: pulumi.Config): string[] {
    const problems: string[] = [];
    // Of a placeholder it is said that it is one.
    const isThere = (name: SecretName) => config.get(name) !== PLACEHOLDER;
    const relayKey = config.get("relayKey");
    if (relayKey !== undefined && isThere("relayKey") && !/^[\x21-\x7e]{16,}$/.test(relayKey)) {
        problems.push(
            `${config.name}:relayKey  must be at least 16 visible ASCII characters, got ${relayKey.length} of some kind`,
        );
    }
    const dnsToken = config.get("acmeDnsToken");
    // As Cloudflare's own provider knows a token; a global API key, which opens the whole account, is shorter.
    if (dnsToken !== undefined && isThere("acmeDnsToken") && !/^[A-Za-z0-9_-]{40,80}$/.test(dnsToken)) {
        problems.push(
            `${config.name}:acmeDnsToken  must be a Cloudflare API token of 40 to 80 letters, digits, - and _, got ${dnsToken.length} of some kind`,
        );
    }
    const ownKeys = readValue(config, "relayKeys");
    if (ownKeys !== undefined && isThere("relayKeys") && !OWN_KEYS.safeParse(ownKeys).success) {
        const allowed = 'JSON such as {"acme.1": "…"}: the id of a key, and 40 or more letters and digits';
        problems.push(`${config.name}:relayKeys  must be ${allowed}; its value is not repeated here`);
    }
    const tokens = readValue(config, "privateTokens");
    if (tokens !== undefined && isThere("privateTokens") && !privateTokens.safeParse(tokens).success) {
        const allowed =
            'JSON such as {"ghcr.io/acme-bot": "…"}: upstream and user name, and at most 3000 visible characters';
        problems.push(`${config.name}:privateTokens  must be ${allowed}; its value is not repeated here`);
    }
    return problems;
}

/**
 * The value of a setting that is no secret. What Pulumi.yaml has as its default is the same as "not set": Pulumi takes a key
 * that is declared without a default for required.
 */
function readPlain(config: pulumi.Config, key: string): unknown {
    const read = readValue(config, key);
    // Pulumi hands over as JSON what is no text in the file; else a text may well be JSON, such as digits.
    const isText = schemas[key as keyof typeof schemas] instanceof z.ZodString && typeof read !== "object";
    const value = isText ? config.get(key) : read;
    const unset: readonly unknown[] = ["", ...(key in FULL_DEFAULTS ? [] : ["{}", "[]"])];
    if (value === undefined || unset.includes(config.get(key))) return undefined;
    return isDeepStrictEqual(value, FULL_DEFAULTS[key]) ? undefined : value;
}

/** A value as JSON has it, or the text that it is. */
function readValue(config: pulumi.Config, key: string): unknown {
    const text = config.get(key);
    if (text === undefined || text === "") return undefined;
    try {
        return JSON.parse(text);
    } catch {
        return text;
    }
}

function line(config: pulumi.Config, { place, text }: PlaceProblem): string {
    const [key, ...rest] = place;
    // As `pulumi config set --path` takes it: a key with dots in it, the name of an upstream, stands in quotes.
    const step = (part: PropertyKey) =>
        /^[A-Za-z0-9_]+$/.test(String(part)) ? `.${String(part)}` : `["${String(part)}"]`;
    const path = rest.map((part) => (typeof part === "number" ? `[${part}]` : step(part))).join("");
    return `${config.name}:${String(key)}${path}  ${text}`;
}

function refusal(config: pulumi.Config, problems: readonly string[]): string {
    return [
        "this stack's configuration cannot be used:",
        ...problems.map((problem) => `  ${problem}`),
        `  set one with: pulumi config set --path ${config.name}:<key> <value>`,
    ].join("\n");
}
