/** How much a relay carries. */
export class Throughput {
    /** Bytes in all. */
    received = 0;
    private windowStart = 0;
    private windowBytes = 0;
    private rate = 0;

    count(bytes: number, now: number): void {
        if (now - this.windowStart > 1000) {
            // Smoothed over some seconds; a pause is no slowness.
            const seconds = Math.min((now - this.windowStart) / 1000, 2);
            this.rate = 0.6 * this.rate + 0.4 * (this.windowBytes / seconds);
            this.windowStart = now;
            this.windowBytes = 0;
        }
        this.windowBytes += bytes;
        this.received += bytes;
    }

    /** Body bytes a second, over the last seconds in which there were any. */
    get bytesPerSecond(): number {
        return Math.round(this.rate);
    }
}
