import assert from "node:assert/strict";
import { clientFiles, trustFiles } from "../../../components/onprem/client-files";

const CA = "-----BEGIN CERTIFICATE-----\n";

describe("clientFiles", () => {
    it("make dockerd pull from the mirror and trust it", () => {
        const files = clientFiles({ url: "https://mirror.acme.lan", ca: CA });
        assert.deepEqual(Object.keys(files), ["/etc/docker/daemon.json", "/etc/docker/certs.d/mirror.acme.lan/ca.crt"]);
        assert.deepEqual(JSON.parse(files["/etc/docker/daemon.json"]!), {
            "registry-mirrors": ["https://mirror.acme.lan"],
        });
        assert.equal(files["/etc/docker/certs.d/mirror.acme.lan/ca.crt"], CA);
    });

    it("name the port wherever the mirror has one of its own", () => {
        const files = clientFiles({ url: "https://mirror.acme.lan:8443", ca: CA });
        assert.deepEqual(JSON.parse(files["/etc/docker/daemon.json"]!)["registry-mirrors"], [
            "https://mirror.acme.lan:8443",
        ]);
        assert.equal(files["/etc/docker/certs.d/mirror.acme.lan:8443/ca.crt"], CA);
    });

    it("lay no certificate where clients trust the mirror anyway", () => {
        assert.deepEqual(Object.keys(clientFiles({ url: "https://mirror.acme.lan" })), ["/etc/docker/daemon.json"]);
    });
});

describe("trustFiles", () => {
    it("are one file for a host with a private CA, none for another", () => {
        assert.deepEqual(trustFiles("vm.example.com", CA), { "/etc/docker/certs.d/vm.example.com/ca.crt": CA });
        assert.deepEqual(trustFiles("vm.example.com", undefined), {});
    });
});
