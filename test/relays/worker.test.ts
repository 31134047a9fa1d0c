/** The Worker in real workerd, with the script and bindings that the component gives to Cloudflare. */
import { HUB_HOSTS } from "../../rehearsal/hub/upstream-hosts";
import { issue } from "../../rehearsal/pki";
import { workerdConfig } from "../../rehearsal/stand-ins/workerd";
import type { RelayOptions, RelayUnderTest } from "../support/relay";
import { workerScript } from "../support/worker-script";
import { startWorkerd } from "../support/workerd";
import { relayContract } from "./contract";

const HOSTNAME = "hub.example.com";

relayContract("Worker", startWorkerRelay);

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
