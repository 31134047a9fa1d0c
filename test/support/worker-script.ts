/** What the edge component gives to Cloudflare, as a runtime takes it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { WorkerRelay } from "../../components/edge/worker-relay";
import type { WorkerScript } from "../../rehearsal/stand-ins/workerd";
import { selectUpstreams, UPSTREAMS } from "../../services/registry/upstreams";
import { deploy, only, reveal } from "./deploy";
import type { RelayOptions } from "./relay";

const ROOT = join(__dirname, "..", "..");

type WorkerOptions = Omit<RelayOptions, "hub" | "hubAddress" | "ca"> & { readonly hostname: string };

/** The inputs of the `WorkersScript` that `WorkerRelay` makes, secrets unwrapped. */
export async function workerScript(options: WorkerOptions): Promise<WorkerScript> {
    const deployed = await deploy(() => {
        const { url } = new WorkerRelay("worker", {
            accountId: "0123456789abcdef0123456789abcdef",
            zone: { id: "fedcba9876543210fedcba9876543210", nameServers: ["ns.example.com"] },
            hostname: options.hostname,
            keys: options.keys,
            hubAccount: options.account,
            privateAccounts: options.privateAccounts,
            upstreams: options.upstreams ? selectUpstreams(options.upstreams) : UPSTREAMS,
            redirectHosts: options.redirectHosts,
            access: options.access,
            abuseContact: options.abuseContact,
            publicLimit: options.publicLimit,
        });
        return { url };
    });
    const { contentFile, ...inputs } = reveal(only(deployed, "cloudflare:index/workersScript:WorkersScript").inputs);
    return { ...inputs, content: readFileSync(join(ROOT, contentFile), "utf8") };
}
