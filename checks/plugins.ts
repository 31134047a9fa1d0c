/**
 * Pulumi's provider plugins: which ones the program needs, and where the engine gets them.
 *
 * Source: pulumi/pulumi, sdk/go/common/workspace/plugins.go: `githubSource.Download`, `getPulumiSource`, `GetSource`.
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { say } from "../language/say";
import { dependencies } from "../package.json";
import type { Services } from "./surroundings";

const MODULES = join(__dirname, "..", "node_modules");

/** A variable of Pulumi's: https://www.pulumi.com/docs/iac/cli/environment-variables/ */
export const OVERRIDES = "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES";

/** Platforms that Pulumi builds for, as its files are called. */
export const PLATFORMS = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"] as const;
export type Platform = (typeof PLATFORMS)[number];

/** Something of Pulumi's to download: a file of a release on GitHub, with a second source. */
export interface Download {
    /** `aws` for a provider plugin, `pulumi` for the CLI. */
    readonly name: string;
    readonly version: string;
    /** The name of the file. */
    readonly file: string;
    /** In the order in which the engine and the installer try them. */
    readonly urls: readonly string[];
    /** Where GitHub's API tells of the release, checksums among it. */
    readonly release: string;
}

/**
 * The provider plugins. The engine installs one for every package in node_modules that is marked as a resource plugin,
 * used by the stack or not.
 */
export function plugins(services: Services, platform: Platform): Download[] {
    return Object.keys(dependencies).flatMap((dependency) => {
        const manifest = JSON.parse(readFileSync(join(MODULES, dependency, "package.json"), "utf8")) as Manifest;
        const { resource = false, name = "", version = manifest.version } = manifest.pulumi ?? {};
        if (!resource) return [];
        const file = `pulumi-resource-${name}-v${version}-${platform}.tar.gz`;
        return [{ name, version, file, ...sources(services, `pulumi-${name}`, version, file, "plugins") }];
    });
}

interface Manifest {
    readonly version: string;
    readonly pulumi?: { readonly resource?: boolean; readonly name?: string; readonly version?: string };
}

/**
 * The CLI that is as old as the SDK; a newer one is fine.
 *
 * Source: https://get.pulumi.com/install.sh, which the package `pulumi` runs at the first `npx pulumi`.
 */
export function cli(services: Services, platform: Platform): Download {
    const version = dependencies["@pulumi/pulumi"];
    const file = `pulumi-v${version}-${platform.replace("amd64", "x64")}.tar.gz`;
    return { name: "pulumi", version, file, ...sources(services, "pulumi", version, file, "sdk") };
}

function sources(
    { github, githubApi, pulumi }: Services,
    repository: string,
    version: string,
    file: string,
    folder: "plugins" | "sdk",
): Pick<Download, "urls" | "release"> {
    return {
        urls: [
            `${github}/pulumi/${repository}/releases/download/v${version}/${file}`,
            `${pulumi}/releases/${folder}/${file}`,
        ],
        release: `${githubApi}/repos/pulumi/${repository}/releases/tags/v${version}`,
    };
}

/** The sources of a plugin when `PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES` (`regexp=URL,…`) names one, else its own. */
export function withOverride(plugin: Download, overrides: string): Download {
    const source = `github://api.github.com/pulumi/pulumi-${plugin.name}`;
    for (const pair of overrides.split(",").filter((each) => each.includes("="))) {
        const [pattern = "", url = ""] = pair.split("=");
        const match = expression(pattern).exec(source);
        if (!match) continue;
        const named = Object.entries(match.groups ?? {});
        const filled = named.reduce((text, [name, value]) => text.replaceAll(`\${${name}}`, value), url);
        if (!URL.canParse(filled))
            throw new Error(
                say('{variable} must name a URL for {source}, got "{filled}"', { variable: OVERRIDES, source, filled }),
            );
        return { ...plugin, urls: [`${filled.replace(/\/$/, "")}/${plugin.file}`] };
    }
    return plugin;
}

/** Go writes a named group with a P. */
function expression(pattern: string): RegExp {
    try {
        return new RegExp(pattern.replaceAll("(?P<", "(?<"));
    } catch (error) {
        throw new Error(
            say("{variable} cannot be read: {message}", { variable: OVERRIDES, message: (error as Error).message }),
        );
    }
}

/** This machine, as Pulumi's files call it. */
export function thisPlatform(): Platform {
    const name = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
    const platform = PLATFORMS.find((each) => each === name);
    if (!platform)
        throw new Error(
            say("Pulumi has no files for {name}; it has them for {platforms}", {
                name,
                platforms: PLATFORMS.join(", "),
            }),
        );
    return platform;
}

/** Where Pulumi keeps what it has downloaded. */
export function pulumiHome(env: NodeJS.ProcessEnv): string {
    return env.PULUMI_HOME ?? join(homedir(), ".pulumi");
}

/** Whether a plugin is there already, whole: a `.partial` file stands beside one whose installation broke off. */
export function isInstalled({ name, version }: Download, env: NodeJS.ProcessEnv): boolean {
    const folder = join(pulumiHome(env), "plugins", `resource-${name}-v${version}`);
    return existsSync(folder) && !existsSync(`${folder}.partial`);
}
