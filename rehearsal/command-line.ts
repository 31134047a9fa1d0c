/** How each of the project's programs reads its command line, and how it ends: 0 well, 1 with a reason, 2 for a wrong use. */
import { openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { inLanguage, languageOf, type Spoken, say } from "../language/say";
import { suggestion } from "../stacks/known-names";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** What is wrong with the command line, with the usage; or the usage alone, where that was asked for. */
export class UsageShown extends Error {
    constructor(
        private readonly usage: string,
        readonly problem?: string,
    ) {
        super(problem === undefined ? usage : `${problem}\n\n${usage}`);
    }

    /** For a person. Where the usage is known in English alone, so is the problem. */
    in(language: Spoken): string {
        const usage = inLanguage(this.usage, language);
        if (this.problem === undefined || usage === this.usage)
            return this.problem === undefined ? usage : this.message;
        const problems = this.problem.split("\n").map((problem) => inLanguage(problem, language));
        return `${problems.join("\n")}\n\n${usage}`;
    }
}

/**
 * The values of a program's flags; `--help` and `-h` are flags of every one.
 *
 * @param mayBeEmpty An empty value says something.
 * @throws UsageShown with every problem at once, or without one for `--help`.
 */
export function readCommandLine<T extends Options>(
    args: readonly string[],
    usage: string,
    options: T,
    mayBeEmpty = false,
) {
    const all = { ...options, help: { type: "boolean", short: "h" } } as const;
    // Not by its own refusals, of which it has one at a time: every token is looked at.
    const config = { args: [...args], options: all, strict: false, allowPositionals: true, tokens: true } as const;
    const { values, tokens } = parseArgs(config);
    if (values.help) throw new UsageShown(usage);
    const problems: string[] = [];
    const seen = new Set<string>();
    for (const token of tokens) {
        if (token.kind === "positional") problems.push(stray(token.value));
        if (token.kind !== "option") continue;
        const { name, rawName, value } = token;
        const option: Options[string] | undefined = Object.hasOwn(all, name)
            ? all[name as keyof typeof all]
            : undefined;
        if (!option)
            problems.push(
                say("Unknown option '{rawName}'{suggestion}", {
                    rawName,
                    suggestion: suggestion(rawName, flagsOf(options)),
                }),
            );
        else if (option.type === "boolean" && value !== undefined)
            problems.push(say('{rawName} takes no value, got "{value}"', { rawName, value }));
        // What looks like the next flag is none: `--stack --json x`.
        else if (
            option.type === "string" &&
            (value === undefined || (value === "" && !mayBeEmpty) || (value.startsWith("--") && !token.inlineValue))
        )
            problems.push(say("{rawName} must have a value", { rawName }));
        else if (seen.has(name) && !option.multiple)
            problems.push(say("{rawName} must not be there twice", { rawName }));
        seen.add(name);
    }
    if (problems.length > 0) throw new UsageShown(usage, problems.join("\n"));
    return parseArgs({ args: [...args], options: all }).values;
}

function flagsOf(options: Options): string[] {
    return Object.keys(options).map((name) => `--${name}`);
}

function stray(word: string): string {
    return say('"{word}" belongs to no flag: npm passes flags on only after --, as in npm run NAME -- --flag value', {
        word,
    });
}

/**
 * Opens a file that a flag names, before any work is done for what it is to hold.
 *
 * @throws Error that says why it cannot be written.
 */
export function openForWriting(flag: string, path: string): number {
    try {
        return openSync(path, "w");
    } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const reason =
            code === "ENOENT"
                ? say("ENOENT: there is no folder {folder}", { folder: dirname(resolve(path)) })
                : message;
        throw new Error(say("--{flag} {path} cannot be written: {reason}", { flag, path, reason }));
    }
}

/** Runs a program to its exit code; an unexpected error is printed without a stack trace. */
export function runProgram(main: () => Promise<number>): void {
    const failed = (error: Error) => {
        const isHelp = error instanceof UsageShown && error.problem === undefined;
        const language = languageOf(process.env);
        const text = error instanceof UsageShown ? error.in(language) : inLanguage(error.message, language);
        process[isHelp ? "stdout" : "stderr"].write(`${text.trimEnd()}\n`);
        return isHelp ? 0 : error instanceof UsageShown ? 2 : 1;
    };
    main()
        .catch(failed)
        // Connections that are kept alive would keep the process.
        .then((code) => process.exit(code));
}
