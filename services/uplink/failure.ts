/** What can go wrong between the uplink and a relay, in words that a log reader can act on. */

/**
 * - `connect`: no TCP or TLS connection (refused, no DNS, no route, bad certificate)
 * - `silent`: nobody answered in time, to the connection or to the request
 * - `cut`: the connection ended in mid-answer
 * - `stall`: no byte for too long in mid-answer
 * - `crawl`: bytes, but far too few, while another relay was free
 * - `key`: the relay refuses our key
 * - `upstream`: the relay could not get it from the upstream (5xx)
 * - `hang`: the relay answers, but the upstream behind it says nothing: not counted as the relay's
 * - `protocol`: an answer that makes no sense for the question
 * - `wrong-bytes`: contents with a wrong digest
 */
export type FailureKind =
    | "connect"
    | "silent"
    | "cut"
    | "stall"
    | "crawl"
    | "key"
    | "upstream"
    | "hang"
    | "protocol"
    | "wrong-bytes";

/** One failure of one relay. */
export class RelayFailure extends Error {
    constructor(
        readonly kind: FailureKind,
        message: string,
    ) {
        super(message);
    }
}

/** Why an answer cannot be given to the engine, in the form it is given in. */
export class Unavailable extends Error {
    constructor(
        readonly status: 429 | 502 | 503,
        message: string,
        /** Seconds, for `Retry-After`. */
        readonly retryAfter?: number,
    ) {
        super(message);
    }
}

/** What the upstream says, or does, to this one image: passed on, and held against nobody. */
export class UpstreamFault extends Error {
    constructor(
        /** As the upstream answered; 502 for contents that are wrong. */
        readonly status: number,
        message: string,
    ) {
        super(message);
    }
}

/**
 * True for an answer to a HEAD, or to a range, that may be about nothing but that: a URL that is signed for GET alone, a
 * service that does not know the method. The plain GET says more.
 */
export function isDeafTo(optional: "HEAD" | "range", status: number): boolean {
    return DEAF[optional].includes(status);
}

const DEAF: Readonly<Record<"HEAD" | "range", readonly number[]>> = {
    HEAD: [400, 403, 405, 406, 501],
    range: [400, 403, 405, 406, 412, 416, 417, 500, 501],
};

const KINDS: Readonly<Record<string, FailureKind>> = {
    ETIMEDOUT: "silent",
    UND_ERR_HEADERS_TIMEOUT: "silent",
    UND_ERR_BODY_TIMEOUT: "stall",
    UND_ERR_SOCKET: "cut",
    UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "cut",
    UND_ERR_DESTROYED: "connect",
    ECONNRESET: "cut",
    EPIPE: "cut",
};

/** True when a connection was there, and no answer came on it. */
export function isAnswerTimeout(error: unknown): boolean {
    return error instanceof Error && "code" in error && error.code === "UND_ERR_HEADERS_TIMEOUT";
}

/** The failure behind an error of undici, TLS, DNS or a socket. */
export function asRelayFailure(error: unknown): RelayFailure {
    if (error instanceof RelayFailure) return error;
    if (!(error instanceof Error)) return new RelayFailure("protocol", String(error));
    const code = "code" in error ? String(error.code) : "";
    if (code.startsWith("HPE_")) return new RelayFailure("protocol", `not HTTP: ${error.message}`);
    // Whatever is not in the list never became a connection: refusals, DNS, certificates.
    return new RelayFailure(KINDS[code] ?? "connect", describe(error, code));
}

function describe(error: Error, code: string): string {
    // Several addresses tried side by side give an AggregateError without a message of its own.
    const errors = error instanceof AggregateError ? error.errors : [error];
    const texts = new Set(errors.map((each: unknown) => (each instanceof Error ? each.message : String(each))));
    const text = [...texts].join("; ");
    return text === "" || code === "" || text.includes(code) ? text || code : `${text} (${code})`;
}
