/** The commands after a new stack's file is written. */
import { type Draft, secretsOf } from "./draft";
import { hasKey, references } from "./references";

/** A command, and what it is for. */
type Step = readonly [command: string, why: string];

/**
 * What to run next, in order, to be read and copied.
 *
 * @param folder Where the stacks' files are.
 */
export function nextSteps(stack: string, draft: Draft, folder: string): string {
    const secrets = secretsOf(draft);
    const relays = references(draft);
    const others = relays.map((relay) => relay.stack).join(", ");
    const missing = relays.filter((relay) => relay.key !== undefined && !hasKey(folder, relay));
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
        ...(missing.length === 0
            ? []
            : [
                  `  # In ${missing.map((relay) => relay.stack).join(", ")}: { name: ${missing[0]?.key} } among dockermirror:keys, and pulumi up there first.`,
              ]),
        ...records(draft).map((line) => `  # ${line}`),
        ...steps.map(([command, why]) => `  ${command.padEnd(width)}  # ${why}`),
    ].join("\n");
}

/** The DNS records that the user has to enter; with a zone the program does those of the relays. */
function records({ zone, overseas, onprem }: Draft): string[] {
    const relay = overseas as { readonly hostname: string; readonly address?: string } | undefined;
    const mirror = onprem as { readonly hostname: string; readonly docker: string } | undefined;
    const lines: string[] = [];
    if (relay && !zone) {
        const when = relay.address ? "before pulumi up" : "as soon as it is made; the output relaySsh has it";
        lines.push(`In your DNS: ${relay.hostname}. 60 IN A ${relay.address ?? "<the machine's address>"}, ${when}.`);
    }
    if (mirror)
        lines.push(`In the office's own DNS: ${mirror.hostname}. 60 IN A <address of ${dockerHost(mirror.docker)}>.`);
    return lines;
}

function dockerHost(docker: string): string {
    return docker.startsWith("ssh:") ? new URL(docker).hostname : "this machine";
}
