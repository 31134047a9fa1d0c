/**
 * How connections to far hosts are made: for undici's pools, and for whatever else takes a connected socket. The name's
 * lookup, TCP and TLS each have a time of their own, long enough for a round trip of 300 ms on which packets are lost.
 */
import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { buildConnector } from "undici";
import { type Address, type Connected, ConnectFailure, connectToAny, interleaved } from "./any-address";

/** All times in milliseconds. */
export interface ConnectTimes {
    /** For the name's addresses. */
    readonly lookupMs: number;
    /** For a TCP connection to any of them. */
    readonly tcpMs: number;
    /** For the TLS handshake. */
    readonly tlsMs: number;
}

export const CONNECT_TIMES: ConnectTimes = {
    // A resolver's library asks again after 5 s (resolv.conf(5), `timeout`).
    lookupMs: 6_000,
    // A lost SYN is sent again after 1 s, the next one 2 s later (RFC 6298 sections 2 and 5.5; Linux 6.5 and newer: 1 s
    // later, https://docs.kernel.org/networking/ip-sysctl.html, tcp_syn_linear_timeouts): two lost ones and the round
    // trip take 3.3 s, for an address that was tried as the fourth 4.1 s.
    tcpMs: 5_000,
    // One round trip in TLS 1.3, two in 1.2. What is lost is sent again after some 0.9 s, then after twice that.
    tlsMs: 5_000,
};

export interface ConnectorOptions {
    /** @default the system's */
    readonly lookup?: LookupFunction;
    /** @default {@link CONNECT_TIMES} */
    readonly times?: ConnectTimes;
    /** Of the TLS connections: `ca`, `secureContext`, `maxCachedSessions`. */
    readonly tls?: buildConnector.BuildOptions;
}

/**
 * A connector for undici that tries all addresses of a host beside each other. It remembers which address worked last
 * and begins with that one, and leaves out those that take connections but fail at TLS, while there are others.
 */
export function anyAddressConnector(options: ConnectorOptions = {}): buildConnector.connector {
    const { lookup, times = CONNECT_TIMES, tls } = options;
    const secure = buildConnector({ ...tls, timeout: times.tlsMs });
    const known = new KnownAddresses();
    return (asked, callback) => {
        const { hostname, protocol, localAddress } = asked;
        const port = Number(asked.port) || (protocol === "https:" ? 443 : 80);
        const order = (found: readonly Address[]) => known.inOrder(found);
        const where = { hostname, port, lookup, times, order, localAddress: localAddress ?? undefined };
        connectTcp(where, (error, socket, address) => {
            if (!socket || !address) {
                known.noneAnswered();
                callback(error ?? new Error("no connection"), null);
                return;
            }
            if (protocol !== "https:") {
                known.worked(address);
                callback(null, socket.setKeepAlive(true, KEEP_ALIVE_MS));
                return;
            }
            secure({ ...asked, httpSocket: socket }, (...result) => {
                const [failure] = result;
                if (failure) {
                    known.failed(address);
                    callback(tlsFailure(failure, address, hostname, times.tlsMs), null);
                } else {
                    known.worked(address);
                    callback(...result);
                }
            });
        });
    };
}

/** As undici does by default. */
const KEEP_ALIVE_MS = 60_000;

export interface TcpOptions {
    readonly hostname: string;
    readonly port: number;
    /** @default the system's */
    readonly lookup?: LookupFunction | undefined;
    /** @default {@link CONNECT_TIMES} */
    readonly times?: Omit<ConnectTimes, "tlsMs">;
    /** The order in which addresses are tried. @default {@link interleaved} */
    readonly order?: (found: readonly Address[]) => readonly Address[];
    readonly localAddress?: string | undefined;
}

/** Looks up a host name and connects to whichever of its addresses takes the connection first. Calls `done` once. */
export function connectTcp(options: TcpOptions, done: Connected): void {
    const { hostname, port, lookup = systemLookup as LookupFunction, times = CONNECT_TIMES } = options;
    const { order = interleaved, localAddress } = options;
    let waits = true;
    const late = setTimeout(() => {
        waits = false;
        done(new ConnectFailure("ETIMEDOUT", `${hostname}: DNS does not answer within ${times.lookupMs / 1000} s`));
    }, times.lookupMs);
    lookup(hostname, { all: true }, (error, found) => {
        if (!waits) return;
        waits = false;
        clearTimeout(late);
        if (error) {
            done(new ConnectFailure(error.code ?? "ENOTFOUND", error.message, { cause: error }));
            return;
        }
        const addresses = order(found as Address[]);
        connectToAny(addresses, { port, timeoutMs: times.tcpMs, localAddress }, (failure, socket, address) => {
            if (failure) done(new ConnectFailure(failure.code, `${hostname} ${failure.message}`));
            else done(undefined, socket?.setNoDelay(true), address);
        });
    });
}

function tlsFailure(failure: Error & { code?: string }, { address }: Address, hostname: string, tlsMs: number): Error {
    const silent = failure.code === "UND_ERR_CONNECT_TIMEOUT";
    const reason = silent ? `no answer within ${tlsMs / 1000} s` : failure.message;
    const code = silent ? "ETIMEDOUT" : (failure.code ?? "ERR_TLS");
    return new ConnectFailure(code, `${hostname} (${address}) TLS: ${reason}`, { cause: failure });
}

/** What is known of the addresses of one host. */
class KnownAddresses {
    private good: string | undefined;
    /** They took a connection, but no TLS came of it: something may answer in their place. */
    private failing = new Set<string>();

    inOrder(found: readonly Address[]): Address[] {
        const usable = found.filter(({ address }) => !this.failing.has(address));
        const all = usable.length > 0 ? usable : found;
        return interleaved([...all.filter(({ address }) => address === this.good), ...all]);
    }

    worked({ address }: Address): void {
        this.good = address;
        this.failing.delete(address);
    }

    failed({ address }: Address): void {
        if (this.good === address) this.good = undefined;
        this.failing.add(address);
    }

    /** Those that were left out are tried next time. */
    noneAnswered(): void {
        this.failing.clear();
    }
}
