/** The Worker in real workerd, with the script and bindings that the component gives to Cloudflare. */
import assert from "node:assert/strict";
import { HUB_HOSTS } from "../../rehearsal/hub/upstream-hosts";
import { issue, makeCa } from "../../rehearsal/pki";
import { workerdConfig } from "../../rehearsal/stand-ins/workerd";
import { type RelayOptions, type RelayUnderTest, send } from "../support/relay";
import { workerScript } from "../support/worker-script";
import { startWorkerd } from "../support/workerd";
import { relayContract } from "./contract";

const HOSTNAME = "hub.example.com";

relayContract("Worker", startWorkerRelay);

describe("Worker relay open to the public", () => {
    const KEYS = { "acme.1": "A1kPq7Zr0sT5uVw2xYb4cDe6fGh8iJk1lMn3oPq5" };
    const LIMIT = 2;
    // Of so many requests one is too many, even if a new minute begins in between.
    const TOO_MANY = 2 * LIMIT + 1;

    it("limits the requests of an address, but not those of a caller with a key", async () => {
        const ca = makeCa("public Worker");
        const script = await workerScript({ hostname: HOSTNAME, keys: KEYS, access: "public" });
        const bindings = script.bindings.map((binding) =>
            binding.simple ? { ...binding, simple: { ...binding.simple, limit: LIMIT } } : binding,
        );
        const place = { listen: "127.0.0.1:0", tls: issue(ca, [HOSTNAME]), trustedCa: ca.cert };
        const workerd = await startWorkerd(workerdConfig({ ...script, bindings }, place));
        const relay = { origin: `https://127.0.0.1:${workerd.port}`, hostname: HOSTNAME, ca: ca.cert };
        const statuses = async (headers: Record<string, string>) => {
            const answers = [];
            while (answers.length < TOO_MANY) answers.push(await send(relay, "GET", "/v2/", headers));
            return answers.map(({ status, headers: { "retry-after": retryAfter } }) => ({ status, retryAfter }));
        };
        try {
            const withKey = await statuses({ "x-relay-key": KEYS["acme.1"] });
            assert.deepEqual(withKey, Array(TOO_MANY).fill({ status: 200, retryAfter: undefined }));
            const [first, ...others] = await statuses({});
            assert.deepEqual(first, { status: 200, retryAfter: undefined });
            assert.ok(others.some(({ status, retryAfter }) => status === 429 && retryAfter === "60"));
        } finally {
            await workerd.stop();
        }
    });
});

async function startWorkerRelay(options: RelayOptions): Promise<RelayUnderTest> {
    const script = await workerScript({ ...options, hostname: HOSTNAME });
    const workerd = await startWorkerd(
        workerdConfig(script, {
            listen: "127.0.0.1:0",
            tls: issue(options.ca, [HOSTNAME]),
            trustedCa: options.ca.cert,
            hosts: { names: HUB_HOSTS, address: `${options.hubAddress}:443` },
        }),
    );
    const lines = () => workerd.output().split("\n").slice(0, -1);
    return {
        origin: `https://127.0.0.1:${workerd.port}`,
        hostname: HOSTNAME,
        ca: options.ca.cert,
        hub: options.hub,
        logLines: async () =>
            lines()
                .filter((line) => line.startsWith("{"))
                .map((line) => JSON.parse(line)),
        logText: async () => workerd.output(),
        stop: () => workerd.stop(),
    };
}
