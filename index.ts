import * as pulumi from "@pulumi/pulumi";
import { DnsZone, findZone } from "./components/dns-zone";
import { WorkerRelay } from "./components/edge/worker-relay";
import { withTls } from "./components/onprem/mirror-certificate";
import { OnpremSite } from "./components/onprem/onprem-site";
import { NginxRelay } from "./components/overseas/nginx-relay";
import { RelayHost } from "./components/overseas/relay-host";
import { present } from "./components/present";
import { relayOffers, withKeys } from "./components/relay-endpoint";
import { RelayKeys } from "./components/relay-keys";
import { sharedEndpoints } from "./components/shared-relays";
import { readSettings, warnings } from "./stacks/settings";

const settings = readSettings(new pulumi.Config());
const { edge, overseas, onprem, upstreams, redirectHosts, access, abuseContact, publicLimit } = settings;
const { hubAccount, privateAccounts } = settings;
for (const warning of warnings(settings)) pulumi.log.warn(warning);
const keys = new RelayKeys("keys", { keys: edge || overseas ? settings.keys : [], own: settings.ownKeys });
const zone = settings.createZone ? new DnsZone("zone", settings.createZone) : findZone(settings.zone);
const relay = { zone, upstreams, redirectHosts, access, abuseContact, publicLimit, hubAccount, privateAccounts };
const host = overseas && new RelayHost("vm", overseas.machine);
const nginx = overseas && host && new NginxRelay("nginx", { ...relay, ...overseas, host, keys: keys.values });
const worker = edge && zone && new WorkerRelay("worker", { ...relay, ...edge, zone, keys: keys.values });
const sites = [nginx, worker].filter((component) => component !== undefined);
const own = relayOffers({ nginx, worker });
const office = keys.offices[onprem?.key ?? settings.keys[0]?.name ?? ""];
const relays = [...withKeys(own, office), ...sharedEndpoints("relays", settings)];
const site = onprem && new OnpremSite("onprem", withTls({ ...onprem, relays, upstreams, sites }), { dependsOn: sites });

export = present({
    zoneNameServers: zone?.nameServers,
    relayUrls: sites.map(({ url }) => url),
    relays: own,
    relayKeys: keys.values,
    relaySsh: host && pulumi.secret(host.connection.apply((ssh) => ({ port: 22, ...ssh }))),
    relayClients: nginx?.clients,
    dnsRecord: zone === undefined ? nginx?.dnsRecord : undefined,
    ...(site && { mirrorUrl: site.mirrorUrl, mirrorCa: site.ca, clients: site.clients }),
});
