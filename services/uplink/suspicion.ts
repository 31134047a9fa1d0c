/** Who sent the wrong bytes of one blob: nobody is blamed before another relay has sent the right ones. */
import type { Relay } from "./relay";

export class Suspicion {
    /** Sent all of a wrong round alone: not asked for this blob again. */
    readonly wrongAlone = new Set<Relay>();
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

    /** The digest is wrong. Returns the relays that had a part in it. */
    wrong(): readonly Relay[] {
        const contributors = [...this.contributors];
        const [first] = contributors;
        if (first && contributors.length === 1 && !this.foreign) this.wrongAlone.add(first);
        this.suspects = new Set([...this.suspects, ...contributors]);
        this.contributors = new Set();
        this.foreign = false;
        this.only = undefined;
        return contributors;
    }

    /**
     * The digest is right. Returns those to blame: who sent a wrong round alone; without such a one, those who took part
     * in a wrong round and not in this one.
     */
    right(): readonly Relay[] {
        if (this.wrongAlone.size > 0) return [...this.wrongAlone];
        return [...this.suspects].filter((relay) => !this.contributors.has(relay));
    }
}
