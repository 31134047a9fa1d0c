/** Reads a stack's configuration file as the Pulumi CLI would, with made-up values in place of encrypted ones. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { suggestion } from "../stacks/known-names";
import { DEFAULT_KEYS, PLACEHOLDER } from "../stacks/schema";

const FOLDER = join(__dirname, "..", "stacks");
const PROJECT = "dockermirror";
const DOCKER_HUB = "docker.io";
/** What Pulumi reads of a stack's file: `ProjectStack` of pulumi/pulumi, sdk/go/common/workspace/project.go. */
const TOP_LEVEL = ["config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment"];

/** A stack's configuration in the form in which Pulumi hands it to a program. */
export interface StackConfig {
    readonly config: Record<string, string>;
    /** Keys whose values are secret. */
    readonly secretKeys: string[];
    /** What the file has beside its configuration that Pulumi does not know, if anything. */
    readonly strays?: readonly string[];
}

/** What the rehearsal must know of a stack before the program runs: the names that its machines need. */
export interface StackNames {
    readonly edge?: { readonly hostname: string };
    readonly overseas?: {
        readonly kind: "host" | "ec2" | "lightsail";
        readonly hostname: string;
        readonly user?: string;
        readonly generation?: number;
    };
    readonly onprem?: { readonly hostname: string; readonly docker: string };
    readonly hub?: { readonly username: string };
    /** Relays let everybody in, not only who has a key. */
    readonly isPublic: boolean;
    readonly relays?: readonly RelaySettings[];
}

/** Relays that another stack has: those of a stack by its name, or one by its host name. */
export type RelaySettings =
    | { readonly stack: string }
    | { readonly name: string; readonly hostname: string; readonly address?: string; readonly ca?: string };

interface Account {
    readonly upstream?: string;
    readonly username?: string;
}

/** Names of the stacks that there are. */
export function allStacks(folder = FOLDER): string[] {
    return readdirSync(folder).flatMap((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1] ?? []);
}

/** True when a stack has a file, whatever is in it. */
export function hasStack(stack: string, folder = FOLDER): boolean {
    return existsSync(stackFile(stack, folder));
}

/** The file of a stack's settings, there or not. */
export function stackFile(stack: string, folder = FOLDER): string {
    return join(folder, `Pulumi.${stack}.yaml`);
}

/**
 * The configuration of `stacks/Pulumi.<stack>.yaml`.
 *
 * @param secrets Values for encrypted keys that must fit something, by key without the project; others are made up.
 * @throws Error that names the file and where it cannot be read, or the stacks that there are.
 */
export function readStack(
    stack: string,
    secrets: Readonly<Record<string, string>>,
    folder: string = FOLDER,
): StackConfig {
    if (!hasStack(stack, folder)) {
        const all = allStacks(folder);
        throw new Error(
            `there is no stack "${stack}" in stacks/${suggestion(stack, all)}; there are ${all.join(", ")}`,
        );
    }
    try {
        return parseStack(readFileSync(stackFile(stack, folder), "utf8"), secrets);
    } catch (error) {
        throw new Error(`stacks/Pulumi.${stack}.yaml cannot be read: ${(error as Error).message}`, { cause: error });
    }
}

/**
 * The configuration that the text of a stack's file has; `secrets` as for {@link readStack}.
 *
 * @throws Error that says where in the text it is no YAML, or no configuration.
 */
export function parseStack(text: string, secrets: Readonly<Record<string, string>>): StackConfig {
    const file: unknown = parse(text) ?? {};
    const config = (isObject(file) && "config" in file ? file.config : undefined) ?? {};
    if (!isObject(file) || !isObject(config))
        throw new Error('it must have a mapping "config:", below which the settings are, such as dockermirror:zone');
    const values: Record<string, string> = {};
    const secretKeys: string[] = [];
    for (const [name, value] of Object.entries(config)) {
        // As Pulumi does: a key without a namespace is the project's.
        const key = name.includes(":") ? name : `${PROJECT}:${name}`;
        if (isSecure(value)) {
            secretKeys.push(key);
            const secret = key.replace(`${PROJECT}:`, "");
            values[key] = secrets[secret] ?? madeUp(secret, config) ?? randomBytes(24).toString("hex");
        } else {
            values[key] = typeof value === "string" ? value : JSON.stringify(value);
        }
    }
    const strays = Object.keys(file).filter((name) => !TOP_LEVEL.includes(name));
    return { config: values, secretKeys, ...(strays.length > 0 && { strays }) };
}

/** A value of a secret that must fit the stack's other settings, which nobody has checked yet. */
function madeUp(secret: string, config: Readonly<Record<string, unknown>>): string | undefined {
    // Keys of one's own take the place of generated ones: without any, all are generated.
    if (secret === "relayKeys") return "{}";
    const hub = config[`${PROJECT}:hub`];
    if (secret === "hubToken" && isObject(hub)) return tokenOf({ upstream: DOCKER_HUB, ...hub });
    if (secret !== "privateTokens") return undefined;
    const accounts = [config[`${PROJECT}:privateAccounts`]].flat().filter(isObject);
    return JSON.stringify(Object.fromEntries(accounts.map((account) => [accountName(account), tokenOf(account)])));
}

/** The same in each stack that has the account. */
function tokenOf(account: Account): string {
    return createHash("sha256")
        .update(`made up for ${accountName(account)}`)
        .digest("hex")
        .slice(0, 48);
}

