/** The stand-ins for EC2 and Lightsail, by the component that the stack makes its VM with, and with what becomes of it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { RelayHostArgs } from "../../../components/overseas/relay-host";
import { run } from "../../../rehearsal/run";
import { awsProvider } from "../../../rehearsal/stand-ins/aws";
import { commandProvider } from "../../../rehearsal/stand-ins/command";
import type { Properties } from "../../../rehearsal/stand-ins/stand-in";
import { tlsProvider } from "../../../rehearsal/stand-ins/tls";
import { startCloud, type TestCloud } from "../../support/cloud";
import { summary, TestPulumi } from "../../support/pulumi";

const MODULE = join(__dirname, "programs", "relay-host.ts");
const MADE = { region: "ap-northeast-1", httpChallenge: false, rebootAt: "19:30", ipv6: false };
const EC2 = { kind: "ec2", ...MADE, instanceType: "t4g.micro", diskGiB: 8 } as const;
const LIGHTSAIL = { kind: "lightsail", ...MADE, availabilityZone: "ap-northeast-1a", bundle: "micro_3_0" } as const;
const KINDS = { ec2: EC2, lightsail: LIGHTSAIL } as const;

/** Steps with what decides which ports are open. */
const PORTS: Readonly<Record<string, RegExp>> = {
    ec2: /^update vm-security-group ingress$/,
    lightsail: /^[a-z-]+ vm-(public-)?ports\S*( portInfos( → portInfos)?)?$/,
};

for (const [kind, args] of Object.entries(KINDS)) {
    describe(`A rehearsed VM at ${kind}`, function () {
        this.timeout(300_000);
        let test: TestCloud;
        let pulumi: TestPulumi;
        let first: Properties;

        before(async () => {
            test = await startCloud(kind);
            pulumi = await TestPulumi.open([awsProvider(test.cloud), tlsProvider, commandProvider(process.env)]);
        });
        after(async () => {
            pulumi.close();
            await test.close();
        });

        const operate = (operation: "up" | "refresh" | "destroy", generation: number) => {
            const host = { ...args, generation, sshFrom: [`${test.gateway}/32`] } as RelayHostArgs;
            return pulumi.operate({ kind: operation }, MODULE, host);
        };
        const hostKeyAt = async (address: string) =>
            (await run("ssh-keyscan", ["-t", "ed25519", address])).trim().split(" ").slice(1).join(" ");

        it("boots with the real user data, behind its elastic address and its own host key", async () => {
            first = (await operate("up", 1)).outputs;
            const { id, address, connection } = first;
            assert.equal(address, test.firstElastic);
            assert.equal(await hostKeyAt(address), connection.hostKey.trim());
            const { stdout } = await test.inMachine("vm", "hostname; nft list tables; sshd -T | grep -i ^permitroot");
            assert.match(stdout, new RegExp(`^${id}\n`));
            assert.match(stdout, /table inet dockermirror/);
            assert.match(stdout, /permitrootlogin no/);
        });

        it("is the same when the program runs again, whatever image is the newest by then", async () => {
            assert.deepEqual(summary((await operate("up", 1)).changes), []);
            assert.deepEqual(summary((await operate("refresh", 1)).changes), []);
        });

        it("has its ports closed again that somebody opened by hand: found by a refresh, repaired by the next update", async () => {
            const { firewall } = test.cloud;
            const ports = PORTS[kind] ?? assert.fail();
            const group = (await firewall.groupOf(test.firstElastic)) ?? "";
            const before = await firewall.openings(group);
            assert.deepEqual(before?.map(({ fromPort }) => fromPort).sort(), [22, 443]);
            for (const by of [
                { protocol: "tcp", fromPort: 22, toPort: 22, from: ["0.0.0.0/0"] },
                { protocol: "udp", fromPort: 100, toPort: 200, from: ["192.0.2.0/24", "198.51.100.7/32"] },
                { protocol: "-1", fromPort: 0, toPort: 0, from: ["192.0.2.7/32"] },
            ] as const) {
                await firewall.setGroup(group, [...(before ?? []), by]);
                const [found, ...others] = summary((await operate("refresh", 1)).changes);
                assert.match(String(found), ports);
                assert.deepEqual(others, []);
                const repaired = summary((await operate("up", 1)).changes);
                assert.ok(repaired.length > 0 && repaired.every((step) => ports.test(step)), repaired.join("\n"));
                assert.deepEqual(await firewall.openings(group), before);
            }
        });

        it("is replaced by its next generation, which has the address before the old one goes", async () => {
            const { outputs, changes } = await operate("up", 2);
            const { id, address, connection } = outputs;
            assert.equal(address, test.firstElastic);
            assert.equal(await hostKeyAt(address), connection.hostKey.trim());
            assert.notEqual(connection.hostKey, first.connection.hostKey);
            assert.match((await test.inMachine("vm", "hostname")).stdout, new RegExp(`^${id}\n`));
            const ready = pulumi.lines.findLastIndex((line) => line.startsWith("made  vm-ready "));
            const removed = pulumi.lines.findLastIndex((line) => /^removed {2}vm-instance-1(-arm64)? /.test(line));
            assert.ok(0 <= ready && ready < removed, `${summary(changes).join("\n")}\n${pulumi.lines.join("\n")}`);
            assert.equal((await test.machines()).length, 1);
        });

        it("is found to be gone by a refresh, and made again by the next update", async () => {
            for (const machine of await test.machines()) await run("docker", ["rm", "--force", "--volumes", machine]);
            const gone = summary((await operate("refresh", 2)).changes);
            assert.ok(
                gone.some((step) => /^delete vm-instance-2/.test(step)),
                gone.join("\n"),
            );
            const { outputs } = await operate("up", 2);
            assert.equal(outputs.address, test.firstElastic);
            assert.equal((await test.machines()).length, 1);
        });

        it("leaves nothing when the stack is destroyed", async () => {
            await operate("destroy", 2);
            assert.deepEqual(await test.machines(), []);
            assert.deepEqual((await pulumi.state(MODULE)).resources, []);
        });
    });
}
