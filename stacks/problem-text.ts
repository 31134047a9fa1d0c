/** What is wrong with a value, in the words of a stack's file and not of the parser. */
import type { z } from "zod";
import { suggestion } from "./known-names";
import { MEANINGS } from "./meanings";
import { GENERAL } from "./parsing";
import { type Field, settingsFields } from "./settings-table";

/** Comes after what was got. */
const MEANT = "; did you mean ";

/** Of a value that is repeated. */
const LONGEST_VALUE = 80;

/** A place in the settings and what is wrong there. */
export interface PlaceProblem {
    /** From the top: `["edge", "hostname"]`. */
    readonly place: readonly PropertyKey[];
    readonly text: string;
}

type Shape = Field["shape"];

/**
 * What the issues of a setting say.
 *
 * @param value The setting's value.
 */
export function problemLines(key: string, value: unknown, issues: readonly z.core.$ZodIssue[]): PlaceProblem[] {
    const fields = settingsFields();
    return issues.flatMap((issue) => {
        const place = [key, ...issue.path];
        if (issue.code !== "unrecognized_keys" || issue.message !== GENERAL) {
            const given = valueAt(value, issue.path);
            return [
                { place, text: issue.message === GENERAL ? general(issue, given, place, fields) : said(issue, given) },
            ];
        }
        const siblings = valueAt(value, issue.path);
        return issue.keys.map((name) => ({ place: [...place, name], text: unknown(name, place, siblings, fields) }));
    });
}

/** `, got …`, shortened; of a PEM its first line alone, because it may be a private key. */
export function got(value: unknown): string {
    const text = value === undefined ? "nothing" : JSON.stringify(value);
    const pem = typeof value === "string" ? /^-----BEGIN [A-Z ]+-----/.exec(value.trim())?.[0] : undefined;
    if (pem !== undefined) return `, got "${pem} …"`;
    return `, got ${text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)} …` : text}`;
}

/** The schema's own text. */
function said({ code, message }: z.core.$ZodIssue, given: unknown): string {
    if (code === "unrecognized_keys") return message;
    const [text = "", meant] = message.split(MEANT);
    return `${text}${got(given)}${meant === undefined ? "" : MEANT + meant}`;
}

function general(
    issue: z.core.$ZodIssue,
    given: unknown,
    place: readonly PropertyKey[],
    fields: readonly Field[],
): string {
    const path = pathOf(place);
    const shape = fields.find((field) => field.path === path)?.shape;
    if (given === undefined) return `is missing: ${missing(issue, path, shape)}`;
    if (given === null) return "has no value behind its colon: give it one, or leave the line out";
    switch (issue.code) {
        case "invalid_type":
            return `${typeText(issue.expected, given, path, shape, fields)}${got(given)}`;
        case "invalid_value":
            return `${oneOf(issue.values)}${got(given)}${suggestion(given, issue.values.map(String))}`;
        case "invalid_union": {
            const options = ((issue as { options?: readonly unknown[] }).options ?? []).map(String);
            return `${oneOf(options)}${got(given)}${suggestion(given, options)}`;
        }
        case "too_small":
        case "too_big":
            return `${sizeText(issue, shape)}${got(given)}`;
        default:
            return `cannot be used${got(given)}`;
    }
}

function missing(issue: z.core.$ZodIssue, path: string, shape: Shape | undefined): string {
    const meaning = MEANINGS[path]?.en.replaceAll("`", "");
    const options = (issue as { options?: readonly unknown[] }).options ?? shape?.enum;
    return [meaning, options && `one of ${options.join(", ")}`].filter(Boolean).join("; ") || "it must be set";
}

