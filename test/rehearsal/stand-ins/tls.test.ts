import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../../rehearsal/run";
import type { Properties } from "../../../rehearsal/stand-ins/stand-in";
import { tlsProvider } from "../../../rehearsal/stand-ins/tls";

const PRIVATE_KEY = "tls:index/privateKey:PrivateKey";

describe("The stand-in for @pulumi/tls", () => {
    let folder: string;
    before(() => {
        folder = mkdtempSync(join(tmpdir(), "dockermirror-tls-test-"));
    });
    after(() => rmSync(folder, { recursive: true }));

    const make = async (inputs: Properties) => {
        const made = await tlsProvider.standIns[PRIVATE_KEY]?.create({
            type: PRIVATE_KEY,
            name: "key",
            inputs,
            provider: {},
        });
        assert.ok(made);
        writeFileSync(join(folder, "id"), made.outputs.privateKeyOpenssh, { mode: 0o600 });
        assert.match(made.outputs.privateKeyOpenssh, /^-----BEGIN OPENSSH PRIVATE KEY-----\n/);
        assert.equal(await run("ssh-keygen", ["-y", "-f", join(folder, "id")]), made.outputs.publicKeyOpenssh);
        return made.outputs;
    };

    it("makes RSA keys for SSH", async () => {
        const { publicKeyOpenssh } = await make({ algorithm: "RSA", rsaBits: 2048 });
        assert.match(publicKeyOpenssh, /^ssh-rsa AAAA/);
    });

    it("makes ED25519 keys that OpenSSH and OpenSSL take for the same key", async () => {
        const { privateKeyPem, publicKeyOpenssh, publicKeyPem } = await make({ algorithm: "ED25519" });
        assert.equal(await run("openssl", ["pkey", "-pubout"], { input: privateKeyPem }), publicKeyPem);
        const wire = Buffer.from(publicKeyOpenssh.split(" ")[1], "base64").subarray(-32);
        const der = Buffer.from(publicKeyPem.split("\n")[1], "base64").subarray(-32);
        assert.deepEqual(wire, der);
    });
});
