/** @pulumi/cloudflare: the Worker in a real workerd behind its custom domain; zones and records as the settings say. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { issue } from "../pki";
import { type RelayRole, RUN, relayRole, type Topology } from "../topology";
import { SHAPES } from "./shapes";
import type { Made, Properties, Provider, Remembered, StandIn, Wanted } from "./stand-in";
import { type WorkerScript, workerdConfig } from "./workerd";

const PROJECT_FOLDER = join(__dirname, "..", "..");
const WORKERD = join(__dirname, "..", "..", "node_modules", "@cloudflare", "workerd-linux-64", "bin", "workerd");

/** Where a stack's Worker is, and what of it must outlive one run of Pulumi. */
interface WorkerPlace {
    readonly role: RelayRole;
    readonly folder: string;
    /** The inputs of the script that was uploaded last: what Cloudflare knows of it. Holds its secrets. */
    readonly scriptFile: string;
    /** The host name that leads to it. */
    readonly domainFile: string;
}

/** Where a rehearsal keeps what Cloudflare knows of a stack's script. */
export function workerScriptFile(stack: string): string {
    return join(RUN, relayRole("worker", stack), "script.json");
}

/**
 * The provider. The zone's name server is a real one, on this machine, that knows what records and custom domains were
 * made. Which inputs replace a resource: `RequiresReplace` in
 * https://github.com/cloudflare/terraform-provider-cloudflare, internal/services/<resource>/schema.go.
 */
