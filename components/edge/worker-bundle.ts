import { bundle, FOR_WORKERS } from "../bundle";

/** The text of the Worker's module: `services/worker` and what it shares with the rest. */
export function workerBundle(): string {
    return bundle("services/worker/worker.ts", FOR_WORKERS);
}
