/** A DNS server that answers every name with one IPv4 address: nginx resolves upstreams by DNS alone. */
import { createSocket } from "node:dgram";

/** RFC 1035, 4.1.1: response, recursion desired and available, no error; one question, one answer. */
const FLAGS_AND_COUNTS = Buffer.from([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
/** RFC 1035, 4.1.3 and 4.1.4: the name is the question's, at offset 12; type A, class IN, 60 seconds, four bytes. */
const ANSWER = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
const HEADER_BYTES = 12;
const TYPE_AND_CLASS_BYTES = 4;

export interface DnsServer {
    /** `127.0.0.1:<port>`, as nginx's `resolver` takes it. */
    readonly address: string;
    close(): Promise<void>;
}

export function startDns(address: string): Promise<DnsServer> {
    const socket = createSocket("udp4");
    socket.on("message", (query, peer) => {
        const question = query.subarray(HEADER_BYTES, query.indexOf(0, HEADER_BYTES) + 1 + TYPE_AND_CLASS_BYTES);
        const bytes = Buffer.from(address.split(".").map(Number));
        const id = query.subarray(0, 2);
        socket.send(Buffer.concat([id, FLAGS_AND_COUNTS, question, ANSWER, bytes]), peer.port, peer.address);
    });
    return new Promise((resolve, reject) => {
        socket.once("error", reject);
        socket.bind(0, "127.0.0.1", () =>
            resolve({
                address: `127.0.0.1:${socket.address().port}`,
                close: () => new Promise((closed) => socket.close(() => closed())),
            }),
        );
    });
}
