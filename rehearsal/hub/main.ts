/**
 * The Hub double as a process, for a container. All settings come from the environment:
 *
 *     HUB_STORE           folder of images (store.ts)
 *     HUB_KEY_FILE        PEM of the key …
 *     HUB_CERT_FILE       … and the certificate for every name in HUB_HOSTS
 *     HUB_HOST            address to listen on, 0.0.0.0 when not set
 *     HUB_PORT            TLS port, 443 when not set
 *     HUB_CONTROL_PORT    port of the control API (control.ts)
 *     HUB_OPTIONS_FILE    JSON, optional: privateRepositories, accounts, tokenSeconds, urlSeconds, pullLimit, edges
 */
import { readFileSync } from "node:fs";
import { startControl } from "./control";
import { type HubOptions, startHub } from "./hub";
import { ImageStore } from "./store";

type FileOptions = Pick<
    HubOptions,
    "privateRepositories" | "accounts" | "tokenSeconds" | "urlSeconds" | "pullLimit" | "edges"
>;

main(process.env).catch((error: Error) => {
    console.error(`Hub double: ${error.message}`);
    // Not only the exit code: when the control port is taken, the double already listens and would keep the process.
    process.exit(1);
});

async function main(env: NodeJS.ProcessEnv): Promise<void> {
    const missing = ["HUB_STORE", "HUB_KEY_FILE", "HUB_CERT_FILE", "HUB_CONTROL_PORT"].filter((name) => !env[name]);
    if (missing.length > 0) throw new Error(`the environment has no ${missing.join(", ")}; all of them are needed`);
    const { HUB_STORE = "", HUB_KEY_FILE = "", HUB_CERT_FILE = "", HUB_OPTIONS_FILE, HUB_HOST: host = "0.0.0.0" } = env;
    const options = HUB_OPTIONS_FILE ? (JSON.parse(readFileSync(HUB_OPTIONS_FILE, "utf8")) as FileOptions) : {};
    const hub = await startHub({
        ...options,
        store: new ImageStore(HUB_STORE),
        key: readFileSync(HUB_KEY_FILE, "utf8"),
        cert: readFileSync(HUB_CERT_FILE, "utf8"),
        host,
        port: portOf(env, "HUB_PORT", "443"),
    });
    const control = await startControl(hub, host, portOf(env, "HUB_CONTROL_PORT", ""));
    console.log(JSON.stringify({ port: hub.port, controlPort: control.port }));
    // Node as the first process of a container has no default action for these signals.
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.once(signal, () => void Promise.all([hub.close(), control.close()]));
    }
}

function portOf(env: NodeJS.ProcessEnv, name: string, ifMissing: string): number {
    const got = env[name] ?? ifMissing;
    const port = Number(got);
    if (!/^\d+$/.test(got) || port > 65535) throw new Error(`${name} must be a port from 0 to 65535, got "${got}"`);
    return port;
}