function typeText(
    expected: string,
    given: unknown,
    path: string,
    shape: Shape | undefined,
    fields: readonly Field[],
): string {
    switch (expected) {
        case "string":
            if (typeof given === "object") return "must be one text";
            return `must be a text, which YAML does not take this for without quotes: write ${quoted(given)}`;
        case "number":
        case "int":
            if (typeof given === "string" && /^\d+$/.test(given)) return `${numberText(shape)}, without quotes`;
            return numberText(shape);
        case "boolean":
            return "must be true or false, without quotes";
        case "array": {
            const names = namesBelow(`${path}[]`, fields);
            if (names !== "") return `must be a list of mappings with ${names}`;
            return typeof given === "object" ? "must be a list" : `must be a list such as [${given}]`;
        }
        default: {
            const names = namesBelow(path, fields);
            const keys = (shape?.propertyNames as Shape | undefined)?.enum;
            return `must be a mapping${names && ` with ${names}`}${keys ? ` of ${keys.join(", ")}` : ""}`;
        }
    }
}

/** The text of a number as it stood in the file, where all its digits are left. */
function quoted(given: unknown): string {
    const isWhole = typeof given !== "number" || (Math.abs(given) < 1e15 && String(given).length < 16);
    return isWhole ? `"${given}"` : "it in quotes, with all its digits";
}

function oneOf(values: readonly unknown[]): string {
    return values.length === 1 ? `must be ${values[0]}` : `must be one of ${values.join(", ")}`;
}

function sizeText(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig, shape: Shape | undefined): string {
    if (issue.origin === "array") {
        if (issue.code === "too_big") return `must have at most ${issue.maximum} entries`;
        return issue.minimum === 1 ? "must have at least one entry" : `must have at least ${issue.minimum} entries`;
    }
    if (issue.origin === "string" && issue.code === "too_small") return "must not be empty";
    return numberText(shape);
}

function numberText({ minimum, maximum }: Shape = {}): string {
    if (minimum === undefined) return "must be a whole number";
    const isOpen = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER;
    return `must be a whole number${isOpen ? ` of at least ${minimum}` : ` from ${minimum} to ${maximum}`}`;
}

/** A field that is not known here: of which form it would be, or what is. */
function unknown(name: string, place: readonly PropertyKey[], siblings: unknown, fields: readonly Field[]): string {
    const children = childrenOf(pathOf(place), fields);
    const elsewhere = children
        .find((child) => child.name === name)
        ?.only?.map((form) => (form.includes(":") ? form : `an entry with ${form}`));
    const forms = new Set(children.flatMap(({ only = [] }) => only).filter((form) => isForm(form, siblings)));
    const here = children.filter(({ only }) => forms.size === 0 || !only || only.some((form) => forms.has(form)));
    const names = [...new Set(here.map((child) => child.name))];
    if (elsewhere) return `is only for ${elsewhere.join(" or ")}; what is here takes ${names.join(", ")}`;
    const meant = suggestion(name, names);
    return `is not a setting${meant === "" ? `: ${pathOf(place)} takes ${names.join(", ")}` : meant}`;
}

/** `kind: ec2` where that is set; `stack` where there is a stack. */
function isForm(form: string, siblings: unknown): boolean {
    const [name = "", value] = form.split(": ");
    const set = (siblings as Record<string, unknown> | undefined)?.[name];
    return value === undefined ? set !== undefined : set === value;
}

/** The fields right below a path, or their first names. */
function childrenOf(path: string, fields: readonly Field[]): { name: string; only?: readonly string[] }[] {
    return fields
        .filter((field) => field.path.startsWith(`${path}.`))
        .map((field) => ({ name: field.path.slice(path.length + 1).split(/[.[]/)[0] ?? "", only: field.only }));
}

function namesBelow(path: string, fields: readonly Field[]): string {
    return [...new Set(childrenOf(path, fields).map(({ name }) => name))].join(", ");
}

/** As {@link Field.path} has it. */
function pathOf(place: readonly PropertyKey[]): string {
    return place
        .map((step, index) => (typeof step === "number" ? "[]" : `${index ? "." : ""}${String(step)}`))
        .join("");
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
    return path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step], value);
}
