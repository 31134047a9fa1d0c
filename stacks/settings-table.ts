/** The settings as tables for people: one row a field of the schemas, in the order in which a stack's file has them. */
import { z } from "zod";
import { type Language, MEANINGS, type Meaning, SECRET_MEANINGS, type Text } from "./meanings";
import { relayForms } from "./relays";
import { SECRETS, schemas } from "./schema";

type Shape = z.core.JSONSchema.JSONSchema;

/** A field of the settings. */
export interface Field {
    /** As `pulumi config set --path` takes it, `[]` for any entry of a list: `overseas.hostname`, `keys[].name`. */
    readonly path: string;
    readonly shape: Shape;
    /** Nothing is right without it, where what it is a field of is set. */
    readonly required: boolean;
    /** Which of several forms have it, such as `kind: ec2`; absent when all have. */
    readonly only?: readonly string[];
}

/** Longer lists of allowed values belong into the text, or into an error. */
const VALUES_MAX = 9;

const WORDS = {
    head: { en: ["key", "type", "default", "meaning"], zh: ["键", "类型", "默认值", "含义"] },
    secretHead: { en: ["secret", "default", "meaning"], zh: ["加密配置", "默认值", "含义"] },
    required: { en: "required", zh: "必填" },
    none: { en: "none", zh: "无" },
    text: { en: "text", zh: "文本" },
    number: { en: "number", zh: "整数" },
    decimal: { en: "number", zh: "数" },
    to: { en: " to ", zh: " ~ " },
    orMore: { en: " or more", zh: " 及以上" },
    list: { en: "list of ", zh: "列表：" },
    byName: { en: "by name: ", zh: "按名字：" },
    only: { en: [" (only with ", ")"], zh: ["（仅用于 ", "）"] },
    comma: { en: ", ", zh: "、" },
    and: { en: ", ", zh: "，" },
} as const;

/** Every field of the settings that is not a secret. */
export function settingsFields(): Field[] {
    const shapes = { ...schemas, relays: z.array(z.union(relayForms)) };
    return Object.entries(shapes).flatMap(([key, schema]) =>
        fieldsOf(key, z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }), false),
    );
}

/**
 * The table of the settings, in Markdown.
 *
 * @throws Error that names every field without a meaning, and every meaning without a field.
 */
export function settingsTable(language: Language): string {
    const fields = settingsFields();
    checkMeanings(
        fields.map(({ path }) => path),
        MEANINGS,
    );
    const rows = fields.map(({ path, shape, required, only }) => {
        const meaning = MEANINGS[path];
        const isForm = only?.some((form) => path.endsWith(`.${form}`));
        const forms = only?.map(code).join(WORDS.comma[language]);
        const limit = forms === undefined || isForm ? "" : WORDS.only[language].join(forms);
        const otherwise = otherwiseOf(shape, required, meaning, language);
        return [code(path), typeOf(shape, language), otherwise, `${meaning?.[language]}${limit}`];
    });
    return table([...WORDS.head[language]], rows);
}

/** The table of the secrets, in Markdown. Throws as {@link settingsTable} does. */
export function secretsTable(language: Language): string {
    checkMeanings(SECRETS, SECRET_MEANINGS);
    const rows = SECRETS.map((name) => {
        const meaning = SECRET_MEANINGS[name];
        return [code(name), meaning?.otherwise?.[language] ?? WORDS.none[language], meaning?.[language] ?? ""];
    });
    return table([...WORDS.secretHead[language]], rows);
}

/**
 * A page of the documentation with the tables of now between its markers, `<!-- settings table -->` and
 * `<!-- /settings table -->`, and the same for `secrets`.
 *
 * @throws Error that names the marker which the page lacks, and as {@link settingsTable} does.
 */
export function withTables(page: string, language: Language): string {
    const tables = { "settings table": settingsTable(language), "secrets table": secretsTable(language) };
    return Object.entries(tables).reduce((text, [name, table]) => {
        const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
        const [before, rest] = [text.slice(0, text.indexOf(start)), text.slice(text.indexOf(end))];
        if (text.indexOf(start) < 0 || text.indexOf(end) < text.indexOf(start))
            throw new Error(`the page must have the lines ${start} and ${end}, for the table to stand between`);
        return `${before}${start}\n${table}\n${rest}`;
    }, page);
}

