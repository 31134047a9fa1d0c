import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { issue, makeCa } from "../../rehearsal/pki";

describe("The test PKI", () => {
    const ca = makeCa("Test CA");
    const root = new X509Certificate(ca.cert);

    it("makes a CA that may sign and signed itself", () => {
        assert.equal(root.ca, true);
        assert.equal(root.subject, "CN=Test CA");
        assert.ok(root.verify(root.publicKey));
    });

    it("issues a certificate for every host given, by name, wildcard and address", () => {
        const leaf = new X509Certificate(issue(ca, ["a.example.com", "*.b.example.com", "127.0.0.9"]).cert);
        assert.equal(leaf.ca, false);
        assert.ok(leaf.verify(root.publicKey));
        assert.equal(leaf.checkHost("a.example.com"), "a.example.com");
        assert.equal(leaf.checkHost("x.b.example.com"), "*.b.example.com");
        assert.equal(leaf.checkIP("127.0.0.9"), "127.0.0.9");
        assert.equal(leaf.checkHost("c.example.com"), undefined);
    });

    it("issues for a host name that is too long for a common name", () => {
        const host = `${"a".repeat(60)}.example.com`;
        assert.equal(new X509Certificate(issue(ca, [host]).cert).checkHost(host), host);
    });

    it("gives each certificate a key and a serial number of its own", () => {
        const [one, two] = [issue(ca, ["a.example.com"]), issue(ca, ["a.example.com"])];
        assert.notEqual(one.key, two.key);
        assert.notEqual(new X509Certificate(one.cert).serialNumber, new X509Certificate(two.cert).serialNumber);
    });

    it("issues for 397 days, or for the life that is wanted, also one that is over", () => {
        const leaf = new X509Certificate(issue(ca, ["a.example.com"]).cert);
        assert.equal(Date.parse(leaf.validTo) - Date.parse(leaf.validFrom), 397 * 24 * 60 * 60 * 1000);
        const life = { from: new Date("2026-01-01T00:00:00Z"), to: new Date("2026-04-01T12:30:15Z") };
        const old = new X509Certificate(issue(ca, ["a.example.com"], life).cert);
        assert.deepEqual([new Date(old.validFrom), new Date(old.validTo)], [life.from, life.to]);
    });

    it("refuses a certificate for nobody", () => {
        assert.throws(() => issue(ca, []), /at least one host name, got none/);
    });
});
