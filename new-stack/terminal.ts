/** Questions and answers, a line each, on a terminal or anything else that has lines. */
import { createInterface, type Interface } from "node:readline";

/** Somebody who can be asked. */
export class Terminal {
    private readonly reader: Interface;
    private readonly lines: AsyncIterator<string>;

    constructor(
        input: NodeJS.ReadableStream,
        private readonly output: NodeJS.WritableStream,
    ) {
        this.reader = createInterface({ input, output });
        // readline/promises would lose lines that come before they are asked for, and wait for ever when none comes.
        this.lines = this.reader[Symbol.asyncIterator]();
    }

    /**
     * The next line.
     *
     * @throws Error when the input has ended, by Ctrl-C or Ctrl-D too.
     */
    async ask(prompt: string): Promise<string> {
        this.reader.setPrompt(prompt);
        this.reader.prompt();
        const { done, value } = await this.lines.next();
        if (done) throw new Error("\nno more answers: nothing was written (--yes asks no questions)");
        return value;
    }

    /** True for a yes; anything else is a no. */
    async agrees(question: string): Promise<boolean> {
        return /^y(es)?$/i.test((await this.ask(`${question} [y/N] `)).trim());
    }

    tell(text: string): void {
        this.output.write(`${text}\n`);
    }

    close(): void {
        this.reader.close();
    }
}
