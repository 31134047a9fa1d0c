/** The files of the `clients` output, exactly. That dockerd takes them is for the rehearsal to show. */
import assert from "node:assert/strict";
import { clientFiles, trustFiles } from "../../../components/onprem/client-files";
import { selectUpstreams, UPSTREAMS } from "../../../services/registry/upstreams";

const CA = "-----BEGIN CERTIFICATE-----\n";
const URL = "https://mirror.acme.lan";
const upstreams = selectUpstreams(["docker.io", "ghcr.io"]);

/** A line of a file that is neither empty nor a comment. */
const settings = (text: string | undefined) => (text ?? "").split("\n").filter((line) => !/^(#|$)/.test(line));

describe("clientFiles", () => {
    it("make dockerd pull from the mirror and trust it", () => {
        const files = clientFiles({ url: URL, ca: CA, upstreams });
        assert.deepEqual(Object.keys(files), [
            "/etc/docker/daemon.json",
            "/etc/docker/certs.d/mirror.acme.lan/ca.crt",
            "/etc/docker/certs.d/docker.io/hosts.toml",
            "/etc/docker/certs.d/ghcr.io/hosts.toml",
        ]);
        assert.deepEqual(JSON.parse(files["/etc/docker/daemon.json"]!), { "registry-mirrors": [URL] });
        assert.equal(files["/etc/docker/certs.d/mirror.acme.lan/ca.crt"], CA);
    });

    for (const [upstream, server] of [
        ["docker.io", "https://registry-1.docker.io"],
        ["ghcr.io", "https://ghcr.io"],
    ] as const) {
        it(`let Docker's containerd store pull ${upstream} from the mirror and push to ${server}`, () => {
            const files = clientFiles({ url: URL, ca: CA, upstreams });
            const text = files[`/etc/docker/certs.d/${upstream}/hosts.toml`];
            assert.deepEqual(settings(text), [
                `server = "${server}"`,
                `[host."https://mirror.acme.lan"]`,
                `    capabilities = ["pull", "resolve", "referrers"]`,
                `    ca = "/etc/docker/certs.d/mirror.acme.lan/ca.crt"`,
            ]);
            assert.match(text ?? "", /[^\n]\n$/);
        });
    }

    it("have one hosts.toml for each upstream, at that upstream's own registry", () => {
        const files = clientFiles({ url: URL, upstreams: UPSTREAMS });
        for (const { name, registry } of UPSTREAMS) {
            assert.equal(
                settings(files[`/etc/docker/certs.d/${name}/hosts.toml`])[0],
                `server = "https://${registry}"`,
            );
        }
        assert.equal(Object.keys(files).length, 1 + UPSTREAMS.length);
    });

    it("name the port wherever the mirror has one of its own", () => {
        const files = clientFiles({ url: `${URL}:8443`, ca: CA, upstreams });
        assert.deepEqual(JSON.parse(files["/etc/docker/daemon.json"]!)["registry-mirrors"], [`${URL}:8443`]);
        assert.equal(files["/etc/docker/certs.d/mirror.acme.lan:8443/ca.crt"], CA);
        assert.deepEqual(settings(files["/etc/docker/certs.d/docker.io/hosts.toml"]).slice(1), [
            `[host."https://mirror.acme.lan:8443"]`,
            `    capabilities = ["pull", "resolve", "referrers"]`,
            `    ca = "/etc/docker/certs.d/mirror.acme.lan:8443/ca.crt"`,
        ]);
    });

    it("name and lay no certificate where clients trust the mirror anyway", () => {
        const files = clientFiles({ url: URL, upstreams });
        assert.deepEqual(Object.keys(files), [
            "/etc/docker/daemon.json",
            "/etc/docker/certs.d/docker.io/hosts.toml",
            "/etc/docker/certs.d/ghcr.io/hosts.toml",
        ]);
        assert.deepEqual(settings(files["/etc/docker/certs.d/ghcr.io/hosts.toml"]), [
            `server = "https://ghcr.io"`,
            `[host."https://mirror.acme.lan"]`,
            `    capabilities = ["pull", "resolve", "referrers"]`,
        ]);
    });
});

describe("trustFiles", () => {
    it("are one file for a host with a private CA, none for another", () => {
        assert.deepEqual(trustFiles("vm.example.com", CA), { "/etc/docker/certs.d/vm.example.com/ca.crt": CA });
        assert.deepEqual(trustFiles("vm.example.com", undefined), {});
    });
});
