/** The rehearsal's cloud with real machines, beside a rehearsal that may be running: all its names are its own. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cloud } from "../../rehearsal/cloud";
import { Docker } from "../../rehearsal/docker";
import { Firewall, type Opening } from "../../rehearsal/firewall";
import { makeBaseImages } from "../../rehearsal/images";
import { makeCa } from "../../rehearsal/pki";
import { attempt, eventually, run } from "../../rehearsal/run";

const PREFIX = "dockermirror-test-cloud";
const NETWORK = { name: PREFIX, subnet: "10.213.65.0/24" };
const GATEWAY = "10.213.65.1";
const FIRST_ELASTIC = "10.213.65.129";
const BOOT_SECONDS = 60;
const ssh = (from: string): Opening => ({ protocol: "tcp", fromPort: 22, toPort: 22, from: [from] });

describe("The rehearsal's cloud", function () {
    this.timeout(120_000);
    const docker = new Docker();
    const firewall = new Firewall(PREFIX);
    let folder: string;
    let cloud: Cloud;
    let userData: string;

    const clean = async () => {
        const containers = await docker.run(["ps", "--all", "--quiet", "--filter", `name=^${PREFIX}-`]);
        for (const id of containers.split("\n").filter(Boolean)) await docker.run(["rm", "--force", "--volumes", id]);
        await docker.attempt(["network", "rm", NETWORK.name]);
        await firewall.remove();
    };

    before(async () => {
        folder = mkdtempSync(join(tmpdir(), `${PREFIX}-`));
        await clean();
        const { vm } = await makeBaseImages(docker, () => {});
        const range = ["--subnet", NETWORK.subnet, "--ip-range", "10.213.65.0/25"];
        await docker.run(["network", "create", "--internal", ...range, NETWORK.name]);
        await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "id")]);
        const key = readFileSync(join(folder, "id.pub"), "utf8").trim();
        userData = `#cloud-config\n${JSON.stringify({ disable_root: false, users: [{ name: "root", ssh_authorized_keys: [key] }] })}\n`;
        cloud = new Cloud({
            docker,
            firewall,
            image: vm.image,
            prefix: PREFIX,
            labels: [],
            role: "vm",
            network: NETWORK,
            others: [],
            dns: GATEWAY,
            publicCas: [makeCa("a public CA of the test").cert],
            addressesFile: join(folder, "addresses.json"),
        });
        await firewall.setGroup("sg-test", [ssh(`${GATEWAY}/32`)]);
        await Promise.all(["i-one", "i-two"].map((machine) => cloud.launch(machine, userData, "sg-test")));
    });
    after(async () => {
        await clean();
        rmSync(folder, { recursive: true });
    });

    /** The name that a machine gives itself, asked over SSH from this machine. */
    const nameAt = async (address: string): Promise<string> => {
        const options = ["-F", "none", "-i", join(folder, "id"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"];
        const anyKey = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"];
        return (await run("ssh", [...options, ...anyKey, `root@${address}`, "hostname"])).trim();
    };
    const inMachine = (name: string, command: string) =>
        docker.attempt(["exec", `${PREFIX}-${name}`, "bash", "-c", command]);
    const reaches = async (name: string, address: string, port: number) =>
        (await inMachine(name, `timeout 2 bash -c 'exec 3<>/dev/tcp/${address}/${port}'`)).code === 0;

    it("boots machines with their user data by cloud-init's own units", async () => {
        const address = await cloud.address("i-one");
        assert.equal(await eventually("SSH lets us in", BOOT_SECONDS, () => nameAt(address)), "i-one");
        await eventually("cloud-init is done", BOOT_SECONDS, async () =>
            /status: done/.test((await inMachine("i-one", "cloud-init status")).stdout) ? true : undefined,
        );
        const subject =
            "openssl crl2pkcs7 -nocrl -certfile /etc/ssl/certs/ca-certificates.crt | openssl pkcs7 -print_certs";
        assert.match((await inMachine("i-one", subject)).stdout, /a public CA of the test/);
    });

    it("lets in only what the group has an opening for, whatever the machine itself does", async () => {
        const address = await cloud.address("i-one");
        assert.equal(await reaches("i-one", address, 22), true, "sshd is there");
        assert.equal(await reaches("i-two", address, 22), false, "from a machine without an opening");
        await inMachine("i-one", "nft flush ruleset");
        assert.equal(await reaches("i-two", address, 22), false, "after the machine opened its own firewall");
        await firewall.setGroup("sg-test", [ssh(`${GATEWAY}/32`), ssh(`${await cloud.address("i-two")}/32`)]);
        assert.equal(await reaches("i-two", address, 22), true, "after the group was changed");
        await firewall.setGroup("sg-test", [ssh(`${GATEWAY}/32`)]);
        assert.equal(await reaches("i-two", address, 22), false, "after it was changed back");
        assert.equal(await nameAt(address), "i-one");
    });

    it("moves an elastic address from one machine to another, and the group and the role with it", async () => {
        const elastic = cloud.allocate("eip");
        assert.equal(elastic, FIRST_ELASTIC);
        await cloud.associate("eip", "i-one");
        assert.equal(await nameAt(elastic), "i-one");
        assert.equal(await firewall.groupOf(elastic), "sg-test");
        assert.equal(await reaches("i-two", elastic, 22), false);

        await cloud.associate("eip", "i-two");
        assert.equal(await eventually("SSH lets us in", BOOT_SECONDS, () => nameAt(elastic)), "i-two");
        assert.equal(await cloud.holder("eip"), "i-two");
        assert.equal((await inMachine("vm", "hostname")).stdout.trim(), "i-two");
        const other = await cloud.address("i-one");
        assert.notEqual(other, elastic);
        assert.equal(await nameAt(other), "i-one");
        assert.equal(await firewall.groupOf(other), "sg-test");
    });

    it("leaves a machine alone that no longer has the address", async () => {
        await cloud.disassociate("eip", "i-one");
        assert.equal(await cloud.holder("eip"), "i-two");
    });

    it("keeps the elastic address through a restart", async () => {
        await cloud.restart("i-two");
        assert.equal(await eventually("SSH lets us in", BOOT_SECONDS, () => nameAt(FIRST_ELASTIC)), "i-two");
    });

    it("ends machines, and refuses to remove a group that an address is in", async () => {
        await cloud.terminate("i-one");
        await assert.rejects(firewall.removeGroup("sg-test"), /busy/);
        await cloud.terminate("i-two");
        await firewall.removeGroup("sg-test");
        const { stdout } = await attempt("docker", ["ps", "--all", "--format", "{{.Names}}"]);
        assert.ok(!stdout.includes(PREFIX), stdout);
        cloud.release("eip");
        assert.equal(cloud.allocate("another"), FIRST_ELASTIC);
    });
});