export function cloudflareProvider(topology: Topology, stack: string): Provider {
    const role = relayRole("worker", stack);
    const folder = join(RUN, role);
    const place: WorkerPlace = {
        role,
        folder,
        scriptFile: workerScriptFile(stack),
        domainFile: join(folder, "domain"),
    };
    const upload = async ({ inputs }: Wanted): Promise<Made> => {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        writeFileSync(place.scriptFile, JSON.stringify({ ...inputs, content: contentOf(inputs) }), { mode: 0o600 });
        return { id: inputs.scriptName, outputs: {} };
    };
    const uploaded = (name: string): Properties | undefined => {
        if (!existsSync(place.scriptFile)) return undefined;
        const script = JSON.parse(readFileSync(place.scriptFile, "utf8"));
        return script.scriptName === name ? script : undefined;
    };
    const script: StandIn = {
        create: upload,
        inPlace: everythingOf("cloudflare:index/workersScript:WorkersScript", ["accountId", "scriptName"]),
        update: async (wanted) => {
            if (existsSync(place.domainFile)) {
                const hostname = readFileSync(place.domainFile, "utf8");
                const script = { ...wanted.inputs, content: contentOf(wanted.inputs) };
                writeConfig(topology, place, hostname, script as unknown as WorkerScript);
                await topology.docker.run(["restart", "--time", "2", topology.container(role)]);
            }
            return upload(wanted);
        },
        read: async ({ id }) => {
            const found = uploaded(id);
            if (!found) return undefined;
            const { content: _, ...inputs } = found;
            return { inputs };
        },
        remove: async () => rmSync(place.scriptFile, { force: true }),
    };
    const subdomain: StandIn = {
        create: async ({ inputs }) => {
            if (inputs.enabled) throw new Error("the rehearsal has no workers.dev");
            return { id: inputs.scriptName, outputs: {} };
        },
        inPlace: ["enabled", "previewsEnabled"],
        read: async ({ id }) => (uploaded(id) ? {} : undefined),
    };
    const customDomain: StandIn = {
        create: async ({ inputs }) => {
            const { hostname, service } = inputs;
            const deployed = uploaded(service);
            if (!deployed) throw new Error(`${hostname} is to lead to the Worker ${service}, which is not deployed`);
            await startWorker(topology, place, hostname, deployed as unknown as WorkerScript);
            topology.zone.enter(hostname, "A", await topology.address(role, "link"));
            topology.zone.enter(hostname, "AAAA", IPV6_ADDRESS);
            return { id: hostname, outputs: { zoneName: "", certId: "" } };
        },
        read: async ({ id }) =>
            existsSync(place.domainFile) && readFileSync(place.domainFile, "utf8") === id ? {} : undefined,
        remove: async ({ inputs }) => {
            for (const type of ["A", "AAAA"] as const) topology.zone.remove(inputs.hostname, type);
            rmSync(place.domainFile, { force: true });
            await topology.docker.run(["rm", "--force", "--volumes", topology.container(role)]);
        },
    };
    const enter = async ({ inputs: { name, type, content, proxied } }: Wanted, old?: Remembered): Promise<Made> => {
        if ((type !== "A" && type !== "AAAA") || proxied)
            throw new Error(`${name}: the rehearsal enters grey A and AAAA records only`);
        if (old && old.inputs.name !== name) topology.zone.remove(old.inputs.name, type);
        topology.zone.enter(name, type, content);
        return { id: `${name} ${type}`, outputs: {} };
    };
    const dnsRecord: StandIn = {
        create: enter,
        inPlace: everythingOf("cloudflare:index/dnsRecord:DnsRecord", ["zoneId", "type"]),
        update: async (wanted, old) => ({ ...(await enter(wanted, old)), id: old.id }),
        read: async ({ id, inputs }) => {
            const { zoneId, name, type } = recordOf(id, inputs);
            const [content] = topology.zone.records()[name]?.[type as "A"] ?? [];
            return content === undefined ? undefined : { inputs: { zoneId, name, type, content } };
        },
        remove: async ({ inputs }) => topology.zone.remove(inputs.name, inputs.type),
    };
    // Active at once: nobody in the rehearsal could enter its name servers at a registrar.
    const zoneOf = async (name: string) => ({
        zoneId: ZONE_ID,
        name,
        status: "active",
        nameServers: [topology.nameServer],
    });
    const zone: StandIn = {
        create: async ({ inputs }) => ({ id: ZONE_ID, outputs: await zoneOf(inputs.name) }),
        inPlace: ["paused", "type", "vanityNameServers"],
        read: async ({ inputs }) => ({ outputs: await zoneOf(inputs.name) }),
    };
    const getZone = async ({ filter, zoneId }: Properties) => ({
        id: zoneId ?? ZONE_ID,
        ...(await zoneOf(filter?.name ?? "")),
    });
    return {
        package: "cloudflare",
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

/**
 * The Worker's text, from where Pulumi runs providers. A file of another text is an error, as it is with the real one:
 * https://github.com/cloudflare/terraform-provider-cloudflare, internal/services/workers_script/resource.go.
 */
function contentOf({ contentFile, contentSha256 }: Properties): string {
    const text = readFileSync(join(PROJECT_FOLDER, contentFile), "utf8");
    const sha256 = createHash("sha256").update(text).digest("hex");
    if (sha256 !== contentSha256) {
        throw new Error(`contentSha256 is ${contentSha256}, and the SHA-256 of ${contentFile} is ${sha256}`);
    }
    return text;
}

/** All inputs of a type but those that replace it. */
function everythingOf(type: string, but: readonly string[]): string[] {
    const names = Object.keys(SHAPES[type]?.inputs ?? {}).map((name) => name.replace("?", ""));
    return names.filter((name) => !but.includes(name));
}

/** An import gives `<zone id>/<record id>`; the record's own id is its name and type here. */
function recordOf(id: string, inputs: Properties): Properties {
    if (inputs.name !== undefined) return inputs;
    const [zoneId, record = ""] = id.split("/");
    const [name, type] = record.split(" ");
    return { zoneId, name, type };
}

/** Every name that Cloudflare proxies has one; the rehearsal's machines, as many offices, have no route to it (RFC 3849). */
const IPV6_ADDRESS = "2001:db8::c10d";
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
