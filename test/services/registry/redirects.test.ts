import assert from "node:assert/strict";
import { isRedirect, redirectTarget } from "../../../services/registry/redirects";
import { selectUpstreams } from "../../../services/registry/upstreams";

const [DOCKER] = selectUpstreams(["docker.io"]);
const FROM = "https://registry-1.docker.io/v2/library/node/blobs/sha256:x";
const CDN = "production.cloudflare.docker.com";

describe("A redirect", () => {
    it("is what the statuses with a Location say, and not 304", () => {
        const redirects = [200, 206, 300, 301, 302, 303, 304, 307, 308, 404].filter(isRedirect);
        assert.deepEqual(redirects, [301, 302, 303, 307, 308]);
    });

    it("is followed to a host of the table, its query byte for byte", () => {
        const location = `https://${CDN}/a/data?X-Amz-Credential=a%2Fb&x=a+b%20c~d%7Ee%2Bf&Signature=ab%3D`;
        const target = redirectTarget(DOCKER!, FROM, location);
        assert.equal(target, location);
    });

    it("is followed relative to where it came from", () => {
        const target = redirectTarget(DOCKER!, FROM, "/v2/other");
        assert.equal(target, "https://registry-1.docker.io/v2/other");
    });

    const forms: Record<string, string> = {
        [`https://${CDN}:443/a`]: `https://${CDN}/a`,
        [`https://${CDN}:0443/a`]: `https://${CDN}/a`,
        [`https://${CDN}:/a`]: `https://${CDN}/a`,
        [`HTTPS://${CDN.toUpperCase()}/A?B=C`]: `https://${CDN}/A?B=C`,
        [`//${CDN}/a`]: `https://${CDN}/a`,
        [`https://${CDN}`]: `https://${CDN}/`,
        [`https://${CDN}?x=1`]: `https://${CDN}/?x=1`,
        [`https://${CDN}/a b?x=c d`]: `https://${CDN}/a%20b?x=c%20d`,
        [` https://${CDN}/a `]: `https://${CDN}/a`,
        [`https://${CDN}/a#part`]: `https://${CDN}/a`,
        [`https://${CDN}/a/./b/../c?x=/../d`]: `https://${CDN}/a/c?x=/../d`,
        [`https://${CDN}/a/%2e%2E/c/..`]: `https://${CDN}/`,
        [`https://${CDN}/../../a`]: `https://${CDN}/a`,
        [`https://${CDN}/a|b"c`]: `https://${CDN}/a%7Cb%22c`,
        "other/data?x=1": "https://registry-1.docker.io/v2/library/node/blobs/other/data?x=1",
        "../manifests/x": "https://registry-1.docker.io/v2/library/node/manifests/x",
        "?x=1": "https://registry-1.docker.io/v2/library/node/blobs/sha256:x?x=1",
        "//registry-1.docker.io/x": "https://registry-1.docker.io/x",
    };
    for (const [location, url] of Object.entries(forms)) {
        it(`to ${location} leads to ${url}`, () => {
            assert.equal(redirectTarget(DOCKER!, FROM, location), url);
            // Nothing that fetch would read in another way.
            assert.equal(new URL(url).href, url);
        });
    }

    const refused: Record<string, [location: string | null, named: string]> = {
        "without Location": [null, "without a usable Location"],
        "to no URL": ["https://[", "without a usable Location"],
        "to http": [`http://${CDN}/x`, CDN],
        "to another scheme": ["file:///etc/passwd", "without a usable Location"],
        "to another port": [`https://${CDN}:8443/x`, CDN],
        "with a user name": [`https://user@${CDN}/x`, CDN],
        "with a password": [`https://:secret@${CDN}/x`, CDN],
        "to a foreign host": ["https://example.com/x", "example.com"],
        "to a foreign host, without a scheme": ["//example.com/x", "example.com"],
        "to an address": ["https://127.0.0.1/x", "127.0.0.1"],
        "without anything": ["", "without a usable Location"],
        "to bytes that are no URL": ["https://\u00e9.docker.com/", "without a usable Location"],
        "to a line break": [`https://${CDN}/\r\nx`, "without a usable Location"],
        "to an encoded host": ["https://production%2ecloudflare.docker.com/", "without a usable Location"],
        "with backslashes": [`https:\\\\${CDN}\\x`, "without a usable Location"],
        "with one slash": [`https:/${CDN}/x`, "without a usable Location"],
        "with an empty user": [`https://@${CDN}/x`, CDN],
        "with a backslash before a foreign host": [`https://${CDN}\\@example.com/x`, "example.com"],
        "to a host with a dot at its end": [`https://${CDN}./x`, CDN],
        "to an address in one number": ["https://2130706433/x", "2130706433"],
    };
    for (const [what, [location, named]] of Object.entries(refused)) {
        it(`is not followed ${what}`, () => {
            const target = redirectTarget(DOCKER!, FROM, location);
            assert.ok(typeof target !== "string");
            assert.equal(target.status, 502);
            assert.ok(target.message.includes(named), target.message);
            assert.ok(!target.message.includes("secret"), target.message);
        });
    }
});
