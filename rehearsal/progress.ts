const WIDTH = 20;

/** `[########------------] 4/10`: how far something is whose end is known. */
export function bar(done: number, total: number): string {
    const filled = total === 0 ? 0 : Math.round((Math.min(done, total) / total) * WIDTH);
    return `[${"#".repeat(filled)}${"-".repeat(WIDTH - filled)}] ${done}/${total}`;
}
