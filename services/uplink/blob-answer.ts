/** Answers for blobs. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { relayPath } from "../registry/names";
import { end, matches, type Noted } from "./answers";
import { type BlobRequest, type BlobSource, type Blobs, sizeAtEnd } from "./blobs";
import { isDeafTo, UpstreamFault } from "./failure";
import type { Handover } from "./handover";
import { lengthIn, rangeIn, sizeInRefusal } from "./headers";
import { scopeOf } from "./health";
import type { Metrics } from "./metrics";
import { type ByteRange, readRange } from "./range";
import type { Relays } from "./relays";
import { type ReaderLimits, write } from "./sending";

/** One buffer of this size a reader: memory grows neither with blobs nor with what a slow reader leaves lying. */
const READ_BYTES = 256 * 1024;

export interface BlobKit {
    readonly relays: Relays;
    readonly blobs: Blobs;
    /** Absent where no cache is known. */
    readonly handover: Handover | undefined;
    readonly metrics: Metrics;
    readonly limits: ReaderLimits;
}

export async function answerBlob(
    kit: BlobKit,
    incoming: IncomingMessage,
    response: ServerResponse,
    noted: Noted,
    request: BlobRequest,
): Promise<void> {
    const headers = {
        "Docker-Content-Digest": request.reference,
        ETag: `"${request.reference}"`,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    };
    if (incoming.method === "HEAD") {
        const size = (await kit.blobs.sizeAtHome(request)) ?? (await askBlobSize(kit, request));
        response.writeHead(200, { ...headers, "Content-Length": size });
        return await end(response, noted, undefined, kit.limits);
    }
    const source = await kit.blobs.open(request);
    try {
        noted.from = source.from;
        if (incoming.headers["x-hand-over"] === "yes") kit.handover?.offer(request);
        if (matches(incoming.headers["if-none-match"], request.reference)) {
            response.writeHead(304, headers);
            return await end(response, noted, undefined, kit.limits);
        }
        // A range of what nobody knows the end of is the whole (RFC 9110 14.2: a server may ignore Range).
        const range = source.size === undefined ? undefined : wantedRange(incoming, request.reference, source.size);
        if (range === "unsatisfiable") {
            response.writeHead(416, { ...headers, "Content-Range": `bytes */${source.size}`, "Content-Length": 0 });
            return await end(response, noted, undefined, kit.limits);
        }
        const { start, end: stop } = range ?? { start: 0, end: source.size };
        const partial = range && { "Content-Range": `bytes ${start}-${range.end - 1}/${source.size}` };
        const length = stop !== undefined && { "Content-Length": stop - start };
        response.writeHead(range ? 206 : 200, { ...headers, ...partial, ...length });
        await send(source, { start, end: stop }, response, noted, kit.limits);
        kit.metrics.servedBytes.inc({ source: source.from }, noted.bytes);
        response.end();
    } finally {
        await source.close();
    }
}

/** A Range counts only with the right `If-Range` (RFC 9110 13.1.5). */
function wantedRange(incoming: IncomingMessage, digest: string, size: number): ByteRange | "unsatisfiable" | undefined {
    const condition = incoming.headers["if-range"];
    if (condition !== undefined && condition !== `"${digest}"`) return undefined;
    return readRange(incoming.headers.range, size);
}

/** Copies `range` as it is released. */
async function send(
    source: BlobSource,
    range: { readonly start: number; readonly end: number | undefined },
    response: ServerResponse,
    noted: Noted,
    limits: ReaderLimits,
): Promise<void> {
    const { start, end: stop = Number.POSITIVE_INFINITY } = range;
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, stop - start));
    for (let at = start; at < stop && !response.destroyed; ) {
        const released = Math.min(await source.releasedAfter(at), stop);
        if (released <= at && range.end === undefined) return;
        if (released <= at) throw new Error("the blob ended early");
        while (at < released && !response.destroyed) {
            const bytesRead = await source.read(buffer, Math.min(buffer.length, released - at), at);
            if (bytesRead === 0) throw new Error("a file of the spool or of the cache's store became shorter");
            await write(response, buffer.subarray(0, bytesRead), limits);
            at += bytesRead;
            noted.bytes += bytesRead;
        }
    }
}

/** How large a blob is that nothing is known of at home. */
async function askBlobSize(kit: BlobKit, request: BlobRequest): Promise<number> {
    const question = { path: relayPath(request), scope: scopeOf(request) };
    const { status, headers } = await kit.relays.ask({ method: "HEAD", ...question });
    const size = status === 200 ? lengthIn(headers) : undefined;
    if (size !== undefined) return size;
    if (status !== 200 && !isDeafTo("HEAD", status)) throw refusal(request, status);
    // A URL may be signed for GET alone, and what was compressed on its way has no length: one byte tells.
    const part = await kit.relays.ask({ method: "GET", ...question, headersOf: "bytes=0-0" });
    const said =
        part.status === 206
            ? rangeIn(part.headers)?.total
            : part.status === 416
              ? sizeInRefusal(part.headers)
              : part.status === 200
                ? lengthIn(part.headers)
                : undefined;
    if (said !== undefined) return said;
    if (part.status === 404 || part.status === 429) throw refusal(request, part.status);
    // The bytes themselves tell, all of them.
    const source = await kit.blobs.open(request);
    try {
        return source.size ?? (await sizeAtEnd(source));
    } finally {
        await source.close();
    }
}

function refusal({ upstream, reference }: BlobRequest, status: number): UpstreamFault {
    return new UpstreamFault(status, `${upstream.name} answers ${status} to ${reference}`);
}
