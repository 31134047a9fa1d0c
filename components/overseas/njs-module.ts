/** The code that nginx' JavaScript shares with the Worker, as one module for it. */
import { bundle, FOR_NJS } from "../bundle";

/**
 * The text of `relay/protocol.js`. njs knows no exports by name: https://nginx.org/en/docs/njs/compatibility.html.
 *
 * @throws Error of esbuild when the code uses what njs does not know.
 */
export function njsModule(): string {
    return bundle("services/registry/njs.ts", FOR_NJS).replace(/\nexport \{/, "\nexport default {");
}
