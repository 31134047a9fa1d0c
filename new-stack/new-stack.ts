/** A new stack's file, from answers that were checked: nothing is made and nothing written before all of it is right. */
import { writeFileSync } from "node:fs";
import { lookAll } from "../checks/finding";
import { shortLine, table } from "../checks/report";
import { type Stack, stackChecks } from "../checks/stack";
import type { Surroundings } from "../checks/surroundings";
import { readCommandLine } from "../rehearsal/command-line";
import { stackFile } from "../rehearsal/stack-file";
import { draftOf, problemsOf, settingsOf, stackName } from "./draft";
import { type Ask, interview, withoutQuestions } from "./interview";
import { nextSteps } from "./next-steps";
import { type Answers, capitalized, inFull, QUESTIONS } from "./questions";
import { referenceFindings } from "./references";
import { stackYaml } from "./stack-yaml";
import { Terminal } from "./terminal";

/** What the program needs besides its arguments. */
export interface Place {
    readonly where: Surroundings;
    /** Where the stacks' files are. */
    readonly folder: string;
    readonly input: NodeJS.ReadableStream;
    readonly output: NodeJS.WritableStream;
}

const USAGE = `npm run new-stack -- [--yes] [--company NAME] [--region NAME] [--kinds edge,overseas,onprem] …

Asks what a new stack is to be, checks tokens and rights as npm run preflight does, writes stacks/Pulumi.<company>-<region>.yaml
and says what comes next. Makes nothing else, asks for no secret and writes none. Whatever a flag says is not asked.

  --yes                ask nothing: what is missing or wrong is told at once, a check that fails ends it
${QUESTIONS.map((question) => `  --${question.flag.padEnd(18)} ${inFull(question)}`).join("\n")}
`;

/**
 * The whole program.
 *
 * @returns The exit code: 1 when a check failed and nothing was written.
 * @throws Error that says why nothing was written.
 */
export async function newStack(args: readonly string[], { where, folder, input, output }: Place): Promise<number> {
    const flags = readFlags(args);
    if (flags.yes) {
        const answers = withoutQuestions(flags.answers, folder);
        return finish(answers, where, folder, { tell: (text) => output.write(`${text}\n`), agrees: async () => false });
    }
    const terminal = new Terminal(input, output);
    try {
        const answers = await interview(flags.answers, folder, asking(terminal, where, folder));
        return await finish(answers, where, folder, terminal);
    } finally {
        terminal.close();
    }
}

/** Somebody, or nobody, who looks on. */
type Onlooker = Pick<Terminal, "tell" | "agrees">;

async function finish(answers: Answers, where: Surroundings, folder: string, onlooker: Onlooker): Promise<number> {
    const stack = stackName(answers);
    const draft = draftOf(answers);
    const found: Stack = { settings: settingsOf(draft), secret: () => undefined, isSet: () => false };
    const known = referenceFindings(folder, draft);
    const findings = [
        ...known,
        ...(await lookAll(stackChecks(where, found), (finding) => onlooker.tell(shortLine(finding)))),
    ];
    onlooker.tell(`\n${table(findings)}\n`);
    const isWell = !findings.some(({ state }) => state === "failed");
    if (!isWell && !(await onlooker.agrees("A check failed. Write the file all the same?"))) {
        onlooker.tell("a check failed: nothing was written");
        return 1;
    }
    // Whoever made the file in the meantime keeps it.
    writeFileSync(stackFile(stack, folder), stackYaml(stack, draft), { flag: "wx" });
    onlooker.tell(`stacks/Pulumi.${stack}.yaml is written. ${nextSteps(stack, draft, folder)}`);
    return 0;
}

/** Leaves out what can be left out, where Enter alone takes what is offered. */
const LEFT_OUT = "-";

/** Puts a question on the terminal: an empty answer takes what is offered, or leaves out what can be left out. */
function asking(terminal: Terminal, where: Surroundings, folder: string): Ask {
    return async (question, answers, reason) => {
        const { need, offer } = question;
        if (reason !== undefined) terminal.tell(`  ${reason}`);
        const suggested = (await offer?.(answers, { where, folder })) || undefined;
        const isRight = (answer: string) =>
            !problemsOf({ ...answers, [question.flag]: answer }, folder).some(({ flag }) => flag === question.flag);
        // What would only be asked for again is not offered.
        const offered = suggested !== undefined && isRight(suggested) ? suggested : undefined;
        // What was left out and is then found missing cannot be left out.
        const isNeeded = need(answers) === "needed" || (reason !== undefined && answers[question.flag] === "");
        const enter = [
            ...(offered === undefined ? [] : [`Enter: ${offered}`]),
            ...(isNeeded ? [] : [`${offered === undefined ? "Enter" : LEFT_OUT}: left out`]),
        ];
        const hint = enter.length > 0 ? ` [${enter.join(", ")}]` : " [needed]";
        const answer = (await terminal.ask(`${capitalized(inFull(question))}${hint}\n> `)).trim();
        if (answer === LEFT_OUT && !isNeeded) return "";
        return answer === "" ? (offered ?? "") : answer;
    };
}

interface Flags {
    readonly yes: boolean;
    readonly answers: Answers;
}

/** @throws UsageShown */
function readFlags(args: readonly string[]): Flags {
    const texts = Object.fromEntries(QUESTIONS.map(({ flag }) => [flag, { type: "string" as const }]));
    const values = readCommandLine(args, USAGE, { ...texts, yes: { type: "boolean" } }, true);
    const { yes, ...answers } = values as Record<string, unknown>;
    return { yes: yes === true, answers: answers as Answers };
}
