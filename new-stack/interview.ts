/** From flags and questions to answers that the settings accept. */
import { type Problem, problemsOf } from "./draft";
import { type Answers, inFull, list, QUESTIONS, type Question } from "./questions";

/** Puts a question to somebody; `reason` says what was wrong with the answer before. */
export type Ask = (question: Question, answers: Answers, reason: string | undefined) => Promise<string>;

/**
 * Asks for whatever is not answered yet, and again for what cannot stay.
 *
 * @param folder Where the stacks' files are.
 * @throws Error when something is wrong that no answer could mend.
 */
export async function interview(given: Answers, folder: string, ask: Ask): Promise<Answers> {
    let answers = given;
    for (;;) {
        const problems = problemsOf(answers, folder);
        const next = openQuestion(answers, problems);
        if (!next) {
            if (problems.length > 0) throw refusal(problems);
            return answers;
        }
        const answer = (await ask(next.question, answers, next.reason)).trim();
        answers = { ...answers, [next.question.flag]: isEmpty(answer) ? "" : answer };
    }
}

/**
 * The answers that flags gave, where nobody can be asked.
 *
 * @throws Error that tells everything that is missing or wrong.
 */
export function withoutQuestions(given: Answers, folder: string): Answers {
    const problems = problemsOf(given, folder);
    const missing = QUESTIONS.filter(({ flag, need }) => isEmpty(given[flag]) && need(given) === "needed").map(
        (question): Problem => ({ flag: question.flag, reason: `is missing: ${inFull(question)}` }),
    );
    // What the rules say of what is missing, or of the whole while it has gaps, says nothing new.
    const isSaid = ({ flag }: Problem) =>
        missing.length > 0 && (flag === undefined || missing.some((each) => each.flag === flag));
    const told = [...missing, ...problems.filter((problem) => !isSaid(problem))];
    const place = ({ flag }: Problem) => QUESTIONS.findIndex((question) => question.flag === flag);
    if (told.length > 0) throw refusal(told.sort((one, other) => place(one) - place(other)));
    return given;
}

interface Open {
    readonly question: Question;
    readonly reason?: string;
}

function openQuestion(answers: Answers, problems: readonly Problem[]): Open | undefined {
    for (const question of QUESTIONS) {
        const answer = answers[question.flag];
        const need = question.need(answers);
        const reason = problems.find(({ flag }) => flag === question.flag)?.reason;
        if (answer === undefined && need !== "never") return { question };
        if (answer === "" && need === "needed")
            return { question, reason: "an answer is needed; Ctrl-C ends this, and nothing is written" };
        if (reason !== undefined) return { question, reason };
    }
    return undefined;
}

function refusal(problems: readonly Problem[]): Error {
    const lines = problems.map(({ flag, reason }) => (flag === undefined ? reason : `--${flag}  ${reason}`));
    return new Error(["this stack cannot be made:", ...lines].join("\n  "));
}

/** Nothing but commas is no list. */
function isEmpty(answer: string | undefined): boolean {
    return list(answer).length === 0;
}
