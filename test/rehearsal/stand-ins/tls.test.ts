import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../../rehearsal/run";
import { tlsStandIns } from "../../../rehearsal/stand-ins/tls";

const PRIVATE_KEY = "tls:index/privateKey:PrivateKey";

describe("The stand-in for @pulumi/tls", () => {
    let folder: string;
    before(() => {
        folder = mkdtempSync(join(tmpdir(), "dockermirror-tls-test-"));
    });
    after(() => rmSync(folder, { recursive: true }));

    it("makes ED25519 keys that OpenSSH and OpenSSL take for the same key", async () => {
        const made = await tlsStandIns[PRIVATE_KEY]?.create({
            type: PRIVATE_KEY,
            name: "host-key",
            inputs: { algorithm: "ED25519" },
        });
        assert.ok(made);
        const { privateKeyOpenssh, privateKeyPem, publicKeyOpenssh, publicKeyPem } = made.outputs;
        writeFileSync(join(folder, "id"), privateKeyOpenssh, { mode: 0o600 });
        writeFileSync(join(folder, "id.pub"), publicKeyOpenssh);
        const line = await run("ssh-keygen", ["-y", "-f", join(folder, "id")]);
        assert.equal(line.trim(), publicKeyOpenssh.trim());
        assert.equal(await run("openssl", ["pkey", "-pubout"], { input: privateKeyPem }), publicKeyPem);
        const wire = Buffer.from(publicKeyOpenssh.split(" ")[1], "base64").subarray(-32);
        const der = Buffer.from(publicKeyPem.split("\n")[1], "base64").subarray(-32);
        assert.deepEqual(wire, der);
    });
});
