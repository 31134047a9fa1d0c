import assert from "node:assert/strict";
import { redirectHostProblem, withRedirectHosts } from "../../../services/registry/redirect-hosts";
import { mayRedirectTo, selectUpstreams, UPSTREAMS } from "../../../services/registry/upstreams";

describe("A redirect host of the settings", () => {
    const usable = [
        "cdn.example.com",
        "*.example.com",
        "cdn*.example.com",
        "a.b.*.example.com",
        "x1.example",
        "example.co.uk",
        "*.example.co.uk",
        "docker-images-prod.s3.*.amazonaws.com",
        "docker-images-prod.s3.dualstack.*.amazonaws.com",
        "vendor-bucket.s3.amazonaws.com",
        "vendor.*.r2.cloudflarestorage.com",
        "9236a389bd48b984df91adc1bc924620.r2.cloudflarestorage.com",
        "d111111abcdef8.cloudfront.net",
        "vendor.blob.core.windows.net",
        "vendor.storage.googleapis.com",
        "vendor.azureedge.net",
        "pkg-containers.githubusercontent.com",
        "xn--bcher-kva.example",
    ];
    for (const entry of usable) {
        it(`may be ${entry}`, () => assert.equal(redirectHostProblem(entry), undefined));
    }

    const refused: Record<string, RegExp> = {
        "https://cdn.example.com": /without a scheme/,
        "cdn.example.com/blobs": /without a path/,
        "cdn.example.com?x": /without a path/,
        "user@cdn.example.com": /without a user/,
        "cdn.example.com:443": /without a port/,
        "cdn.example.com:": /without a port/,
        "CDN.example.com": /in lower case/,
        "192.0.2.1": /not an address/,
        "[2001:db8::1]": /not an address|without a port/,
        "2001:db8::1": /not an address|without a port/,
        localhost: /must be a host name/,
        "": /must be a host name/,
        " cdn.example.com": /must be a host name/,
        "cdn.example.com.": /must be a host name/,
        ".example.com": /must be a host name/,
        "cdn..example.com": /must be a host name/,
        "-cdn.example.com": /must be a host name/,
        "cdn_1.example.com": /must be a host name/,
        "cdn.example.com$x": /must be a host name/,
        'cdn.example.com"': /must be a host name/,
        "b\u00fccher.example": /must be a host name/,
        [`${"a".repeat(64)}.example.com`]: /must be a host name/,
        [`${"a.".repeat(130)}com`]: /must be a host name/,
        "**.example.com": /one \* in a label/,
        "*a*.example.com": /one \* in a label/,
        "*": /must be a host name/,
        "*.*": /must be a host name/,
        "*.com": /names below com are for sale/,
        "cdn.*.com": /names below com are for sale/,
        "*example.com": /names below com are for sale/,
        "*.co.uk": /names below co\.uk are for sale/,
        "*.com.cn": /names below com\.cn are for sale/,
        "cdn.example.*": /must be a host name/,
        "*.cloudfront.net": /below cloudfront\.net it is/,
        "d*.cloudfront.net": /below cloudfront\.net it is/,
        "*.amazonaws.com": /below amazonaws\.com it is/,
        "*.s3.amazonaws.com": /below amazonaws\.com it is/,
        "vendor-*.s3.amazonaws.com": /below amazonaws\.com it is/,
        "*.s3.*.amazonaws.com": /below amazonaws\.com it is/,
        "*.r2.cloudflarestorage.com": /below cloudflarestorage\.com it is/,
        "*.blob.core.windows.net": /below core\.windows\.net it is/,
        "*.storage.googleapis.com": /below googleapis\.com it is|customers of a cloud share/,
        "*.githubusercontent.com": /below githubusercontent\.com it is/,
        "*.aliyuncs.com": /below aliyuncs\.com it is/,
        "*-docker.pkg.dev": /customers of a cloud share/,
        "cloudfront.net": /customers of a cloud share/,
        "amazonaws.com": /customers of a cloud share/,
        "s3.amazonaws.com": /customers of a cloud share/,
        "s3.us-east-1.amazonaws.com": /customers of a cloud share/,
        "s3.*.amazonaws.com": /customers of a cloud share/,
        "s3-us-west-2.amazonaws.com": /customers of a cloud share/,
        "s3.dualstack.us-east-1.amazonaws.com": /customers of a cloud share/,
        "storage.googleapis.com": /customers of a cloud share/,
        "us-docker.pkg.dev": /customers of a cloud share/,
        "github.com": /customers of a cloud share/,
        "raw.githubusercontent.com": /customers of a cloud share/,
    };
    for (const [entry, why] of Object.entries(refused)) {
        it(`may not be ${JSON.stringify(entry).slice(0, 60)}`, () =>
            assert.match(redirectHostProblem(entry) ?? "", why));
    }

    it("is what its own upstream may redirect to, and no other", () => {
        const added = withRedirectHosts(UPSTREAMS, { "quay.io": ["*.example.com", "bucket.s3.*.amazonaws.com"] });
        for (const upstream of added) {
            const isQuay = upstream.name === "quay.io";
            for (const host of ["cdn.example.com", "a.b.example.com", "bucket.s3.eu-west-1.amazonaws.com"])
                assert.equal(mayRedirectTo(upstream, host), isQuay, `${upstream.name} ${host}`);
            for (const host of ["example.com", "cdn.example.com.evil.net", "evil.s3.eu-west-1.amazonaws.com"])
                assert.equal(mayRedirectTo(upstream, host), false, `${upstream.name} ${host}`);
        }
    });

    it("takes nothing away, and leaves what is not relayed", () => {
        const [docker, ...rest] = withRedirectHosts(selectUpstreams(["docker.io"]), {
            "docker.io": ["cdn.example.com"],
            "quay.io": ["cdn.example.com"],
        });
        assert.deepEqual(rest, []);
        assert.equal(mayRedirectTo(docker!, "production.cloudflare.docker.com"), true);
    });
});
