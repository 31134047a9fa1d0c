/**
 * The body of a token service's answer: https://distribution.github.io/distribution/spec/auth/token/. nginx' JavaScript
 * runs this too (components/overseas/njs-module.ts): no destructuring, no spreading, no for-of.
 */

export interface TokenAnswer {
    readonly token: string;
    /**
     * How long it may be used, counted from its receipt by the clock of who received it: `issued_at` is by another clock,
     * and some services send the zero time.
     */
    readonly seconds: number;
}

/** Lifetime of a token that does not say, in seconds: token specification, `expires_in`. */
const DEFAULT_LIFETIME = 60;
/** What says to live longer is asked for again all the same. */
const LONGEST_LIFETIME = 3600;
/** Of its lifetime a token is used for this part: it must still be valid when it arrives. */
const LIFETIME_USED = 0.9;

/** `undefined` for what has no token, whatever its Content-Type says. */
export function readTokenAnswer(text: string | undefined): TokenAnswer | undefined {
    const body = parse(text || "") || {};
    const token = isToken(body.token) ? body.token : body.access_token;
    return isToken(token) ? { token, seconds: lifetime(body.expires_in) * LIFETIME_USED } : undefined;
}

function parse(text: string): { token?: unknown; access_token?: unknown; expires_in?: unknown } | undefined {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}

function isToken(value: unknown): value is string {
    return typeof value === "string" && /^[!-~]+$/.test(value);
}

function lifetime(value: unknown): number {
    const seconds = typeof value === "string" && /^[0-9]+$/.test(value) ? Number(value) : value;
    return typeof seconds === "number" && seconds > 0 ? Math.min(seconds, LONGEST_LIFETIME) : DEFAULT_LIFETIME;
}
