/** Real `ssh-agent` and `ssh-add`, and processes that are killed. That sshd lets the key in is seen by rehearsal/cloud.test.ts. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { overSsh, type SshTarget, withSsh } from "../../checks/ssh";
import { attempt, eventually } from "../../rehearsal/run";

const TARGET: SshTarget = { host: "192.0.2.1", port: 22, user: "ops" };
const PROGRAM = join(__dirname, "..", "support", "killed-program.ts");

/** As @pulumi/tls makes one. */
function pemKey(): string {
    const encoding = { type: "sec1", format: "pem" } as const;
    const { privateKey } = generateKeyPairSync("ec", {
        namedCurve: "prime256v1",
        privateKeyEncoding: encoding,
        publicKeyEncoding: { type: "spki", format: "pem" },
    });
    return privateKey;
}

/** All files below a folder but sockets, by path. */
function filesBelow(folder: string): Record<string, string> {
    const paths = readdirSync(folder, { recursive: true }).map(String);
    const files = paths.filter((path) => statSync(join(folder, path)).isFile());
    return Object.fromEntries(files.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

/** What is in a temporary folder but for tsx's cache. */
const ours = (temporary: string) => readdirSync(temporary).filter((name) => !name.startsWith("tsx-"));

describe("A private SSH key", function () {
    this.timeout(60_000);
    let folder: string;
    let opensshKey: string;
    before(() => {
        folder = mkdtempSync(join(tmpdir(), "dockermirror-ssh-test-"));
        execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "key")]);
        opensshKey = readFileSync(join(folder, "key"), "utf8");
    });
    after(() => rmSync(folder, { recursive: true }));

    for (const [what, key] of Object.entries({
        "OpenSSH's own format": () => opensshKey,
        "OpenSSH's own format, without the last line's end": () => opensshKey.trimEnd(),
        PEM: pemKey,
    })) {
        it(`is with an agent of its own, which ssh is led to, and in no file: ${what}`, async () => {
            await withSsh({ ...TARGET, privateKey: key() }, 5, async (ssh, own) => {
                const option = (name: string) =>
                    ssh.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
                const env = { ...process.env, SSH_AUTH_SOCK: option("IdentityAgent") };
                const { stdout } = await attempt("ssh-add", ["-L"], { env });
                assert.equal(stdout, readFileSync(option("IdentityFile"), "utf8"));
                assert.equal(stdout.trim().split("\n").length, 1);
                assert.equal(option("IdentitiesOnly"), "yes");
                assert.deepEqual(Object.keys(filesBelow(own)).sort(), ["key.pub", "known_hosts"]);
            });
        });
    }

    it("that cannot be used is what ssh has failed at, and is not repeated", async () => {
        execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "a passphrase", "-f", join(folder, "locked")]);
        const locked = readFileSync(join(folder, "locked"), "utf8");
        for (const privateKey of ["no key at all", "", locked]) {
            const { code, stderr } = await overSsh({ ...TARGET, privateKey }, "true", process.env);
            assert.equal(code, 255);
            assert.match(stderr, /^the private key cannot be used: ./);
            assert.ok(privateKey === "" || !stderr.includes(privateKey));
        }
    });

    for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
        it(`leaves nothing behind when the process that uses it ends by ${signal}`, async () => {
            const temporary = join(folder, signal);
            mkdirSync(temporary);
            const env = { ...process.env, TMPDIR: temporary };
            const child = spawn(process.execPath, ["--require", "tsx/cjs", PROGRAM], {
                env,
                stdio: ["pipe", "pipe", "inherit"],
            });
            child.stdin.end(opensshKey);
            await once(child.stdout, "data");
            const files = filesBelow(temporary);
            assert.equal(ours(temporary).length, 1);
            for (const [path, text] of Object.entries(files)) assert.ok(!text.includes("PRIVATE KEY"), path);
            child.kill(signal);
            await once(child, "close");
            await eventually("nothing is left", 30, async () => {
                const { stdout } = await attempt("pgrep", ["-f", temporary]);
                return ours(temporary).length === 0 && stdout === "" ? true : undefined;
            });
        });
    }
});
