/** Error bodies of the OCI distribution spec: https://github.com/opencontainers/distribution-spec, "Error Codes". */

/** Codes that this project answers with. */
export type ErrorCode =
    | "NAME_INVALID"
    | "NAME_UNKNOWN"
    | "MANIFEST_UNKNOWN"
    | "BLOB_UNKNOWN"
    | "UNAUTHORIZED"
    | "DENIED"
    | "UNSUPPORTED"
    | "TOOMANYREQUESTS"
    | "UNAVAILABLE";

/** A refusal: HTTP status, OCI code and a message that tells the reader what to do. */
export interface Refusal {
    readonly status: number;
    readonly code: ErrorCode;
    readonly message: string;
}

/** The JSON text of an OCI error body. */
export function errorBody(code: ErrorCode, message: string): string {
    return JSON.stringify({ errors: [{ code, message }] });
}
