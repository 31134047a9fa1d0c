/**
 * One TCP connection to a host that has several addresses (RFC 8305, "Happy Eyeballs"): attempts run beside each other,
 * and none ends because the next one starts. Node's own `autoSelectFamily` ends each attempt but the last after 250 ms
 * (https://github.com/nodejs/node/issues/54359): over a link whose round trip takes longer, no address is ever reached.
 */
import { connect, type NetConnectOpts, type Socket } from "node:net";

export interface Address {
    readonly address: string;
    /** 4 or 6. */
    readonly family: number;
}

/** RFC 8305 section 8, "Connection Attempt Delay". */
export const ATTEMPT_DELAY_MS = 250;

export interface AttemptOptions {
    readonly port: number;
    /** For all attempts together. */
    readonly timeoutMs: number;
    readonly localAddress?: string | undefined;
    /** Replaces Node's, for tests. */
    readonly connect?: (options: NetConnectOpts) => Socket;
}

/** Exactly one of the two is there. */
export type Connected = (error: ConnectFailure | undefined, socket?: Socket, address?: Address) => void;

/** No connection. Its message says of each address why. */
export class ConnectFailure extends Error {
    /** @param code Of Node's errors; `ETIMEDOUT` when somebody did not answer in time. */
    constructor(
        readonly code: string,
        message: string,
        options?: ErrorOptions,
    ) {
        super(message, options);
    }
}

/**
 * Connects to whichever address takes the connection first. The addresses are tried in the given order, each
 * {@link ATTEMPT_DELAY_MS} after the one before, or as soon as that one has failed: an IPv6 address on a machine without
 * a route to it fails at once and costs nothing.
 *
 * @param done Called once, in the same tick as the socket's own event. Whoever takes the socket listens for its errors.
 */
export function connectToAny(addresses: readonly Address[], options: AttemptOptions, done: Connected): void {
    const { port, timeoutMs, localAddress } = options;
    const open = new Map<Socket, Address>();
    const failures: { readonly address: Address; readonly code: string; readonly reason: string }[] = [];
    const waiting = [...addresses];
    let nextStart: NodeJS.Timeout | undefined;
    const end = (winner?: Socket) => {
        clearTimeout(nextStart);
        clearTimeout(deadline);
        for (const socket of open.keys()) if (socket !== winner) socket.destroy();
    };
    const give = () => {
        end();
        const silent = failures.some(({ code }) => code === "ETIMEDOUT");
        // An address without a route says least of why the host cannot be reached.
        const telling = failures.find(({ code }) => !NO_ROUTE.has(code)) ?? failures[0];
        const reasons = failures.map(({ address, reason }) => `${address.address} ${reason}`).join("; ");
        const code = silent ? "ETIMEDOUT" : (telling?.code ?? "ENOTFOUND");
        done(new ConnectFailure(code, `port ${port}: ${reasons || "no address"}`));
    };
    const startNext = () => {
        clearTimeout(nextStart);
        const address = waiting.shift();
        if (!address) {
            if (open.size === 0) give();
            return;
        }
        const socket = (options.connect ?? connect)({
            host: address.address,
            port,
            family: address.family,
            autoSelectFamily: false,
            ...(localAddress === undefined ? {} : { localAddress }),
        });
        open.set(socket, address);
        if (waiting.length > 0) nextStart = setTimeout(startNext, ATTEMPT_DELAY_MS);
        socket.once("connect", () => {
            if (!open.has(socket)) return;
            end(socket);
            open.clear();
            done(undefined, socket, address);
        });
        // Stays: an error of the winner is for whoever has it, one of a loser for nobody.
        socket.on("error", (error: NodeJS.ErrnoException) => {
            if (!open.delete(socket)) return;
            failures.push({ address, code: error.code ?? "", reason: error.code ?? error.message });
            socket.destroy();
            startNext();
        });
    };
    const deadline = setTimeout(() => {
        const reason = `no answer within ${timeoutMs / 1000} s`;
        for (const address of [...open.values(), ...waiting]) failures.push({ address, code: "ETIMEDOUT", reason });
        end();
        open.clear();
        give();
    }, timeoutMs);
    startNext();
}

/** Linux' errors for an address of a family that this machine has no way to. */
const NO_ROUTE: ReadonlySet<string> = new Set(["ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"]);

/** The families in turns, beginning with that of the first address (RFC 8305 section 4). Each address once. */
export function interleaved(addresses: readonly Address[]): Address[] {
    const [first] = addresses;
    const all = addresses.filter(({ address }, at) => addresses.findIndex((other) => other.address === address) === at);
    const one = all.filter(({ family }) => family === first?.family);
    const other = all.filter(({ family }) => family !== first?.family);
    return Array.from({ length: Math.max(one.length, other.length) }, (_, at) => [one[at], other[at]])
        .flat()
        .filter((address) => address !== undefined);
}
