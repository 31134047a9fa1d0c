/** Redirects of upstreams that no relay follows: an upstream has moved its contents, and the closed table is behind. */
import type { Log } from "./log";
import type { Metrics } from "./metrics";

/** Hosts that are told apart; an upstream that makes up a host for each answer is not to fill the metrics. */
const HOSTS_MAX = 20;

/** As `/status` shows it. */
export interface RefusedRedirect {
    readonly upstream: string;
    readonly host: string;
    readonly times: number;
    readonly last: string;
}

export class RefusedRedirects {
    private readonly seen = new Map<string, RefusedRedirect>();

    constructor(
        private readonly log: Log,
        private readonly metrics: Metrics,
    ) {}

    /** Counts one, and says what a person can do about it. `host` is missing where the relay could not name it. */
    note(upstream: string, host = "unknown"): string {
        const of = [...this.seen.values()].filter((each) => each.upstream === upstream);
        const isKnown = of.some((each) => each.host === host);
        const name = isKnown || of.length < HOSTS_MAX ? host : "other";
        const key = `${upstream} ${name}`;
        const times = (this.seen.get(key)?.times ?? 0) + 1;
        this.seen.set(key, { upstream, host: name, times, last: new Date().toISOString() });
        this.metrics.refusedRedirects.inc({ upstream, host: name });
        this.log("error", "redirect not followed", { upstream, host });
        return `${upstream} redirects to ${host}, which no relay's table of redirect hosts has: if that host is the upstream's own, add it to the setting redirectHosts of the relays`;
    }

    /** For `/status`. */
    state(): readonly RefusedRedirect[] {
        return [...this.seen.values()];
    }
}
