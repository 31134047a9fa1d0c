/**
 * The recipes of docs/day-2.md for what has gone wrong, by Pulumi's own engine and command line, over providers that make
 * nothing. It does not show that what is made works, which the rehearsal does.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Answer, Operation } from "../rehearsal/automation";
import { changed, readStack, type StackConfig } from "../rehearsal/stack-file";
import { imaginaryProviders } from "./support/imaginary";
import { summary, TestPulumi } from "./support/pulumi";

const MODULE = join(__dirname, "support", "whole-program.ts");
const FORMER = join(__dirname, "support", "former-front.ts");
const TLS = /^tls:/;
const DOCKER = /^docker:/;

/** What the clients have: it must not change. */
const clientsOf = ({ outputs }: Answer) => [outputs.mirrorUrl, outputs.mirrorCa, outputs.clients];
const madeOf = ({ changes }: Answer, types: RegExp) =>
    changes.filter(({ op, type }) => op === "create" && types.test(type)).map(({ name }) => name);

describe("The recipes for what has gone wrong", function () {
    this.timeout(600_000);
    let pulumi: TestPulumi;
    let office: StackConfig;
    let first: Answer;
    const lost: Record<string, null> = {};

    const operate = (kind: Exclude<Operation["kind"], "import">, config = office, stack = "office") =>
        pulumi.operate({ kind }, MODULE, undefined, stack, config);
    const urnOf = async (name: string) => {
        const urns = (await pulumi.run("stack", "--stack", "office", "--show-urns")).match(/urn:pulumi:\S+/g) ?? [];
        const [urn, ...more] = urns.filter((each) => each.endsWith(`::${name}`));
        assert.ok(urn && more.length === 0, urns.join("\n"));
        return urn;
    };
    /** As the page says to read it: out of `pulumi stack export --show-secrets`. */
    const backupOfCa = async () => {
        const { deployment } = JSON.parse(await pulumi.run("stack", "export", "--stack", "office", "--show-secrets"));
        const outputs = (name: string) =>
            deployment.resources.find(({ urn }: { urn: string }) => urn.endsWith(`::${name}`)).outputs;
        return {
            ca: outputs("onprem-front-ca-authority").certPem as string,
            key: JSON.parse(outputs("onprem-front-ca-authority-key").privateKeyPem.plaintext) as string,
        };
    };

    before(async () => {
        pulumi = await TestPulumi.open(imaginaryProviders({ edited: lost }));
        office = readStack("example-customer", {});
        first = await operate("up");
        assert.match(first.outputs.mirrorCa, /^-----BEGIN CERTIFICATE-----/);
    });
    after(() => pulumi.close());

    it("move an office to another Docker host: everything is made there, and clients change nothing", async () => {
        const provider = await urnOf("onprem-docker");
        await pulumi.run("state", "delete", "--stack", "office", "--target-dependents", "--yes", provider);
        office = changed(office, { onprem: { docker: "ssh://ops@10.1.0.6" } });
        const moved = await operate("up");
        assert.deepEqual(clientsOf(moved), clientsOf(first));
        assert.deepEqual(madeOf(moved, TLS), []);
        assert.ok(madeOf(moved, DOCKER).includes("onprem-front-container"), summary(moved.changes).join("\n"));
        assert.ok(summary(moved.changes).some((step) => /^(create|replace) onprem-trust-file/.test(step)));
    });

    it("on-prem host lost: a refresh and an up fill a new one, and clients change nothing", async () => {
        const all = madeOf(first, DOCKER);
        for (const { type } of first.changes) if (DOCKER.test(type)) lost[type] = null;
        await operate("refresh");
        for (const type of Object.keys(lost)) delete lost[type];
        const filled = await operate("up");
        assert.deepEqual(clientsOf(filled), clientsOf(first));
        assert.deepEqual(madeOf(filled, TLS), []);
        assert.deepEqual(madeOf(filled, DOCKER).sort(), all.sort());
        assert.ok(
            ["onprem-trust-file", "onprem-volumes-owner"].every((name) =>
                summary(filled.changes).some((step) => step.startsWith(`replace ${name}`)),
            ),
            summary(filled.changes).join("\n"),
        );
    });

    it("state or passphrase lost: the stack is made again with the CA of a backup, and clients change nothing", async () => {
        const { ca, key } = await backupOfCa();
        const withCa = changed(office, { onprem: { ca } });
        const config = {
            config: { ...withCa.config, "dockermirror:onpremCaKey": key },
            secretKeys: [...withCa.secretKeys, "dockermirror:onpremCaKey"],
        };
        // In the stack that still has its own, the backup of it is no change to what clients see.
        const { changes } = await operate("preview", config);
        assert.deepEqual(summary(changes).sort(), [
            "delete onprem-front-ca-authority",
            "delete onprem-front-ca-authority-key",
        ]);

        writeFileSync(join(pulumi.folder, "another"), "not the passphrase", { mode: 0o600 });
        await assert.rejects(
            pulumi.runWith({ PULUMI_CONFIG_PASSPHRASE_FILE: join(pulumi.folder, "another") }, [
                ...["config", "--stack", "office", "--show-secrets"],
            ]),
            /incorrect passphrase/,
        );
        await pulumi.runWith({ PULUMI_CONFIG_PASSPHRASE_FILE: join(pulumi.folder, "another") }, [
            ...["stack", "rm", "--stack", "office", "--force", "--yes", "--preserve-config"],
        ]);
        const again = await operate("up", config, "office-again");
        assert.deepEqual(clientsOf(again), clientsOf(first));
        assert.deepEqual(madeOf(again, /SelfSignedCert/), []);
    });

    describe("upgrade and roll back", () => {
        const up = (release: string, kind: "up" | "preview" = "up") =>
            pulumi.operate({ kind }, FORMER, release, "upgraded");
        const changesOfTls = ({ changes }: Answer) => changes.filter(({ type }) => TLS.test(type));

        it("keep the mirror's CA, which was a part of the front up to 0.3.0", async () => {
            const made = await up("0.3.0");
            const file = join(pulumi.folder, "before-upgrade.json");
            await pulumi.run("stack", "export", "--stack", "upgraded", "--file", file);

            const preview = await up("now", "preview");
            assert.deepEqual(changesOfTls(preview), []);
            const upgraded = await up("now");
            assert.deepEqual(changesOfTls(upgraded), []);
            assert.deepEqual(upgraded.outputs, made.outputs);

            await pulumi.run("stack", "import", "--stack", "upgraded", "--file", file);
            const back = await up("0.3.0");
            assert.deepEqual(changesOfTls(back), []);
            assert.deepEqual(back.outputs, made.outputs);
        });
    });
});
