/** A bounded number of link requests at once; what a reader waits for goes before what is fetched ahead. */
export class Slots {
    private free: number;
    private readonly queue: { readonly urgent: () => boolean; readonly grant: () => void }[] = [];

    constructor(count: number) {
        this.free = count;
    }

    /** Resolves with the function that gives the slot back. */
    async take(urgent: () => boolean): Promise<() => void> {
        if (this.free > 0) this.free -= 1;
        else await new Promise<void>((grant) => this.queue.push({ urgent, grant }));
        let held = true;
        return () => {
            if (!held) return;
            held = false;
            this.release();
        };
    }

    private release(): void {
        const first = this.queue.findIndex(({ urgent }) => urgent());
        const [next] = this.queue.splice(Math.max(first, 0), 1);
        if (next) next.grant();
        else this.free += 1;
    }
}
