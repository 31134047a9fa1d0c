/** Pulumi's own engine over the stand-ins' protocol. What each stand-in makes is seen in its own tests. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Operation } from "../../../rehearsal/automation";
import { eventually } from "../../../rehearsal/run";
import { commandProvider } from "../../../rehearsal/stand-ins/command";
import { dockerProvider } from "../../../rehearsal/stand-ins/docker";
import { randomProvider } from "../../../rehearsal/stand-ins/random";
import { HalfMade, type StandIn } from "../../../rehearsal/stand-ins/stand-in";
import { summary, TestPulumi } from "../../support/pulumi";
import type { SmallArgs } from "./programs/small";

const MODULE = join(__dirname, "programs", "small.ts");
const SENTINEL = "sentinel-of-a-secret";

describe("Pulumi's engine over stand-ins", function () {
    this.timeout(300_000);
    let pulumi: TestPulumi;
    beforeEach(async () => {
        pulumi = await TestPulumi.open([
            randomProvider,
            commandProvider(process.env),
            dockerProvider(process.env, () => {}),
        ]);
    });
    afterEach(() => pulumi.close());

    const operate = (kind: Exclude<Operation["kind"], "import">, args: SmallArgs = {}) =>
        pulumi.operate({ kind }, MODULE, args);
    const changes = async (kind: "up" | "preview" | "refresh", args: SmallArgs) =>
        summary((await operate(kind, args)).changes).sort();

    it("makes, leaves alone, changes, replaces and removes", async () => {
        const made = await operate("up", { length: 8, print: "echo one" });
        assert.equal(made.outputs.result.length, 8);
        assert.equal(made.outputs.printed, "one");
        assert.deepEqual(await changes("up", { length: 8, print: "echo one" }), []);
        assert.deepEqual(await changes("refresh", { length: 8, print: "echo one" }), []);
        assert.deepEqual(await changes("preview", { length: 9, print: "echo two" }), [
            "create-replacement password length → length",
            "delete-replaced password",
            "replace password length → length",
            "update printed create",
        ]);
        const changed = await operate("up", { length: 8, print: "echo two" });
        assert.equal(changed.outputs.result, made.outputs.result);
        assert.equal(changed.outputs.printed, "two");
        assert.deepEqual(await changes("up", { print: "echo two", trigger: "two" }), [
            "create-replacement printed triggers → triggers",
            "delete password",
            "delete-replaced printed",
            "replace printed triggers → triggers",
        ]);
        assert.deepEqual(summary((await operate("destroy")).changes), ["delete printed"]);
        assert.deepEqual((await pulumi.state(MODULE)).resources, []);
    });

    it("refuses an input that the provider does not know, and one of another type", async () => {
        const network = { network: "never-made", networkInputs: { ipamConfigs: [{ subnett: "10.0.0.0/24" }] } };
        await assert.rejects(operate("preview", network), /subnett.*is no input; there are .*subnet/s);
        const command = { print: "true", inputs: { interpreter: "sh" } };
        await assert.rejects(operate("preview", command), /interpreter.*must be a list, got string/s);
    });

    it("ends with the program's own error when one is thrown in an apply, and goes on afterwards", async () => {
        const failed = operate("up", { length: 8, print: "echo one", throws: "the settings are wrong" });
        await assert.rejects(failed, { message: "the settings are wrong" });
        const { outputs } = await operate("up", { length: 8, print: "echo one" });
        assert.equal(outputs.printed, "one");
    });

    it("ends with what a command has printed when that fails", async () => {
        await assert.rejects(operate("up", { print: "echo on stdout; echo on stderr >&2; exit 3" }), (error: Error) => {
            assert.match(error.message, /^printed: .*exit status 3: running .*\non stdout\non stderr$/s);
            return true;
        });
    });

    it("keeps what is secret encrypted in the state, also what a command prints of it", async () => {
        const { outputs } = await operate("up", { print: "cat", stdin: SENTINEL });
        assert.equal(outputs.printed, SENTINEL);
        const { text, resources } = await pulumi.state(MODULE);
        assert.doesNotMatch(text, new RegExp(SENTINEL));
        assert.ok(resources.find(({ type }) => type === "command:local:Command")?.outputs.stdout.ciphertext);
        assert.ok(!pulumi.lines.some((line) => line.includes(SENTINEL)));
    });

    it("says that a passphrase is wrong", async () => {
        await operate("up", { print: "cat", stdin: SENTINEL });
        writeFileSync(pulumi.passphraseFile, "another one");
        await assert.rejects(operate("up", { print: "cat", stdin: SENTINEL }), /incorrect passphrase/);
    });

    it("goes on after an update that was killed, once that is cancelled", async () => {
        const started = join(pulumi.folder, "started");
        const again = join(pulumi.folder, "again");
        const slow = { length: 8, print: `touch ${started}; test -e ${again} || sleep 60; echo done` };
        await pulumi.kill(MODULE, slow, () =>
            eventually("the command has started", 120, async () => (existsSync(started) ? true : undefined)),
        );
        await assert.rejects(operate("up", slow), /the stack is currently locked by 1 lock/);
        await operate("cancel");
        writeFileSync(again, "");
        const { outputs } = await operate("up", slow);
        assert.equal(outputs.printed, "done");
        assert.deepEqual(await changes("up", slow), []);
    });

    it("keeps what was made and is not what it should be, updates it next, and removes it", async () => {
        const done: string[] = [];
        const network: StandIn = {
            create: async () => {
                done.push("create");
                throw new HalfMade("it is there, and does not answer", { id: "half", outputs: {} });
            },
            update: async (_, old) => {
                done.push(`update ${old.id}`);
                return old;
            },
            read: async () => ({}),
            remove: async ({ id }) => void done.push(`remove ${id}`),
        };
        pulumi.close();
        pulumi = await TestPulumi.open([{ package: "docker", standIns: { "docker:index/network:Network": network } }]);
        await assert.rejects(operate("up", { network: "net" }), /network: .*it is there, and does not answer/s);
        const { resources } = await pulumi.state(MODULE);
        const [kept] = resources.filter(({ type }) => type === "docker:index/network:Network");
        assert.deepEqual(kept?.initErrors, ["it is there, and does not answer"], JSON.stringify(resources));
        assert.deepEqual(await changes("up", { network: "net" }), ["update network"]);
        await operate("destroy");
        assert.deepEqual(done, ["create", "update half", "remove half"]);
    });
});
