/** An answer of the Hub double as a value, and how it goes out: streamed, at the speed of the reader, faults included. */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import type { FaultAction } from "./faults";

/** Part of a file: `length` bytes from `start`. */
export interface FilePart {
    readonly file: string;
    readonly start: number;
    readonly length: number;
}

/** What a request is answered with. `content-length` is added when it goes out. */
export interface Answer {
    readonly status: number;
    readonly headers: Readonly<Record<string, string | readonly string[]>>;
    /** Absent: an answer that has no body for any method, such as 304. */
    readonly body?: Buffer | FilePart;
    /** How its end is known where `content-length` does not say it. */
    readonly length?: "chunked" | "close";
}

const CHUNK_BYTES = 256 * 1024;
const THROTTLE_STEPS_A_SECOND = 20;

/** A JSON answer. */
export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
    return { status, headers: { "content-type": "application/json", ...headers }, body: text(JSON.stringify(value)) };
}

/** A body of UTF-8 text. */
export function text(content: string): Buffer {
    return Buffer.from(content, "utf8");
}

/**
 * Sends an answer; resolves when it is out or the peer has left.
 *
 * @param count Told the body bytes as they are handed to the connection.
 */
export async function send(
    response: ServerResponse,
    method: string,
    { status, headers, body, length: end }: Answer,
    fault: FaultAction | undefined,
    count: (bytes: number) => void,
): Promise<void> {
    const length = body === undefined || end !== undefined ? undefined : { "content-length": body.length };
    if (end === "close") response.useChunkedEncodingByDefault = false;
    response.writeHead(status, { ...(headers as OutgoingHttpHeaders), ...length });
    if (body === undefined || method === "HEAD") {
        response.end();
        return;
    }
    const left = new AbortController();
    const { signal } = left;
    response.once("close", () => left.abort());
    try {
        const limit = fault?.kind === "cut" || fault?.kind === "stall" ? fault.afterBytes : Number.POSITIVE_INFINITY;
        let sent = 0;
        for await (const chunk of chunksOf(body, fault)) {
            const bytes = chunk.subarray(0, limit - sent);
            sent += bytes.length;
            count(bytes.length);
            if (!response.write(bytes)) await once(response, "drain", { signal });
            if (signal.aborted) return;
            if (fault?.kind === "throttle") await wait(1000 / THROTTLE_STEPS_A_SECOND, undefined, { signal });
            if (sent >= limit) break;
        }
        // A cut and a stall after 0 bytes come after the headers, which would otherwise wait for the first bytes.
        response.flushHeaders();
        if (fault?.kind === "cut") response.socket?.destroySoon();
        else if (fault?.kind !== "stall") response.end();
    } catch (error) {
        if (!signal.aborted) throw error;
    }
}

async function* chunksOf(body: Buffer | FilePart, fault: FaultAction | undefined): AsyncIterable<Buffer> {
    const highWaterMark =
        fault?.kind === "throttle" ? Math.ceil(fault.bytesPerSecond / THROTTLE_STEPS_A_SECOND) : CHUNK_BYTES;
    let first = true;
    for await (const chunk of pieces(body, highWaterMark)) {
        if (first && fault?.kind === "wrong-bytes") chunk[0] = (chunk[0] ?? 0) ^ 1;
        first = false;
        yield chunk;
    }
}

function pieces(body: Buffer | FilePart, highWaterMark: number): AsyncIterable<Buffer> | Iterable<Buffer> {
    // A stream of nothing cannot be asked for: `end` is the last byte that is read.
    if (body.length === 0) return [];
    if ("file" in body) {
        const { file, start, length } = body;
        return createReadStream(file, { start, end: start + length - 1, highWaterMark });
    }
    return (function* () {
        // Copies, because a fault changes what is sent and must not change what is stored.
        for (let at = 0; at < body.length; at += highWaterMark)
            yield Buffer.from(body.subarray(at, at + highWaterMark));
    })();
}
