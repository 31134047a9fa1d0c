/** What a new stack's file will say, and what the rules of the settings have against it. */
import * as pulumi from "@pulumi/pulumi";
import { hasStack } from "../rehearsal/stack-file";
import { suggestion } from "../stacks/known-names";
import { readSettings, type Settings, settingsProblems } from "../stacks/settings";
import { type Answers, has, list, QUESTIONS, type Question, SITES, takesStacks } from "./questions";
import { knownKeys, references } from "./references";

/** As Pulumi.yaml names it. */
export const PROJECT = "dockermirror";

/** Of a stack's name: `StackName` of pulumi/pulumi, sdk/go/common/tokens/stack_name.go. */
const STACK_NAME_MAX = 100;

/** Values by setting, without the project's name; never a secret. */
export type Draft = Readonly<Record<string, unknown>>;

/** Something that cannot stay as it was answered. */
export interface Problem {
    /** The question's flag; none where no question could mend it. */
    readonly flag?: string;
    readonly reason: string;
}

/** A secret that belongs to a stack, by its key with the namespace. */
export interface Secret {
    readonly key: string;
    /** What it is, and when it can be left out. */
    readonly text: string;
    /** The settings are refused without it. */
    readonly isNeeded: boolean;
}

/** The stack's name: what stands in its file's name, and what Pulumi calls it. */
export function stackName({ company = "", region = "" }: Answers): string {
    return `${company}-${region}`;
}

/** What the file will say, as far as the answers go. */
export function draftOf(answers: Answers): Draft {
    const draft: Record<string, unknown> = {};
    for (const question of QUESTIONS) {
        const text = answers[question.flag];
        if (question.key === undefined || !text || !isOfStack(answers, question)) continue;
        const value = question.read?.(text, answers) ?? text;
        const [key = "", field] = question.key.split(".");
        draft[key] = field === undefined ? value : { ...(draft[key] as object | undefined), [field]: value };
    }
    return draft;
}

/** The secrets that the stack needs or may have. */
export function secretsOf({ zone, overseas, relays, hub }: Draft): Secret[] {
    const { kind } = (overseas ?? {}) as { readonly kind?: string };
    const isForeign = ((relays ?? []) as readonly object[]).some((relay) => "hostname" in relay);
    return [
        ...(zone
            ? [secret("cloudflare:apiToken", "the API token; or the environment variable CLOUDFLARE_API_TOKEN has it")]
            : []),
        ...(kind === "host"
            ? [
                  secret(
                      `${PROJECT}:sshPrivateKey`,
                      "the key that logs in, from standard input; or your SSH agent has it",
                  ),
              ]
            : []),
        ...(hub ? [{ ...secret(`${PROJECT}:hubToken`, "the account's access token"), isNeeded: true }] : []),
        ...(isForeign ? [{ ...secret(`${PROJECT}:relayKey`, "the key that the relays ask for"), isNeeded: true }] : []),
    ];
}

/**
 * The settings of a draft, with made-up values in place of its secrets.
 *
 * @throws pulumi.RunError when they cannot be used.
 */
export function settingsOf(draft: Draft): Settings {
    return readSettings(configOf(draft));
}

/** What cannot stay: about the name and the sites by rules of this program, about everything else by the settings'. */
export function problemsOf(answers: Answers, folder: string): Problem[] {
    const refused = settingsProblems(configOf(draftOf(answers))).map((line): Problem => {
        const [path = "", reason = ""] = line.slice(`${PROJECT}:`.length).split(/ {2}(.*)/s);
        const { flag } = QUESTIONS.find(({ key }) => key !== undefined && concerns(path, key)) ?? {};
        return flag === undefined ? { reason: line } : { flag, reason };
    });
    return [...nameProblems(answers, folder), ...siteProblems(answers), ...keyProblems(answers, folder), ...refused];
}

/** Of several keys one must be named, where the stack of the relays is here. */
function keyProblems(answers: Answers, folder: string): Problem[] {
    return references(draftOf(answers)).flatMap(({ stack, key }) => {
        const keys = knownKeys(folder, stack) ?? [];
        if (key !== undefined || keys.length < 2) return [];
        return [{ flag: "relays-key", reason: `must be named: ${stack} has the keys ${keys.join(", ")}` }];
    });
}

function nameProblems(answers: Answers, folder: string): Problem[] {
    const { company, region } = answers;
    const problems: Problem[] = [];
    for (const [flag, name] of Object.entries({ company, region })) {
        // What Pulumi, a file's name and a runner's label all take.
        if (name && !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))
            problems.push({ flag, reason: `must be of a-z, 0-9 and - between them, got "${name}"` });
    }
    if (company === "example")
        problems.push({ flag: "company", reason: "must be another than example: pipelines leave examples out" });
    const stack = stackName(answers);
    if (company && region && stack.length > STACK_NAME_MAX)
        problems.push({
            flag: "region",
            reason: `must be shorter: ${stack} has ${stack.length} characters, Pulumi takes ${STACK_NAME_MAX}`,
        });
    if (company && region && hasStack(stack, folder))
        problems.push({ flag: "region", reason: `must be another: stacks/Pulumi.${stack}.yaml is there already` });
    return problems;
}

function siteProblems(answers: Answers): Problem[] {
    if (!answers.kinds) return [];
    const unknown = list(answers.kinds).filter((kind) => !SITES.some((site) => site === kind));
    if (unknown.length > 0) {
        const got = unknown.map((kind) => `"${kind}"${suggestion(kind, SITES)}`).join(", ");
        return [{ flag: "kinds", reason: `must be of ${SITES.join(", ")}, got ${got}` }];
    }
    if (answers["relays-key"] && answers.relays && !takesStacks(answers))
        return [{ flag: "relays-key", reason: "is for relays of stacks, which relays does not have: leave it out" }];
    return QUESTIONS.filter((question) => answers[question.flag] && !isOfStack(answers, question)).map(({ flag }) => ({
        flag,
        reason: `is for ${siteOf(flag)}, which kinds does not have: leave it out`,
    }));
}

/** False for a question of a site that the stack does not have. */
function isOfStack(answers: Answers, { flag }: Question): boolean {
    const site = siteOf(flag);
    return site === undefined || has(answers, site);
}

function siteOf(flag: string): (typeof SITES)[number] | undefined {
    return SITES.find((site) => flag.startsWith(`${site}-`));
}

/** True when a path of the settings is the key, or in it. */
function concerns(path: string, key: string): boolean {
    return path === key || path.startsWith(`${key}.`) || path.startsWith(`${key}[`);
}

function secret(key: string, text: string): Secret {
    return { key, text, isNeeded: false };
}

/** The draft as Pulumi would hand it to the program once the secrets that it needs are set. */
function configOf(draft: Draft): pulumi.Config {
    const made = secretsOf(draft).flatMap(({ key, isNeeded }) => (isNeeded ? [[key, "0".repeat(40)] as const] : []));
    const plain = Object.entries(draft).map(([key, value]) => [
        `${PROJECT}:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
    ]);
    pulumi.runtime.setAllConfig(
        Object.fromEntries([...plain, ...made]),
        made.map(([key]) => key),
    );
    return new pulumi.Config(PROJECT);
}
