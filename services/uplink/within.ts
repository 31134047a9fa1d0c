/** What `promise` resolves with, or `undefined` after `ms`. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<undefined>((resolve) => {
        timer = setTimeout(resolve, Math.max(0, ms), undefined);
    });
    try {
        return await Promise.race([promise, over]);
    } finally {
        clearTimeout(timer);
    }
}
