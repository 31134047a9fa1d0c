/** A process that is of no use without the one that started it. */

/** How soon it is seen that the other one is gone. */
const LOOK_MS = 1000;

/** Ends this process once the one that has started it is gone: one that is killed cannot end what it has started. */
export function endWithParent(): void {
    const parent = process.ppid;
    setInterval(() => {
        if (process.ppid !== parent) process.exit(1);
    }, LOOK_MS).unref();
}
