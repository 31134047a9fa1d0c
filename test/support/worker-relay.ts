/** The Worker in real workerd, with the script and bindings that the component gives to Cloudflare. */
import { HUB_HOSTS } from "../../rehearsal/hub/upstream-hosts";
import { issue } from "../../rehearsal/pki";
import { type WorkerScript, workerdConfig } from "../../rehearsal/stand-ins/workerd";
import type { RelayOptions, RelayUnderTest } from "./relay";
import { workerScript } from "./worker-script";
import { startWorkerd } from "./workerd";

const HOSTNAME = "hub.example.com";

/** @param change Of what Cloudflare is given, such as the script of an earlier release. */
export async function startWorkerRelay(
    options: RelayOptions,
    change: (script: WorkerScript) => WorkerScript = (script) => script,
): Promise<RelayUnderTest> {
    const script = change(await workerScript({ ...options, hostname: HOSTNAME }));
    const names = [...HUB_HOSTS, ...(options.furtherHosts ?? [])];
    const workerd = await startWorkerd(
        workerdConfig(script, {
            listen: "127.0.0.1:0",
            tls: issue(options.ca, [HOSTNAME]),
            trustedCa: options.ca.cert,
            hosts: { names, address: `${options.hubAddress}:443` },
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
