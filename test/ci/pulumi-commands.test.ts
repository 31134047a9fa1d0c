/**
 * The commands of the pipelines, taken from their files, in the order in which a change goes through them: by Pulumi's
 * own command line, over providers that make nothing. The program is run by rehearsal/language-host.ts; Pulumi's own
 * language host is not on these machines.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { changed, readStack, type StackConfig } from "../../rehearsal/stack-file";
import type { Properties } from "../../rehearsal/stand-ins/stand-in";
import { imaginaryProviders } from "../support/imaginary";
import { type ActionInputs, type Printed, PulumiCli } from "../support/pulumi-cli";

const ROOT = join(__dirname, "..", "..");
const STACK = "acme-tokyo";
const SENTINEL = "sentinel-of-a-secret";
const RECORD = "cloudflare:index/dnsRecord:DnsRecord";
const WORKER = "cloudflare:index/workersScript:WorkersScript";

type Mode = "preview" | "deploy" | "drift";

/** The steps of a GitHub workflow that run Pulumi, for the stack. */
function actions(mode: Mode): ActionInputs[] {
    const { jobs } = parse(readFileSync(join(ROOT, `.github/workflows/${mode}.yml`), "utf8")) as {
        jobs: Record<string, { steps: { uses?: string; with?: ActionInputs }[] }>;
    };
    const steps = Object.values(jobs).flatMap((job) => job.steps);
    const inputs = steps.filter(({ uses }) => uses?.startsWith("pulumi/actions@")).map((step) => step.with ?? {});
    return JSON.parse(JSON.stringify(inputs).replaceAll(/\$\{\{ matrix\.stack \}\}/g, STACK));
}

/** The script of a GitLab job, for the stack. */
function script(mode: Mode): string {
    const text = readFileSync(join(ROOT, `ci/gitlab/${mode}.yml`), "utf8").replaceAll("{{ stack }}", STACK);
    return (parse(text)[`${mode} ${STACK}`] as { script: string[] }).script.join("\n");
}

describe("The pipelines' commands, by Pulumi's command line", function () {
    this.timeout(600_000);
    const edited: Record<string, Properties> = {};
    let cli: PulumiCli;
    let config: StackConfig;

    const github = (mode: Mode): Promise<Printed> => {
        const [inputs, ...others] = actions(mode);
        assert.ok(inputs, `${mode}.yml runs no Pulumi`);
        // Those for relays and for offices.
        for (const other of others) assert.deepEqual(other, inputs);
        return cli.action(inputs);
    };
    const gitlab = (mode: Mode): Promise<Printed> => cli.bash(script(mode));
    const passes = async (printing: Promise<Printed>): Promise<string> => {
        const { code, text } = await printing;
        assert.equal(code, 0, text);
        return text;
    };
    const fails = async (printing: Promise<Printed>): Promise<string> => {
        const { code, text } = await printing;
        assert.notEqual(code, 0, text);
        return text;
    };

    before(async () => {
        cli = await PulumiCli.open(imaginaryProviders({ edited }));
        const local = changed(readStack("local", {}), { hub: { username: "acme" } });
        config = {
            config: { ...local.config, "dockermirror:hubToken": SENTINEL },
            secretKeys: ["dockermirror:hubToken"],
        };
        await cli.configure(STACK, config);
    });
    after(() => cli.close());

    it("make a stack that drift then finds as the main branch has it, at GitHub", async () => {
        assert.match(await passes(github("preview")), /\+ 5\d to create/);
        assert.match(await passes(github("deploy")), /\+ 5\d created/);
        assert.match(await passes(github("drift")), /5\d unchanged/);
    });

    it("show a changed setting and deploy it, which drift then finds, at GitLab", async () => {
        await cli.configure(STACK, changed(config, { overseas: { sshFrom: ["198.51.100.0/24"] } }));
        const shown = await passes(gitlab("preview"));
        assert.match(shown, /~ aws:ec2\/securityGroup:SecurityGroup: \(update\)/);
        assert.match(shown, /198\.51\.100\.0\/24/);
        assert.equal(
            readFileSync(join(cli.folder, "preview.txt"), "utf8").trim(),
            shown.split("\nwarning:")[0]?.trim(),
        );
        assert.match(await passes(gitlab("deploy")), /~ 1 updated/);
        assert.match(await passes(gitlab("drift")), /5\d unchanged/);
    });

    it("find what was changed by hand, and change nothing, not even the state", async () => {
        const before = await cli.state(STACK);
        edited[RECORD] = { content: "198.51.100.66" };
        edited[WORKER] = { compatibilityDate: "2020-01-01" };
        for (const found of [await fails(github("drift")), await fails(gitlab("drift"))]) {
            assert.match(found, /no changes were expected for preview but changes were proposed/);
            assert.match(found, /::nginx-record\]\n.*\n\s*--outputs:--\n\s*~ content: "[\d.]+" => "198\.51\.100\.66"/);
            assert.match(
                found,
                /::worker-script\]\n.*\n\s*--outputs:--\n\s*~ compatibilityDate: "[\d-]+" => "2020-01-01"/,
            );
        }
        assert.equal(await cli.state(STACK), before);
    });

    it("say every wrong setting in the program's own words, change nothing and end", async () => {
        const before = await cli.state(STACK);
        await cli.configure(STACK, changed(config, { overseas: { kind: "ec3" }, access: "everybody" }));
        for (const refused of [await fails(gitlab("preview")), await fails(github("deploy"))]) {
            assert.match(refused, /this stack's configuration cannot be used:/);
            assert.match(refused, /dockermirror:overseas\.kind .*"ec3"/);
            assert.match(refused, /dockermirror:access .*"everybody"/);
            assert.doesNotMatch(refused, /\n\s+at .*\.[jt]s:\d+/, "it shows a stack trace");
        }
        const resources = (text: string) => JSON.parse(text).deployment.resources.length;
        assert.equal(resources(await cli.state(STACK)), resources(before));
    });

    it("say that the passphrase is wrong", async () => {
        const wrong = { PULUMI_CONFIG_PASSPHRASE_FILE: join(cli.folder, "wrong") };
        writeFileSync(wrong.PULUMI_CONFIG_PASSPHRASE_FILE, "another one");
        assert.match(await fails(cli.bash(script("deploy"), wrong)), /incorrect passphrase/);
        assert.match(await fails(cli.action(actions("deploy")[0] ?? {}, wrong)), /incorrect passphrase/);
    });

    it("print no secret, whatever they show", () => {
        assert.ok(cli.printed.length > 10);
        for (const text of cli.printed)
            for (const secret of [SENTINEL, "PRIVATE KEY-----"])
                assert.ok(!text.includes(secret), `"${secret}" is in:\n${text}`);
    });
});
