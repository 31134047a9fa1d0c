/** What the Worker is told by its bindings: https://developers.cloudflare.com/workers/runtime-apis/bindings/. */
import type { Account, PrivateAccount } from "../registry/accounts";
import { type RedirectHosts, withRedirectHosts } from "../registry/redirect-hosts";
import { selectUpstreams, type Upstream } from "../registry/upstreams";

/** The bindings as Cloudflare hands them over; `components/edge/worker-relay.ts` makes them. */
export interface Env {
    /** JSON object, key id → value. Secret. */
    readonly KEYS: string;
    /** Access token of the Hub account. Secret. Absent: the relay is an anonymous caller. */
    readonly HUB_TOKEN?: string;
    readonly HUB_USERNAME?: string;
    /** JSON list of accounts for private repositories. Secret. Absent: there are none. */
    readonly PRIVATE_ACCOUNTS?: string;
    /** JSON list of names in the closed table. */
    readonly UPSTREAMS: string;
    /** JSON object, name of an upstream → hosts that it may redirect to beside those of the table. Absent: none. */
    readonly REDIRECT_HOSTS?: string;
    /** The relay's own host name: the realm of its Basic challenge. */
    readonly HOSTNAME: string;
    /** `public` lets callers without a key in; anything else does not. */
    readonly ACCESS: string;
    /** Version of this program, for the User-Agent. */
    readonly VERSION: string;
    /** For the page of a public relay. Absent: it names nobody. */
    readonly ABUSE_CONTACT?: string;
    /** Bound where access is public. */
    readonly RATE_LIMIT?: RateLimit;
}

/** https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/ */
export interface RateLimit {
    limit(options: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

export interface Settings {
    /** Valid keys by id. */
    readonly keys: Readonly<Record<string, string>>;
    readonly hubAccount: Account | undefined;
    readonly privateAccounts: readonly PrivateAccount[];
    readonly upstreams: readonly Upstream[];
    readonly hostname: string;
    readonly isPublic: boolean;
    readonly abuseContact: string | undefined;
    readonly userAgent: string;
    readonly rateLimit: RateLimit | undefined;
}

/** Reads the bindings. Throws on an upstream that is not in the table, and on what is no JSON. */
export function readSettings(env: Env): Settings {
    const hubAccount =
        env.HUB_USERNAME !== undefined && env.HUB_TOKEN !== undefined
            ? { username: env.HUB_USERNAME, token: env.HUB_TOKEN }
            : undefined;
    return {
        keys: JSON.parse(env.KEYS) as Record<string, string>,
        hubAccount,
        privateAccounts: JSON.parse(env.PRIVATE_ACCOUNTS ?? "[]") as PrivateAccount[],
        upstreams: withRedirectHosts(
            selectUpstreams(JSON.parse(env.UPSTREAMS) as string[]),
            JSON.parse(env.REDIRECT_HOSTS ?? "{}") as RedirectHosts,
        ),
        hostname: env.HOSTNAME,
        isPublic: env.ACCESS === "public",
        abuseContact: env.ABUSE_CONTACT,
        userAgent: `dockermirror/${env.VERSION}`,
        rateLimit: env.RATE_LIMIT,
    };
}
