/** Waiting for a condition, bounded. */

const STEP_MS = 20;

/** Asks `look` until it returns something; throws with `what` was missing after `withinMs`. */
export async function eventually<T>(
    what: string,
    look: () => Promise<T | undefined> | T | undefined,
    withinMs = 30_000,
): Promise<T> {
    const deadline = Date.now() + withinMs;
    for (;;) {
        const found = await look();
        if (found !== undefined) return found;
        if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
        await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    }
}
