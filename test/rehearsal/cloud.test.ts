/** The rehearsal's cloud, with real machines. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import type { Opening } from "../../rehearsal/firewall";
import { makeCa } from "../../rehearsal/pki";
import { eventually, run } from "../../rehearsal/run";
import { dialAndRun } from "../../rehearsal/ssh";
import { startCloud, type TestCloud } from "../support/cloud";

const BOOT_SECONDS = 60;
const ssh = (from: string): Opening => ({ protocol: "tcp", fromPort: 22, toPort: 22, from: [from] });

describe("The rehearsal's cloud", function () {
    this.timeout(120_000);
    let test: TestCloud;

    before(async () => {
        test = await startCloud("cloud", [makeCa("a public CA of the test").cert]);
        const { cloud, firewall, folder, gateway } = test;
        await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "id")]);
        const login = { name: "root", ssh_authorized_keys: [readFileSync(join(folder, "id.pub"), "utf8").trim()] };
        const userData = `#cloud-config\n${JSON.stringify({ disable_root: false, users: [login] })}\n`;
        await firewall.setGroup("sg-test", [ssh(`${gateway}/32`)]);
        await Promise.all(["i-one", "i-two"].map((machine) => cloud.launch(machine, userData, "sg-test")));
    });
    after(() => test.close());

    /** The name that a machine gives itself, asked over SSH from this machine. */
    const nameAt = async (address: string): Promise<string> => {
        const options = ["-F", "none", "-i", join(test.folder, "id"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"];
        const anyKey = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"];
        return (await run("ssh", [...options, ...anyKey, `root@${address}`, "hostname"])).trim();
    };
    const reaches = async (name: string, address: string, port: number) =>
        (await test.inMachine(name, `timeout 2 bash -c 'exec 3<>/dev/tcp/${address}/${port}'`)).code === 0;

    it("boots machines with their user data by cloud-init's own units", async () => {
        const address = await test.cloud.address("i-one");
        assert.equal(await eventually("SSH lets us in", BOOT_SECONDS, () => nameAt(address)), "i-one");
        await eventually("cloud-init is done", BOOT_SECONDS, async () =>
            /status: done/.test((await test.inMachine("i-one", "cloud-init status")).stdout) ? true : undefined,
        );
        const subject =
            "openssl crl2pkcs7 -nocrl -certfile /etc/ssl/certs/ca-certificates.crt | openssl pkcs7 -print_certs";
        assert.match((await test.inMachine("i-one", subject)).stdout, /a public CA of the test/);
    });

    it("is logged in to by one connection, which is dialed until it is let in", async () => {
        const address = await test.cloud.address("i-one");
        // As sshd, which is started again: refuses, lets one in, and refuses again.
        const fates = ["refused", "refused", "let in"];
        const dials: string[] = [];
        const door = createServer((caller) => {
            const fate = fates.shift() ?? "refused";
            dials.push(fate);
            caller.on("error", () => {});
            if (fate === "refused") {
                caller.destroy();
                return;
            }
            const machine = connect(22, address).on("error", () => caller.destroy());
            caller.pipe(machine).pipe(caller);
        });
        await once(door.listen(0, "127.0.0.1"), "listening");
        const { port } = door.address() as AddressInfo;
        const privateKey = readFileSync(join(test.folder, "id"), "utf8");
        const target = { host: "127.0.0.1", port, user: "root", privateKey };
        try {
            const ran = await dialAndRun(target, "cat; exit 255", {}, { input: "read by the command" });
            assert.deepEqual([ran.code, ran.stdout], [255, "read by the command"]);
            assert.deepEqual(dials, ["refused", "refused", "let in"]);
            await assert.rejects(dialAndRun(target, "true", { dialErrorLimit: 1 }), /dialed 2 times/);
        } finally {
            door.close();
        }
    });

    it("lets in only what the group has an opening for, whatever the machine itself does", async () => {
        const address = await test.cloud.address("i-one");
        assert.equal(await reaches("i-one", address, 22), true, "sshd is there");
        assert.equal(await reaches("i-two", address, 22), false, "from a machine without an opening");
        await test.inMachine("i-one", "nft flush ruleset");
        assert.equal(await reaches("i-two", address, 22), false, "after the machine opened its own firewall");
        await test.firewall.setGroup("sg-test", [
            ssh(`${test.gateway}/32`),
            ssh(`${await test.cloud.address("i-two")}/32`),
        ]);
        assert.equal(await reaches("i-two", address, 22), true, "after the group was changed");
        await test.firewall.setGroup("sg-test", [ssh(`${test.gateway}/32`)]);
        assert.equal(await reaches("i-two", address, 22), false, "after it was changed back");
        assert.equal(await nameAt(address), "i-one");
    });

    it("moves an elastic address from one machine to another, and the group and the role with it", async () => {
        const elastic = test.cloud.allocate("eip");
        assert.equal(elastic, test.firstElastic);
        await test.cloud.associate("eip", "i-one");
        assert.equal(await nameAt(elastic), "i-one");
        assert.equal(await test.firewall.groupOf(elastic), "sg-test");
        assert.equal(await reaches("i-two", elastic, 22), false);

        await test.cloud.associate("eip", "i-two");
        assert.equal(await eventually("SSH lets us in", BOOT_SECONDS, () => nameAt(elastic)), "i-two");
        assert.equal(await test.cloud.holder("eip"), "i-two");
        assert.equal((await test.inMachine("vm", "hostname")).stdout.trim(), "i-two");
        const other = await test.cloud.address("i-one");
        assert.notEqual(other, elastic);
        assert.equal(await nameAt(other), "i-one");
        assert.equal(await test.firewall.groupOf(other), "sg-test");
    });

    it("leaves a machine alone that no longer has the address", async () => {
        await test.cloud.disassociate("eip", "i-one");
        assert.equal(await test.cloud.holder("eip"), "i-two");
    });

    it("keeps the elastic address through a restart", async () => {
        await test.cloud.restart("i-two");
        assert.equal(await eventually("SSH lets us in", BOOT_SECONDS, () => nameAt(test.firstElastic)), "i-two");
    });

    it("ends machines, and refuses to remove a group that an address is in", async () => {
        await test.cloud.terminate("i-one");
        await assert.rejects(test.firewall.removeGroup("sg-test"), /busy/);
        await test.cloud.terminate("i-two");
        await test.firewall.removeGroup("sg-test");
        assert.deepEqual(await test.machines(), []);
        test.cloud.release("eip");
        assert.equal(test.cloud.allocate("another"), test.firstElastic);
    });
});
