/** What RelayTrust runs, by a real shell. That dockerd then trusts the relay is shown by the rehearsal. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { RelayTrust } from "../../../components/onprem/relay-trust";
import { type Deployed, deploy, only, reveal } from "../../support/deploy";

const COMMAND = "command:local:Command";
const CA = "-----BEGIN CERTIFICATE-----\nit's $HOME\n-----END CERTIFICATE-----\n";
const FOLDER = "etc/docker/certs.d/vm.example.com";
const SOCKET = "unix:///var/run/docker.sock";

function make(docker: string): Promise<Deployed> {
    const hostname = pulumi.output("vm.example.com");
    const relay = { name: "nginx", hostname, key: pulumi.secret("sEntiNelKey"), ca: pulumi.output(CA) };
    return deploy(() => ({ trust: new RelayTrust("trust", { docker, relay }).urn }));
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

    it("is one command under itself, which knows nothing of the relay's key", async () => {
        const deployed = await make(SOCKET);
        const { inputs, parent } = only(deployed, COMMAND);
        assert.match(parent, /dockermirror:onprem:RelayTrust::trust$/);
        assert.equal(deployed.resources.length, 2);
        assert.equal(inputs.stdin, CA);
        assert.ok(!JSON.stringify(reveal(inputs)).includes("sEntiNel"));
    });

    for (const docker of [SOCKET, "ssh://ops@10.1.0.5:2222"]) {
        it(`lays the certificate, readable for all, and takes it away when destroyed, at ${docker}`, async () => {
            const { inputs } = only(await make(docker), COMMAND);
            run(inputs.create, inputs.stdin);
            const file = join(root, FOLDER, "ca.crt");
            assert.equal(readFileSync(file, "utf8"), CA);
            assert.equal(statSync(file).mode & 0o444, 0o444);
            assert.equal(statSync(join(root, FOLDER)).mode & 0o777, 0o755);
            // An update lays it over what is there.
            run(inputs.create, "a renewed one");
            assert.equal(readFileSync(file, "utf8"), "a renewed one");
            run(inputs.delete);
            assert.ok(!existsSync(join(root, FOLDER)));
            assert.ok(existsSync(join(root, "etc/docker/certs.d")));
            assert.equal(existsSync(join(root, "ssh")), docker !== SOCKET);
        });
    }

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
