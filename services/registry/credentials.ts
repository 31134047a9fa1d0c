/**
 * The key that a caller shows, at every kind of relay. nginx' JavaScript runs this too
 * (components/overseas/njs-module.ts): no destructuring, no spreading, no for-of.
 */

/**
 * The key of a request: `X-Relay-Key`, or else the password of HTTP Basic. Empty for none.
 *
 * @param key Value of `X-Relay-Key`; several lines joined by commas are no key.
 * @param authorization Value of `Authorization`.
 * @param decode Base64, without padding, to text.
 */
export function presentedKey(
    key: string | null | undefined,
    authorization: string | null | undefined,
    decode: (base64: string) => string,
): string {
    // nginx leaves tabs around a value: https://www.rfc-editor.org/rfc/rfc9110#section-5.5.
    if (key) return key.trim();
    const match = /^basic +([A-Za-z0-9+/]+)={0,2}$/i.exec((authorization || "").trim());
    const encoded = match?.[1] || "";
    // A single character at the end is no byte.
    if (encoded.length % 4 === 1) return "";
    const credentials = decode(encoded);
    // https://www.rfc-editor.org/rfc/rfc7617: the password is what is behind the first colon, and a colon there must be.
    const colon = credentials.indexOf(":");
    return colon < 0 ? "" : credentials.slice(colon + 1);
}
