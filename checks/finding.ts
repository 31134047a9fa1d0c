/** What a check is and what it finds. A check looks and asks; it never changes anything anywhere. */
import { say } from "../language/say";

/**
 * - `ok`: as it must be
 * - `warning`: works, or only helps; should be known
 * - `failed`: what was asked for cannot work so
 * - `skipped`: could not be looked at, and why
 */
export type State = "ok" | "warning" | "failed" | "skipped";

/** One row of the table. */
export interface Finding {
    /** What was looked at, in a person's words. */
    readonly what: string;
    /** The host, address or machine that was asked. */
    readonly where: string;
    readonly state: State;
    /** What was seen, or why it was skipped. */
    readonly note: string;
    /** What to do about it. */
    readonly todo?: string;
    readonly seconds?: number;
}

/** Something to look at. */
export interface Check {
    readonly what: string;
    readonly where: string;
    /** What was seen when all is well. Throws {@link Remark} for anything else; another error means "failed". */
    readonly ask: () => Promise<string>;
    /** What to do when `ask` does not say it better. */
    readonly todo?: string;
    /** What is looked at only when this could be, and did not fail: it could only fail with it. */
    readonly next?: readonly Check[];
    /** It may not be needed: what fails, or what follows from it, is a warning. */
    readonly isAdvice?: boolean;
}

/** Is handed each finding as its check ends, in whatever order they do. */
export type Seen = (finding: Finding) => void;

/** A failure that knows better than its check what is to be done about it. */
export class Failure extends Error {
    constructor(
        message: string,
        readonly todo?: string,
    ) {
        super(message);
    }
}

/** What a check has to say when not all is well. */
export class Remark extends Failure {
    constructor(
        readonly state: Exclude<State, "ok">,
        message: string,
        todo?: string,
    ) {
        super(message, todo);
    }
}

/** Looks, and at what follows from it: the rows in the order of the checks. */
export async function look(check: Check, ended: Seen = () => {}): Promise<Finding[]> {
    const started = performance.now();
    const { what, where, isAdvice = false } = check;
    const next = isAdvice ? (check.next ?? []).map((each) => ({ ...each, isAdvice })) : (check.next ?? []);
    const seen = await check.ask().then(
        (note) => ({ state: "ok" as const, note }),
        (error: Error) => ({
            state: error instanceof Remark ? error.state : ("failed" as const),
            note: error.message,
            todo: (error instanceof Failure ? error.todo : undefined) ?? check.todo,
        }),
    );
    const state = isAdvice && seen.state === "failed" ? "warning" : seen.state;
    const finding: Finding = { what, where, ...seen, state, seconds: (performance.now() - started) / 1000 };
    ended(finding);
    if (seen.state !== "failed" && seen.state !== "skipped") return [finding, ...(await lookAll(next, ended))];
    const note = say(seen.state === "failed" ? "{what}: failed" : "{what}: skipped", { what });
    const rest = next.flatMap((each) => leftOut(each, note));
    for (const each of rest) ended(each);
    return [finding, ...rest];
}

/** All of them at once. */
export async function lookAll(checks: readonly Check[], ended?: Seen): Promise<Finding[]> {
    return (await Promise.all(checks.map((check) => look(check, ended)))).flat();
}

/** The rows of a check that is not made, and of what would have followed. */
export function leftOut({ what, where, next = [] }: Check, note: string): Finding[] {
    return [{ what, where, state: "skipped", note }, ...next.flatMap((each) => leftOut(each, note))];
}

/** Something that several checks need and only one has to ask for. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
    let made: Promise<T> | undefined;
    return () => {
        made ??= make();
        return made;
    };
}
