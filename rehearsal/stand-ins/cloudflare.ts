/** @pulumi/cloudflare: the Worker in a real workerd behind its custom domain; zones and records as the settings say. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Properties, StandIn } from "../engine";
import { issue } from "../pki";
import { eventually } from "../run";
import { containerName, RUN, type Topology } from "../topology";
import { type WorkerScript, workerdConfig } from "./workerd";

const READY_SECONDS = 30;
const WORKERD = join(__dirname, "..", "..", "node_modules", "@cloudflare", "workerd-linux-64", "bin", "workerd");

/** Stand-ins for the resource types that the program uses. */
export function cloudflareStandIns(topology: Topology): Record<string, StandIn> {
    const scripts = new Map<string, WorkerScript>();
    const script: StandIn = {
        create: async ({ inputs }) => {
            scripts.set(inputs.scriptName, inputs as unknown as WorkerScript);
            return { id: inputs.scriptName, outputs: {} };
        },
    };
    const subdomain: StandIn = {
        create: async ({ inputs }) => {
            if (inputs.enabled) throw new Error("the rehearsal has no workers.dev");
            return { id: inputs.scriptName, outputs: {} };
        },
    };
    const customDomain: StandIn = {
        create: async ({ inputs }) => {
            const { hostname, service } = inputs;
            const deployed = scripts.get(service);
            if (!deployed) throw new Error(`${hostname} is to lead to the Worker ${service}, which is not deployed`);
            await startWorker(topology, hostname, deployed);
            return { id: hostname, outputs: { zoneName: "", certId: "" } };
        },
        remove: async () => void (await topology.docker.run(["rm", "--force", "--volumes", containerName("worker")])),
    };
    const dnsRecord: StandIn = {
        // The rehearsal's networks give machines their names when they are made: here it is only checked that they did.
        create: async ({ inputs }) => {
            const { name, type, proxied } = inputs;
            if (type === "A" && proxied)
                throw new Error(`${name}: the rehearsal has no Cloudflare proxy in front of machines`);
            await topology.docker.exec(containerName("direct"), ["getent", "hosts", name]);
            return { id: name, outputs: {} };
        },
    };
    return {
        "cloudflare:index/workersScript:WorkersScript": script,
        "cloudflare:index/workersScriptSubdomain:WorkersScriptSubdomain": subdomain,
        "cloudflare:index/workersCustomDomain:WorkersCustomDomain": customDomain,
        "cloudflare:index/dnsRecord:DnsRecord": dnsRecord,
    };
}

/** Provider functions that the program calls. */
export const cloudflareFunctions: Record<string, (inputs: Properties) => Promise<Properties>> = {
    "cloudflare:index/getZone:getZone": async ({ filter }) => ({ id: ZONE_ID, zoneId: ZONE_ID, name: filter.name }),
};

const ZONE_ID = "00000000000000000000000000000000";

async function startWorker(topology: Topology, hostname: string, script: WorkerScript): Promise<void> {
    const folder = join(RUN, "worker");
    mkdirSync(folder, { recursive: true });
    const config = workerdConfig(script, {
        listen: "*:443",
        tls: issue(topology.ca, [hostname]),
        trustedCa: topology.ca.cert,
    });
    writeFileSync(join(folder, "config.capnp"), config, { mode: 0o600 });
    await topology.program(
        "worker",
        { link: [hostname], world: [] },
        [`${WORKERD}:/usr/local/bin/workerd:ro`, `${folder}:/worker:ro`],
        ["workerd", "serve", "/worker/config.capnp"],
    );
    // A custom domain is there when the name leads to the Worker over TLS that everybody trusts.
    await eventually(`the Worker answers at ${hostname}`, READY_SECONDS, async () => {
        const status = [
            "curl",
            "-sS",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
            `https://${hostname}/v2/`,
        ];
        const said = await topology.docker.attempt(["exec", containerName("direct"), ...status]);
        if (said.code !== 0) throw new Error(said.stderr.trim());
        return true;
    }).catch(async (error: Error) => {
        const { stdout, stderr } = await topology.docker.attempt(["logs", "--tail", "20", containerName("worker")]);
        throw new Error(`${error.message}\n${stdout}${stderr}`);
    });
}
