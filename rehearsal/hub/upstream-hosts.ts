/** Which host of which upstream the Hub double plays, and how the real ones differ from each other. */
import { UPSTREAMS, type Upstream } from "../../services/registry/upstreams";

/** What a host is to a puller; `unknown` is a host that the double does not play. */
export type Role = "registry" | "token" | "cdn" | "unknown";

/** The ways of one upstream, as far as a relay can notice them. */
export interface Manners {
    /** Host that blobs are redirected to; the registry's own one redirects to another path of itself, without a host. */
    readonly blobHost: string;
    /** Status of the redirect from a blob to the CDN. */
    readonly blobRedirect: 302 | 307;
    /** Host that everything but blobs is redirected to, as registry.k8s.io does; absent: the registry answers itself. */
    readonly manifestHost?: string;
    /** Tokens are JWTs, or cannot be looked into. */
    readonly token: "jwt" | "opaque";
    /** Whether the token answer has `expires_in`; without it the distribution spec says 60 seconds. */
    readonly tellsExpiry: boolean;
    /** What a stranger gets who asks for the token of a repository that is private or, more often, not there. */
    readonly unknownRepository: "token without access" | "403" | "token all the same";
    /** S3 and R2 answer 400 to a signed URL that comes with an `Authorization` header. */
    readonly cdnRefusesAuthorization: boolean;
    /** Pulls are counted and told in `ratelimit-*` headers. */
    readonly countsPulls: boolean;
    /** Whether it lists referrers; one without answers 404, and clients keep the list under a tag. */
    readonly listsReferrers: boolean;
}

/** What is not known of an upstream is as strict as it is with any. */
const PLAIN: Omit<Manners, "blobHost"> = {
    blobRedirect: 307,
    token: "jwt",
    tellsExpiry: false,
    unknownRepository: "token without access",
    cdnRefusesAuthorization: true,
    countsPulls: false,
    listsReferrers: true,
};

/** One entry an upstream of the table. The sources of hosts and redirects are there. */
const MANNERS: Readonly<Record<string, Pick<Manners, "blobHost"> & Partial<Manners>>> = {
    "docker.io": { blobHost: "production.cloudflare.docker.com", tellsExpiry: true, countsPulls: true },
    // 403 from the token service for what is not there (mccutchen/go-httpbin#223); for what is private also 401
    // (openai/tunnel-client#75), which says the same to a relay.
    "ghcr.io": { blobHost: "pkg-containers.githubusercontent.com", token: "opaque", unknownRepository: "403" },
    // Go's HTTP client (Docker, skopeo) keeps the header on a redirect to a subdomain: Quay's CDN must live with it.
    "quay.io": { blobHost: "cdn01.quay.io", blobRedirect: 302, cdnRefusesAuthorization: false },
    "registry.k8s.io": {
        blobHost: "d39mqg4b1dx9z1.cloudfront.net",
        manifestHost: "us-west1-docker.pkg.dev",
    },
    // Artifact Registry's token service answers 403 for what strangers may not read: argoproj/argo-cd#26260.
    "gcr.io": {
        blobHost: "gcr.io",
        blobRedirect: 302,
        token: "opaque",
        tellsExpiry: true,
        unknownRepository: "403",
    },
    "mcr.microsoft.com": { blobHost: "eastus.data.mcr.microsoft.com" },
    // All repositories are public, so that the token does not depend on the scope (aws-toolkit-jetbrains asks without
    // one); the registry then says NAME_UNKNOWN: aws-samples/amazon-eks-cdk-blue-green-cicd#24.
    "public.ecr.aws": {
        blobHost: "d2glxqk2uabbnd.cloudfront.net",
        token: "opaque",
        unknownRepository: "token all the same",
    },
    // Whether this one and the next list referrers is not known: then the tag is what is left.
    // A JWT with `access`: sapcc/keppel#731. 403 from proxy_auth for a stranger: NVIDIA/nvcf#40.
    "nvcr.io": { blobHost: "layers.nvcr.io", unknownRepository: "403", listsReferrers: false },
    // Not documented. Taken for what its addresses look like, cesanta/docker_auth: a JWT without `expires_in`, and one
    // without access for what is not allowed (auth_server/server/server.go).
    "docker.elastic.co": {
        blobHost: "docker-registry-production.d24a988e385e0074d717b6bdaea58f0d.r2.cloudflarestorage.com",
        listsReferrers: false,
    },
};

/** The ways of an upstream. Throws for one that has no entry here. */
export function mannersOf({ name }: Upstream): Manners {
    const own = MANNERS[name];
    if (!own) throw new Error(`the Hub double does not know the manners of ${name}: add them to MANNERS`);
    return { ...PLAIN, ...own };
}

/** Where the double's CDN has its content on a host that is a registry as well, as Artifact Registry has it. */
export const OWN_CDN_PATH = "/artifacts-downloads";

/** Every host name that the double answers to: what its certificate and the DNS of a rehearsal must have. */
export const HUB_HOSTS: readonly string[] = [
    ...new Set(
        UPSTREAMS.flatMap((upstream) => [
            upstream.registry,
            ...(upstream.tokenService ? [new URL(upstream.tokenService.realm).hostname] : []),
            ...cdnHosts(upstream),
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
        if (host === upstream.registry && !pathname.startsWith(`${OWN_CDN_PATH}/`))
            return { role: "registry", upstream };
        if (cdnHosts(upstream).includes(host)) return { role: "cdn", upstream };
    }
    return { role: "unknown" };
}

function cdnHosts(upstream: Upstream): string[] {
    const { blobHost, manifestHost } = mannersOf(upstream);
    return manifestHost === undefined ? [blobHost] : [blobHost, manifestHost];
}
