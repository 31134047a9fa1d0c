/** A small DNS server for the rehearsal's machines and the tests' nginx: IPv4 addresses by name, or one for all. */
import { createSocket } from "node:dgram";

/** RFC 1035, 4.1.1: response, recursion desired and available; then no error or "no such name", and the counts. */
const FOUND = Buffer.from([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
const NO_SUCH_NAME = Buffer.from([0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
/** RFC 1035, 4.1.3 and 4.1.4: the name is the question's, at offset 12; type A, class IN, 60 seconds, four bytes. */
const ANSWER = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
const HEADER_BYTES = 12;
const TYPE_AND_CLASS_BYTES = 4;

/** A running server. */
export interface DnsServer {
    /** `<address>:<port>`, as nginx's `resolver` takes it. */
    readonly address: string;
    close(): Promise<void>;
}

/** The address of a name; `undefined`: there is no such name. */
export type Addresses = (name: string) => string | undefined;

/**
 * Starts a server on UDP.
 *
 * @param records Asked for each name; or the address of every name.
 * @param host Address to listen on. @param port 0: any free one.
 */
export function startDns(records: string | Addresses, host = "127.0.0.1", port = 0): Promise<DnsServer> {
    const socket = createSocket("udp4");
    socket.on("message", (query, peer) => {
        const endOfName = query.indexOf(0, HEADER_BYTES);
        const question = query.subarray(HEADER_BYTES, endOfName + 1 + TYPE_AND_CLASS_BYTES);
        const name = nameIn(query.subarray(HEADER_BYTES, endOfName));
        const address = typeof records === "string" ? records : records(name);
        const rest =
            address === undefined
                ? [NO_SUCH_NAME, question]
                : [FOUND, question, ANSWER, Buffer.from(address.split(".").map(Number))];
        socket.send(Buffer.concat([query.subarray(0, 2), ...rest]), peer.port, peer.address);
    });
    return new Promise((resolve, reject) => {
        socket.once("error", reject);
        socket.bind(port, host, () =>
            resolve({
                address: `${host}:${socket.address().port}`,
                close: () => new Promise((closed) => socket.close(() => closed())),
            }),
        );
    });
}

/** `cache.example` for its labels, each with its length before it. */
function nameIn(labels: Buffer): string {
    const names: string[] = [];
    for (let at = 0; at < labels.length; at += 1 + (labels[at] ?? 0)) {
        names.push(labels.toString("latin1", at + 1, at + 1 + (labels[at] ?? 0)));
    }
    return names.join(".").toLowerCase();
}
