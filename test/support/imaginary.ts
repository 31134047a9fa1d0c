/**
 * Providers that make nothing: they check inputs, see differences and force replacements as the rehearsal's stand-ins do,
 * and say that everything was made. Keys, certificates and passwords are real.
 */
import { createHash } from "node:crypto";
import type { Cloud } from "../../rehearsal/cloud";
import { awsProvider } from "../../rehearsal/stand-ins/aws";
import { cloudflareProvider } from "../../rehearsal/stand-ins/cloudflare";
import { commandProvider } from "../../rehearsal/stand-ins/command";
import { dockerProvider } from "../../rehearsal/stand-ins/docker";
import { randomProvider } from "../../rehearsal/stand-ins/random";
import type { Properties, Provider, StandIn, Wanted } from "../../rehearsal/stand-ins/stand-in";
import { tlsProvider } from "../../rehearsal/stand-ins/tls";
import type { Topology } from "../../rehearsal/topology";

/** Nobody's address: RFC 5737. */
const ADDRESS = "192.0.2.7";

/** What the providers compute, by type. */
const OUTPUTS: Readonly<Record<string, (wanted: Wanted) => Properties>> = {
    "aws:ec2/eip:Eip": () => ({ publicIp: ADDRESS, allocationId: "eipalloc-1" }),
    "aws:ec2/instance:Instance": () => ({ ipv6Addresses: [] }),
    "aws:lightsail/instance:Instance": () => ({ ipv6Addresses: [] }),
    "aws:lightsail/staticIp:StaticIp": () => ({ ipAddress: ADDRESS }),
    "cloudflare:index/zone:Zone": () => ({ nameServers: ["ns1.example.net", "ns2.example.net"], status: "active" }),
    "command:local:Command": () => ({ stdout: "", stderr: "" }),
    "command:remote:Command": () => ({ stdout: "", stderr: "" }),
    "docker:index/container:Container": () => ({ exitCode: 0, containerLogs: "" }),
    "docker:index/remoteImage:RemoteImage": ({ inputs }) => ({
        imageId: `sha256:${createHash("sha256").update(inputs.name).digest("hex")}`,
    }),
};

/** What was made by hand and can be imported, by type. */
const FOUND: Readonly<Record<string, Properties>> = {
    "cloudflare:index/dnsRecord:DnsRecord": {
        ...{
            zoneId: "0".repeat(32),
            name: "vm.example.com",
            type: "A",
            content: "198.51.100.1",
            ttl: 1,
            proxied: false,
        },
    },
    "aws:ec2/eip:Eip": { domain: "vpc" },
};

/** What happens to what is made, besides what the program does. Read at each step, so that a test can change it. */
export interface Fate {
    /** What somebody has changed by hand: inputs by type, as they are found from then on; null: it is gone. */
    readonly edited?: Readonly<Record<string, Properties | null>>;
    /** Before a resource is made: it may take a while, or fail. */
    readonly before?: (wanted: Wanted) => Promise<unknown>;
}

/** All providers of the program. */
export function imaginaryProviders(fate: Fate = {}): Provider[] {
    const nowhere = { nameServer: `${ADDRESS}:53` } as Topology;
    const worldly = [
        awsProvider({} as Cloud),
        cloudflareProvider(nowhere, "imaginary"),
        commandProvider({}),
        dockerProvider({}, () => {}),
    ];
    return [randomProvider, tlsProvider, ...worldly.map((provider) => withoutWorld(provider, fate))];
}

function withoutWorld(provider: Provider, fate: Fate): Provider {
    const standIns = Object.entries(provider.standIns).map(
        ([type, standIn]) => [type, imagined(type, standIn, fate)] as const,
    );
    return { ...provider, standIns: Object.fromEntries(standIns) };
}

function imagined(type: string, standIn: StandIn, fate: Fate): StandIn {
    let made = 0;
    const outputs = OUTPUTS[type] ?? (() => ({}));
    return {
        ...standIn,
        create: async (wanted) => {
            await fate.before?.(wanted);
            made += 1;
            return { id: `${wanted.name}-${made}`, outputs: outputs(wanted) };
        },
        update: async (wanted, old) => ({ id: old.id, outputs: { ...old.outputs, ...outputs(wanted) } }),
        read: async ({ inputs }) => {
            const found = fate.edited?.[type];
            if (found === null) return undefined;
            // An import knows no inputs.
            return { inputs: Object.keys(inputs).length > 0 ? found : FOUND[type] };
        },
        remove: async () => {},
    };
}
