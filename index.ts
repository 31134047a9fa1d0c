import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import { WorkerRelay } from "./components/edge/worker-relay";
import { trustFiles } from "./components/onprem/client-files";
import { OnpremSite } from "./components/onprem/onprem-site";
import { NginxRelay } from "./components/overseas/nginx-relay";
import type { RelayEndpoint } from "./components/relay-endpoint";
import { RelayKeys } from "./components/relay-keys";
import { readSettings, warnings } from "./stacks/settings";

const settings = readSettings(new pulumi.Config());
const { edge, overseas, onprem, zone, upstreams, access, hubAccount } = settings;
for (const warning of warnings(settings)) pulumi.log.warn(warning);

const keys = new RelayKeys("keys", { keys: edge || overseas ? settings.keys : [], own: settings.ownKeys });
const found = zone === undefined ? undefined : cloudflare.getZoneOutput({ filter: { name: zone } });
const dns = found && { id: found.id, nameServers: found.nameServers };
const relay = { zone: dns, upstreams, access, hubAccount, keys: keys.values };

const nginx = overseas ? new NginxRelay("nginx", { ...relay, ...overseas }) : undefined;
const worker = edge && dns ? new WorkerRelay("worker", { ...relay, ...edge, zone: dns }) : undefined;
const key = keys.current[onprem?.key ?? settings.keys[0]?.name ?? ""] ?? "";
const relays: RelayEndpoint[] = [
    ...(nginx ? [{ name: "nginx", hostname: nginx.hostname, ca: nginx.ca, key }] : []),
    ...(worker ? [{ name: "worker", hostname: worker.hostname, key }] : []),
    ...settings.relays.map((other) => ({ ...other, key: settings.relayKey ?? "" })),
];
const made = [nginx, worker].filter((component) => component !== undefined);
const site = onprem && new OnpremSite("onprem", { ...onprem, relays, upstreams }, { dependsOn: made });

export const relayUrls = made.map(({ url }) => url);
export const relayKeys = keys.values;
export const relayClients = nginx && pulumi.all([nginx.hostname, nginx.ca]).apply(([host, ca]) => trustFiles(host, ca));
export const dnsRecord = zone === undefined ? nginx?.dnsRecord : undefined;
export const mirrorUrl = site?.mirrorUrl;
export const mirrorCa = site?.ca;
export const clients = site?.clients;
