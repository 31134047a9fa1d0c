/** What is right of settings of which some are not: what the rules between fields can still look at. */
import type { z } from "zod";

/** A value of which any part may be missing, because it was not right. A list keeps its places. */
export type Right<T> = T extends readonly (infer Entry)[]
    ? readonly (Right<Entry> | undefined)[]
    : T extends object
      ? { readonly [Key in keyof T]?: Right<T[Key]> }
      : T;

/** The value without what its issues are about. What should have fields, or entries, and has not, has none. */
export function rightOf(value: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
    const whole = { value: structuredClone(value) };
    for (const issue of issues) {
        const parts =
            issue.code === "unrecognized_keys" ? issue.keys.map((name) => [...issue.path, name]) : [issue.path];
        for (const part of parts) remove(whole, ["value", ...part], emptyFor(issue));
    }
    return whole.value;
}

function emptyFor(issue: z.core.$ZodIssue): unknown {
    if (issue.code !== "invalid_type") return undefined;
    if (issue.expected === "object" || issue.expected === "record") return {};
    return issue.expected === "array" ? [] : undefined;
}

function remove(holder: object, path: readonly PropertyKey[], empty: unknown): void {
    const [last, ...rest] = [...path].reverse() as [PropertyKey, ...PropertyKey[]];
    const parent = rest
        .reverse()
        .reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step], holder);
    if (typeof parent !== "object" || parent === null) return;
    if (empty === undefined && !Array.isArray(parent)) delete (parent as Record<PropertyKey, unknown>)[last];
    else (parent as Record<PropertyKey, unknown>)[last] = empty;
}
