/** Reads a stack's configuration file as the Pulumi CLI would, with made-up values in place of encrypted ones. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const FOLDER = join(__dirname, "..", "stacks");
const PROJECT = "dockermirror";

/** A stack's configuration in the form in which Pulumi hands it to a program. */
export interface StackConfig {
    readonly config: Record<string, string>;
    /** Keys whose values are secret. */
    readonly secretKeys: string[];
}

/** What the rehearsal must know of a stack before the program runs: the names that its machines need. */
export interface StackNames {
    readonly edge?: { readonly hostname: string };
    readonly overseas?: { readonly hostname: string; readonly user?: string };
    readonly onprem?: { readonly hostname: string; readonly docker: string };
    readonly hub?: { readonly username: string };
}

/**
 * The configuration of `stacks/Pulumi.<stack>.yaml`.
 *
 * @param secrets Values for encrypted keys that must fit something, by key without the project; others are made up.
 */
export function readStack(stack: string, secrets: Readonly<Record<string, string>>): StackConfig {
    const file = join(FOLDER, `Pulumi.${stack}.yaml`);
    if (!existsSync(file)) {
        const stacks = readdirSync(FOLDER).flatMap((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1] ?? []);
        throw new Error(`there is no stack "${stack}" in stacks/; there are ${stacks.join(", ")}`);
    }
    const { config = {} } = (parse(readFileSync(file, "utf8")) ?? {}) as { config?: Record<string, unknown> };
    const values: Record<string, string> = {};
    const secretKeys: string[] = [];
    for (const [key, value] of Object.entries(config)) {
        if (isSecure(value)) {
            secretKeys.push(key);
            values[key] = secrets[key.replace(`${PROJECT}:`, "")] ?? randomBytes(24).toString("hex");
        } else {
            values[key] = typeof value === "string" ? value : JSON.stringify(value);
        }
    }
    return { config: values, secretKeys };
}

/** The names in a stack's configuration. */
export function stackNames(stack: StackConfig): StackNames {
    return {
        edge: site(stack, "edge"),
        overseas: site(stack, "overseas"),
        onprem: site(stack, "onprem"),
        hub: site(stack, "hub"),
    };
}

/** The Docker Hub account of a stack, user name and token: what the Hub double must know. */
export function hubAccounts(stack: StackConfig): Record<string, string> {
    const { hub } = stackNames(stack);
    const token = stack.config[`${PROJECT}:hubToken`];
    return hub && token ? { [hub.username]: token } : {};
}

/**
 * The stack with what cannot be the same on the rehearsal's machines replaced: the Docker socket of this machine, which
 * is not the rehearsal's to use, the overseas machine's address and host key, and certificates, whose keys nobody has.
 *
 * @param machine The machine that plays the overseas one.
 * @param changed Told about each replacement.
 */
export function adapted(
    stack: StackConfig,
    machine: { readonly address: string; readonly hostKey: string },
    changed: (what: string) => void,
): StackConfig {
    const config = { ...stack.config };
    const edit = (key: string, field: string, value: string | undefined) => {
        const old = site<Record<string, unknown>>({ ...stack, config }, key);
        if (old?.[field] === undefined) return;
        config[`${PROJECT}:${key}`] = JSON.stringify({ ...old, [field]: value });
        changed(`${key}.${field}`);
    };
    if (stackNames(stack).onprem?.docker.startsWith("unix:")) edit("onprem", "docker", "ssh://root@onprem.rehearsal");
    edit("overseas", "address", machine.address);
    edit("overseas", "hostKey", machine.hostKey);
    for (const key of ["overseas", "onprem"]) {
        edit(key, "certificate", undefined);
        delete config[`${PROJECT}:${key}CertificateKey`];
    }
    return { config, secretKeys: stack.secretKeys };
}

function site<T>({ config }: StackConfig, key: string): T | undefined {
    const text = config[`${PROJECT}:${key}`];
    return text === undefined ? undefined : JSON.parse(text);
}

function isSecure(value: unknown): boolean {
    return typeof value === "object" && value !== null && "secure" in value;
}
