/** The text of a new stack's file: its settings, each with what it is. */
import { stringify } from "yaml";
import { type Draft, PROJECT, secretsOf } from "./draft";
import { capitalized, QUESTIONS } from "./questions";

/** What stands above the settings that have fields. */
const TEXTS: Readonly<Record<string, string>> = {
    edge: "The relay at Cloudflare: a Worker, which gets the custom domain `hostname`",
    overseas: "The relay overseas: Nginx on a machine",
    onprem: "The cache at home: containers on a machine with Docker",
    hub: "Who the relays are to Docker Hub; with the account's access token in the secret hubToken",
};

/** The file of a stack, as Pulumi itself writes it. Secrets are named in it, never their values. */
export function stackYaml(stack: string, draft: Draft): string {
    const secrets = secretsOf(draft).map(({ key, text }) => `#   ${key}: ${text}`);
    const lines = [
        `# ${stack}: ${purpose(draft)}. Begun by npm run new-stack; yours to edit.`,
        "# Every setting with its meaning: Pulumi.example.yaml. Mistakes are told all at once, by npm run preflight too.",
        "config:",
        ...Object.entries(draft).flatMap(([key, value]) => setting(key, value)),
        ...(secrets.length > 0 ? ["# Secrets, only by pulumi config set --secret:", ...secrets] : []),
    ];
    return `${lines.join("\n")}\n`;
}

function purpose({ edge, overseas, onprem }: Draft): string {
    const relays = edge && overseas ? "two relays" : "a relay";
    if (!onprem) return `${relays}, for offices that have stacks of their own`;
    return edge || overseas
        ? `${relays}, and the mirror of an office`
        : "the mirror of an office, on other stacks' relays";
}

function setting(key: string, value: unknown): string[] {
    const name = `${PROJECT}:${key}:`;
    const text = TEXTS[key];
    if (text === undefined) return [`  # ${capitalized(textOf(key))}.`, `  ${name} ${inline(value)}`];
    const fields = Object.entries(value as object).map(
        ([field, content]) => `    ${field}: ${inline(content)} # ${textOf(`${key}.${field}`)}`,
    );
    return [`  # ${text}.`, `  ${name}`, ...fields];
}

/** The value on one line, with quotes only where YAML needs them. */
function inline(value: unknown): string {
    return stringify(value, { collectionStyle: "flow", lineWidth: 0, flowCollectionPadding: false }).trimEnd();
}

function textOf(path: string): string {
    return QUESTIONS.find(({ key }) => key === path)?.text ?? path;
}
