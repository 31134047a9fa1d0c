/** Keeps the relays of a release for the releases after it, as test/releases/<version>.json.gz: a part of `npm run record`. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { workerBundle } from "../../components/edge/worker-bundle";
import { version } from "../../package.json";

const ROOT = join(__dirname, "../..");
const TEMPLATES = join(ROOT, "templates");

export const RELAYS_FILE = join(__dirname, `${version}.json.gz`);

/** @throws Error when the version is recorded already: a release is recorded once, and a later tree is not it. */
export function recordRelays(): void {
    const recorded = { version, worker: workerBundle(), nginx: relayFiles(), templates: templates() };
    writeFileSync(RELAYS_FILE, gzipSync(JSON.stringify(recorded), { level: 9 }), { flag: "wx" });
}

/** The release's own `relayFiles` and its table, a CommonJS module that reads templates by a `readTemplate` from outside. */
function relayFiles(): string {
    return buildSync({
        absWorkingDir: ROOT,
        stdin: {
            contents: `
                export { relayFiles } from "./components/overseas/relay-files";
                export { selectUpstreams, UPSTREAMS } from "./services/registry/upstreams";
            `,
            resolveDir: ROOT,
            loader: "ts",
        },
        bundle: true,
        write: false,
        format: "cjs",
        platform: "node",
        target: "node20",
        external: ["@pulumi/pulumi", "esbuild"],
        minifySyntax: true,
        legalComments: "none",
    }).outputFiles[0]!.text.replace(/\nfunction readTemplate\(path\) \{\n.*\n\}\n/, "\n");
}

function templates(): Record<string, string> {
    return Object.fromEntries(
        readdirSync(TEMPLATES, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile() && !entry.name.endsWith(".ts"))
            .map((entry) => join(entry.parentPath, entry.name))
            .filter((path) =>
                /\/(?:nginx\/relay\/|nginx\/names\.conf|vm\/(?:logrotate|nginx-restart|doctor|machine))/.test(path),
            )
            .map((path) => [path.slice(TEMPLATES.length + 1), readFileSync(path, "utf8")]),
    );
}
