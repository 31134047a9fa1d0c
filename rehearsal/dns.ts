/** A small DNS server for the rehearsal's machines, its ACME server, and the tests: records by name, UDP and TCP. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, isIPv6, type Server, type Socket } from "node:net";

/** Codes of record types: RFC 1035, 3.2.2; AAAA: RFC 3596, 2.1. */
const TYPES = { A: 1, NS: 2, SOA: 6, TXT: 16, AAAA: 28 } as const;
const CLASS_IN = 1;
const TTL_SECONDS = 60;
/** RFC 1035, 4.1.1: a response with authority, recursion desired and available; then the code: none, or "no such name". */
const FOUND = [0x85, 0x80];
const NO_SUCH_NAME = [0x85, 0x83];
/** RFC 1035, 4.1.4: the name of each answer is the question's, which is at offset 12. */
const NAME_OF_QUESTION = 0xc00c;
const HEADER_BYTES = 12;
const TYPE_AND_CLASS_BYTES = 4;
/** RFC 1035, 3.3.14: a text is strings of at most 255 bytes. */
const TEXT_STRING_BYTES = 255;
/** RFC 1035, 4.2.2: over TCP a message follows its length. */
const LENGTH_BYTES = 2;
/** Serial, and the seconds of refresh, retry, expire and minimum: RFC 1035, 3.3.13. Nobody here is a secondary server. */
const SOA_NUMBERS = [1, 60, 60, 60, 1];

/** What is known of a name, by the type of the question. A type that is not given: the name exists and has none. */
export interface DnsRecords {
    /** IPv4 addresses. */
    readonly A?: readonly string[];
    /** IPv6 addresses. */
    readonly AAAA?: readonly string[];
    /** Texts, such as those that DNS-01 asks for. */
    readonly TXT?: readonly string[];
    /** Names of the zone's name servers. */
    readonly NS?: readonly string[];
    /** Name of the zone's first name server: tells that a zone begins at this name. */
    readonly SOA?: string;
}

/** What there is of a name, or its IPv4 address alone; `undefined`: there is no such name. */
export type Records = (name: string) => DnsRecords | string | undefined;

/** A running server. */
export interface DnsServer {
    /** `<address>:<port>`, as nginx's `resolver` takes it. */
    readonly address: string;
    close(): Promise<void>;
}

/**
 * Starts a server on UDP and TCP.
 *
 * @param records Asked for each name, in lower case and without the last dot; or the IPv4 address of every name.
 * @param host Address to listen on. @param port 0: any free one.
 */
export async function startDns(records: string | Records, host = "127.0.0.1", port = 0): Promise<DnsServer> {
    const ask: Records = typeof records === "string" ? () => records : records;
    const udp = await listenUdp(host, port, ask);
    const connections = new Set<Socket>();
    const tcp = createServer((connection) => {
        connections.add(connection.once("close", () => connections.delete(connection)));
        serveTcp(connection, ask);
    });
    try {
        await listening(tcp, host, udp.address().port);
    } catch (error) {
        await closed(udp);
        // The kernel knows of no port that is free for both: another one is tried.
        if (port === 0 && (error as NodeJS.ErrnoException).code === "EADDRINUSE") return startDns(records, host);
        throw error;
    }
    return {
        address: `${host}:${udp.address().port}`,
        close: async () => {
            for (const connection of connections) connection.destroy();
            await Promise.all([closed(udp), closed(tcp)]);
        },
    };
}

async function listenUdp(host: string, port: number, ask: Records): Promise<UdpSocket> {
    const socket = createSocket("udp4");
    socket.on("message", (query, peer) => {
        const response = answer(query, ask);
        if (response) socket.send(response, peer.port, peer.address);
    });
    await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.bind(port, host, resolve);
    });
    return socket;
}

async function listening(server: Server, host: string, port: number): Promise<void> {
    server.listen(port, host);
    await once(server, "listening");
}

function closed(server: { close(done: () => void): unknown }): Promise<void> {
    return new Promise((resolve) => server.close(() => resolve()));
}