function checkMeanings(names: readonly string[], meanings: Readonly<Record<string, Text>>): void {
    const problems = [
        ...names.filter((name) => meanings[name] === undefined).map((name) => `${name} has no meaning: write one`),
        ...Object.keys(meanings)
            .filter((name) => !names.includes(name))
            .map((name) => `${name} is not a setting: take its meaning away`),
    ];
    if (problems.length > 0) throw new Error(`stacks/meanings.ts:\n  ${problems.join("\n  ")}`);
}

function fieldsOf(path: string, shape: Shape, required: boolean): Field[] {
    const forms = shape.oneOf ?? shape.anyOf;
    if (forms) return fieldsOfForms(path, forms as Shape[]);
    if (shape.properties) {
        return Object.entries(shape.properties).flatMap(([name, field]) =>
            fieldsOf(`${path}.${name}`, field as Shape, shape.required?.includes(name) ?? false),
        );
    }
    const items = shape.items as Shape | undefined;
    if (items && (items.properties ?? items.oneOf ?? items.anyOf)) return fieldsOf(`${path}[]`, items, false);
    return [{ path, shape, required }];
}

/** Fields that all forms have come first, then those of some, each once. */
function fieldsOfForms(path: string, forms: readonly Shape[]): Field[] {
    const having = new Map<string, { readonly fields: Field[]; readonly names: string[] }>();
    for (const form of forms) {
        for (const field of fieldsOf(path, form, false)) {
            const known = having.get(field.path) ?? { fields: [], names: [] };
            having.set(field.path, { fields: [...known.fields, field], names: [...known.names, formName(form)] });
        }
    }
    const merged = [...having].map(([, { fields, names }]): Field => {
        const [first, ...rest] = fields as [Field, ...Field[]];
        const values = fields.map(({ shape }) => shape.const);
        const shape = rest.length > 0 && !values.includes(undefined) ? { enum: values as string[] } : first.shape;
        return { ...first, shape, only: names.length === forms.length ? undefined : names };
    });
    return [...merged.filter(({ only }) => !only), ...merged.filter(({ only }) => only)];
}

/** What tells a form from the others: the field that has one value, or else the first that it needs. */
function formName({ properties = {}, required = [] }: Shape): string {
    const told = Object.entries(properties).find(([, field]) => (field as Shape).const !== undefined);
    return told ? `${told[0]}: ${(told[1] as Shape).const}` : (required[0] ?? "");
}

function otherwiseOf(shape: Shape, required: boolean, meaning: Meaning | undefined, language: Language): string {
    if (meaning?.otherwise) return meaning.otherwise[language];
    if (shape.default !== undefined) return shown(shape.default, language);
    return required ? WORDS.required[language] : WORDS.none[language];
}

function shown(value: unknown, language: Language): string {
    if (Array.isArray(value)) return value.map((item) => shown(item, language)).join(WORDS.comma[language]);
    // YAML 1.1 takes 19:30 for a number, and so it stands in quotes here as it has to in the file.
    return code(typeof value === "string" && value.includes(":") && !value.includes("/") ? `"${value}"` : `${value}`);
}

function typeOf(shape: Shape, language: Language): string {
    const { comma } = WORDS;
    const values = shape.enum ?? (shape.const === undefined ? undefined : [shape.const]);
    if (values && values.length <= VALUES_MAX) return values.map((value) => code(`${value}`)).join(comma[language]);
    if (shape.type === "boolean") return ["true", "false"].map(code).join(comma[language]);
    if (shape.type === "integer") return `${WORDS.number[language]}${rangeOf(shape, language)}`;
    if (shape.type === "number") return `${WORDS.decimal[language]}${rangeOf(shape, language)}`;
    if (shape.type === "array") return `${WORDS.list[language]}${typeOf((shape.items ?? {}) as Shape, language)}`;
    if (shape.type === "object")
        return `${WORDS.byName[language]}${typeOf((shape.additionalProperties ?? {}) as Shape, language)}`;
    return WORDS.text[language];
}

function rangeOf({ minimum = 0, maximum }: Shape, language: Language): string {
    const isOpen = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER;
    const range = isOpen ? `${minimum}${WORDS.orMore[language]}` : `${minimum}${WORDS.to[language]}${maximum}`;
    return `${WORDS.and[language]}${range}`;
}

function code(text: string): string {
    return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
    const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
    return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}
