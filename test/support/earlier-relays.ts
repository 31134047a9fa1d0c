/** Relays of an earlier release, kept by test/releases/record.ts: relays and offices are upgraded one at a time. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { relayFiles } from "../../components/overseas/relay-files";
import type { selectUpstreams } from "../../services/registry/upstreams";
import { startNginxRelay } from "./nginx-relay";
import type { StartRelay } from "./relay";
import { startWorkerRelay } from "./worker-relay";

interface Kept {
    readonly version: string;
    /** The Worker's module. */
    readonly worker: string;
    /** The release's `relayFiles` and table, a CommonJS module. */
    readonly nginx: string;
    readonly templates: Readonly<Record<string, string>>;
}

/** How the relays of a release are started, in front of the Hub double and with the options of today's. */
export interface EarlierRelays {
    readonly version: string;
    readonly startWorker: StartRelay;
    readonly startNginx: StartRelay;
}

/** @param version Such as `0.3.0`. Throws when it was not kept. */
export function earlierRelays(version: string): EarlierRelays {
    const file = join(__dirname, "../releases", `${version}.json.gz`);
    const kept = JSON.parse(gunzipSync(readFileSync(file)).toString()) as Kept;
    const release = load(kept);
    return {
        version,
        startWorker: (options) =>
            startWorkerRelay(options, (script) => ({
                ...script,
                content: kept.worker,
                bindings: script.bindings.map((binding) =>
                    binding.name === "VERSION" ? { ...binding, text: version } : binding,
                ),
            })),
        startNginx: (options) => startNginxRelay(options, undefined, release),
    };
}

/** What today's relay Nginx is made by, as that release had it. */
function load({ nginx, templates }: Kept): { relayFiles: typeof relayFiles; selectUpstreams: typeof selectUpstreams } {
    const module = { exports: {} };
    const readTemplate = (path: string) => templates[path];
    new Function("module", "exports", "require", "readTemplate", nginx)(module, module.exports, require, readTemplate);
    return module.exports as ReturnType<typeof load>;
}
