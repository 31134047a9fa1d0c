/** The steps of the proof that are pulls by Docker Engine 29 and containerd 2.4, with nothing but the stack's files. */
import { strict as assert } from "node:assert";
import type { CatalogueEntry } from "../catalogue";
import { filtered, type ModernClient, modernClients } from "../modern-clients";
import { fullReference } from "../scene";
import { MODERN_CLIENT } from "../topology";
import { manifestBytes, measured, onlyRelays, platformOf } from "./measured";
import type { Finding, ProofInputs, StepOf } from "./step";

/** What a client asks that has no answer of the mirror. */
const UPSTREAM_HOSTS = ["registry-1.docker.io", "auth.docker.io", "ghcr.io"];
/** Less than the 30 s after which a client gives up to connect to a filtered host; more than a busy machine takes. */
const NO_WAIT_SECONDS = 25;

/** Cold, attested, of another upstream, and with every relay stopped, by each client. Leaves all relays well. */
export function modernSteps({ scene, catalogue }: ProofInputs): Record<string, StepOf> {
    const { images } = catalogue;
    const machine = scene.topology.container(MODERN_CLIENT);
    const { docker } = scene.topology;
    const atHome = (step: () => Promise<Finding>): StepOf => ({ needs: ["an on-prem site"], step });
    const withoutUpstreams = <T>(work: () => Promise<T>) => filtered(docker, machine, UPSTREAM_HOSTS, work);

    const pullsRight = async (client: ModernClient, entry: CatalogueEntry) => {
        const name = fullReference(entry);
        assert.equal(await client.pull(name), entry.made.digest, `${name}: the digest that the tag points at`);
        const { config, layers } = platformOf(entry);
        for (const { digest } of [config, ...layers]) assert.ok(await client.holds(digest), `${name}: ${digest}`);
        assert.equal(await client.read(name, "/etc/image"), `${entry.upstream}/${entry.repository}`);
    };
    const coldPull = async (client: ModernClient, entry: CatalogueEntry): Promise<Finding> => {
        const image = platformOf(entry);
        const found = await measured(scene, () => pullsRight(client, entry), image);
        const most = image.size * 1.02 + manifestBytes(catalogue, entry);
        assert.ok(found.linkBytes >= image.size, `${found.linkBytes} bytes on the link: the image was not cold`);
        assert.ok(found.linkBytes <= most, `${found.linkBytes} bytes on the link for ${image.size}`);
        return found;
    };
    /** Of an image that comes with an attestation, where a question to the Hub would never be answered. */
    const attestedPull = async (client: ModernClient, entry: CatalogueEntry): Promise<Finding> => {
        const found = await measured(scene, () => withoutUpstreams(() => pullsRight(client, entry)), platformOf(entry));
        assert.ok(found.seconds < NO_WAIT_SECONDS, `${found.seconds} s: as if it had waited for the Hub`);
        return found;
    };
    /** By the names that they have on the Hub and elsewhere: two upstreams, one mirror. */
    const ownNamePull = async (client: ModernClient): Promise<Finding> => {
        assert.notEqual(images.ghcrTool.made.digest, images.hubTool.made.digest);
        return measured(scene, async () => {
            await pullsRight(client, images.ghcrTool);
            await pullsRight(client, images.hubTool);
        });
    };
    const cachedPulls = async (client: ModernClient, cold: CatalogueEntry): Promise<Finding> => {
        await client.forget();
        const started = Date.now();
        for (const entry of [cold, images.attested, images.ghcrTool]) await pullsRight(client, entry);
        const seconds = (Date.now() - started) / 1000;
        assert.ok(seconds < NO_WAIT_SECONDS, `${seconds} s: as if it had waited for the Hub`);
        return { seconds };
    };

    const [docker29, containerd] = modernClients(docker, machine);
    const coldOf = new Map([
        [docker29, images.unattested],
        [containerd, images.containerd],
    ]);
    const ofEach = [...coldOf].map(
        ([client, cold]): Record<string, StepOf> => ({
            [`${client.name}: cold pull`]: atHome(() => coldPull(client, cold)),
            [`${client.name}: attested image, the Hub filtered`]: atHome(() => attestedPull(client, images.attested)),
            [`${client.name}: ghcr.io image by its own name`]: atHome(() => ownNamePull(client)),
        }),
    );
    return {
        ...Object.assign({}, ...ofEach),
        "every relay stopped, cached images by Docker 29 and containerd 2.4": atHome(async () => {
            for (const relay of scene.relays) await scene.stop(relay);
            try {
                const found = await withoutUpstreams(async () => {
                    const each: Finding[] = [];
                    for (const [client, cold] of coldOf) each.push(await cachedPulls(client, cold));
                    return each;
                });
                return { seconds: found.reduce((sum, { seconds = 0 }) => sum + seconds, 0) };
            } finally {
                for (const relay of scene.relays) await scene.start(relay);
            }
        }),
        "Docker 29 and containerd 2.4 have asked the mirror alone": atHome(async () => {
            const requests = await scene.hub.requests();
            assert.ok(requests.length > 0, "the double has seen no request at all");
            onlyRelays(scene, requests);
            return { note: `${requests.length} requests seen` };
        }),
    };
}
