/**
 * Requests that a client sends without waiting for the answers (RFC 9112 9.3.2) are taken up one after another. Node hands
 * them all out at once, and an answer that has not had its turn never learns that its connection is gone: whatever it had
 * opened would stay open.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** One connection. */
interface Line {
    isBusy: boolean;
    readonly waiting: (() => void)[];
}

export class Turns {
    private readonly lines = new WeakMap<Duplex, Line>();

    /** Resolves when the answers before this one are out. False when its connection is gone by then. */
    async take({ socket }: IncomingMessage, response: ServerResponse): Promise<boolean> {
        const line = this.lines.get(socket) ?? this.begin(socket);
        if (line.isBusy) await new Promise<void>((resolve) => line.waiting.push(resolve));
        line.isBusy = true;
        response.once("close", () => {
            line.isBusy = false;
            line.waiting.shift()?.();
        });
        return !socket.destroyed;
    }

    /** Calls `then` when nothing is being answered on a connection any more. */
    afterThem(socket: Duplex, then: () => void): void {
        const line = this.lines.get(socket);
        if (line?.isBusy) line.waiting.push(then);
        else then();
    }

    private begin(socket: Duplex): Line {
        const line: Line = { isBusy: false, waiting: [] };
        this.lines.set(socket, line);
        socket.once("close", () => {
            for (const resume of line.waiting.splice(0)) resume();
        });
        return line;
    }
}
