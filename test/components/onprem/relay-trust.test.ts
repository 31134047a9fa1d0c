/** What RelayTrust runs, by a real shell. That dockerd then trusts the relays is shown by the rehearsal. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { RelayTrust, type RelayTrustArgs } from "../../../components/onprem/relay-trust";
import { type Deployed, deploy, isSecret, only, reveal } from "../../support/deploy";

const COMMAND = "command:local:Command";
const CA = "-----BEGIN CERTIFICATE-----\nit's $HOME\n-----END CERTIFICATE-----\n";
const CERTIFICATES = "etc/docker/certs.d";
const KEY = pulumi.secret("sEntiNelKey");
const TOKYO = { name: "tokyo", hostname: pulumi.output("vm.example.com"), key: KEY, ca: pulumi.output(CA) };
const BERLIN = { name: "berlin", hostname: "vm2.example.com", key: KEY, ca: "another CA" };
const WORKER = { name: "worker", hostname: "hub.example.com", key: KEY };
const SOCKET = "unix:///var/run/docker.sock";

function make(docker: string, relays: RelayTrustArgs["relays"] = [TOKYO, WORKER, BERLIN]): Promise<Deployed> {
    return deploy(() => ({ trust: new RelayTrust("trust", { docker, relays, hostId: "network" }).urn }));
}

describe("RelayTrust", () => {
    let root: string;
    beforeEach(() => {
        root = mkdtempSync(join(tmpdir(), "dockermirror-trust-"));
        // In place of a machine: tells its arguments but for the command, and runs the command as sshd would.
        const ssh = [
            "#!/bin/sh",
            `: > ${root}/ssh`,
            `while [ $# -gt 1 ]; do echo "$1" >> ${root}/ssh; shift; done`,
            'exec sh -c "$1"',
        ];
        writeFileSync(join(root, "ssh-stand-in"), ssh.join("\n"), { mode: 0o755 });
    });
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    /** The command as it is, but for where the root of the file system and the program `ssh` are. */
    function run(command: string, input = ""): void {
        const here = command
            .replaceAll("/etc/docker", `${root}/etc/docker`)
            .replace(/^'?ssh'? /, `${join(root, "ssh-stand-in")} `);
        execFileSync("sh", ["-c", here], { input });
    }

    const ca = (hostname: string) => join(root, CERTIFICATES, hostname, "ca.crt");

    it("is one command under itself, which knows nothing of the relays' keys", async () => {
        const deployed = await make(SOCKET);
        const { inputs, parent } = only(deployed, COMMAND);
        assert.match(parent, /dockermirror:onprem:RelayTrust::trust$/);
        assert.equal(deployed.resources.length, 2);
        assert.ok(!JSON.stringify(reveal(inputs)).includes("sEntiNel"));
        assert.ok(!isSecret(inputs.stdin));
    });

    for (const docker of [SOCKET, "ssh://ops@10.1.0.5:2222"]) {
        it(`lays the certificates, readable for all, and takes them away when destroyed, at ${docker}`, async () => {
            const { inputs } = only(await make(docker), COMMAND);
            run(inputs.create, inputs.stdin);
            assert.equal(readFileSync(ca("vm.example.com"), "utf8"), CA);
            assert.equal(readFileSync(ca("vm2.example.com"), "utf8"), "another CA");
            assert.deepEqual(readdirSync(join(root, CERTIFICATES)), ["vm.example.com", "vm2.example.com"]);
            assert.equal(statSync(ca("vm.example.com")).mode & 0o444, 0o444);
            assert.equal(statSync(dirname(ca("vm.example.com"))).mode & 0o777, 0o755);
            run(inputs.delete, inputs.stdin);
            assert.deepEqual(readdirSync(join(root, CERTIFICATES)), []);
            assert.equal(existsSync(join(root, "ssh")), docker !== SOCKET);
        });
    }

    it("lays a renewed certificate over the old one, without taking anything away", async () => {
        const before = only(await make(SOCKET), COMMAND).inputs;
        const after = only(await make(SOCKET, [{ ...TOKYO, ca: "a renewed one" }, WORKER, BERLIN]), COMMAND).inputs;
        assert.deepEqual([after.triggers, after.create], [before.triggers, before.create]);
        run(before.create, before.stdin);
        run(after.create, after.stdin);
        assert.equal(readFileSync(ca("vm.example.com"), "utf8"), "a renewed one");
    });

    it("is replaced when a relay goes, and takes all away before it lays those that stay", async () => {
        const [before, after] = [only(await make(SOCKET), COMMAND), only(await make(SOCKET, [BERLIN]), COMMAND)];
        assert.notDeepEqual(after.inputs.triggers, before.inputs.triggers);
        assert.equal(after.deleteBeforeReplace, true);
        run(before.inputs.create, before.inputs.stdin);
        run(before.inputs.delete, before.inputs.stdin);
        run(after.inputs.create, after.inputs.stdin);
        assert.deepEqual(readdirSync(join(root, CERTIFICATES)), ["vm2.example.com"]);
    });

    it("does nothing where every relay's certificate is publicly trusted", async () => {
        const { inputs } = only(await make(SOCKET, [WORKER]), COMMAND);
        run(inputs.create, inputs.stdin);
        run(inputs.delete, inputs.stdin);
        assert.ok(!existsSync(join(root, "etc")));
    });

    it("says so when a certificate cannot be laid", async () => {
        const { inputs } = only(await make(SOCKET), COMMAND);
        writeFileSync(join(root, "etc"), "no folder");
        assert.throws(() => run(inputs.create, inputs.stdin));
    });

    const addresses = {
        "ssh://ops@10.1.0.5:2222": ["-T", "-p", "2222", "-l", "ops", "--", "10.1.0.5"],
        "ssh://onprem.acme.lan": ["-T", "--", "onprem.acme.lan"],
    };
    for (const [docker, words] of Object.entries(addresses)) {
        it(`reaches ${docker} as @pulumi/docker does, by the user's own SSH`, async () => {
            const { inputs } = only(await make(docker), COMMAND);
            run(inputs.create, inputs.stdin);
            assert.deepEqual(readFileSync(join(root, "ssh"), "utf8").trimEnd().split("\n"), words);
        });
    }
});
