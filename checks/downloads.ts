/** Whether what runs Pulumi can be downloaded from here: the CLI, the provider plugins, the package that starts them. */

import { say } from "../language/say";
import { ask } from "./ask";
import { type Check, Remark } from "./finding";
import { cli, type Download, isInstalled, OVERRIDES, plugins, thisPlatform, withOverride } from "./plugins";
import { findPulumi, pulumi } from "./pulumi-cli";
import type { Surroundings } from "./surroundings";

const WAYS_OUT = say(
    "set HTTPS_PROXY; or fetch them where they can be reached (npm run preflight -- --fetch-plugins FILE.tar) and run its install.sh here; or run Pulumi from CI overseas (README)",
);

/** One check a file, and one for the package registry. */
export function downloadChecks(where: Surroundings): Check[] {
    const { env, services } = where;
    const platform = thisPlatform();
    const overrides = env[OVERRIDES] ?? "";
    return [
        cliCheck(where, cli(services, platform)),
        ...plugins(services, platform).map((plugin) => pluginCheck(where, withOverride(plugin, overrides))),
        registryCheck(where),
    ];
}

function cliCheck(where: Surroundings, download: Download): Check {
    return {
        what: say("Pulumi CLI"),
        where: host(download),
        todo: WAYS_OUT,
        ask: async () => {
            if (findPulumi(where.env))
                return say("is installed: {version}", { version: (await pulumi(where, ["version"])).trim() });
            await ask(where, { url: `${where.services.pulumi}/install.sh`, statusOnly: true });
            return reach(where, download);
        },
    };
}

function pluginCheck(where: Surroundings, plugin: Download): Check {
    return {
        what: say("plugin {name} {version}", { name: plugin.name, version: plugin.version }),
        where: host(plugin),
        todo: WAYS_OUT,
        ask: async () => (isInstalled(plugin, where.env) ? say("is installed") : reach(where, plugin)),
    };
}

/** Asks each source for the first byte: a redirect may lead to a host that is cut off while the first is not. */
async function reach(where: Surroundings, { urls }: Download): Promise<string> {
    const problems: string[] = [];
    for (const url of urls) {
        const { host } = new URL(url);
        try {
            const { status } = await ask(where, { url, headers: { Range: "bytes=0-0" }, statusOnly: true });
            if (status === 200 || status === 206) return [...problems, say("{host} has it", { host })].join("; ");
            problems.push(say("{host} answers {status}", { host, status }));
        } catch (error) {
            problems.push(say("{host}: {message}", { host, message: (error as Error).message }));
        }
    }
    throw new Error(problems.join("; "));
}

/** By npm itself, so with its registry, its proxy and its login. */
function registryCheck({ env, run }: Surroundings): Check {
    return {
        what: say("package registry"),
        where: say("npm's own configuration"),
        ask: async () => {
            const { stdout } = await run("npm", ["config", "get", "registry"], { env });
            const registry = stdout.trim();
            const { code, stderr } = await run("npm", ["view", "pulumi", "version", "--fetch-retries", "0"], { env });
            if (code === 0) return say("{registry} answers", { registry });
            const said =
                stderr.split("\n").find((line) => /code E|error code/.test(line)) ??
                say("npm ends with {code}", { code });
            // The project's own packages are there, or this would not run: what is missing is the package `pulumi`.
            throw new Remark(
                findPulumi(env) ? "warning" : "failed",
                say("{host}: {message}", { host: registry, message: said.replace(/^npm (error|ERR!) /, "") }),
                say("npm config set registry to one that can be reached, or set HTTPS_PROXY"),
            );
        },
    };
}

function host({ urls }: Download): string {
    return urls.map((url) => new URL(url).host).join(", ");
}
