import assert from "node:assert/strict";
import { PrivateCa } from "../../components/private-ca";
import { deploy, isSecret, only, reveal } from "../support/deploy";

const HOURS_A_YEAR = 365 * 24;

function deployCa(hostname: string) {
    const outputs = {
        "tls:index/privateKey:PrivateKey": (_: unknown, name: string) => ({ privateKeyPem: `key of ${name}` }),
        "tls:index/selfSignedCert:SelfSignedCert": () => ({ certPem: "the CA" }),
        "tls:index/certRequest:CertRequest": () => ({ certRequestPem: "the request" }),
        "tls:index/locallySignedCert:LocallySignedCert": () => ({ certPem: "the leaf" }),
    };
    return deploy(
        () => {
            const { ca, certificate, key } = new PrivateCa("mirror", { hostname });
            return { ca, certificate, key };
        },
        { outputs },
    );
}

describe("PrivateCa", () => {
    it("is an authority of ten years that may only sign", async () => {
        const { inputs } = only(await deployCa("mirror.acme.lan"), "tls:index/selfSignedCert:SelfSignedCert");
        assert.deepEqual(reveal(inputs), {
            privateKeyPem: "key of mirror-authority-key",
            subject: { commonName: "dockermirror mirror.acme.lan" },
            isCaCertificate: true,
            allowedUses: ["cert_signing", "crl_signing"],
            validityPeriodHours: 10 * HOURS_A_YEAR,
        });
    });

    it("signs a server's certificate of five years, renewed a year early", async () => {
        const deployed = await deployCa("mirror.acme.lan");
        assert.deepEqual(reveal(only(deployed, "tls:index/certRequest:CertRequest").inputs), {
            privateKeyPem: "key of mirror-key",
            subject: { commonName: "mirror.acme.lan" },
            dnsNames: ["mirror.acme.lan"],
        });
        const { inputs } = only(deployed, "tls:index/locallySignedCert:LocallySignedCert");
        assert.deepEqual(reveal(inputs), {
            caCertPem: "the CA",
            caPrivateKeyPem: "key of mirror-authority-key",
            certRequestPem: "the request",
            allowedUses: ["digital_signature", "server_auth"],
            validityPeriodHours: 5 * HOURS_A_YEAR,
            earlyRenewalHours: HOURS_A_YEAR,
        });
        assert.deepEqual(deployed.outputs, { ca: "the CA", certificate: "the leaf", key: "key of mirror-key" });
    });

    it("keeps both keys secret", async () => {
        const deployed = await deployCa("mirror.acme.lan");
        assert.ok(isSecret(only(deployed, "tls:index/selfSignedCert:SelfSignedCert").inputs.privateKeyPem));
        assert.ok(isSecret(only(deployed, "tls:index/certRequest:CertRequest").inputs.privateKeyPem));
        assert.ok(isSecret(only(deployed, "tls:index/locallySignedCert:LocallySignedCert").inputs.caPrivateKeyPem));
    });

    it("cuts what is too long for a common name, not the name that counts", async () => {
        const hostname = `${"a".repeat(60)}.example.com`;
        const { inputs } = only(await deployCa(hostname), "tls:index/certRequest:CertRequest");
        assert.equal(inputs.subject.commonName.length, 64);
        assert.deepEqual(inputs.dnsNames, [hostname]);
    });
});