function serveTcp(connection: Socket, ask: Records): void {
    let received = Buffer.alloc(0);
    // Who hangs up in the middle of a question does not want the answer.
    connection.on("error", () => connection.destroy());
    connection.on("data", (data) => {
        received = Buffer.concat([received, data]);
        while (received.length >= LENGTH_BYTES && received.length >= LENGTH_BYTES + received.readUInt16BE()) {
            const end = LENGTH_BYTES + received.readUInt16BE();
            const response = answer(received.subarray(LENGTH_BYTES, end), ask);
            received = received.subarray(end);
            if (response) connection.write(Buffer.concat([uint16(response.length), response]));
        }
    });
}

/** The response to a query; none to what is not one. */
function answer(query: Buffer, ask: Records): Buffer | undefined {
    const endOfName = query.indexOf(0, HEADER_BYTES);
    const endOfQuestion = endOfName + 1 + TYPE_AND_CLASS_BYTES;
    if (endOfName < 0 || endOfQuestion > query.length) return undefined;
    const question = query.subarray(HEADER_BYTES, endOfQuestion);
    const type = query.readUInt16BE(endOfName + 1);
    const found = ask(nameIn(query.subarray(HEADER_BYTES, endOfName)));
    const data = found === undefined ? [] : recordData(type, typeof found === "string" ? { A: [found] } : found);
    return Buffer.concat([
        query.subarray(0, 2),
        Buffer.from(found === undefined ? NO_SUCH_NAME : FOUND),
        ...[1, data.length, 0, 0].map(uint16),
        question,
        ...data.map((bytes) =>
            Buffer.concat([
                ...[NAME_OF_QUESTION, type, CLASS_IN].map(uint16),
                uint32(TTL_SECONDS),
                uint16(bytes.length),
                bytes,
            ]),
        ),
    ]);
}

/** The data of the records of one type: RFC 1035, 3.3 and 3.4; AAAA: RFC 3596, 2.2. */
function recordData(type: number, records: DnsRecords): Buffer[] {
    switch (type) {
        case TYPES.A:
            return (records.A ?? []).map((address) => Buffer.from(address.split(".").map(Number)));
        case TYPES.AAAA:
            return (records.AAAA ?? []).map(ipv6Bytes);
        case TYPES.TXT:
            return (records.TXT ?? []).map(textBytes);
        case TYPES.NS:
            return (records.NS ?? []).map(nameBytes);
        case TYPES.SOA: {
            const { SOA: server } = records;
            if (server === undefined) return [];
            return [Buffer.concat([nameBytes(server), nameBytes(`hostmaster.${server}`), ...SOA_NUMBERS.map(uint32)])];
        }
        default:
            return [];
    }
}

/** `cache.example` for its labels, each with its length before it. */
function nameIn(labels: Buffer): string {
    const names: string[] = [];
    for (let at = 0; at < labels.length; at += 1 + (labels[at] ?? 0)) {
        names.push(labels.toString("latin1", at + 1, at + 1 + (labels[at] ?? 0)));
    }
    return names.join(".").toLowerCase();
}

function nameBytes(name: string): Buffer {
    return Buffer.concat([...name.split(".").flatMap((label) => [uint8(label.length), Buffer.from(label)]), uint8(0)]);
}

function textBytes(text: string): Buffer {
    const bytes = Buffer.from(text);
    const strings: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += TEXT_STRING_BYTES) {
        const string = bytes.subarray(at, at + TEXT_STRING_BYTES);
        strings.push(uint8(string.length), string);
    }
    return Buffer.concat(strings);
}

/** RFC 4291, 2.2: eight groups of hex digits; `::` stands for as many zero groups as are missing. */
function ipv6Bytes(address: string): Buffer {
    if (!isIPv6(address) || address.includes(".")) throw new Error(`not an IPv6 address in hex digits: "${address}"`);
    const [head = [], tail = []] = address
        .split("::")
        .map((groups) => groups.split(":").filter((group) => group !== ""));
    const zeros = Array.from({ length: 8 - head.length - tail.length }, () => "0");
    return Buffer.concat([...head, ...zeros, ...tail].map((group) => uint16(Number.parseInt(group, 16))));
}

function uint8(value: number): Buffer {
    return Buffer.from([value]);
}

function uint16(value: number): Buffer {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16BE(value);
    return bytes;
}

function uint32(value: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
}
