/** Hosts that upstreams may redirect the relays to, beside those of the closed table. */
import { z } from "zod";
import { type RedirectHosts, redirectHostProblem } from "../services/registry/redirect-hosts";
import { UPSTREAMS } from "../services/registry/upstreams";
import { suggestion } from "./known-names";

/** Of a Worker's variable, 5 KB of whichever kind: https://developers.cloudflare.com/workers/platform/limits/#environment-variables. */
const WORKER_VARIABLE_BYTES = 5000;

const redirectHost = z.string().refine((entry) => redirectHostProblem(entry) === undefined, {
    error: ({ input }) => redirectHostProblem(String(input)),
});

const NAMES = UPSTREAMS.map(({ name }) => name);

/** The shape of `redirectHosts`: the upstream's name, and its further hosts. */
export const redirectHosts = z.partialRecord(z.enum(NAMES), z.array(redirectHost).min(1), {
    // Zod's types do not know of this issue of a record.
    error: ({ code, keys = [] }: { readonly code?: string; readonly keys?: readonly string[] }) =>
        code === "unrecognized_keys"
            ? `must have names of upstreams for keys (${NAMES.join(", ")}), got ${keys.map((key) => `"${key}"${suggestion(key, NAMES)}`).join(", ")}`
            : undefined,
});

/** The rest of the settings that redirect hosts have to do with. */
export interface RedirectHostsContext {
    /** Names of the upstreams that are relayed. */
    readonly upstreams: readonly string[];
    /** The stack has a relay of its own. */
    readonly hasRelay: boolean;
}

/** What no field tells by itself: which key, and what is wrong with it. */
export function redirectHostsProblems(
    added: RedirectHosts,
    { upstreams, hasRelay }: RedirectHostsContext,
): [string, string][] {
    const problems: [string, string][] = [];
    if (Object.keys(added).length > 0 && !hasRelay)
        problems.push([
            "redirectHosts",
            "are where relays of this stack follow redirects to: set them where edge or overseas is",
        ]);
    for (const name of Object.keys(added).filter((each) => !upstreams.includes(each))) {
        problems.push([
            `redirectHosts["${name}"]`,
            `is for an upstream that this stack does not relay: it relays ${upstreams.join(", ")}`,
        ]);
    }
    const bytes = JSON.stringify(added).length;
    if (bytes > WORKER_VARIABLE_BYTES)
        problems.push(["redirectHosts", `must fit into ${WORKER_VARIABLE_BYTES} bytes at Cloudflare, got ${bytes}`]);
    return problems;
}
