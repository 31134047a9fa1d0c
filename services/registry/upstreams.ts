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
    /** Hosts that the registry may redirect to, beside itself. */
    readonly redirectHosts: readonly RedirectHost[];
    /** Other names of the same registry that image references use. @default none */
    readonly aliases?: readonly string[];
    /** One-segment names get this prefix (`node` is `library/node` on Docker Hub). */
    readonly officialNamespace?: string;
}

/** A host, or several, that an upstream's content is at. */
export interface RedirectHost {
    /**
     * A host name in lower case, or a glob: a leading `*.` stands for one or more labels, any other `*` for the inside of
     * one label.
     */
    readonly host: string;
    /** When the sources were last looked at and still named it, `YYYY-MM`; absent for what a stack's settings add. */
    readonly confirmed?: string;
}

/** The upstream of a name without a registry. */
export const DEFAULT_UPSTREAM = "docker.io";

/**
 * The table. A host that all customers of a cloud share (`storage.googleapis.com`) is not in it, and no domain of such a
 * cloud as a whole (`*.cloudfront.net`): a registry could send a relay to anybody's bucket. Where the bucket's name is the
 * vendor's and a region or an account in it changes, `*` stands for that alone. None of these vendors but Docker, Red Hat
 * and Microsoft promises its hosts; when one moves, the relay's answer names the host that is missing here, and the
 * setting `redirectHosts` adds it before a release does.
 */
