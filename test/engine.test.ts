/**
 * Every stack of stacks/ by Pulumi's own engine, over providers that make nothing: what a preview shows, and what changes
 * with one setting. It does not show that what is made works, which the rehearsal does.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Operation } from "../rehearsal/automation";
import { allStacks, changed, readStack, type StackConfig, stackNames } from "../rehearsal/stack-file";
import { imaginaryProviders } from "./support/imaginary";
import { summary, TestPulumi } from "./support/pulumi";

const MODULE = join(__dirname, "support", "whole-program.ts");
const SENTINEL = "sentinel-of-a-secret";
/** What the other stacks of the examples offer. */
const OFFERED = ["example-tokyo", "example-frankfurt"];
const OFFERS = {
    relays: [{ name: "nginx", hostname: "relay.example.com" }],
    relayKeys: Object.fromEntries(["shanghai.2", "chengdu.1", "berlin.1"].map((id) => [id, `key-of-${id}`.repeat(5)])),
};

describe("Every stack, by Pulumi's engine", function () {
    this.timeout(600_000);
    let pulumi: TestPulumi;
    before(async () => {
        pulumi = await TestPulumi.open(imaginaryProviders());
        for (const stack of OFFERED) await pulumi.operate({ kind: "up" }, MODULE, OFFERS, stack);
    });
    after(() => pulumi.close());

    for (const stack of allStacks()) {
        it(`can be previewed: ${stack}`, async () => {
            // The offers of the two are a stack already, which is another one.
            const own = OFFERED.includes(stack) ? `${stack}-itself` : stack;
            const { changes } = await pulumi.operate({ kind: "preview" }, MODULE, undefined, own, readStack(stack, {}));
            const made = summary(changes);
            assert.ok(made.length > 5, made.join("\n"));
            assert.deepEqual(
                made.filter((step) => !step.startsWith("create ") && !step.startsWith("read ")),
                [],
            );
        });
    }

    it("says which stack is missing whose relays are wanted", async () => {
        const relays = [{ stack: "never-made", key: "shanghai" }];
        const config = changed(readStack("example-shanghai", {}), { relays });
        const preview = pulumi.operate({ kind: "preview" }, MODULE, undefined, "lost", config);
        await assert.rejects(preview, /unknown stack "never-made"/);
    });

    describe("local, when it is up", () => {
        let config: StackConfig;
        const operate = (kind: Exclude<Operation["kind"], "import">, settings: Record<string, unknown> = {}) =>
            pulumi.operate({ kind }, MODULE, undefined, "local", changed(config, settings));

        before(async () => {
            const plain = readStack("local", {});
            const { edge } = stackNames(plain);
            assert.ok(edge);
            config = {
                config: {
                    ...changed(plain, { hub: { username: "acme" } }).config,
                    "dockermirror:hubToken": SENTINEL,
                },
                secretKeys: ["dockermirror:hubToken"],
            };
            await operate("up");
        });

        it("is the same at a second update, in a preview and at a refresh", async () => {
            assert.deepEqual(summary((await operate("up")).changes), []);
            assert.deepEqual(summary((await operate("preview")).changes), []);
            assert.deepEqual(summary((await operate("refresh")).changes), []);
        });

        it("has no secret in the state, the settings' file or the log", async () => {
            const { state } = await operate("export");
            const text = JSON.stringify(state);
            for (const secret of [SENTINEL, "PRIVATE KEY-----"]) {
                assert.ok(!text.includes(secret), `the state has "${secret}" in plain`);
                assert.ok(!pulumi.lines.some((line) => line.includes(secret)), `the log has "${secret}"`);
            }
            assert.match(text, /"ciphertext"/);
        });
    });
});
