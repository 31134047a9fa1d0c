/** What the relay's machine says of itself: the lines of /etc/nginx/relay/doctor.sh (templates/vm/doctor.sh). */
import { asRoot } from "../components/shell";
import { say } from "../language/say";
import type { Finding, Seen, State } from "./finding";
import { overSsh, type SshTarget } from "./ssh";
import { sshAdvice } from "./ssh-advice";

const DOCTOR = "/etc/nginx/relay/doctor.sh";

/** What replaces whatever lies there by the stack's release: `up` alone does nothing where the stack has not changed. */
export const APPLY_AGAIN = "pulumi up --replace '**nginx-apply'";

/** What to do about a line that is wrong, where the line does not say it itself. */
const TODO: Readonly<Record<string, string>> = Object.fromEntries(
    ["files", "links", "nginx"].map((subject) => [
        subject,
        say("apply the stack's files again: {command}", { command: APPLY_AGAIN }),
    ]),
);

const STATES: Readonly<Record<string, State>> = { ok: "ok", note: "warning", wrong: "failed" };

/**
 * Looks the machine over from within, over SSH; a finding a line. Changes nothing there.
 *
 * @param env The PATH that `ssh` is on, and its agent.
 */
export async function examineMachine(
    target: SshTarget,
    env: NodeJS.ProcessEnv,
    ended: Seen = () => {},
): Promise<Finding[]> {
    const findings = await examined(target, env);
    for (const finding of findings) ended(finding);
    return findings;
}

async function examined(target: SshTarget, env: NodeJS.ProcessEnv): Promise<Finding[]> {
    const where = `${target.host}:${target.port}`;
    const { code, stdout, stderr } = await overSsh(target, asRoot(`exec sh ${DOCTOR}`), env);
    const findings = stdout.split("\n").flatMap((line): Finding[] => {
        const [, word = "", subject = "", note = ""] = /^(\w+) +(\S+) +(.*)$/.exec(line) ?? [];
        const state = STATES[word];
        const todo = state === "failed" ? TODO[subject] : undefined;
        return state
            ? [{ what: say("machine: {subject}", { subject }), where, state, note, ...(todo && { todo }) }]
            : [];
    });
    // Ended before it came to its verdict, or did not begin.
    if (code === 0 ? findings.length > 0 : findings.some(({ state }) => state === "failed")) return findings;
    const [said = say("{program} ended with {code} and says nothing", { program: DOCTOR, code })] = stderr
        .trim()
        .split("\n")
        .slice(-1)
        .filter(Boolean);
    const todo =
        code === 255
            ? (sshAdvice(stderr, { ...target, port: String(target.port), setting: say("the machine's address") }) ??
              say(
                  "is the machine up, and this one's address in sshFrom? A host key that changed is not taken: find out why first",
              ))
            : say("apply the stack's files again: {command}", { command: APPLY_AGAIN });
    return [...findings, { what: say("machine"), where, state: "failed", note: said, todo }];
}
