/** Bearer tokens of the Hub double. https://distribution.github.io/distribution/spec/auth/token/ and …/spec/auth/jwt/ */
import { createHmac, randomUUID } from "node:crypto";

/** The right to do something with one repository, as the `access` claim says it. */
export interface Access {
    readonly type: string;
    readonly name: string;
    readonly actions: readonly string[];
}

/** What a token says. Times are seconds since 1970. */
export interface Claims {
    readonly access: readonly Access[];
    /** The `service` that it was made for. */
    readonly aud: string;
    /** User name; empty for the anonymous caller. */
    readonly sub: string;
    readonly iat: number;
    readonly nbf: number;
    readonly exp: number;
    readonly jti: string;
}

/** What a caller gets a token for. */
export interface Grant {
    readonly service: string;
    readonly subject: string;
    readonly access: readonly Access[];
}

// Docker Hub's tokens carry a certificate chain and make its answer about 5 KB: clients with small buffers fail there.
const CHAIN_BYTES = 1100;

/** A new token, valid for `seconds` from `now` (milliseconds since 1970). */
export function makeToken(
    secret: string,
    form: "jwt" | "opaque",
    { service, subject, access }: Grant,
    now: number,
    seconds: number,
): string {
    const iat = Math.floor(now / 1000);
    const claims: Claims = { access, aud: service, sub: subject, iat, nbf: iat, exp: iat + seconds, jti: randomUUID() };
    const payload = base64url(JSON.stringify(claims));
    if (form === "opaque") return base64url(`v1:${payload}:${sign(secret, payload)}`);
    const header = { alg: "HS256", typ: "JWT", x5c: [Buffer.alloc(CHAIN_BYTES, 0x30).toString("base64")] };
    const head = `${base64url(JSON.stringify(header))}.${payload}`;
    return `${head}.${sign(secret, head)}`;
}

/** What a token says when it was made with this secret and form, else `undefined`. Does not look at `exp`. */
export function readToken(secret: string, form: "jwt" | "opaque", token: string): Claims | undefined {
    const text = form === "opaque" ? Buffer.from(token, "base64url").toString("utf8") : token;
    const parts = text.split(form === "opaque" ? ":" : ".");
    const [head = "", payload = "", signature] = parts;
    const signed = form === "opaque" ? payload : `${head}.${payload}`;
    if (parts.length !== 3 || signature !== sign(secret, signed)) return undefined;
    return JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as Claims;
}

function sign(secret: string, text: string): string {
    return createHmac("sha256", secret).update(text).digest("base64url");
}

function base64url(text: string): string {
    return Buffer.from(text).toString("base64url");
}
