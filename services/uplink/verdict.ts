/** Whose answer an answer of a relay is, and what it says about whom. */
import { RELAY_ANSWER, type RelayReason, readRelayAnswer } from "../registry/relay-answer";
import { RelayFailure } from "./failure";
import { type ReceivedHeaders, singleValue } from "./headers";

/**
 * - `good`: the upstream gives what was asked for, also `416`, which tells a size
 * - `refused`: the upstream's final "no", for this image alone
 * - `failing`: the upstream could not
 * - `throttled`: a 429 of the upstream, for its scope
 * - `limited`: a 429 of the relay, or of what stands before it, for everything
 * - `unreachable`: the relay does not reach the upstream
 * - `redirect`: the upstream redirects to a host that the relay does not know
 * - `own`: the relay says why it cannot ask this upstream for this image: its table, its account
 * - `unknown`: 5xx of a relay that does not say whose it is
 * - `relay`: the fault of the relay, or of what stands before it
 */
export type Verdict =
    | { readonly of: "good" }
    | {
          readonly of: "refused";
          /** The upstream may mean the relay, its address or its country: another relay may be given it. */
          readonly meansTheRelay: boolean;
      }
    | { readonly of: "failing" | "throttled" | "limited" | "unreachable" | "own" | "unknown" }
    | { readonly of: "redirect"; readonly host: string | undefined }
    | { readonly of: "relay"; readonly failure: RelayFailure };

/** An answer's status and headers. */
export interface Judged {
    readonly status: number;
    readonly headers: ReceivedHeaders;
}

/** Refusals that depend on who asks. */
const MEANS_THE_CALLER: readonly number[] = [401, 402, 403, 451];

/** @param marks Whether this relay is known to say whose its answers are; those of 0.3.0 do not. */
export function judge({ status, headers }: Judged, marks: boolean): Verdict {
    const answer = readRelayAnswer(singleValue(headers, RELAY_ANSWER));
    if (answer?.from === "upstream") return ofUpstream(status);
    if (answer?.from === "relay") return ofRelay(status, answer.reason, answer.host);
    return unmarked(status, singleValue(headers, "content-type") ?? "", marks);
}

/** True for an answer that says whose it is. */
export function isMarked({ headers }: Judged): boolean {
    return readRelayAnswer(singleValue(headers, RELAY_ANSWER)) !== undefined;
}

function ofUpstream(status: number): Verdict {
    if (status === 429) return { of: "throttled" };
    // A redirect that is not followed is no answer, and 408 is what a proxy says of its own patience.
    if (status >= 500 || status === 408 || (status >= 300 && status < 400 && status !== 304)) return { of: "failing" };
    if (status < 400 || status === 416) return { of: "good" };
    return { of: "refused", meansTheRelay: MEANS_THE_CALLER.includes(status) };
}

function ofRelay(status: number, reason: RelayReason | undefined, host: string | undefined): Verdict {
    switch (reason) {
        case "base":
            return { of: "good" };
        case "key":
            return refusesKey(status);
        case "limit":
            return { of: "limited" };
        case "unreachable":
            return { of: "unreachable" };
        case "redirect":
            return { of: "redirect", host };
        case "method":
        case "table":
        case "no-verdict":
        case "account":
            return { of: "own" };
        default:
            // Of a later release, or a fault of the relay itself.
            if (status === 401) return refusesKey(status);
            if (status === 429) return { of: "limited" };
            return status >= 500 ? { of: "unknown" } : { of: "own" };
    }
}

/** No word of whose it is: a relay of 0.3.0, or something before the relay, such as Cloudflare's own pages. */
function unmarked(status: number, type: string, marks: boolean): Verdict {
    const page = /^text\/html/i.test(type);
    if (status === 429) return { of: marks ? "limited" : "throttled" };
    if (marks && (page || status >= 400)) {
        return protocol(`something before the relay answers ${page ? "with an HTML page " : ""}(${status})`);
    }
    // Relays of 0.3.0 refuse a key with 401 alone; the Nginx one hands on an upstream's 403 with its words.
    if (status === 403 && /^application\/json/i.test(type)) return { of: "refused", meansTheRelay: true };
    if (status === 401 || status === 403) return refusesKey(status);
    if (page) return protocol(`answers with an HTML page (${status})`);
    if (status >= 500) return { of: "unknown" };
    if (status < 400 || status === 416) return { of: "good" };
    return { of: "refused", meansTheRelay: false };
}

function refusesKey(status: number): Verdict {
    return { of: "relay", failure: new RelayFailure("key", `refuses our key (${status})`) };
}

function protocol(message: string): Verdict {
    return { of: "relay", failure: new RelayFailure("protocol", message) };
}
