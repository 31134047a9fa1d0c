/** Runs programs: arguments as a list, never through a shell, with what they said in the error when they fail. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { currentWork, Interrupted } from "./interruption";

/** How to run a program. */
export interface RunOptions {
    /** Goes to standard input: the way for secrets. */
    readonly input?: string | Buffer;
    readonly env?: NodeJS.ProcessEnv;
    readonly cwd?: string;
    /** Called with each complete line of standard output and standard error as it comes. */
    readonly onLine?: (line: string) => void;
    /** The program is ended when this fires. */
    readonly signal?: AbortSignal;
}

/** What a program said, and how it ended. */
export interface Ran {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
}

/** A program that ended with another code than 0. */
export class CommandError extends Error {
    constructor(
        command: string,
        readonly ran: Ran,
    ) {
        const said = (ran.stderr.trim() || ran.stdout.trim()).split("\n").slice(-20).join("\n");
        super(`${command} ended with ${ran.code}${said ? `:\n${said}` : ""}`);
    }
}

/** Runs a program and waits for its end, whatever the code. Rejects when it cannot be started, or is broken off. */
export function attempt(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const work = currentWork();
    if (work?.signal.aborted) return Promise.reject(new Interrupted());
    return new Promise((resolve, reject) => {
        const child = spawn(command, args, {
            cwd: options.cwd,
            env: options.env ?? process.env,
            signal: options.signal,
            // A group of its own is ended as a whole, by whom it is run for.
            detached: work !== undefined,
        });
        if (work && child.pid !== undefined) work.watch(child.pid, once(child, "close"));
        const said = { stdout: "", stderr: "" };
        for (const stream of ["stdout", "stderr"] as const) {
            let rest = "";
            child[stream].setEncoding("utf8").on("data", (text: string) => {
                said[stream] += text;
                const lines = (rest + text).split("\n");
                rest = lines.pop() ?? "";
                for (const line of lines) options.onLine?.(line);
            });
        }
        child.on("error", (error) => reject(new Error(`cannot run ${command}: ${error.message}`)));
        child.on("close", (code, signal) => {
            if (work?.signal.aborted) reject(new Interrupted());
            else resolve({ code: code ?? (signal ? 128 : 1), ...said });
        });
        // A program that does not read its input is not an error: its exit code tells.
        child.stdin.on("error", () => {});
        child.stdin.end(options.input);
    });
}

/** Runs a program and returns its standard output. Throws a CommandError when the code is not 0. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
    const ran = await attempt(command, args, options);
    if (ran.code !== 0) throw new CommandError(`${command} ${args[0] ?? ""}`.trim(), ran);
    return ran.stdout;
}

/**
 * Asks again and again until `ask` gives something, at most for `seconds`.
 *
 * @throws Error with `what` and the last problem when it does not come.
 */
export async function eventually<T>(what: string, seconds: number, ask: () => Promise<T | undefined>): Promise<T> {
    const end = Date.now() + seconds * 1000;
    let last: unknown;
    for (;;) {
        try {
            const got = await ask();
            if (got !== undefined) return got;
        } catch (error) {
            last = error;
        }
        if (Date.now() > end) {
            const reason = last instanceof Error ? `: ${last.message}` : "";
            throw new Error(`${what}: not within ${seconds} s${reason}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
}
