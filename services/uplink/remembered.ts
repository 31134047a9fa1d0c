/** Things that are remembered for a while, in bounds: what was noted first goes first. */
export class Remembered<T> {
    private readonly known = new Map<string, { readonly value: T; readonly until: number }>();

    /** @param max How many at once. */
    constructor(private readonly max: number) {}

    /** @param ms For how long. */
    note(key: string, value: T, ms: number): void {
        this.known.delete(key);
        this.known.set(key, { value, until: performance.now() + ms });
        const [oldest] = this.known.keys();
        if (this.known.size > this.max && oldest !== undefined) this.known.delete(oldest);
    }

    get(key: string): T | undefined {
        const found = this.known.get(key);
        return found && performance.now() < found.until ? found.value : undefined;
    }

    clear(): void {
        this.known.clear();
    }
}
