/**
 * Keeps the relays of a release for the releases after it: `npm run record`, on the commit that is the release, writes
 * test/releases/<version>.json.gz. Clones may be shallow, so it is checked in.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { workerBundle } from "../../components/edge/worker-bundle";
import { version } from "../../package.json";

const ROOT = join(__dirname, "../..");
const TEMPLATES = join(ROOT, "templates");

/** The release's own `relayFiles` and its table, a CommonJS module that reads templates by a `readTemplate` from outside. */
const relayFiles = buildSync({
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

const templates = Object.fromEntries(
    readdirSync(TEMPLATES, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.name.endsWith(".ts"))
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((path) =>
            /\/(?:nginx\/relay\/|nginx\/names\.conf|vm\/(?:logrotate|nginx-restart|doctor|machine))/.test(path),
        )
        .map((path) => [path.slice(TEMPLATES.length + 1), readFileSync(path, "utf8")]),
);

writeFileSync(
    join(__dirname, `${version}.json.gz`),
    gzipSync(JSON.stringify({ version, worker: workerBundle(), nginx: relayFiles, templates }), { level: 9 }),
    // A release is recorded once: a later tree that still has its version is not it.
    { flag: "wx" },
);
