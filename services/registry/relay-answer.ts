/**
 * `X-Relay-Answer`: whose answer a relay hands over, its own or the upstream's. Design 3.11. Without it a 403 of a
 * registry looks like a refused key, and one odd image like a relay that is down. Relays of 0.3.0 do not send it.
 */

/** The header. Each relay sets it on every answer, and strips it from what an upstream says. */
export const RELAY_ANSWER = "x-relay-answer";

/** The value for an answer whose status is the registry's, the token service's or the CDN's own, whatever its body. */
export const UPSTREAM_ANSWER = "upstream";

/** Why a relay answers in its own voice. */
export type RelayReason =
    /** `/v2/` itself, and the pages of a public relay. */
    | "base"
    /** 401: no key or a wrong one. */
    | "key"
    /** 405: not a pull. */
    | "method"
    /** 404: not a path of the pull API, or an upstream that is not relayed. 415: a digest that is not sha256. 400, 414, 501, 505: no request that it reads. */
    | "table"
    /** 429 of the relay's own limit. */
    | "limit"
    /** 502 or 504: a host of the upstream cannot be reached, broke off or says nothing. */
    | "unreachable"
    /** 502: the upstream redirects to a host that is not in its table; with `host`. */
    | "redirect"
    /** 503: whether the relay's account may be used for this repository is not known now. */
    | "no-verdict"
    /** 502: the token service does not take the relay's account. */
    | "account"
    /** The relay itself failed. */
    | "fault";

const REASONS: readonly RelayReason[] = [
    "base",
    "key",
    "method",
    "table",
    "limit",
    "unreachable",
    "redirect",
    "no-verdict",
    "account",
    "fault",
];

/** Whose answer it is. */
export type RelayAnswer =
    | { readonly from: "upstream" }
    | {
          readonly from: "relay";
          /** Absent: a reason that this release does not know. The status says what there is to know. */
          readonly reason?: RelayReason;
          /** With `redirect`: the host that is not in the table. */
          readonly host?: string;
      };

/** The header's value for an answer of the relay's own. */
export function ownAnswerValue(reason: RelayReason, host?: string): string {
    return `relay; reason=${reason}${host === undefined ? "" : `; host="${host}"`}`;
}

/**
 * Reads the header as relays of this, earlier and later releases send it: unknown reasons and parameters are no error.
 *
 * @returns `undefined` where there is none or something else: a relay of 0.3.0, or what stands before the relay.
 */
export function readRelayAnswer(header: string | undefined): RelayAnswer | undefined {
    const [, voice, rest = ""] = /^\s*(upstream|relay)\s*(?:;(.*))?$/i.exec(header ?? "") ?? [];
    if (voice === undefined) return undefined;
    if (voice.toLowerCase() === "upstream") return { from: "upstream" };
    const reason = REASONS.find((known) => known === parameter(rest, "reason")?.toLowerCase());
    // It ends in logs and metrics: nothing but what a host name or an address is made of.
    const host = parameter(rest, "host")?.toLowerCase();
    return {
        from: "relay",
        ...(reason === undefined ? {} : { reason }),
        ...(host !== undefined && /^[a-z0-9._:[\]-]{1,255}$/.test(host) ? { host } : {}),
    };
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-5.6.6: `name=token` or `name="quoted"`, in any order and case. */
function parameter(parameters: string, name: string): string | undefined {
    const found = new RegExp(`(?:^|;)\\s*${name}\\s*=\\s*(?:"([^"]*)"|([^\\s;",]+))`, "i").exec(parameters);
    return found?.[1] ?? found?.[2];
}
