/**
 * The closed table of upstreams. The Worker, the relay Nginx, the uplink, the front and the client settings are all
 * made from it; a relay never talks to a host that is not in it. One more upstream is one more entry here.
 */

/** A public registry that the relays may talk to. */
export interface Upstream {
    /** The name that image references use and that `?ns=` carries, such as `docker.io`. */
    readonly name: string;
    /** Host that answers `/v2/`. */
    readonly registry: string;
    /** Token service of the distribution spec's Bearer flow; absent where pulls need no token. */
    readonly tokenService?: { readonly realm: string; readonly service: string };
    /**
     * Hosts that the registry may redirect to, beside itself. A leading `*.` stands for one or more labels, any other
     * `*` for the inside of one label.
     */
    readonly redirectHosts: readonly string[];
    /** One-segment names get this prefix (`node` is `library/node` on Docker Hub). */
    readonly officialNamespace?: string;
}

/** The upstream of a name without a registry. */
export const DEFAULT_UPSTREAM = "docker.io";

export const UPSTREAMS: readonly Upstream[] = [
    {
        // Token and registry: https://distribution.github.io/distribution/spec/auth/token/ and docs.docker.com.
        // CDN hosts: Cloudflare, CloudFront (since 2026-05), R2 and S3 (docker/docs, "Docker Hub allow list").
        name: "docker.io",
        registry: "registry-1.docker.io",
        tokenService: { realm: "https://auth.docker.io/token", service: "registry.docker.io" },
        redirectHosts: [
            "*.docker.com",
            "docker-images-prod.*.r2.cloudflarestorage.com",
            "docker-images-prod.s3.dualstack.us-east-1.amazonaws.com",
        ],
        officialNamespace: "library",
    },
    {
        name: "ghcr.io",
        registry: "ghcr.io",
        tokenService: { realm: "https://ghcr.io/token", service: "ghcr.io" },
        redirectHosts: ["pkg-containers.githubusercontent.com"],
    },
    {
        name: "quay.io",
        registry: "quay.io",
        tokenService: { realm: "https://quay.io/v2/auth", service: "quay.io" },
        redirectHosts: ["*.quay.io", "quayio-production-s3.s3.amazonaws.com"],
    },
    {
        // registry.k8s.io redirects manifests to Artifact Registry and blobs to the nearest bucket, without tokens:
        // https://github.com/kubernetes/registry.k8s.io/blob/main/cmd/archeio/docs/request-handling.md
        name: "registry.k8s.io",
        registry: "registry.k8s.io",
        redirectHosts: ["*.pkg.dev", "prod-registry-k8s-io-*.s3.dualstack.*.amazonaws.com"],
    },
    {
        name: "gcr.io",
        registry: "gcr.io",
        tokenService: { realm: "https://gcr.io/v2/token", service: "gcr.io" },
        redirectHosts: ["storage.googleapis.com", "*.pkg.dev"],
    },
    {
        name: "mcr.microsoft.com",
        registry: "mcr.microsoft.com",
        redirectHosts: ["*.data.mcr.microsoft.com"],
    },
];

/** The table restricted to `names`, in the table's order. Throws on a name that is not in the table. */
export function selectUpstreams(names: readonly string[]): Upstream[] {
    const unknown = names.filter((name) => !UPSTREAMS.some((upstream) => upstream.name === name));
    if (unknown.length > 0) {
        const known = UPSTREAMS.map((upstream) => upstream.name).join(", ");
        throw new Error(`unknown upstream ${unknown.map((name) => `"${name}"`).join(", ")}; known are ${known}`);
    }
    return UPSTREAMS.filter((upstream) => names.includes(upstream.name));
}

const LABEL = "[a-z0-9-]+";

/** A regular expression (source text without anchors, PCRE and JavaScript alike) for one entry of `redirectHosts`. */
export function hostPattern(glob: string): string {
    const [first = "", ...rest] = glob.split(".");
    const beginning = first === "*" ? `${LABEL}(?:\\.${LABEL})*` : first.replaceAll("*", LABEL);
    return [beginning, ...rest.map((label) => label.replaceAll("*", LABEL))].join("\\.");
}

/** True when `host` (lower case, no port) is the registry itself or in its redirect table. */
export function mayRedirectTo(upstream: Upstream, host: string): boolean {
    return (
        host === upstream.registry ||
        upstream.redirectHosts.some((glob) => new RegExp(`^${hostPattern(glob)}$`).test(host))
    );
}
