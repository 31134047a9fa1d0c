/**
 * Each recorded release upgraded to the program as it is: Pulumi's own engine goes on from the state that the release's
 * program has left, over providers that make nothing. It does not show that what is made works, which the rehearsal does.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { gunzipSync } from "node:zlib";
import type { Answer, Change } from "../../rehearsal/automation";
import { imaginaryProviders } from "../support/imaginary";
import { type Deployment, opened, summary, TestPulumi } from "../support/pulumi";
import type { Recorded } from "./record";

/** What an upgrade makes, removes and replaces in each stack, as <version>.json announces it, by the reason that a user has. */
type Announced = readonly { readonly why: string; readonly steps: Readonly<Record<string, readonly string[]>> }[];

const PROGRAM = join(__dirname, "program.ts");
/** What no upgrade replaces or removes: it holds data, costs an address, or is known to clients and other stacks. */
const KEPT = [
    "docker:index/volume:Volume",
    "aws:ec2/instance:Instance",
    "aws:ec2/eip:Eip",
    "aws:lightsail/instance:Instance",
    "aws:lightsail/staticIp:StaticIp",
    "tls:index/privateKey:PrivateKey",
    "tls:index/selfSignedCert:SelfSignedCert",
    "random:index/randomPassword:RandomPassword",
    "cloudflare:index/zone:Zone",
];

for (const file of readdirSync(__dirname).filter((name) => name.endsWith(".json.gz"))) {
    const { version, stacks }: Recorded = JSON.parse(gunzipSync(readFileSync(join(__dirname, file))).toString());
    const announced: Announced = JSON.parse(readFileSync(join(__dirname, `${version}.json`), "utf8"));

    describe(`An upgrade from ${version}`, function () {
        this.timeout(600_000);
        const names = Object.keys(stacks);
        const upgraded = new Map<string, Answer>();
        let pulumi: TestPulumi;
        const operate = (kind: "up" | "preview", name: string) =>
            pulumi.operate({ kind }, PROGRAM, undefined, name, stacks[name]?.config);
        before(async () => {
            pulumi = await TestPulumi.open(imaginaryProviders());
            for (const [name, { deployment }] of Object.entries(stacks)) {
                await pulumi.restore(name, asOfToday(deployment));
                upgraded.set(name, await operate("up", name));
            }
        });
        after(() => pulumi.close());

        it("makes, removes and replaces what is announced, and nothing else", () => {
            const seen = names.map((name) => [name, steps(upgraded.get(name)?.changes ?? [])]);
            const now = regrouped(announced, Object.fromEntries(seen));
            if (!isDeepStrictEqual(now, announced)) assert.fail(announcement(version, now, upgraded));
            for (const { why } of announced) assert.match(why, /\w+ \w+ \w+/, `${version}.json does not say why`);
        });

        for (const [name, { deployment }] of Object.entries(stacks)) {
            it(`keeps volumes, machines, addresses, keys, authorities and zones of ${name}`, () => {
                assert.ok(deployment.resources.some(({ type }) => KEPT.includes(type)));
                const lost = upgraded
                    .get(name)
                    ?.changes.filter(({ op, type }) => /replace|delete/.test(op) && KEPT.includes(type));
                assert.deepEqual(lost, []);
            });

            it(`keeps the outputs of ${name} that clients, people and other stacks have`, () => {
                const { clients: _, ...before } = recordedOutputs(deployment);
                assert.ok("relayKeys" in before);
                const now = Object.keys(before).map((output) => [output, upgraded.get(name)?.outputs[output]]);
                assert.deepEqual(Object.fromEntries(now), before);
            });

            it(`leaves nothing more to do for ${name}`, async () => {
                assert.deepEqual(summary((await operate("preview", name)).changes), []);
            });
        }

        it("keeps everything that must be kept, in a stack of each kind", () => {
            const types = new Set(
                Object.values(stacks).flatMap(({ deployment }) => deployment.resources.map(({ type }) => type)),
            );
            assert.deepEqual(
                KEPT.filter((type) => !types.has(type)),
                [],
            );
        });
    });
}

/** Of resources that are no components: what is updated in place need not be announced. */
function steps(changes: readonly Change[]): string[] {
    return changes
        .filter(
            ({ op, type }) =>
                ["create", "delete", "replace"].includes(op) && !/^(dockermirror|pulumi:pulumi):/.test(type),
        )
        .map(({ op, name }) => `${op} ${name}`)
        .sort();
}

/** The steps of each stack under the reasons that are announced, those that are not under a question mark. */
function regrouped(announced: Announced, now: Readonly<Record<string, readonly string[]>>): Announced {
    const known = (name: string) => announced.flatMap(({ steps }) => steps[name] ?? []);
    const others = Object.entries(now).map(([name, steps]) => [name, without(steps, known(name))] as const);
    const unexplained = { why: "?", steps: Object.fromEntries(others) };
    const explained = announced.map(({ why, steps }) => {
        const still = Object.entries(steps).map(([name, all]) => [
            name,
            all.filter((step) => now[name]?.includes(step)),
        ]);
        return { why, steps: Object.fromEntries(still) as Announced[number]["steps"] };
    });
    return [...explained, unexplained].map(withoutEmpty).filter(({ steps }) => Object.keys(steps).length > 0);
}

function without(steps: readonly string[], others: readonly string[]): string[] {
    return steps.filter((step) => !others.includes(step));
}

function withoutEmpty({ why, steps }: Announced[number]): Announced[number] {
    return { why, steps: Object.fromEntries(Object.entries(steps).filter(([, all]) => all.length > 0)) };
}

/** Certificates are renewed some years after the release: here they end as long from now as they did from then. */
function asOfToday({ resources, ...rest }: Deployment): Deployment {
    const renewed = resources.map(({ outputs = {}, ...resource }) => {
        const { validityStartTime: start, validityEndTime: end } = outputs;
        if (start === undefined) return { ...resource, outputs };
        const validityEndTime = new Date(Date.now() + Date.parse(end) - Date.parse(start)).toISOString();
        return { ...resource, outputs: { ...outputs, validityEndTime } };
    });
    return { ...rest, resources: renewed };
}

function recordedOutputs({ resources }: Deployment): Readonly<Record<string, unknown>> {
    return opened(resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {});
}

/** What to put into <version>.json, and what one has to know for the reasons. */
function announcement(version: string, now: Announced, upgraded: ReadonlyMap<string, Answer>): string {
    const replaced = [...upgraded].map(([name, { changes }]) => [
        `${name}, with the inputs that differ → those that force it:`,
        ...summary(changes).filter((line) => line.startsWith("replace ")),
    ]);
    return [
        `test/upgrade/${version}.json announces something else; with a reason for each "?" it would be`,
        JSON.stringify(now, null, 4),
        ...replaced.flat(),
    ].join("\n");
}
