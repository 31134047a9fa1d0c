/** Who sent the wrong bytes of one blob, when several relays had a part in it. */
import type { Relay } from "./relay";

export class Suspicion {
    /** Proven to hand out wrong bytes for this blob: not asked for it again. */
    readonly liars = new Set<Relay>();
    private contributors = new Set<Relay>();
    private suspects = new Set<Relay>();
    /** While there are suspects, a round is fetched from one relay, so that its outcome proves something. */
    private only: Relay | undefined;

    /** @param foreign True when some bytes are of before a restart: nobody knows whose. */
    constructor(private foreign: boolean) {}

    contributed(relay: Relay): void {
        this.contributors.add(relay);
    }

    /** The relay that this round should be fetched from, if it should be one. */
    get sole(): Relay | undefined {
        return this.only;
    }

    /** A relay was chosen to be asked. */
    chosen(relay: Relay): void {
        if (this.suspects.size > 0) this.only = relay;
    }

    /** The digest is wrong. Returns the liar when it is clear who it was, else those that it may have been. */
    wrong(): { readonly liar: Relay } | { readonly suspects: readonly Relay[] } {
        const { contributors, foreign } = this;
        const [first] = contributors;
        this.contributors = new Set();
        this.foreign = false;
        this.only = undefined;
        if (first && contributors.size === 1 && !foreign) {
            this.liars.add(first);
            this.suspects = new Set();
            return { liar: first };
        }
        this.suspects = new Set([...this.suspects, ...contributors]);
        return { suspects: [...contributors] };
    }

    /** The digest is right. Returns those who took part in a wrong round and not in this one. */
    right(): readonly Relay[] {
        return [...this.suspects].filter((relay) => !this.contributors.has(relay));
    }
}
