/** The uplink as a whole: made from a configuration, started, stopped. */
import type { AddressInfo } from "node:net";
import { Blobs } from "./blobs";
import { checkSameSite, type UplinkConfig } from "./config";
import { Descriptors } from "./descriptors";
import { DOWNLOAD_LIMITS, type DownloadLimits } from "./download";
import { Handover } from "./handover";
import type { Log } from "./log";
import { Manifests } from "./manifests";
import { Metrics } from "./metrics";
import { Referrers } from "./referrers";
import { RELAY_TIMES, type RelayTimes } from "./relay";
import { Relays } from "./relays";
import { Scrub } from "./scrub";
import { READER_LIMITS, type ReaderLimits } from "./sending";
import { makeServer } from "./server";
import { Slots } from "./slots";
import { Spool } from "./spool";
import { Store } from "./store";

/** Ranges open at once, of all blobs together. */
const OPEN_RANGES = 16;

/** A started uplink. */
export interface Uplink {
    /** The port that it listens on. */
    readonly port: number;
    readonly metrics: Metrics;
    /**
     * Goes on with another configuration: for new requests at once; what is under way through a relay ends there. Spool,
     * counters and all that was learnt stay.
     *
     * @throws Error when it changes what only a restart can change; nothing is changed then.
     */
    take(config: UplinkConfig): Promise<void>;
    /** Stops listening, cuts readers off, keeps what has arrived. */
    close(): Promise<void>;
}

/**
 * Starts an uplink. Neither relays nor DNS are needed for that.
 *
 * @param times Replace the defaults, for tests.
 * @param limits Replace the defaults, for tests.
 * @throws when the port is taken or the spool cannot be written.
 */
export async function startUplink(
    config: UplinkConfig,
    log: Log,
    times: Partial<RelayTimes> = {},
    limits: Partial<DownloadLimits & ReaderLimits> = {},
): Promise<Uplink> {
    const metrics = new Metrics(config.relays.map(({ name }) => name));
    const relays = new Relays(config, { ...RELAY_TIMES, ...times }, log, metrics);
    const descriptors = new Descriptors();
    const spool = await Spool.open(config.spool.path, config.spool.budgetBytes, log, metrics);
    let current = config;
    const tagSeconds = () => current.tagSeconds;
    const { store } = config;
    const manifests = await Manifests.open(config.spool.path, { relays, descriptors, metrics, log, tagSeconds, store });
    const referrers = await Referrers.open(config.spool.path, { relays, manifests, metrics, log }, tagSeconds);
    const slots = new Slots(OPEN_RANGES);
    const kit = { relays, spool, slots, log, metrics, limits: { ...DOWNLOAD_LIMITS, ...limits } };
    const cacheStore = config.store === undefined ? undefined : new Store(config.store, log, metrics);
    const blobs = new Blobs(kit, descriptors, cacheStore);
    const handover = config.cache === undefined ? undefined : new Handover(config.cache, blobs, log, metrics);
    const scrub = cacheStore && new Scrub(cacheStore, config.spool.path, log, metrics);
    const status = () => ({
        configuration: current.source,
        relays: relays.state(),
        refusedRedirects: relays.redirects.state(),
        spool: spool.usage(),
        downloads: blobs.running(),
        handovers: handover?.underWay ?? 0,
    });
    const server = makeServer({
        upstreams: () => current.upstreams,
        relays,
        manifests,
        referrers,
        blobs,
        handover,
        metrics,
        log,
        status,
        limits: { ...READER_LIMITS, ...limits },
    });
    await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(config.port, resolve);
    });
    scrub?.start();
    return {
        port: (server.address() as AddressInfo).port,
        metrics,
        take: async (next) => {
            checkSameSite(current, next);
            current = next;
            relays.take(next.relays);
            await spool.resize(next.spool.budgetBytes);
        },
        close: async () => {
            const closed = new Promise((resolve) => server.close(resolve));
            const left = [handover?.stop(), scrub?.stop()];
            await blobs.close();
            await Promise.all(left);
            server.closeAllConnections();
            await closed;
            await relays.close();
        },
    };
}
