import assert from "node:assert/strict";
import { parsePath, relayPath } from "../../../services/registry/names";
import { selectUpstreams } from "../../../services/registry/upstreams";

const SERVED = selectUpstreams(["docker.io", "ghcr.io", "quay.io"]);
const DIGEST = `sha256:${"a".repeat(64)}`;

describe("The path of a request", () => {
    const requests: Record<string, [ns: string | undefined, upstream: string, rest: string]> = {
        "/v2/node/manifests/20": [undefined, "docker.io", "library/node manifests 20"],
        "/v2/library/node/manifests/20": [undefined, "docker.io", "library/node manifests 20"],
        "/v2/docker.io/node/manifests/20": [undefined, "docker.io", "library/node manifests 20"],
        "/v2/docker.io/grafana/loki/manifests/3.0": ["docker.io", "docker.io", "grafana/loki manifests 3.0"],
        "/v2/ghcr.io/owner/app/tags/list": [undefined, "ghcr.io", "owner/app tags list"],
        "/v2/quay.io/single/tags/list": [undefined, "quay.io", "single tags list"],
        "/v2/owner/app/tags/list": ["ghcr.io", "ghcr.io", "owner/app tags list"],
        "/v2/single/tags/list": ["quay.io", "quay.io", "single tags list"],
        "/v2/single/manifests/1": ["GHCR.IO:443", "ghcr.io", "single manifests 1"],
        "/v2/double/manifests/1": ["Quay.io%3a443", "quay.io", "double manifests 1"],
        "/v2/my.org/app/manifests/1": ["quay.io", "quay.io", "my.org/app manifests 1"],
        "/v2/index.docker.io/node/manifests/1": ["docker.io", "docker.io", "library/node manifests 1"],
        "/v2/registry-1.docker.io/a/b/manifests/1": [undefined, "docker.io", "a/b manifests 1"],
        "/v2/node/manifests/1": ["index.docker.io", "docker.io", "library/node manifests 1"],
        [`/v2/app/blobs/${DIGEST.replace(":", "%3A")}`]: [undefined, "docker.io", `library/app blobs ${DIGEST}`],
        "/v2/a/b/c/d/tags/list": [undefined, "docker.io", "a/b/c/d tags list"],
        // Words of the API are names as well.
        "/v2/manifests/blobs/manifests/tags": [undefined, "docker.io", "manifests/blobs manifests tags"],
        [`/v2/app/blobs/${DIGEST}`]: [undefined, "docker.io", `library/app blobs ${DIGEST}`],
        [`/v2/app/manifests/${DIGEST}`]: [undefined, "docker.io", `library/app manifests ${DIGEST}`],
        [`/v2/app/referrers/${DIGEST}`]: [undefined, "docker.io", `library/app referrers ${DIGEST}`],
    };
    for (const [path, [ns, upstream, rest]] of Object.entries(requests)) {
        it(`${path} with ns=${ns} is ${rest} of ${upstream}`, () => {
            const parsed = parsePath(path, ns, SERVED);
            assert.ok("request" in parsed, JSON.stringify(parsed));
            const { repository, kind, reference } = parsed.request;
            assert.equal(parsed.request.upstream.name, upstream);
            assert.equal(`${repository} ${kind} ${reference}`, rest);
        });
    }

    it("is the base for /v2/ alone", () => {
        for (const path of ["/v2/", "/v2"]) assert.deepEqual(parsePath(path, undefined, SERVED), { base: true });
    });

    const refused: Record<string, [ns: string | undefined, code: string]> = {
        "/v2/example.com/owner/app/tags/list": [undefined, "NAME_UNKNOWN"],
        "/v2/registry.k8s.io/pause/tags/list": [undefined, "NAME_UNKNOWN"],
        "/v2/owner/app/tags/list": ["127.0.0.1", "NAME_UNKNOWN"],
        "/v2/other/app/tags/list": ["", "NAME_UNKNOWN"],
        "/v2/ghcr.io/owner/app/tags/list": ["docker.io", "NAME_UNKNOWN"],
        "/v2/docker.io/a/b/tags/list": ["quay.io", "NAME_UNKNOWN"],
        "/v2/my.org/app/tags/list": [undefined, "NAME_UNKNOWN"],
        "/v2/owner/b/tags/list": ["ghcr%2eio", "NAME_UNKNOWN"],
        "/v2/owner/c/tags/list": ["ghcr.io:80", "NAME_UNKNOWN"],
        "/v2/owner%2fapp/tags/list": [undefined, "NAME_INVALID"],
        "/v2/../owner/app/tags/list": [undefined, "NAME_INVALID"],
        "/v2/Owner/app/tags/list": [undefined, "NAME_INVALID"],
        "/v2/localhost:5000/app/tags/list": [undefined, "NAME_INVALID"],
        "/v2/app/tags/other": [undefined, "NAME_INVALID"],
        "/v2/app/blobs/latest": [undefined, "NAME_INVALID"],
        "/v2/_catalog": [undefined, "NAME_INVALID"],
        "/v1/app/tags/list": [undefined, "NAME_INVALID"],
        "/v2/app/tags/list\n": [undefined, "NAME_INVALID"],
        [`/v2/${"a".repeat(256)}/tags/list`]: [undefined, "NAME_INVALID"],
    };
    for (const [path, [ns, code]] of Object.entries(refused)) {
        it(`${JSON.stringify(path)} with ns=${ns} is refused with ${code}`, () => {
            const parsed = parsePath(path, ns, SERVED);
            assert.ok("refusal" in parsed, JSON.stringify(parsed));
            assert.equal(parsed.refusal.status, 404);
            assert.equal(parsed.refusal.code, code);
        });
    }

    it("may have 255 characters, as many as Docker's own reference grammar allows", () => {
        assert.ok("request" in parsePath(`/v2/${"a".repeat(255)}/tags/list`, undefined, SERVED));
    });

    it("is read in no time when it is long and nearly right", () => {
        // A grammar that can match one text in many ways would not come back from this.
        const parsed = parsePath(`/v2/${"a-".repeat(5000)}!/tags/list`, undefined, SERVED);
        assert.ok("refusal" in parsed);
    });

    it("on a relay names Docker Hub where a name there has a dot that a prefix would have", () => {
        const parsed = parsePath("/v2/my.org/app/manifests/1", "docker.io", SERVED);
        assert.ok("request" in parsed);
        assert.equal(relayPath(parsed.request), "/v2/docker.io/my.org/app/manifests/1");
    });

    it("on a relay leads back to the same request", () => {
        for (const path of ["/v2/library/node/manifests/20", "/v2/ghcr.io/owner/app/manifests/1.0"]) {
            const parsed = parsePath(path, undefined, SERVED);
            assert.ok("request" in parsed);
            assert.equal(relayPath(parsed.request), path);
        }
    });
});