export const UPSTREAMS: readonly Upstream[] = [
    {
        // Token and registry: https://distribution.github.io/distribution/spec/auth/token/ and docs.docker.com.
        // CDN hosts: Cloudflare, CloudFront (since 2026-05: https://github.com/docker/docs/pull/25108), R2
        // (https://github.com/docker/docs/pull/25122); S3 for callers in AWS, in the region that they are in (JFrog,
        // "Whitelist the following if your Docker registry is behind firewalls"), in each of the forms that S3 knows.
        name: "docker.io",
        registry: "registry-1.docker.io",
        tokenService: { realm: "https://auth.docker.io/token", service: "registry.docker.io" },
        redirectHosts: [
            { host: "*.docker.com", confirmed: "2026-11" },
            { host: "docker-images-prod.*.r2.cloudflarestorage.com", confirmed: "2026-11" },
            ...bucket("docker-images-prod", "2026-11"),
        ],
        // What Docker calls itself in old references (distribution/reference, normalize.go) and in its own API.
        aliases: ["index.docker.io", "registry-1.docker.io"],
        officialNamespace: "library",
    },
    {
        // Blobs: 307, as seen at https://github.com/AlexanderMattTurner/agent-glovebox/pull/840 (2026-06); Trivy's and
        // others' firewall instructions name the same single host. Referrers are a 303 to github.com since 2026-04, which
        // is no registry: an empty list for a relay's caller. Below githubusercontent.com there is users' content as well.
        name: "ghcr.io",
        registry: "ghcr.io",
        tokenService: { realm: "https://ghcr.io/token", service: "ghcr.io" },
        redirectHosts: [{ host: "pkg-containers.githubusercontent.com", confirmed: "2026-11" }],
    },
    {
        // cdn.quay.io, cdn01.quay.io to cdn06.quay.io; Red Hat advises the wildcard (OpenShift, "Configuring your
        // firewall"). Nobody else can have a name below quay.io. Callers in us-east-1 are sent to the bucket (konflux-ci
        // on caching Quay, 2025-09), and now and then to s3.us-east-1.amazonaws.com, which is everybody's.
        name: "quay.io",
        registry: "quay.io",
        tokenService: { realm: "https://quay.io/v2/auth", service: "quay.io" },
        redirectHosts: [{ host: "*.quay.io", confirmed: "2026-11" }, ...bucket("quayio-production-s3", "2026-11")],
    },
    {
        // 307 for manifests to Artifact Registry. Blobs are at cdn.registry.k8s.io since 2026-07 (kubernetes/k8s.io#9784,
        // #9865; kubernetes/registry.k8s.io#328), until then in the caller's nearest bucket or at CloudFront
        // (kubernetes/registry.k8s.io, cmd/archeio: docs/request-handling.md, internal/app/buckets.go, main.go;
        // kubernetes/k8s.io, infra/gcp/terraform/modules/oci-proxy/main.tf and pull request 6347), where a release of the
        // registry before that still has them. Names below registry.k8s.io are the project's alone.
        // No path but /v2/ asks for a token, and that one only traces.
        // Artifact Registry's regions are everybody's, the one exception to the above: the project is in the path alone.
        name: "registry.k8s.io",
        registry: "registry.k8s.io",
        redirectHosts: [
            { host: "*.registry.k8s.io", confirmed: "2026-11" },
            { host: "*-docker.pkg.dev", confirmed: "2026-11" },
            { host: "prod-registry-k8s-io-*.s3.dualstack.*.amazonaws.com", confirmed: "2026-11" },
            {
                host: "767373bbdcb8270361b96548387bf2a9ad0d48758c35-eu-west-2.s3.dualstack.eu-west-2.amazonaws.com",
                confirmed: "2026-07",
            },
            { host: "d39mqg4b1dx9z1.cloudfront.net", confirmed: "2026-07" },
            { host: "d1be1w964nk82h.cloudfront.net", confirmed: "2026-07" },
        ],
    },
    {
        // Artifact Registry since 2025: blobs are a 302 to /artifacts-downloads/… of the same host, which needs no token,
        // measured again in 2026-08 by others: https://github.com/ahmetb/serverless-registry-proxy/issues/8,
        // https://github.com/rpardini/docker-registry-proxy/issues/115.
        // storage.googleapis.com, where Container Registry had them, is everybody's, and no longer used.
        name: "gcr.io",
        registry: "gcr.io",
        tokenService: { realm: "https://gcr.io/v2/token", service: "gcr.io" },
        redirectHosts: [],
    },
    {
        // https://github.com/microsoft/containerregistry/blob/main/docs/mcr-endpoints-guidance.md
        name: "mcr.microsoft.com",
        registry: "mcr.microsoft.com",
        redirectHosts: [{ host: "*.data.mcr.microsoft.com", confirmed: "2026-11" }],
    },
    {
        // Realm and service from its challenge, Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",
        // scope="aws". Layers: https://anywhere.eks.amazonaws.com/docs/getting-started/nutanix/domains/ and
        // https://github.com/docker/sbx-releases/issues/525 (2026-08) name these two distributions. Whether there are
        // more cannot be found out from here.
        name: "public.ecr.aws",
        registry: "public.ecr.aws",
        tokenService: { realm: "https://public.ecr.aws/token/", service: "public.ecr.aws" },
        redirectHosts: [
            { host: "d2glxqk2uabbnd.cloudfront.net", confirmed: "2026-11" },
            { host: "d5l0dvt14r5h8.cloudfront.net", confirmed: "2026-11" },
        ],
    },
    {
        // Its challenge names no service (https://github.com/sapcc/keppel/pull/731, 2026-06); the token service takes the
        // registry's name, which is what Google's client sends (google/go-containerregistry#728). A challenge after an
        // expired token names another realm, where anonymous callers get none (NVIDIA/nvidia-container-toolkit#1945):
        // relays follow no realm but the table's. Blobs: a 307 to layers.nvcr.io.
        name: "nvcr.io",
        registry: "nvcr.io",
        tokenService: { realm: "https://nvcr.io/proxy_auth", service: "nvcr.io" },
        redirectHosts: [{ host: "layers.nvcr.io", confirmed: "2026-11" }],
    },
    {
        // Realm and service from its challenge. Blobs: the R2 bucket that dependabot/proxy allows for it
        // (internal/handlers/egress_allowlist_test.go, "only Elastic's own account hash"); Elastic documents none.
        name: "docker.elastic.co",
        registry: "docker.elastic.co",
        tokenService: { realm: "https://docker-auth.elastic.co/auth", service: "token-service" },
        redirectHosts: [
            {
                host: "docker-registry-production.d24a988e385e0074d717b6bdaea58f0d.r2.cloudflarestorage.com",
                confirmed: "2026-11",
            },
        ],
    },
];

/** Every host that S3 has for a bucket: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html. */
function bucket(name: string, confirmed: string): RedirectHost[] {
    return ["s3", "s3.*", "s3-*", "s3.dualstack.*"].map((form) => ({
        host: `${name}.${form}.amazonaws.com`,
        confirmed,
    }));
}

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

/** A regular expression (source text without anchors, PCRE and JavaScript alike) for the `host` of a redirect host. */
export function hostPattern(glob: string): string {
    const [first = "", ...rest] = glob.split(".");
    const beginning = first === "*" ? `${LABEL}(?:\\.${LABEL})*` : first.replaceAll("*", LABEL);
    return [beginning, ...rest.map((label) => label.replaceAll("*", LABEL))].join("\\.");
}

/** True when `host` (lower case, no port) is the registry itself or in its redirect table. */
export function mayRedirectTo(upstream: Upstream, host: string): boolean {
    return (
        host === upstream.registry ||
        upstream.redirectHosts.some((entry) => new RegExp(`^${hostPattern(entry.host)}$`).test(host))
    );
}
