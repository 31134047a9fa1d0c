import assert from "node:assert/strict";
import { mayRedirectTo, selectUpstreams, UPSTREAMS } from "../../../services/registry/upstreams";

function upstream(name: string) {
    return selectUpstreams([name])[0]!;
}

describe("The table of upstreams", () => {
    it("holds no host twice under different names", () => {
        const names = UPSTREAMS.map(({ name }) => name);
        assert.deepEqual(names, [...new Set(names)]);
    });

    it("names no host that anybody can have a part of by a wildcard", () => {
        // Customers of these clouds choose the label or get one of their own.
        const shared = /\*.*\.(cloudfront\.net|blob\.core\.windows\.net|storage\.googleapis\.com)$|^\*\.(s3|r2)\b/;
        for (const { redirectHosts } of UPSTREAMS) {
            for (const { host } of redirectHosts) assert.doesNotMatch(host, shared);
        }
    });

    it("says of every host when it was confirmed", () => {
        for (const { redirectHosts } of UPSTREAMS) {
            for (const { confirmed } of redirectHosts) assert.match(confirmed ?? "", /^20\d\d-(0[1-9]|1[0-2])$/);
        }
    });

    it("names token services by https", () => {
        for (const { tokenService } of UPSTREAMS) if (tokenService) assert.match(tokenService.realm, /^https:\/\//);
    });

    it("is selected from in its own order", () => {
        const names = selectUpstreams(["quay.io", "docker.io"]).map(({ name }) => name);
        assert.deepEqual(names, ["docker.io", "quay.io"]);
    });

    it("refuses names that it does not hold, all at once, and tells those that it does", () => {
        assert.throws(
            () => selectUpstreams(["docker.io", "example.com", "localhost"]),
            /unknown upstream "example\.com", "localhost"; known are docker\.io, .*mcr\.microsoft\.com/,
        );
    });

    const allowed: Record<string, string[]> = {
        "docker.io": [
            "registry-1.docker.io",
            "production.cloudflare.docker.com",
            "production.cloudfront.docker.com",
            "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com",
            ...["s3", "s3.us-east-1", "s3.eu-central-1", "s3-us-west-2", "s3-accelerate", "s3.dualstack.us-east-1"].map(
                (form) => `docker-images-prod.${form}.amazonaws.com`,
            ),
            "docker-images-prod.s3.dualstack.ap-northeast-1.amazonaws.com",
        ],
        "ghcr.io": ["pkg-containers.githubusercontent.com"],
        "quay.io": [
            "cdn.quay.io",
            ...["01", "02", "03", "04", "05", "06"].map((number) => `cdn${number}.quay.io`),
            "quayio-production-s3.s3.amazonaws.com",
            "quayio-production-s3.s3.us-east-1.amazonaws.com",
            "quayio-production-s3.s3.dualstack.us-east-1.amazonaws.com",
        ],
        "registry.k8s.io": [
            "cdn.registry.k8s.io",
            "europe-west1-docker.pkg.dev",
            "prod-registry-k8s-io-eu-west-1.s3.dualstack.eu-west-1.amazonaws.com",
            "767373bbdcb8270361b96548387bf2a9ad0d48758c35-eu-west-2.s3.dualstack.eu-west-2.amazonaws.com",
            "d39mqg4b1dx9z1.cloudfront.net",
        ],
        "gcr.io": ["gcr.io"],
        "mcr.microsoft.com": ["eastus.data.mcr.microsoft.com"],
        "public.ecr.aws": ["d2glxqk2uabbnd.cloudfront.net", "d5l0dvt14r5h8.cloudfront.net"],
        "nvcr.io": ["layers.nvcr.io"],
        "docker.elastic.co": ["docker-registry-production.d24a988e385e0074d717b6bdaea58f0d.r2.cloudflarestorage.com"],
    };
    for (const [name, hosts] of Object.entries(allowed)) {
        for (const host of hosts) {
            it(`lets ${name} redirect to ${host}`, () => assert.equal(mayRedirectTo(upstream(name), host), true));
        }
    }

    const forbidden: Record<string, string[]> = {
        "docker.io": [
            "docker.com",
            "evildocker.com",
            "production.cloudflare.docker.com.example.com",
            "production-cloudflare-docker.com",
            "docker-images-prod.a.b.r2.cloudflarestorage.com",
            "other-images.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com",
            "docker-images-prodXs3.dualstack.us-east-1.amazonaws.com",
            "docker-images-prod.evil.s3.amazonaws.com",
            "evil-docker-images-prod.s3.amazonaws.com",
            "evil.docker-images-prod.s3.amazonaws.com",
            "docker-images-prod.s3.us-east-1.amazonaws.com.example.com",
            "docker-images-prod.s3.us-east-1.example.com",
            "docker-images-prod.s3.amazonaws.com.cn",
            "s3.amazonaws.com",
            "auth.docker.io",
            "ghcr.io",
            "127.0.0.1",
            "",
        ],
        "registry.k8s.io": [
            "pkg.dev",
            "other-bucket.s3.dualstack.eu-west-1.amazonaws.com",
            "prod-registry-k8s-io-x.evil.s3.dualstack.eu-west-1.amazonaws.com",
            "europe-west1-python.pkg.dev",
            "d111111abcdef8.cloudfront.net",
        ],
        "gcr.io": ["storage.googleapis.com", "us-docker.pkg.dev"],
        "public.ecr.aws": ["d111111abcdef8.cloudfront.net", "cloudfront.net"],
        "quay.io": ["quay.io.example.com", "evilquay.io", "s3.us-east-1.amazonaws.com", "other.s3.amazonaws.com"],
        "ghcr.io": ["github.com", "raw.githubusercontent.com", "evil.pkg-containers.githubusercontent.com"],
        "mcr.microsoft.com": ["data.mcr.microsoft.com.example.com", "mcr.microsoft.com.evil.net"],
        "nvcr.io": ["evil.layers.nvcr.io", "xfiles.ngc.nvidia.com"],
        "docker.elastic.co": [
            "docker-registry-production.deadbeefdeadbeefdeadbeefdeadbeef.r2.cloudflarestorage.com",
            "docker-auth.elastic.co",
        ],
    };
    for (const [name, hosts] of Object.entries(forbidden)) {
        for (const host of hosts) {
            it(`does not let ${name} redirect to "${host}"`, () =>
                assert.equal(mayRedirectTo(upstream(name), host), false));
        }
    }
});
