/** Bytes to a reader, no faster than it takes them, and not for ever. */
import type { ServerResponse } from "node:http";

/** How slow a reader may be. */
export interface ReaderLimits {
    /** Time in milliseconds in which it takes 64 KiB. A pause of some minutes, as of a machine that unpacks, is none. */
    readonly readerMs: number;
}

export const READER_LIMITS: ReaderLimits = { readerMs: 10 * 60 * 1000 };

const STEP_BYTES = 64 * 1024;

/**
 * Resolves when the bytes are out of the buffer, which may then be filled again, or nobody reads any more.
 *
 * @throws when the reader is too slow.
 */
export async function write(response: ServerResponse, bytes: Buffer, { readerMs }: ReaderLimits): Promise<void> {
    for (let at = 0; at < bytes.length && !response.destroyed; at += STEP_BYTES) {
        await writeStep(response, bytes.subarray(at, at + STEP_BYTES), readerMs);
    }
}

function writeStep(response: ServerResponse, bytes: Buffer, readerMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
        const done = () => {
            clearTimeout(timer);
            response.off("close", done);
            resolve();
        };
        const timer = setTimeout(() => {
            response.off("close", done);
            reject(new Error(`the reader took less than ${STEP_BYTES / 1024} KiB in ${readerMs / 1000} s`));
        }, readerMs);
        response.once("close", done);
        response.write(bytes, done);
    });
}
