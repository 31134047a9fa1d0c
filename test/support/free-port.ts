import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below the range from which the kernel picks ports by itself (Linux: 32768): a port of that range, once closed, may go
 * to the next server that asks for any, before the program that it was meant for has started.
 */
const LOWEST = 12_000;
const HIGHEST = 32_000;

/** Other processes of the tests begin elsewhere. */
let next = LOWEST + ((process.pid * 97) % (HIGHEST - LOWEST));

/** A TCP port of 127.0.0.1 for a program to listen on: nobody has it, and nobody of this process is given it again. */
export async function freePort(): Promise<number> {
    for (;;) {
        const port = next;
        next = next < HIGHEST ? next + 1 : LOWEST;
        const server = createServer().listen(port, "127.0.0.1");
        const free = await once(server, "listening").then(
            () => true,
            (error: NodeJS.ErrnoException) => {
                if (error.code === "EADDRINUSE") return false;
                throw error;
            },
        );
        if (!free) continue;
        server.close();
        await once(server, "close");
        return port;
    }
}
