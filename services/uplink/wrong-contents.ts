/** Contents that are wrong wherever they come from: each time again would cost the link all their bytes. */
import { Remembered } from "./remembered";

/** How long the upstream has to put it right. */
const REMEMBERED_MS = 60_000;
/** Bounds the memory. */
const REMEMBERED = 1_000;

export class WrongContents {
    private readonly known = new Remembered<string>(REMEMBERED);

    /** @param path On a relay: another repository with the same digest may have the right contents. */
    note(path: string, message: string): void {
        this.known.note(path, message, REMEMBERED_MS);
    }

    /** Forgets everything: there are other relays now. */
    clear(): void {
        this.known.clear();
    }

    /** What was wrong, while that is remembered. */
    get(path: string): string | undefined {
        return this.known.get(path);
    }
}
