/** The certificate that a relay shows, noted at each new connection: the office sees when nobody renews it. */
import { TLSSocket } from "node:tls";
import type { buildConnector } from "undici";
import type { Log } from "./log";
import type { Metrics } from "./metrics";

const DAY_MS = 24 * 60 * 60 * 1000;
const LATE_MS = 14 * DAY_MS;
/** Of a certificate's life. Who renews by himself does so when a third is left: https://letsencrypt.org/docs/integration-guide/ */
const LATE_SHARE = 1 / 5;

/** From when to when a certificate is valid, in milliseconds since 1970. */
export interface Life {
    readonly from: number;
    readonly to: number;
}

/** True when less than 14 days are left, or less than a fifth of the certificate's life where that is shorter. */
export function isLate({ from, to }: Life, now: number): boolean {
    return to - now < Math.min(LATE_MS, (to - from) * LATE_SHARE);
}

/** What one relay showed last. */
export class ShownCertificate {
    private life: Life | undefined;
    private shownAt = Number.NEGATIVE_INFINITY;
    private warnedAt = Number.NEGATIVE_INFINITY;

    constructor(
        private readonly relay: string,
        private readonly log: Log,
        private readonly metrics: Metrics,
    ) {}

    /** A connector for undici that connects by `connect` and notes what the other side shows. */
    noting(connect: buildConnector.connector): buildConnector.connector {
        return (options, callback) =>
            connect(options, (...result) => {
                const [, socket] = result;
                const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
                if (certificate) {
                    const life = { from: Date.parse(certificate.validFrom), to: Date.parse(certificate.validTo) };
                    this.note(life, Date.now());
                }
                callback(...result);
            });
    }

    /** Notes a certificate that was shown at `now`; warns about one that is late, once a day. */
    note(life: Life, now: number): void {
        this.life = life;
        this.shownAt = now;
        this.metrics.certificateExpires.set({ relay: this.relay }, life.to / 1000);
        if (!isLate(life, now) || now - this.warnedAt < DAY_MS) return;
        this.warnedAt = now;
        const daysLeft = Math.floor(((life.to - now) / DAY_MS) * 10) / 10;
        this.log("warn", "relay's certificate expires soon", { relay: this.relay, expires: this.expires, daysLeft });
    }

    /** When it expires, as an ISO date; `undefined` while no relay's certificate was seen. */
    get expires(): string | undefined {
        return this.life && new Date(this.life.to).toISOString();
    }

    /** For how long no connection has shown one, in milliseconds. */
    unseenFor(now: number): number {
        return now - this.shownAt;
    }
}
