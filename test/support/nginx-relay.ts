/** The relay Nginx under test, in front of the Hub double. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { relayFiles } from "../../components/overseas/relay-files";
import type { Debian } from "../../rehearsal/debian";
import { startDns } from "../../rehearsal/dns";
import { issue } from "../../rehearsal/pki";
import { selectUpstreams, UPSTREAMS } from "../../services/registry/upstreams";
import { freePort } from "./free-port";
import { layRelease, machineIn, type Nginx, nginxFolder, nginxOf, remove, startNginx, textOf } from "./nginx";
import type { RelayOptions, RelayUnderTest, StartRelay } from "./relay";

const HOSTNAME = "vm.example.com";

/** A relay on nginx and njs of this Debian. */
export function nginxRelayOn(debian: Debian): StartRelay {
    return async (options) => startNginxRelay(options, undefined, undefined, await nginxOf(debian));
}

/**
 * @param upstreamCa PEM that upstreams are checked with, in place of the CA that signed the double's certificate.
 * @param release What its files are made by. @default this release
 * @param nginx What it runs on. @default this machine's
 */
export async function startNginxRelay(
    options: RelayOptions,
    upstreamCa = options.ca.cert,
    release = { relayFiles, selectUpstreams },
    nginx?: Nginx,
): Promise<RelayUnderTest> {
    const folder = nginxFolder();
    const caBundle = join(folder, "upstreams-ca.pem");
    writeFileSync(caBundle, upstreamCa);
    const machine = machineIn(folder, caBundle, nginx);
    const port = await freePort();
    const { cert: certificate, key } = issue(options.ca, [HOSTNAME]);
    const files = release.relayFiles({
        hostname: HOSTNAME,
        port,
        upstreams: release.selectUpstreams(options.upstreams ?? UPSTREAMS.map(({ name }) => name)),
        redirectHosts: options.redirectHosts,
        keys: options.keys,
        hubAccount: options.account,
        privateAccounts: options.privateAccounts,
        access: options.access,
        abuseContact: options.abuseContact,
        publicLimit: options.publicLimit,
        tls: { certificate, key, ca: options.ca.cert },
        machine,
    });
    const dns = await startDns(options.hubAddress);
    const clean = async () => {
        await dns.close();
        remove(folder);
    };
    const running = await startNginx(layRelease(folder, files, dns.address), port, nginx).catch(async (error) => {
        await clean();
        throw error;
    });
    return {
        origin: `https://127.0.0.1:${port}`,
        hostname: HOSTNAME,
        ca: options.ca.cert,
        hub: options.hub,
        logLines: async () =>
            (await textOf(machine.accessLog))
                .split("\n")
                .filter((line) => line !== "")
                .map((line) => JSON.parse(line)),
        logText: async () => (await textOf(machine.accessLog)) + (await textOf(machine.errorLog)) + running.output(),
        stop: async () => {
            await running.stop();
            await clean();
        },
    };
}
