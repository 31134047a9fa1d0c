/**
 * The program by Pulumi's own engine, over providers that make nothing: what changes with one setting, and what is
 * imported. It does not show that what is made works, which the rehearsal does.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ImportList, Operation } from "../rehearsal/automation";
import { changed, readStack, type StackConfig, stackNames } from "../rehearsal/stack-file";
import { imaginaryProviders } from "./support/imaginary";
import { summary, TestPulumi } from "./support/pulumi";

const MODULE = join(__dirname, "support", "whole-program.ts");
const SENTINEL = "sentinel-of-a-secret";

const RELAY_FILLED_AGAIN = [
    "replace nginx-apply stdin,triggers → triggers",
    "replace nginx-certificate triggers → triggers",
    "replace nginx-gate-command triggers → triggers",
];
const UPLINK_FILES = [
    "replace onprem-uplink-trial stdin,triggers → triggers",
    "replace onprem-uplink-files create,stdin,triggers → triggers",
];
const FRONT_FILES = [
    "replace onprem-front-trial stdin,triggers → triggers",
    "replace onprem-front-files create,stdin,triggers → triggers",
];

/** The site is asked for an image again; without an input where it goes with a container that is replaced. */
const ASKED = "replace onprem-canary-command";
const ASKED_AFTER_FILES = `${ASKED} triggers → triggers`;

/** What each may take of the state. */
const MOST_BYTES = { "worker-script": 12_000, "nginx-apply": 180_000, "nginx-gate-command": 20_000 };

/** What a stack with every site may take: Pulumi writes all of it at each step, and keeps it twice for each update. */
const WHOLE_STATE_BYTES = 500_000;

/** All that a preview shows of a change to `local`. */
const CHANGES: Readonly<Record<string, { settings: Record<string, unknown>; steps: readonly string[] }>> = {
    allowFrom: { settings: { onprem: { allowFrom: ["10.0.0.0/8"] } }, steps: [...FRONT_FILES, ASKED_AFTER_FILES] },
    "a key's generation": {
        settings: { keys: [{ name: "acme", generation: 2 }] },
        steps: [
            "create keys-acme.2",
            "update worker-script bindings",
            ...RELAY_FILLED_AGAIN,
            ...UPLINK_FILES,
            `${ASKED} stdin,triggers → triggers`,
        ],
    },
    registryVersion: {
        settings: { onprem: { registryVersion: "2.8.3" } },
        steps: [
            "replace onprem-images-cache name → name",
            "replace onprem-cache-container envs,image → envs,image",
            "replace onprem-cache-ready",
            ASKED,
        ],
    },
    upstreams: {
        settings: { upstreams: ["docker.io"] },
        steps: [
            "update worker-script bindings",
            ...RELAY_FILLED_AGAIN,
            ...UPLINK_FILES,
            ...FRONT_FILES,
            ASKED_AFTER_FILES,
        ],
    },
    "a port": {
        settings: { onprem: { port: 8443 } },
        steps: [
            "replace onprem-front-trial stdin,triggers → triggers",
            "replace onprem-front-container ports → ports",
            // Of the container that is not there yet.
            "replace onprem-front-files",
            ASKED,
        ],
    },
    "edge.hostname": {
        settings: { edge: { hostname: "hub2.example.com" } },
        steps: [
            "replace worker-script bindings,scriptName → scriptName",
            "replace worker-subdomain scriptName → scriptName",
            "replace worker-domain hostname,service → hostname,service",
            "replace worker-gate-command",
            ...UPLINK_FILES,
            `${ASKED} stdin,triggers → triggers`,
        ],
    },
};

describe("The program, by Pulumi's engine", function () {
    this.timeout(600_000);
    let pulumi: TestPulumi;
    before(async () => {
        pulumi = await TestPulumi.open(imaginaryProviders());
    });
    after(() => pulumi.close());

    it("says which stack is missing whose relays are wanted", async () => {
        const relays = [{ stack: "never-made", key: "shanghai" }];
        const config = changed(readStack("example-shanghai", {}), { relays });
        const preview = pulumi.operate({ kind: "preview" }, MODULE, undefined, "lost", config);
        await assert.rejects(preview, /unknown stack "never-made"/);
    });

    it("takes over what was made by hand, as docs/import.md says", async () => {
        const config = readStack("local", {});
        const ids: Record<string, string> = { "nginx-record": "zone/record", "vm-eip": "eipalloc-1" };
        const importFile = join(pulumi.folder, "import.json");
        await pulumi.operate({ kind: "preview", importFile }, MODULE, undefined, "taken-over", config);
        const list = JSON.parse(readFileSync(importFile, "utf8")) as ImportList;
        const resources = list.resources
            .filter(({ component, name }) => component || name in ids)
            .map((resource) => (resource.name in ids ? { ...resource, id: ids[resource.name] } : resource));
        const { nameTable } = list;
        const imported = await pulumi.operate(
            { kind: "import", resources, nameTable },
            MODULE,
            undefined,
            "taken-over",
            config,
        );
        assert.deepEqual(imported.outputs, {});
        const { changes } = await pulumi.operate({ kind: "preview" }, MODULE, undefined, "taken-over", config);
        const steps = summary(changes).filter((step) => Object.keys(ids).some((name) => step.includes(` ${name}`)));
        assert.deepEqual(steps, ["update nginx-record content,ttl"]);
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

        for (const [setting, { settings, steps }] of Object.entries(CHANGES)) {
            it(`changes only what must change with ${setting}`, async () => {
                const { changes } = await operate("preview", settings);
                const shown = summary(changes).filter((step) => !/^(create|delete)-replace/.test(step));
                assert.deepEqual(shown.sort(), [...steps].sort());
                const kept =
                    /(volume:Volume|ec2\/instance|eip:Eip|PrivateKey|RandomPassword|SelfSignedCert|LocallySigned)/;
                const lost = changes.filter(({ op, type }) => /replace|delete/.test(op) && kept.test(type));
                assert.deepEqual(lost, []);
            });
        }

        it("has no secret in the state, the settings' file or the log, and no program", async () => {
            const { state = {} } = await operate("export");
            for (const [part, bytes] of Object.entries(MOST_BYTES)) {
                const own = state.resources.filter(({ urn }: { urn: string }) => urn.endsWith(`::${part}`));
                assert.equal(own.length, 1, part);
                const size = JSON.stringify(own[0]).length;
                assert.ok(size <= bytes, `${part} takes ${size} bytes of the state, which is written at each step`);
            }
            const text = JSON.stringify(state);
            assert.ok(text.length <= WHOLE_STATE_BYTES, `the state takes ${text.length} bytes`);
            for (const secret of [SENTINEL, "PRIVATE KEY-----"]) {
                assert.ok(!text.includes(secret), `the state has "${secret}" in plain`);
                assert.ok(!pulumi.lines.some((line) => line.includes(secret)), `the log has "${secret}"`);
            }
            assert.match(text, /"ciphertext"/);
        });
    });
});
