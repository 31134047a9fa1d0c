/** Requests that are no HTTP/1.1 which this server knows: refused here, in the form of every other refusal. */
import { type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { errorBody, type Refusal } from "../registry/errors";
import type { Log } from "./log";
import type { Turns } from "./turns";

/** What is wrong with a request that Node could read. */
export function badRequest({ httpVersion, headers }: IncomingMessage): Refusal | undefined {
    if (!/^1\.[01]$/.test(httpVersion)) return refusal(505);
    const coding = headers["transfer-encoding"];
    if (coding !== undefined && !/^\s*chunked\s*$/i.test(coding)) return refusal(501);
    if (httpVersion === "1.1" && headers.host === undefined) return refusal(400);
    return undefined;
}

/** Statuses for what Node's parser refuses, by its error's code; 400 for all others. */
const STATUSES: Readonly<Record<string, number>> = {
    HPE_INVALID_VERSION: 505,
    // How a connection of HTTP/2 begins.
    HPE_PAUSED_H2_UPGRADE: 505,
    HPE_INVALID_TRANSFER_ENCODING: 501,
    HPE_INVALID_METHOD: 501,
    HPE_HEADER_OVERFLOW: 431,
    ERR_HTTP_REQUEST_TIMEOUT: 408,
};

const MESSAGES: Readonly<Record<number, string>> = {
    400: "not a request of HTTP/1.1",
    405: "only GET and HEAD are served: this is a cache for pulls",
    408: "the request did not come in time",
    431: "the headers of the request are too long",
    501: "neither this method nor any transfer coding but chunked is known here",
    505: "HTTP/1.1 alone is spoken here",
};

/** Answers what never becomes a request. */
export function answerBadRequests(server: Server, turns: Turns, log: Log): void {
    const end = (socket: Duplex, status: number, reason: string) => {
        const { code, message } = refusal(status);
        const body = errorBody(code, message);
        const head = [
            `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
            "Content-Type: application/json",
            `Content-Length: ${Buffer.byteLength(body)}`,
            "Connection: close",
        ];
        log("info", "bad request", { status, reason });
        // Not into the middle of an answer. One that Node has handed out before it found the mistake is refused there.
        turns.afterThem(socket, () => {
            if (socket.writable) socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
        });
    };
    server.on("clientError", (error: ParseError, socket) => {
        if (error.code === "ECONNRESET") socket.destroy();
        else end(socket, statusOf(error), error.code ?? error.message);
    });
    server.on("connect", (_, socket: Duplex) => end(socket, 405, "CONNECT"));
}

function statusOf({ code = "", rawPacket }: ParseError): number {
    // What is no HTTP at all has no method either.
    if (code === "HPE_INVALID_METHOD" && !/^[\w.-]+ \S+ HTTP\//.test(rawPacket?.toString("latin1") ?? "")) return 400;
    return STATUSES[code] ?? 400;
}

/** As Node's parser throws it. */
interface ParseError extends NodeJS.ErrnoException {
    readonly rawPacket?: Buffer;
}

function refusal(status: number): Refusal {
    return { status, code: "UNSUPPORTED", message: MESSAGES[status] ?? "this request is not served" };
}
