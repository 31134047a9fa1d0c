/** Contents that are wrong wherever they come from: each time again would cost the link all their bytes. */

/** How long the upstream has to put it right. */
const REMEMBERED_MS = 60_000;
/** Bounds the memory. */
const REMEMBERED = 1_000;

export class WrongContents {
    private readonly known = new Map<string, { readonly message: string; readonly until: number }>();

    /** @param path On a relay: another repository with the same digest may have the right contents. */
    note(path: string, message: string): void {
        this.known.delete(path);
        this.known.set(path, { message, until: performance.now() + REMEMBERED_MS });
        const [oldest] = this.known.keys();
        if (this.known.size > REMEMBERED && oldest !== undefined) this.known.delete(oldest);
    }

    /** Forgets everything: there are other relays now. */
    clear(): void {
        this.known.clear();
    }

    /** What was wrong, while that is remembered. */
    get(path: string): string | undefined {
        const found = this.known.get(path);
        return found && performance.now() < found.until ? found.message : undefined;
    }
}