function accountName({ upstream, username }: Account): string {
    return `${upstream}/${username}`;
}

/** The names in a stack's configuration. */
export function stackNames(stack: StackConfig): StackNames {
    return {
        edge: site(stack, "edge"),
        overseas: site(stack, "overseas"),
        onprem: site(stack, "onprem"),
        hub: site(stack, "hub"),
        isPublic: stack.config[`${PROJECT}:access`] === "public",
        relays: entries(site(stack, "relays")),
    };
}

/** Names of a stack's keys for offices; a stack that names none has one. */
export function keysOf(stack: StackConfig): string[] {
    const keys: unknown = site(stack, "keys");
    const names = Array.isArray(keys) ? keys.filter(isObject).map(({ name }) => String(name)) : [];
    return names.length > 0 ? names : DEFAULT_KEYS.map(({ name }) => name);
}

/** The stack with other settings, by key without the project: what they say of a site is put into what is there. */
export function changed(stack: StackConfig, settings: Readonly<Record<string, unknown>>): StackConfig {
    const config = { ...stack.config };
    for (const [key, value] of Object.entries(settings)) {
        const both = isObject(value) ? { ...site<object>(stack, key), ...value } : value;
        config[`${PROJECT}:${key}`] = typeof both === "string" ? both : JSON.stringify(both);
    }
    return { config, secretKeys: stack.secretKeys };
}

/** The accounts of a stack, tokens by user name, which has its upstream before it unless that is Docker Hub. */
export function hubAccounts(stack: StackConfig): Record<string, string> {
    const { hub } = stackNames(stack);
    const token = stack.config[`${PROJECT}:hubToken`];
    const tokens = site<Record<string, string>>(stack, "privateTokens") ?? {};
    const all = hub && token ? { ...tokens, [`${DOCKER_HUB}/${hub.username}`]: token } : tokens;
    return Object.fromEntries(Object.entries(all).map(([name, value]) => [name.replace(`${DOCKER_HUB}/`, ""), value]));
}

/** The stack with its relays and no other site, for another stack that takes them. */
export function relaysOnly(stack: StackConfig): StackConfig {
    const config = { ...stack.config };
    for (const key of ["onprem", "onpremCertificateKey", "onpremCaKey", "relays", "relayKey"])
        delete config[`${PROJECT}:${key}`];
    return { config, secretKeys: stack.secretKeys };
}

/** The stack with these relays of other stacks. */
export function withRelays(stack: StackConfig, relays: readonly RelaySettings[]): StackConfig {
    const { config, secretKeys } = changed(stack, { relays });
    // A key that no relay asks for is refused.
    if (relays.every((relay) => "stack" in relay)) delete config[`${PROJECT}:relayKey`];
    return { config, secretKeys };
}

/** What the overseas machine is in a rehearsal. */
export interface OverseasMachine {
    /** Where this machine's connections come from. */
    readonly sshFrom: string;
    /** Of a machine that is not made by the program. */
    readonly address?: string;
    readonly hostKey?: string;
}

/**
 * The stack with what cannot be the same on the rehearsal's machines replaced: the Docker socket of this machine, which
 * is not the rehearsal's to use; the overseas machine's addresses and host key, and who may log in to it; certificates,
 * whose keys nobody has; an ACME server of one's own, and DNS-01, which needs Cloudflare's API.
 *
 * @param changed Told about each replacement.
 */
export function adapted(stack: StackConfig, machine: OverseasMachine, changed: (what: string) => void): StackConfig {
    const config = { ...stack.config };
    const edit = (key: string, field: string, value: unknown) => {
        const old = site<Record<string, unknown>>({ ...stack, config }, key);
        if (old?.[field] === undefined || old[field] === value) return;
        config[`${PROJECT}:${key}`] = JSON.stringify({ ...old, [field]: value });
        changed(`${key}.${field}`);
    };
    if (stackNames(stack).onprem?.docker.startsWith("unix:")) edit("onprem", "docker", "ssh://root@onprem.rehearsal");
    edit("overseas", "address", machine.address);
    edit("overseas", "hostKey", machine.hostKey);
    edit("overseas", "sshFrom", [`${machine.sshFrom}/32`]);
    edit("overseas", "acmeServer", undefined);
    edit("overseas", "acmeChallenge", "http-01");
    edit("overseas", "ipv6Address", undefined);
    edit("overseas", "ipv6", false);
    for (const key of ["overseas", "onprem"]) edit(key, "certificate", undefined);
    edit("onprem", "ca", undefined);
    for (const key of ["overseasCertificateKey", "onpremCertificateKey", "onpremCaKey", "acmeDnsToken"])
        delete config[`${PROJECT}:${key}`];
    return { config, secretKeys: stack.secretKeys };
}

/** A setting that has fields or entries; undefined where it has none, which the program refuses. */
function site<T>({ config }: StackConfig, key: string): T | undefined {
    const text = config[`${PROJECT}:${key}`];
    if (text === undefined) return undefined;
    try {
        const value: unknown = JSON.parse(text);
        return typeof value === "object" && value !== null ? (value as T) : undefined;
    } catch {
        return undefined;
    }
}

function entries(list: unknown): RelaySettings[] | undefined {
    return Array.isArray(list) ? (list.filter(isObject) as unknown as RelaySettings[]) : undefined;
}

function isSecure(value: unknown): boolean {
    return value === PLACEHOLDER || (typeof value === "object" && value !== null && "secure" in value);
}

function isObject(value: unknown): value is Record<string, unknown> {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}
