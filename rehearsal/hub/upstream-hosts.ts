/** Which host of which upstream the Hub double plays, and how the real ones differ from each other. */
import { UPSTREAMS, type Upstream } from "../../services/registry/upstreams";

/** What a host is to a puller; `unknown` is a host that the double does not play. */
export type Role = "registry" | "token" | "cdn" | "unknown";

/** The ways of one upstream, as far as a relay can notice them. */
export interface Manners {
    /** What takes the place of the `*` in the first of the upstream's `redirectHosts`. */
    readonly cdnLabel: string;
    /** Status of the redirect from a blob to the CDN. */
    readonly blobRedirect: 302 | 307;
    /** Docker Hub's and Quay's tokens are JWTs, GitHub's and Google's cannot be looked into. */
    readonly token: "jwt" | "opaque";
    /** Whether the token answer has `expires_in`; without it the distribution spec says 60 seconds. */
    readonly tellsExpiry: boolean;
    /** What a stranger gets who asks for the token of a repository that is private or not there. */
    readonly unknownRepository: "token without access" | "403";
    /** The registry host redirects everything, also manifests, as registry.k8s.io does. */
    readonly redirectsAll: boolean;
    /** S3 and R2 answer 400 to a signed URL that comes with an `Authorization` header. */
    readonly cdnRefusesAuthorization: boolean;
    /** Pulls are counted and told in `ratelimit-*` headers. */
    readonly countsPulls: boolean;
}

const PLAIN: Manners = {
    cdnLabel: "cdn",
    blobRedirect: 307,
    token: "jwt",
    tellsExpiry: true,
    unknownRepository: "token without access",
    redirectsAll: false,
    cdnRefusesAuthorization: true,
    countsPulls: false,
};

const MANNERS: Readonly<Record<string, Partial<Manners>>> = {
    "docker.io": { cdnLabel: "production.cloudflare", countsPulls: true },
    "ghcr.io": { token: "opaque", tellsExpiry: false, unknownRepository: "403" },
    // Go's HTTP client (Docker, skopeo) keeps the header on a redirect to a subdomain: Quay's CDN must live with it.
    "quay.io": { cdnLabel: "cdn01", blobRedirect: 302, tellsExpiry: false, cdnRefusesAuthorization: false },
    "registry.k8s.io": { cdnLabel: "us-west1-docker", blobRedirect: 302, redirectsAll: true },
    "gcr.io": { blobRedirect: 302, token: "opaque" },
    "mcr.microsoft.com": { cdnLabel: "eastus" },
};

/** The ways of an upstream. */
export function mannersOf(upstream: Upstream): Manners {
    return { ...PLAIN, ...MANNERS[upstream.name] };
}

/** The host that the double redirects this upstream's blobs to: the first of its `redirectHosts`, made concrete. */
export function cdnHost(upstream: Upstream): string {
    const [glob = upstream.registry] = upstream.redirectHosts;
    return glob.replaceAll("*", mannersOf(upstream).cdnLabel);
}

/** Every host name that the double answers to: what its certificate and the DNS of a rehearsal must have. */
export const HUB_HOSTS: readonly string[] = [
    ...new Set(
        UPSTREAMS.flatMap((upstream) => [
            upstream.registry,
            ...(upstream.tokenService ? [new URL(upstream.tokenService.realm).hostname] : []),
            cdnHost(upstream),
        ]),
    ),
];

/** The upstream that a host belongs to, and what it is there for `pathname`. */
export function placeOf(host: string, pathname: string): { readonly role: Role; readonly upstream?: Upstream } {
    for (const upstream of UPSTREAMS) {
        const realm = upstream.tokenService && new URL(upstream.tokenService.realm);
        if (realm?.hostname === host && (realm.pathname === pathname || host !== upstream.registry)) {
            return { role: "token", upstream };
        }
        if (host === upstream.registry) return { role: "registry", upstream };
        if (host === cdnHost(upstream)) return { role: "cdn", upstream };
    }
    return { role: "unknown" };
}
