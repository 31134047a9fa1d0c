/** Objects that have one of several forms, told apart by one of their fields. */
import { z } from "zod";
import { nearest } from "./known-names";
import { PARSING } from "./parsing";

/**
 * An object of one of these forms. Where the field that tells them apart is not right itself, the others are looked at all
 * the same: by the form that was probably meant, or else by all, of which only what no form takes is a problem.
 *
 * @param key The field; each form has one value of it.
 */
export function forms<const Key extends string, const Forms extends readonly [z.ZodObject, ...z.ZodObject[]]>(
    key: Key,
    all: Forms,
) {
    return z.discriminatedUnion(key, all).superRefine(
        (value, context) => {
            for (const issue of otherIssues(key, all, value as Fields)) context.addIssue({ ...issue });
        },
        { when: ({ issues }) => issues.some(({ code, path }) => code === "invalid_union" && path?.[0] === key) },
    );
}

type Fields = Readonly<Record<string, unknown>>;

interface Tried {
    readonly shape: Fields;
    readonly issues: readonly z.core.$ZodIssue[];
}

/** What is wrong with the fields but `key`. */
function otherIssues(key: string, all: readonly z.ZodObject[], value: Fields): z.core.$ZodIssue[] {
    const meant = nearest(
        String(value[key]),
        all.map((form) => name(form, key)),
    );
    const tried = all.map((form): Tried & { readonly isMeant: boolean } => ({
        shape: form.shape,
        issues: form.safeParse({ ...value, [key]: name(form, key) }, PARSING).error?.issues ?? [],
        isMeant: meant === undefined || meant === name(form, key),
    }));
    const candidates = tried.filter(({ isMeant }) => isMeant);
    const fields = [...new Set(candidates.flatMap(({ shape }) => Object.keys(shape)))];
    return [...fields.flatMap((field) => issuesOf(field, candidates, field in value)), ...unknown(tried)];
}

/** Those of a field: where each form has some that has it; a field that is not there must be missing in every form. */
function issuesOf(field: string, candidates: readonly Tried[], isThere: boolean): readonly z.core.$ZodIssue[] {
    const having = isThere ? candidates.filter(({ shape }) => field in shape) : candidates;
    const found = having.map(({ issues }) => issues.filter(({ path }) => path[0] === field));
    return found.every((issues) => issues.length > 0) ? (found[0] ?? []) : [];
}

/** The fields that no form has. */
function unknown(tried: readonly Tried[]): z.core.$ZodIssue[] {
    const named = tried.map(({ issues }) =>
        issues.find((issue) => issue.code === "unrecognized_keys" && issue.path.length === 0),
    );
    const [first, ...rest] = named as (z.core.$ZodIssueUnrecognizedKeys | undefined)[];
    const keys = (first?.keys ?? []).filter((each) => rest.every((issue) => issue?.keys.includes(each)));
    return first && keys.length > 0 ? [{ ...first, keys }] : [];
}

function name(form: z.ZodObject, key: string): string {
    return String((form.shape[key] as z.ZodLiteral).value);
}
