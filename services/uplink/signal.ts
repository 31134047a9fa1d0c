/** Wakes everybody who waits, once; whoever needs more waits again. */
export class Signal {
    private waiting = new Set<() => void>();

    notify(): void {
        const woken = this.waiting;
        this.waiting = new Set();
        for (const wake of woken) wake();
    }

    /** Resolves at the next {@link notify}, after `ms`, or when `signal` is aborted. */
    wait(ms?: number, signal?: AbortSignal): Promise<void> {
        if (signal?.aborted) return Promise.resolve();
        return new Promise((resolve) => {
            const done = () => {
                clearTimeout(timer);
                signal?.removeEventListener("abort", done);
                this.waiting.delete(done);
                resolve();
            };
            const timer = ms === undefined ? undefined : setTimeout(done, ms);
            signal?.addEventListener("abort", done);
            this.waiting.add(done);
        });
    }
}
