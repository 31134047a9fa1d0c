/** @pulumi/cloudflare: the Worker in a real workerd behind its custom domain; zones and records as the settings say. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Made, Properties, StandIn, Wanted } from "../engine";
import { issue } from "../pki";
import { type RelayRole, RUN, relayRole, type Topology } from "../topology";
import { type WorkerScript, workerdConfig } from "./workerd";

const WORKERD = join(__dirname, "..", "..", "node_modules", "@cloudflare", "workerd-linux-64", "bin", "workerd");

/** What @pulumi/cloudflare is in a rehearsal. */
export interface CloudflareStandIn {
    readonly standIns: Record<string, StandIn>;
    /** Provider functions that the program calls. */
    readonly functions: Record<string, (inputs: Properties) => Promise<Properties>>;
}

/** Where a stack's Worker is. */
interface WorkerPlace {
    readonly role: RelayRole;
    readonly folder: string;
    /** The host name that leads to it: a later run of the program deploys there again. */
    readonly domainFile: string;
}

/** The zone's name server is a real one, on this machine, that knows what records and custom domains were made. */
export function cloudflareStandIn(topology: Topology, stack: string): CloudflareStandIn {
    const role = relayRole("worker", stack);
    const folder = join(RUN, role);
    const place: WorkerPlace = { role, folder, domainFile: join(folder, "domain") };
    const scripts = new Map<string, WorkerScript>();
    const upload = async ({ inputs }: Wanted): Promise<Made> => {
        scripts.set(inputs.scriptName, inputs as unknown as WorkerScript);
        return { id: inputs.scriptName, outputs: {} };
    };
    const script: StandIn = {
        create: upload,
        replaceOn: ["accountId", "scriptName"],
        update: async (wanted) => {
            if (existsSync(place.domainFile)) {
                const hostname = readFileSync(place.domainFile, "utf8");
                writeConfig(topology, place, hostname, wanted.inputs as unknown as WorkerScript);
                await topology.docker.run(["restart", "--time", "2", topology.container(role)]);
            }
            return upload(wanted);
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
            await startWorker(topology, place, hostname, deployed);
            topology.zone.enter(hostname, "A", await topology.address(role, "link"));
            return { id: hostname, outputs: { zoneName: "", certId: "" } };
        },
        remove: async ({ inputs }) => {
            topology.zone.remove(inputs.hostname, "A");
            rmSync(place.domainFile, { force: true });
            await topology.docker.run(["rm", "--force", "--volumes", topology.container(role)]);
        },
    };
    const enter = async ({ inputs: { name, type, content, proxied } }: Wanted): Promise<Made> => {
        if ((type !== "A" && type !== "AAAA") || proxied)
            throw new Error(`${name}: the rehearsal enters grey A and AAAA records only`);
        topology.zone.enter(name, type, content);
        return { id: `${name} ${type}`, outputs: {} };
    };
    const dnsRecord: StandIn = {
        create: enter,
        replaceOn: ["zoneId", "name", "type"],
        update: enter,
        remove: async ({ inputs }) => topology.zone.remove(inputs.name, inputs.type),
    };
    // Active at once: nobody in the rehearsal could enter its name servers at a registrar.
    const zoneOf = async (name: string) => ({
        zoneId: ZONE_ID,
        name,
        status: "active",
        nameServers: [topology.nameServer],
    });
    const zone: StandIn = { create: async ({ inputs }) => ({ id: ZONE_ID, outputs: await zoneOf(inputs.name) }) };
    const getZone = async ({ filter, zoneId }: Properties) => ({
        id: zoneId ?? ZONE_ID,
        ...(await zoneOf(filter?.name ?? "")),
    });
    return {
        standIns: {
            "cloudflare:index/workersScript:WorkersScript": script,
            "cloudflare:index/workersScriptSubdomain:WorkersScriptSubdomain": subdomain,
            "cloudflare:index/workersCustomDomain:WorkersCustomDomain": customDomain,
            "cloudflare:index/dnsRecord:DnsRecord": dnsRecord,
            "cloudflare:index/zone:Zone": zone,
        },
        functions: { "cloudflare:index/getZone:getZone": getZone },
    };
}

const ZONE_ID = "00000000000000000000000000000000";

async function startWorker(
    topology: Topology,
    place: WorkerPlace,
    hostname: string,
    script: WorkerScript,
): Promise<void> {
    mkdirSync(place.folder, { recursive: true });
    writeConfig(topology, place, hostname, script);
    await topology.program(
        place.role,
        { link: [hostname], world: [] },
        [`${WORKERD}:/usr/local/bin/workerd:ro`, `${place.folder}:/worker:ro`],
        ["workerd", "serve", "/worker/config.capnp"],
    );
    writeFileSync(place.domainFile, hostname);
}

function writeConfig(topology: Topology, { folder }: WorkerPlace, hostname: string, script: WorkerScript): void {
    const config = workerdConfig(script, {
        listen: "*:443",
        tls: issue(topology.ca, [hostname]),
        trustedCa: topology.ca.cert,
    });
    writeFileSync(join(folder, "config.capnp"), config, { mode: 0o600 });
}
