/** What a check is and what it finds. A check looks and asks; it never changes anything anywhere. */

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
}

/** What a check has to say when not all is well. */
export class Remark extends Error {
    constructor(
        readonly state: Exclude<State, "ok">,
        message: string,
        readonly todo?: string,
    ) {
        super(message);
    }
}

/** Looks, and at what follows from it: the rows in the order of the checks. */
export async function look(check: Check): Promise<Finding[]> {
    const started = performance.now();
    const { what, where, next = [] } = check;
    const seen = await check.ask().then(
        (note) => ({ state: "ok" as const, note }),
        (error: Error) => ({
            state: error instanceof Remark ? error.state : ("failed" as const),
            note: error.message,
            todo: (error instanceof Remark ? error.todo : undefined) ?? check.todo,
        }),
    );
    const finding: Finding = { what, where, ...seen, seconds: (performance.now() - started) / 1000 };
    if (seen.state === "failed" || seen.state === "skipped")
        return [finding, ...next.flatMap((each) => leftOut(each, `${what}: ${seen.state}`))];
    return [finding, ...(await lookAll(next))];
}

/** All of them at once. */
export async function lookAll(checks: readonly Check[]): Promise<Finding[]> {
    return (await Promise.all(checks.map(look))).flat();
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
