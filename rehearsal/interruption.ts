/** Work that runs programs and is to leave none of them, nor what they were writing, when it is broken off or fails. */
import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate } from "node:timers/promises";

/** Of Ctrl-C, of a service manager that stops a service, and of a terminal that is closed. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/**
 * What programs are ended by, and how long each is waited for. apt and dpkg do not let themselves be stopped by SIGINT
 * while they install, so that they finish; mmdebstrap removes its chroot.
 */
const ENDS: readonly (readonly [signal: NodeJS.Signals, seconds: number])[] = [
    ["SIGINT", 30],
    ["SIGTERM", 10],
    ["SIGKILL", 0],
];

/** What was broken off. */
export class Interrupted extends Error {
    constructor() {
        super("interrupted");
    }
}

/** Work that is under way. */
export class Interruptible {
    private readonly broken = new AbortController();
    private readonly running = new Set<Promise<unknown>>();

    /** Fires when the programs that are running are to end and no others to start. */
    get signal(): AbortSignal {
        return this.broken.signal;
    }

    break(): void {
        this.broken.abort();
    }

    /** Has the end of a program waited for: the leader of a process group, which is ended with all that is in it. */
    watch(pid: number, ended: Promise<unknown>): void {
        this.running.add(ended);
        const end = () => endGroup(pid, ended);
        this.signal.addEventListener("abort", end, { once: true });
        const forget = () => {
            this.signal.removeEventListener("abort", end);
            this.running.delete(ended);
        };
        ended.then(forget, forget);
    }

    /** Until nothing runs any more, and those that have waited for it have removed what was not finished. */
    async settled(): Promise<void> {
        await Promise.allSettled(this.running);
        await setImmediate();
    }
}

const CURRENT = new AsyncLocalStorage<Interruptible>();

/** The work that is under way where this is called. */
export function currentWork(): Interruptible | undefined {
    return CURRENT.getStore();
}

/**
 * Does work whose programs (`attempt` and `run`) end with it: at a signal to this process, and when a part of it fails.
 *
 * @param tell Is not called any more once the work is broken off.
 * @throws Interrupted at a signal, once all programs have ended.
 */
export async function interruptible<T>(
    tell: (line: string) => void,
    work: (tell: (line: string) => void) => Promise<T>,
): Promise<T> {
    const current = new Interruptible();
    let isInterrupted = false;
    const interrupt = () => {
        if (!isInterrupted) tell("interrupted: ending what was started");
        isInterrupted = true;
        current.break();
    };
    for (const signal of SIGNALS) process.on(signal, interrupt);
    const broken = new Promise<never>((_, reject) => {
        current.signal.addEventListener("abort", () => reject(new Interrupted()), { once: true });
    });
    try {
        const quiet = (line: string) => {
            if (!current.signal.aborted) tell(line);
        };
        return await Promise.race([CURRENT.run(current, () => work(quiet)), broken]);
    } catch (error) {
        current.break();
        await current.settled();
        throw isInterrupted ? new Interrupted() : error;
    } finally {
        for (const signal of SIGNALS) process.off(signal, interrupt);
    }
}

function endGroup(pid: number, ended: Promise<unknown>): void {
    let timer: NodeJS.Timeout | undefined;
    const next = (index: number) => {
        const [signal, seconds] = ENDS[index] ?? [];
        if (signal === undefined || seconds === undefined) return;
        try {
            process.kill(-pid, signal);
        } catch {
            // It has ended in between.
            return;
        }
        timer = setTimeout(next, seconds * 1000, index + 1);
    };
    next(0);
    const stop = () => clearTimeout(timer);
    ended.then(stop, stop);
}
