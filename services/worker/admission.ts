/** Who may use the relay: callers with one of its keys, in a header of its own or as the password of HTTP Basic. */

import { presentedKey } from "../registry/credentials";

/** The header that the uplink sends. */
const KEY_HEADER = "x-relay-key";

/** The valid keys of a relay. */
export class KeyRing {
    private digests: Promise<readonly (readonly [id: string, digest: Uint8Array])[]> | undefined;

    /** @param keys Values by id. */
    constructor(private readonly keys: Readonly<Record<string, string>>) {}

    /** Id of the key that a request carries; `undefined` when it carries none or a wrong one. */
    async idOf(headers: Headers): Promise<string | undefined> {
        const presented = presentedKey(headers.get(KEY_HEADER), headers.get("authorization"), atob);
        if (presented === "") return undefined;
        // Here and not in the constructor: a Worker may not use crypto.subtle outside of a request.
        this.digests ??= Promise.all(
            Object.entries(this.keys).map(async ([id, value]) => [id, await sha256(value)] as const),
        );
        const digest = await sha256(presented);
        // Every key is compared, in constant time and by digest, so that how long it takes tells nothing about any.
        const [match] = (await this.digests).filter(([, known]) => equal(known, digest));
        return match?.[0];
    }
}

async function sha256(text: string): Promise<Uint8Array> {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
    let difference = 0;
    for (const [index, byte] of left.entries()) difference |= byte ^ (right[index] ?? 0);
    return difference === 0;
}
