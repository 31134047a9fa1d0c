/**
 * One of a kind at a time on this machine. The lock is a Unix socket in Linux' abstract namespace (unix(7)): no file, and
 * gone with the process that has it, however that ends. Whoever asks is answered by the process itself.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** The lock of a rehearsal. A test that holds it takes another one, since a rehearsal may be running. */
export const REHEARSAL_LOCK = process.env.DOCKERMIRROR_REHEARSAL_LOCK ?? "dockermirror-rehearsal";

/** The process that has a lock. */
export interface Holder {
    readonly pid: number;
    /** ISO 8601. */
    readonly since: string;
}

/** Which rehearsal is running, for who has to wait for it. */
export function runningRehearsal({ pid, since }: Holder): string {
    return `a rehearsal is running since ${since}, pid ${pid}`;
}

/** A lock that this process has. */
export interface Lock {
    release(): Promise<void>;
}

/** Takes a lock, or says which process has it. */
export async function takeLock(name: string): Promise<Lock | Holder> {
    for (;;) {
        const lock = await listen(name);
        if (lock) return lock;
        const { holder, connection } = await ask(name);
        connection?.destroy();
        if (holder) return holder;
        // It ended in between.
    }
}

/**
 * Takes a lock, after any process that has it.
 *
 * @param waiting Called with the process that is waited for.
 */
export async function waitForLock(name: string, waiting: (holder: Holder) => void): Promise<Lock> {
    for (;;) {
        const lock = await listen(name);
        if (lock) return lock;
        const { holder, connection } = await ask(name);
        if (!holder || !connection) continue;
        waiting(holder);
        await once(connection, "close");
    }
}

/** Ends this process when the one that has the lock ends, or when none has it: nothing is to be made any more. */
export async function endWith(name: string): Promise<void> {
    const { holder, connection } = await ask(name);
    const end = () => process.exit(1);
    if (!holder || !connection) return end();
    connection.once("close", end).unref();
}

/** The lock, or nothing when it is taken. */
async function listen(name: string): Promise<Lock | undefined> {
    const holder: Holder = { pid: process.pid, since: new Date().toISOString() };
    const connections = new Set<Socket>();
    const server = createServer((connection) => {
        connections.add(connection);
        connection.once("close", () => connections.delete(connection)).on("error", () => {});
        // Left open: its end tells that the lock is free.
        connection.unref().write(`${JSON.stringify(holder)}\n`);
    });
    server.unref();
    try {
        server.listen({ path: `\0${name}` });
        await once(server, "listening");
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
        throw error;
    }
    return { release: () => close(server, connections) };
}

function close(server: Server, connections: ReadonlySet<Socket>): Promise<void> {
    return new Promise((resolve) => {
        server.close(() => resolve());
        for (const connection of connections) connection.destroy();
    });
}

/** Who has the lock, with the connection that ends when that process does; nothing when no process has it. */
function ask(name: string): Promise<{ holder?: Holder; connection?: Socket }> {
    return new Promise((resolve) => {
        const connection = connect({ path: `\0${name}` });
        let text = "";
        connection.on("error", () => {});
        connection.once("close", () => resolve({}));
        connection.setEncoding("utf8").on("data", (data) => {
            text += data;
            if (text.endsWith("\n")) resolve({ holder: JSON.parse(text), connection });
        });
    });
}
