/** What Prometheus sees. One registry an uplink: nothing is kept in the module. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";

/** The uplink's metrics; all names start with `dockermirror_uplink_`. */
export class Metrics {
    readonly registry = new Registry();
    /** Body bytes read from a relay: what the thin link carried. */
    readonly linkBytes = this.counter("link_bytes_total", "Body bytes read from relays", ["relay"]);
    readonly linkRequests = this.counter("link_requests_total", "Requests sent to relays", ["relay"]);
    readonly relayFailures = this.counter("relay_failures_total", "Failures that rested a relay", ["relay", "kind"]);
    readonly wrongBytes = this.counter("wrong_bytes_total", "Contents of a relay that had a wrong digest", ["relay"]);
    readonly relayUsable = this.gauge("relay_usable", "1 when the relay is used, 0 while it rests", ["relay"]);
    readonly upstreamUsable = this.gauge(
        "relay_upstream_usable",
        "1 when the relay is used for the upstream, 0 while the upstream hangs or rests there",
        ["relay", "upstream"],
    );
    readonly upstreamFailures = this.counter(
        "relay_upstream_failures_total",
        "Failures of an upstream that rested a relay for that upstream alone",
        ["relay", "upstream", "kind"],
    );
    readonly upstreamWrongBytes = this.counter(
        "upstream_wrong_bytes_total",
        "Contents that have a wrong digest through every relay",
        ["upstream"],
    );
    readonly refusedRedirects = this.counter(
        "refused_redirects_total",
        "Answers lost because no relay follows the upstream's redirect to this host",
        ["upstream", "host"],
    );
    readonly staleAnswers = this.counter(
        "stale_answers_total",
        "Tags answered with the digest that they had last, because the upstream could not be asked in time",
        ["upstream"],
    );
    /** Unix time; a relay whose certificate was not seen yet has none. */
    readonly certificateExpires = this.gauge(
        "relay_certificate_expires_seconds",
        "When the certificate that the relay showed last expires",
        ["relay"],
    );
    /** `reason`: why; `answer`: what was given, see referrers.ts. */
    readonly referrersLacking = this.counter(
        "referrers_lacking_total",
        "Answers about referrers that may lack some, because the upstream could not be asked",
        ["reason", "answer"],
    );
    /** `found`: `request` or `scrub`. */
    readonly storeWrong = this.counter("store_wrong_blobs_total", "Blobs of the cache's store that were wrong", [
        "found",
    ]);
    readonly storeScrubbed = this.counter("store_scrubbed_bytes_total", "Bytes of the cache's store checked", []);
    /** `outcome`: `kept` or `refused`. */
    readonly handovers = this.counter("handovers_total", "Blobs that the cache was given", ["outcome"]);
    readonly requests = this.counter("requests_total", "Requests answered", ["kind", "status"]);
    readonly servedBytes = this.counter("served_bytes_total", "Blob bytes given out, by where they were", ["source"]);
    readonly spoolBytes = this.gauge("spool_bytes", "Bytes in the spool", []);
    readonly spoolPassed = this.counter(
        "spool_passed_total",
        "Blobs given out past the spool, which could not take them",
        [],
    );
    readonly spoolWrong = this.counter("spool_wrong_total", "Blobs in the spool that had a wrong size or digest", []);
    readonly spoolEvictions = this.counter("spool_evictions_total", "Blobs dropped from the spool for room", []);

    /** @param relays Names of all relays, so that each has its series from the start. */
    constructor(relays: readonly string[]) {
        collectDefaultMetrics({ register: this.registry });
        for (const relay of relays) this.addRelay(relay);
    }

    /** Begins a relay's series; one that there was goes on. */
    addRelay(relay: string): void {
        for (const metric of [this.linkBytes, this.linkRequests, this.wrongBytes]) metric.inc({ relay }, 0);
        this.relayUsable.set({ relay }, 1);
    }

    /** Ends what says how a relay is now; what it has carried stays. */
    removeRelay(relay: string, upstreams: readonly string[]): void {
        this.relayUsable.remove({ relay });
        this.certificateExpires.remove({ relay });
        for (const upstream of upstreams) this.upstreamUsable.remove({ relay, upstream });
    }

    private counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
        return new Counter({ name: `dockermirror_uplink_${name}`, help, labelNames, registers: [this.registry] });
    }

    private gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Gauge<Label> {
        return new Gauge({ name: `dockermirror_uplink_${name}`, help, labelNames, registers: [this.registry] });
    }
}
