/** The relays that answer alike: the Worker, and Nginx of each release of Debian that it runs on. */
import assert from "node:assert/strict";
import { DEBIANS } from "../../rehearsal/debian";
import { nginxRelayOn } from "./nginx-relay";
import type { StartRelay } from "./relay";
import { startWorkerRelay } from "./worker-relay";

/** The Worker first. */
export const EVERY_RELAY: readonly StartRelay[] = [startWorkerRelay, ...DEBIANS.map(nginxRelayOn)];

/** What they all answer, once it is the same. @param answers In the order of {@link EVERY_RELAY}. */
export function sameOfAll<T>([worker, ...others]: readonly T[], asked: string): T {
    for (const [index, nginx] of others.entries())
        assert.deepEqual(nginx, worker, `${asked}: nginx of Debian ${DEBIANS[index]} and the Worker differ`);
    return worker!;
}
