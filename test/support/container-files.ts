/** The files that a component brings into a container, and the cache's, which come by its environment. */
import { gunzipSync } from "node:zlib";
import { type Deployed, only, reveal } from "./deploy";

/** By path in the container's configuration, secrets opened. @param name Of the component: `onprem-front`. */
export function containerFiles(deployed: Deployed, name: string): Record<string, string> {
    const stdin: string = reveal(only(deployed, "command:local:Command", `${name}-files`).inputs.stdin);
    return Object.fromEntries(
        stdin
            .split("\n")
            .filter(Boolean)
            .map((line) => line.split(" "))
            .map(([path = "", content = ""]) => [path, gunzipSync(Buffer.from(content, "base64")).toString()]),
    );
}

/** The text of registry's configuration. */
export function cacheConfig(deployed: Deployed): string {
    const { resources } = deployed;
    const cache = resources.find(({ type, name }) => type.endsWith(":Container") && name.includes("cache"));
    const envs: string[] = reveal(cache?.inputs.envs) ?? [];
    const text = envs.find((each) => each.startsWith("CONFIG="))?.slice("CONFIG=".length);
    if (text === undefined) throw new Error(`the cache has no CONFIG in its environment, only ${envs.join(", ")}`);
    return text;
}
