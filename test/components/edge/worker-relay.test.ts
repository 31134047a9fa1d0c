/** What WorkerRelay asks Cloudflare for. That the script works is proven in test/relays/worker.test.ts. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { workerBundle } from "../../../components/edge/worker-bundle";
import { COMPATIBILITY_DATE, WorkerRelay, type WorkerRelayArgs } from "../../../components/edge/worker-relay";
import { version } from "../../../package.json";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { deploy, only, plainOccurrences, reveal } from "../../support/deploy";

const SCRIPT = "cloudflare:index/workersScript:WorkersScript";
const SUBDOMAIN = "cloudflare:index/workersScriptSubdomain:WorkersScriptSubdomain";
const DOMAIN = "cloudflare:index/workersCustomDomain:WorkersCustomDomain";

const ACCOUNT_ID = "0123456789abcdef0123456789abcdef";
const ZONE_ID = "fedcba9876543210fedcba9876543210";
const KEYS = { "acme.1": "sEntiNelKeyOfGenerationOne", "acme.2": "sEntiNelKeyOfGenerationTwo" };
const HUB_ACCOUNT = { username: "acme", token: "sEntiNelHubToken" };
const PRIVATE_ACCOUNT = {
    upstream: "ghcr.io",
    username: "acme-bot",
    token: "sEntiNelPrivateToken",
    repositories: ["acme/*"],
};

function deployRelay(args: Partial<WorkerRelayArgs> = {}) {
    return deploy(() => {
        const relay = new WorkerRelay("worker", {
            accountId: ACCOUNT_ID,
            zone: { id: ZONE_ID, nameServers: ["ns.example.com"] },
            hostname: "hub.example.com",
            keys: KEYS,
            upstreams: selectUpstreams(["docker.io", "ghcr.io"]),
            ...args,
        });
        return { hostname: relay.hostname, url: relay.url };
    });
}

async function bindingsOf(args: Partial<WorkerRelayArgs>): Promise<Record<string, any>[]> {
    return reveal(only(await deployRelay(args), SCRIPT).inputs.bindings);
}

describe("WorkerRelay", () => {
    it("makes a script, its host name, its gate and nothing else, all its own children", async () => {
        const { resources, outputs } = await deployRelay();
        assert.deepEqual(
            resources.map(({ type, name }) => [type, name]).sort(),
            [
                ["dockermirror:edge:WorkerRelay", "worker"],
                [SCRIPT, "worker-script"],
                [SUBDOMAIN, "worker-subdomain"],
                [DOMAIN, "worker-domain"],
                ["dockermirror:index:RelayGate", "worker-gate"],
                ["command:local:Command", "worker-gate-command"],
            ].sort(),
        );
        for (const { custom, parent } of resources) {
            if (custom)
                assert.match(
                    parent,
                    /::dockermirror:edge:WorkerRelay(::worker|\$dockermirror:index:RelayGate::worker-gate)$/,
                );
        }
        assert.deepEqual(outputs, { hostname: "hub.example.com", url: "https://hub.example.com" });
    });

    it("gives Cloudflare the bundle as a module, with every choice made that previews would differ in", async () => {
        const { bindings, ...inputs } = only(await deployRelay(), SCRIPT).inputs;
        assert.deepEqual(inputs, {
            accountId: ACCOUNT_ID,
            scriptName: "dockermirror-hub-example-com",
            contentFile: ".dockermirror/worker.js",
            contentSha256: createHash("sha256").update(workerBundle()).digest("hex"),
            mainModule: "worker.js",
            compatibilityDate: COMPATIBILITY_DATE,
            observability: {
                enabled: true,
                headSamplingRate: 1,
                logs: { enabled: true, headSamplingRate: 1, invocationLogs: false, persist: true },
                traces: { enabled: false, headSamplingRate: 1, persist: true },
            },
        });
    });

    it("is written for a runtime that drops Authorization on redirects to other hosts", () => {
        assert.match(COMPATIBILITY_DATE, /^\d{4}-\d{2}-\d{2}$/);
        assert.ok(COMPATIBILITY_DATE >= "2025-09-01");
    });

    it("leads the host name to the script, and only the host name", async () => {
        const deployed = await deployRelay();
        const service = "dockermirror-hub-example-com";
        const domain = only(deployed, DOMAIN);
        const expected = { accountId: ACCOUNT_ID, zoneId: ZONE_ID, hostname: "hub.example.com", service };
        assert.deepEqual(domain.inputs, expected);
        assert.equal(domain.deleteBeforeReplace, true);
        assert.deepEqual(only(deployed, SUBDOMAIN).inputs, {
            accountId: ACCOUNT_ID,
            scriptName: service,
            enabled: false,
            previewsEnabled: false,
        });
    });

    it("keeps the script names of long host names apart, within Cloudflare's 63 characters", async () => {
        const names: string[] = [];
        for (const domain of ["example.com", "example.org"]) {
            const hostname = `${"a".repeat(60)}.${domain}`;
            names.push(only(await deployRelay({ hostname }), SCRIPT).inputs.scriptName);
        }
        for (const name of names) assert.match(name, /^dockermirror-a+-[0-9a-f]{8}$/);
        assert.deepEqual(
            names.map(({ length }) => length),
            [63, 63],
        );
        assert.notEqual(names[0], names[1]);
    });

    it("tells the Worker what it must know, and no more", async () => {
        assert.deepEqual(await bindingsOf({}), [
            { type: "secret_text", name: "KEYS", text: JSON.stringify(KEYS) },
            { type: "plain_text", name: "UPSTREAMS", text: '["docker.io","ghcr.io"]' },
            { type: "plain_text", name: "HOSTNAME", text: "hub.example.com" },
            { type: "plain_text", name: "ACCESS", text: "keys" },
            { type: "plain_text", name: "VERSION", text: version },
        ]);
    });

    it("tells it the Hub account when there is one", async () => {
        const bindings = await bindingsOf({ hubAccount: HUB_ACCOUNT });
        assert.deepEqual(
            bindings.filter(({ name }) => name.startsWith("HUB_")),
            [
                { type: "secret_text", name: "HUB_TOKEN", text: HUB_ACCOUNT.token },
                { type: "plain_text", name: "HUB_USERNAME", text: HUB_ACCOUNT.username },
            ],
        );
    });

    it("tells it the accounts for private repositories in a secret", async () => {
        const bindings = await bindingsOf({ privateAccounts: [PRIVATE_ACCOUNT] });
        assert.deepEqual(
            bindings.filter(({ name }) => name === "PRIVATE_ACCOUNTS"),
            [{ type: "secret_text", name: "PRIVATE_ACCOUNTS", text: JSON.stringify([PRIVATE_ACCOUNT]) }],
        );
    });

    it("refuses an account for private repositories that could not be used", async () => {
        const accounts = [
            { ...PRIVATE_ACCOUNT, upstream: "registry.k8s.io" },
            { ...PRIVATE_ACCOUNT, repositories: ["*"] },
        ];
        await assert.rejects(
            deployRelay({ privateAccounts: accounts }),
            /registry\.k8s\.io has no accounts.*; .* got "\*"/,
        );
    });

    it("limits the requests of an address where access is public", async () => {
        const bindings = await bindingsOf({ access: "public" });
        assert.ok(bindings.some(({ name, text }) => name === "ACCESS" && text === "public"));
        const [limit] = bindings.filter(({ type }) => type === "ratelimit");
        assert.deepEqual(limit, {
            type: "ratelimit",
            name: "RATE_LIMIT",
            namespaceId: "20375",
            simple: { limit: 300, period: 60 },
        });
    });

    it("lets keys and token out in secrets only, also when they come in plain", async () => {
        for (const secret of [(value: string) => value, (value: string) => pulumi.secret(value)]) {
            const { resources, outputs } = await deployRelay({
                keys: { "acme.1": secret(KEYS["acme.1"]), "acme.2": secret(KEYS["acme.2"]) },
                hubAccount: { username: "acme", token: secret(HUB_ACCOUNT.token) },
                privateAccounts: [{ ...PRIVATE_ACCOUNT, token: secret(PRIVATE_ACCOUNT.token) }],
            });
            assert.deepEqual(plainOccurrences({ resources, outputs }, "sEntiNel"), []);
            const { bindings } = only({ resources, outputs }, SCRIPT).inputs;
            assert.ok(JSON.stringify(reveal(bindings)).includes("sEntiNel"), "the secrets are there at all");
        }
    });

    it("tells whom to complain to and counts strangers, where they are let in", async () => {
        const named = async (args: Partial<WorkerRelayArgs>) =>
            Object.fromEntries((await bindingsOf(args)).map(({ name, text, simple }) => [name, text ?? simple]));
        const closed = await named({});
        assert.deepEqual([closed.ABUSE_CONTACT, closed.RATE_LIMIT], [undefined, undefined]);
        const open = await named({
            access: "public",
            abuseContact: "https://example.org",
            publicLimit: { requestsPerMinute: 60 },
        });
        assert.deepEqual([open.ABUSE_CONTACT, open.RATE_LIMIT], ["https://example.org", { limit: 60, period: 60 }]);
        assert.deepEqual((await named({ access: "public" })).RATE_LIMIT, { limit: 300, period: 60 });
    });

    it("refuses more keys than Cloudflare takes in a variable, without repeating one", async () => {
        const keys = (names: number) =>
            Object.fromEntries(
                Array.from({ length: names }, (_, index) => [`office-${index}.1`, "sEntiNel".repeat(6)]),
            );
        assert.ok(await deployRelay({ keys: keys(70) }));
        await assert.rejects(deployRelay({ keys: keys(80) }), (error: Error) => {
            assert.match(error.message, /dockermirror:keys {2}must fit into 5000 bytes at Cloudflare, got \d{4}: /);
            assert.doesNotMatch(error.message, /sEntiNel/);
            return true;
        });
    });

    it("lets the user change each resource underneath", async () => {
        const deployed = await deployRelay({
            transform: {
                script: (args, opts) => {
                    args.placement = { mode: "smart" };
                    opts.deleteBeforeReplace = true;
                },
                subdomain: { previewsEnabled: true },
                domain: { zoneId: "another" },
            },
        });
        assert.deepEqual(only(deployed, SCRIPT).inputs.placement, { mode: "smart" });
        assert.equal(only(deployed, SCRIPT).deleteBeforeReplace, true);
        assert.equal(only(deployed, SUBDOMAIN).inputs.previewsEnabled, true);
        assert.equal(only(deployed, DOMAIN).inputs.zoneId, "another");
    });
});
