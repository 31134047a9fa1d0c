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
    readonly overseas?: { readonly hostname: string; readonly address: string };
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
export function stackNames({ config }: StackConfig): StackNames {
    const site = (key: string) => {
        const text = config[`${PROJECT}:${key}`];
        return text === undefined ? undefined : JSON.parse(text);
    };
    return { edge: site("edge"), overseas: site("overseas"), onprem: site("onprem"), hub: site("hub") };
}

function isSecure(value: unknown): boolean {
    return typeof value === "object" && value !== null && "secure" in value;
}
