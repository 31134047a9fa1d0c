/** The stand-ins for EC2 and Lightsail, by the component that the stack makes its VM with, and with what becomes of it. */
import assert from "node:assert/strict";
import { RelayHost, type RelayHostArgs } from "../../../components/overseas/relay-host";
import { destroy, type Machinery, type Properties, type State, up } from "../../../rehearsal/engine";
import { run } from "../../../rehearsal/run";
import { awsStandIns } from "../../../rehearsal/stand-ins/aws";
import { commandStandIns } from "../../../rehearsal/stand-ins/command";
import { tlsStandIns } from "../../../rehearsal/stand-ins/tls";
import { startCloud, type TestCloud } from "../../support/cloud";

const MADE = { region: "ap-northeast-1", httpChallenge: false, rebootAt: "19:30", ipv6: false };
const EC2 = { kind: "ec2", ...MADE, instanceType: "t4g.micro", diskGiB: 8 } as const;
const LIGHTSAIL = { kind: "lightsail", ...MADE, availabilityZone: "ap-northeast-1a", bundle: "micro_3_0" } as const;
const KINDS = { ec2: EC2, lightsail: LIGHTSAIL } as const;

for (const [kind, args] of Object.entries(KINDS)) {
    describe(`A rehearsed VM at ${kind}`, function () {
        this.timeout(120_000);
        let test: TestCloud;
        let machinery: Machinery & {
            readonly functions: Readonly<Record<string, (inputs: Properties) => Promise<Properties>>>;
        };
        const state: State = {};
        const lines: string[] = [];

        before(async () => {
            test = await startCloud(kind);
            const { standIns, functions } = awsStandIns(test.cloud);
            machinery = {
                state,
                standIns: { ...standIns, ...tlsStandIns, ...commandStandIns(process.env) },
                functions,
                tell: (line) => void lines.push(line),
            };
        });
        after(() => test.close());

        const bring = async (generation: number): Promise<Properties> => {
            lines.length = 0;
            const sshFrom = [`${test.gateway}/32`];
            const host = { ...args, generation, sshFrom } as RelayHostArgs;
            const stack = { project: "dockermirror", stack: "test", config: {}, secretKeys: [] };
            const { outputs } = await up({ ...stack, ...machinery }, async () => {
                const { id, address, connection } = new RelayHost("vm", host);
                return { id, address, connection };
            });
            return outputs;
        };
        const hostKeyAt = async (address: string) =>
            (await run("ssh-keyscan", ["-t", "ed25519", address])).trim().split(" ").slice(1).join(" ");

        it("boots with the real user data, behind its elastic address and its own host key", async () => {
            const { id, address, connection } = await bring(1);
            assert.equal(address, test.firstElastic);
            assert.equal(await hostKeyAt(address), connection.hostKey.trim());
            const { stdout } = await test.inMachine("vm", "hostname; nft list tables; sshd -T | grep -i ^permitroot");
            assert.match(stdout, new RegExp(`^${id}\n`));
            assert.match(stdout, /table inet dockermirror/);
            assert.match(stdout, /permitrootlogin no/);
        });

        it("is the same when the program runs again, whatever image is the newest by then", async () => {
            await bring(1);
            assert.deepEqual(lines, []);
        });

        it("is replaced by its next generation, which has the address before the old one goes", async () => {
            const before = state["command:remote:Command vm-ready"];
            const { id, address, connection } = await bring(2);
            assert.equal(address, test.firstElastic);
            assert.equal(await hostKeyAt(address), connection.hostKey.trim());
            assert.notEqual(connection.hostKey, before?.inputs.connection.hostKey);
            assert.match((await test.inMachine("vm", "hostname")).stdout, new RegExp(`^${id}\n`));
            const [ready, removed] = [/^changed {2}vm-ready /, /^removed {2}vm-instance-1(-arm64)? /].map((pattern) =>
                lines.findIndex((line) => pattern.test(line)),
            );
            assert.ok(ready !== undefined && removed !== undefined && 0 <= ready && ready < removed, lines.join("\n"));
            assert.equal((await test.machines()).length, 1);
        });

        it("leaves nothing when the stack is destroyed", async () => {
            assert.deepEqual(await destroy(machinery), []);
            assert.deepEqual(await test.machines(), []);
            assert.deepEqual(Object.keys(state), []);
        });
    });
}
