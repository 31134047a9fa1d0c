/** Digests of bytes. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

/**
 * The digests that a manifest may be known by, the right one first. That of a signed one of schema 1 is its payload's: the
 * bytes without the signatures (https://github.com/distribution/distribution/blob/v2.8.3/docs/spec/manifest-v2-1.md).
 */
export function digestsOf(manifest: Buffer): readonly [string, ...string[]] {
    const payload = signedPayload(manifest);
    return payload ? [digestOf(payload), digestOf(manifest)] : [digestOf(manifest)];
}

/** Whether a file's SHA-256 is `hex`. */
export async function hasDigest(file: FileHandle, hex: string): Promise<boolean> {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafe(STEP_BYTES);
    for (let at = 0; ; ) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) return hash.digest("hex") === hex;
        hash.update(buffer.subarray(0, bytesRead));
        at += bytesRead;
    }
}

const STEP_BYTES = 1024 * 1024;

export function digestOf(bytes: Buffer): string {
    return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** What the signatures of a manifest of schema 1 are for; `undefined` for any other. */
function signedPayload(manifest: Buffer): Buffer | undefined {
    if (!manifest.includes('"signatures"')) return undefined;
    try {
        const { signatures } = JSON.parse(manifest.toString("utf8"));
        const { formatLength, formatTail } = JSON.parse(
            Buffer.from(signatures[0].protected, "base64url").toString("utf8"),
        );
        if (!Number.isSafeInteger(formatLength) || formatLength < 0 || formatLength > manifest.length) return undefined;
        const payload = Buffer.concat([manifest.subarray(0, formatLength), Buffer.from(formatTail, "base64url")]);
        // Of the payload, not of the whole: or something that nobody signed could be hung on to any manifest.
        return JSON.parse(payload.toString("utf8")).schemaVersion === 1 ? payload : undefined;
    } catch {
        // Not signed, or not JSON.
        return undefined;
    }
}
