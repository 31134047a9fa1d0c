/** The commands after a new stack's file is written. */
import { type Draft, secretsOf } from "./draft";

/** What a stack's relays are in a draft, as far as it matters here. */
interface Reference {
    readonly stack?: string;
    readonly key?: string;
}

/** A command, and what it is for. */
type Step = readonly [command: string, why: string];

/** What to run next, in order, to be read and copied. */
export function nextSteps(stack: string, draft: Draft): string {
    const secrets = secretsOf(draft);
    const relays = ((draft.relays ?? []) as readonly Reference[]).filter((relay) => relay.stack !== undefined);
    const others = [...new Set(relays.map((relay) => relay.stack))].join(", ");
    const key = relays.find((relay) => relay.key !== undefined)?.key;
    const rehearsal: Step = [`npm start -- --stack ${stack}`, "rehearses it on this machine, with Docker alone"];
    // A rehearsal makes up a secret that is set, and an office without relays has nothing to rehearse by itself.
    const isRehearsed = draft.edge !== undefined || draft.overseas !== undefined;
    const isWhole = !secrets.some(({ isNeeded }) => isNeeded);
    const steps: Step[] = [
        ...(isRehearsed && isWhole ? [rehearsal] : []),
        ["npx pulumi login", "where the state lies: file:///srv/pulumi-state, s3://…; README, Step by step"],
        [
            `npx pulumi stack init ${stack}`,
            others
                ? `with the passphrase or the --secrets-provider that ${others} has`
                : "with a passphrase; or --secrets-provider 'awskms://alias/NAME?region=REGION'",
        ],
        ...secrets.map(
            ({ key: name, text }): Step => [`npx pulumi config set --secret ${name} --stack ${stack}`, text],
        ),
        ...(isRehearsed && !isWhole ? [rehearsal] : []),
        [`npm run preflight -- --stack ${stack}`, "looks at all that it needs"],
        [`npx pulumi up --stack ${stack}`, "makes it"],
    ];
    const width = Math.max(...steps.map(([command]) => command.length));
    return [
        "Next:",
        "",
        ...(key === undefined
            ? []
            : [`  # In ${others}: { name: ${key} } among dockermirror:keys, and pulumi up there first.`]),
        ...steps.map(([command, why]) => `  ${command.padEnd(width)}  # ${why}`),
    ].join("\n");
}
