/** Signed URLs of the CDN double: as with S3 and R2, good for one host, path and method, and only for some time. */
import { createHmac, randomBytes } from "node:crypto";

/** What a URL is signed for. `path` is the path as it is sent. */
export interface Signed {
    readonly method: string;
    readonly host: string;
    readonly path: string;
    /** Number of the CDN edge that will answer. */
    readonly edge: number;
    /** Seconds since 1970. */
    readonly expires: number;
}

/** Each call gives another URL, also for the same content. */
export function signUrl(secret: string, signed: Signed): string {
    const query = [
        `Expires=${signed.expires}`,
        `Edge=${signed.edge}`,
        `Nonce=${randomBytes(8).toString("hex")}`,
        // Spellings that a proxy which decodes and encodes again would change.
        "X-Amz-Credential=dockermirror%2F20261101%2Fauto%2Fs3%2faws4_request",
        "response-content-disposition=a+b%20c~d%7Ee%2Bf",
    ].join("&");
    return `https://${signed.host}${signed.path}?${query}&Signature=${signature(secret, signed, query)}`;
}

/** What is wrong with a request for a signed URL, or the edge that it goes to. `rawQuery` is without the `?`. */
export function checkUrl(
    secret: string,
    request: Pick<Signed, "method" | "host" | "path">,
    rawQuery: string,
    now: number,
): { readonly edge: number } | { readonly wrong: "SignatureDoesNotMatch" | "AccessDenied" } {
    const [query = "", got] = rawQuery.split("&Signature=");
    if (got === undefined || got !== signature(secret, request, query)) return { wrong: "SignatureDoesNotMatch" };
    const values = new URLSearchParams(query);
    if (Number(values.get("Expires")) * 1000 <= now) return { wrong: "AccessDenied" };
    return { edge: Number(values.get("Edge")) };
}

function signature(secret: string, { method, host, path }: Pick<Signed, "method" | "host" | "path">, query: string) {
    const text = [method, host, path, query].join("\n");
    return encodeURIComponent(createHmac("sha256", secret).update(text).digest("base64"));
}
