/** Talks to the control API of a Hub double that runs as a process of its own. */
import type { Fault } from "./faults";
import type { RecordedRequest } from "./hub";

/** One double. Every method rejects when the double cannot be reached or refuses. */
export class HubClient {
    /** @param origin Of the control API, such as `http://127.0.0.1:8080`. */
    constructor(private readonly origin: string) {}

    /** True when the double answers. */
    async healthy(): Promise<boolean> {
        return this.ask("GET", "/healthz").then(
            () => true,
            () => false,
        );
    }

    /** The requests since the start or the last `clearRequests`, in the order of their arrival. */
    async requests(): Promise<RecordedRequest[]> {
        return (await this.ask("GET", "/requests")) as RecordedRequest[];
    }

    async clearRequests(): Promise<void> {
        await this.ask("DELETE", "/requests");
    }

    /** Replaces all faults. */
    async setFaults(faults: readonly Fault[]): Promise<void> {
        await this.ask("PUT", "/faults", JSON.stringify(faults));
    }

    async clearFaults(): Promise<void> {
        await this.ask("DELETE", "/faults");
    }

    private async ask(method: string, path: string, body?: string): Promise<unknown> {
        const answer = await fetch(`${this.origin}${path}`, { method, body });
        const text = await answer.text();
        if (!answer.ok) throw new Error(`Hub double: ${method} ${path} answered ${answer.status}: ${text}`);
        return JSON.parse(text);
    }
}
