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
        assert.ok(target instanceof URL);
        assert.equal(target.href, location);
    });

    it("is followed relative to where it came from", () => {
        const target = redirectTarget(DOCKER!, FROM, "/v2/other");
        assert.ok(target instanceof URL);
        assert.equal(target.href, "https://registry-1.docker.io/v2/other");
    });

    const refused: Record<string, [location: string | null, named: string]> = {
        "without Location": [null, "without a usable Location"],
        "to no URL": ["https://[", "without a usable Location"],
        "to http": [`http://${CDN}/x`, `http://${CDN}`],
        "to another scheme": ["file:///etc/passwd", "file:"],
        "to another port": [`https://${CDN}:8443/x`, `${CDN}:8443`],
        "with a user name": [`https://user@${CDN}/x`, CDN],
        "with a password": [`https://:secret@${CDN}/x`, CDN],
        "to a foreign host": ["https://example.com/x", "example.com"],
        "to a foreign host, without a scheme": ["//example.com/x", "example.com"],
        "to an address": ["https://127.0.0.1/x", "127.0.0.1"],
        "to an address in one number": ["https://2130706433/x", "127.0.0.1"],
    };
    for (const [what, [location, named]] of Object.entries(refused)) {
        it(`is not followed ${what}`, () => {
            const target = redirectTarget(DOCKER!, FROM, location);
            assert.ok(!(target instanceof URL));
            assert.equal(target.status, 502);
            assert.ok(target.message.includes(named), target.message);
            assert.ok(!target.message.includes("secret"), target.message);
        });
    }
});
