/**
 * Sentences of the programs that people run, in English and Chinese. A program says everything in English, by {@link say};
 * what it prints for a person goes through {@link inLanguage} at the very end. So JSON, errors and tests have one
 * language, and what another machine says (doctor.sh of a relay, of whatever release) is translated too.
 */
import { MEANINGS } from "../stacks/meanings";
import { ELSEWHERE, SAID, SETTINGS } from "./chinese";

/** Languages that there are. */
export type Spoken = "en" | "zh";

/** An English sentence that has a translation, with `{holes}` for values. */
export type Sentence = keyof typeof SAID;

type HolesOf<S extends string> = S extends `${string}{${infer Hole}}${infer Rest}` ? Hole | HolesOf<Rest> : never;
type Values<S extends string> = [HolesOf<S>] extends [never] ? [] : [Readonly<Record<HolesOf<S>, string | number>>];

const HOLE = /\{([a-z]\w*)\}/gi;

/** The sentence in English, with the values in its holes. */
export function say<S extends Sentence>(sentence: S, ...[values]: Values<S>): string {
    return filled(sentence, (values ?? {}) as Readonly<Record<string, string | number>>);
}

/** What the environment asks for: `DOCKERMIRROR_LANG`, or the locale for messages as POSIX orders its variables. */
export function languageOf(env: NodeJS.ProcessEnv): Spoken {
    const wanted = [env.DOCKERMIRROR_LANG, env.LC_ALL, env.LC_MESSAGES, env.LANG].find((value) => value);
    return /^zh(?![a-z])/i.test(wanted ?? "") ? "zh" : "en";
}

/** A text for a person: each sentence of it that is known is in the language, and the rest as it is. */
export function inLanguage(text: string, language: Spoken): string {
    if (language === "en") return text;
    // A usage is several lines; other texts are a line each.
    const whole = text.includes("\n") ? (ALL[text] ?? ofPattern(text)) : undefined;
    return whole ?? text.split("\n").map(chineseOfLine).join("\n");
}

/** A problem of the settings stands behind the key that it is about. */
function chineseOfLine(line: string): string {
    const [, key = "", text = ""] = /^(\s*(?:[\w-]+:\S+ +)?)(.*)$/s.exec(line) ?? [];
    return key + chineseOf(text);
}

interface Pattern {
    readonly sentence: RegExp;
    readonly chinese: string;
    /** Of the sentence alone: more of them are a surer sign. */
    readonly letters: number;
    /** It has what another sentence may end with. */
    readonly isEnd: boolean;
    /** It stands around another sentence, and is one only where that is known. */
    readonly isFrame: boolean;
}

/** What a setting means, as an error has it of one that is missing. */
const MEANT = Object.fromEntries(
    Object.values(MEANINGS).map(({ en, zh }) => [en.replaceAll("`", ""), zh.replaceAll("`", "")]),
);
const ALL: Readonly<Record<string, string>> = { ...MEANT, ...SETTINGS, ...ELSEWHERE, ...SAID };
/** A sentence with fewer is known by values of one word alone: "is {status}" must not take any text with "is" in it. */
const SURE = 3;

const PATTERNS: readonly Pattern[] = Object.entries(ALL)
    .map(([english, chinese]) => {
        const letters = english.replace(HOLE, "").replace(/[^a-z]/gi, "").length;
        const value = letters > 0 && letters < SURE ? "[^\\s,;]+" : ".*?";
        return {
            sentence: new RegExp(`^${patternOf(english, value)}$`),
            chinese,
            letters,
            isEnd: /, got |did you mean/.test(english),
            isFrame: letters === 0 || english.includes("{problem}"),
        };
    })
    // What ends a problem comes off first, or the sentence before it would take it for a value.
    .sort((one, other) => Number(other.isEnd) - Number(one.isEnd) || other.letters - one.letters);

function chineseOf(text: string): string {
    return ALL[text] ?? joined(text) ?? ofPattern(text) ?? text;
}

/** Several that were put together: checks join what they have seen so. Nothing where one of them is not known. */
function joined(text: string): string | undefined {
    for (const [separator, chinese] of [
        ["; ", "；"],
        [", ", "，"],
    ] as const) {
        const parts = text.split(separator);
        const known = parts.map((part) => ALL[part] ?? ofPattern(part));
        if (parts.length > 1 && !known.includes(undefined)) return known.join(chinese);
    }
    return undefined;
}

function ofPattern(text: string): string | undefined {
    for (const { sentence, chinese, isFrame } of PATTERNS) {
        const found = sentence.exec(text);
        if (!found) continue;
        const values = Object.entries(found.groups ?? {});
        const spoken = values.map(([hole, value]) => [hole, chineseOf(value)] as const);
        if (isFrame && spoken.every(([, value], at) => value === values[at]?.[1])) continue;
        return filled(chinese, Object.fromEntries(spoken));
    }
    return undefined;
}

/** Columns of a terminal: Chinese characters and their punctuation have two. */
export function widthOf(text: string): number {
    return [...text].reduce(
        (sum, character) =>
            sum +
            (/[\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/.test(character)
                ? 2
                : 1),
        0,
    );
}

function patternOf(english: string, value: string): string {
    const seen = new Set<string>();
    return english
        .split(HOLE)
        .map((part, index) => {
            if (index % 2 === 0) return part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
            if (seen.has(part)) return `\\k<${part}>`;
            seen.add(part);
            // As much as there is: a problem may have in it what another one ends with.
            return part === "problem" ? "(?<problem>.*)" : `(?<${part}>${value})`;
        })
        .join("");
}

function filled(sentence: string, values: Readonly<Record<string, string | number>>): string {
    return sentence.replace(HOLE, (hole, name) => String(values[name] ?? hole));
}
