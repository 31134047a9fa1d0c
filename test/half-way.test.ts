/**
 * An `up` that fails half-way, by Pulumi's own command line, and the next one, which goes on where that was. Over providers
 * that make nothing; what fails is real: the program that waits for a relay, and Docker's own client.
 * A configuration that the on-prem programs refuse: the proof of `npm start`.
 */
import assert from "node:assert/strict";
import { Docker } from "../rehearsal/docker";
import { readStack } from "../rehearsal/stack-file";
import type { Wanted } from "../rehearsal/stand-ins/stand-in";
import { passGate } from "../services/gate/gate";
import { imaginaryProviders } from "./support/imaginary";
import { PulumiCli } from "./support/pulumi-cli";

const STACK = "half-way";
const UP = `pulumi up --stack ${STACK} --yes --skip-preview --non-interactive --suppress-outputs`;

describe("An up that fails half-way", function () {
    this.timeout(600_000);
    const made: string[] = [];
    let accident: (wanted: Wanted) => Promise<unknown> = async () => {};
    let cli: PulumiCli;

    before(async () => {
        const before = async (wanted: Wanted) => {
            await accident(wanted);
            made.push(wanted.name);
        };
        cli = await PulumiCli.open(imaginaryProviders({ before }));
        await cli.configure(STACK, readStack("local", {}));
    });
    beforeEach(() => {
        made.length = 0;
    });
    after(() => cli.close());

    const failing = async () => {
        const { code, text } = await cli.bash(UP);
        assert.notEqual(code, 0, text);
        return text;
    };
    /** Has it happen to one resource alone. */
    const at = (name: string, what: (wanted: Wanted) => Promise<unknown>) => async (wanted: Wanted) => {
        if (wanted.name === name) await what(wanted);
    };

    it("says which relay does not answer, and makes nothing that pulls through it", async () => {
        accident = at("nginx-gate-command", ({ inputs }) => passGate({ ...JSON.parse(inputs.stdin), seconds: 0 }));
        assert.match(await failing(), /the relay vm\.example\.com does not answer after 0 s: /);
        assert.ok(
            made.some((name) => name.startsWith("vm-instance")),
            made.join(),
        );
        assert.deepEqual(
            made.filter((name) => name.startsWith("onprem-") && name.includes("container")),
            [],
        );
    });

    it("goes on after that, and says what Docker says of a host that is gone", async () => {
        accident = at("onprem-network", ({ provider }) => new Docker(provider.host, process.env).run(["version"]));
        const text = await failing();
        assert.match(text, /onprem-network/);
        assert.match(text, /onprem\.acme\.lan/);
        assert.ok(made.includes("nginx-gate-command"), "the relay was asked again");
        assert.ok(!made.some((name) => name.startsWith("vm-")), `made twice: ${made.join()}`);
    });

    it("leaves a lock when it is killed, which is named, and taken away by pulumi cancel; the next up goes on", async () => {
        let reached = () => {};
        const arrived = new Promise<void>((resolve) => {
            reached = resolve;
        });
        accident = at("onprem-cache-container", () => {
            reached();
            return new Promise(() => {});
        });
        await cli.kill(UP, STACK, arrived);
        accident = async () => {};
        made.length = 0;
        assert.match(await failing(), /the stack is currently locked by 1 lock[\s\S]*pulumi cancel/);
        const { code, text } = await cli.bash(`pulumi cancel --stack ${STACK} --yes && ${UP}`);
        assert.equal(code, 0, text);
        assert.ok(made.includes("onprem-cache-container"), made.join());
        assert.ok(!made.includes("onprem-network"), `made twice: ${made.join()}`);
        const clean = await cli.bash(`pulumi preview --stack ${STACK} --expect-no-changes --non-interactive`);
        assert.equal(clean.code, 0, clean.text);
    });
});
