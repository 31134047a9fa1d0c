/**
 * Cloudflare's runtime on this machine: the configuration of a real workerd for a Worker as `@pulumi/cloudflare`
 * describes it. Its format: https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp.
 */

/** The inputs of a `cloudflare.WorkersScript`, secrets unwrapped, as far as a runtime needs them. */
export interface WorkerScript {
    readonly content: string;
    readonly mainModule: string;
    readonly compatibilityDate: string;
    readonly bindings: readonly WorkerBinding[];
}

/** One of its bindings. */
export interface WorkerBinding {
    readonly type: string;
    readonly name: string;
    readonly text?: string;
    readonly simple?: { readonly limit: number; readonly period: number };
}

/** Where and how the Worker runs. PEM texts are those of files. */
export interface WorkerPlace {
    /** Address and port to listen on with TLS: `*:443`; port 0 is any free one. */
    readonly listen: string;
    /** Certificate and key of the relay's host name. */
    readonly tls: { readonly key: string; readonly cert: string };
    /** PEM of a CA that `fetch` trusts beside the public ones. */
    readonly trustedCa: string;
    /**
     * Host names that `fetch` finds at this `host:port` without DNS; any other is sent there too, under a server name
     * that will not do. Absent: names are looked up, private addresses included.
     */
    readonly hosts?: { readonly names: readonly string[]; readonly address: string };
}

/** A Worker's name for this service, and a route's for its hosts. */
const WORKER = "relay";
const OUTBOUND = "outbound";

/**
 * The text of `config.capnp`. It holds the Worker's secrets and its TLS key.
 *
 * @throws Error on a kind of binding that has no counterpart here.
 */
export function workerdConfig(script: WorkerScript, place: WorkerPlace): string {
    const services = [
        `(name = "${WORKER}", worker = ${worker(script)})`,
        ...script.bindings.filter(({ type }) => type === "ratelimit").map(rateLimiter),
        ...(place.hosts ? routed(place.hosts, place.trustedCa) : [network(place.trustedCa)]),
    ];
    const { key, cert } = place.tls;
    const keypair = `(privateKey = ${text(key)}, certificateChain = ${text(cert)})`;
    return [
        'using Workerd = import "/workerd/workerd.capnp";',
        "const config :Workerd.Config = (",
        `  services = [\n    ${services.join(",\n    ")}\n  ],`,
        `  sockets = [(name = "https", address = ${text(place.listen)}, service = "${WORKER}",`,
        `    https = (options = (), tlsOptions = (keypair = ${keypair})))]`,
        ");",
        "",
    ].join("\n");
}

function worker({ content, mainModule, compatibilityDate, bindings }: WorkerScript): string {
    return fields({
        modules: `[(name = ${text(mainModule)}, esModule = ${text(content)})]`,
        compatibilityDate: text(compatibilityDate),
        bindings: `[${bindings.map(binding).join(", ")}]`,
        globalOutbound: `"${OUTBOUND}"`,
    });
}

function binding({ type, name, text: value }: WorkerBinding): string {
    if (type === "plain_text" || type === "secret_text") return `(name = ${text(name)}, text = ${text(value ?? "")})`;
    if (type === "ratelimit") return `(name = ${text(name)}, service = (name = ${text(name)}, entrypoint = "Limiter"))`;
    throw new Error(
        `binding ${name}: workerd has no counterpart of "${type}"; known are plain_text, secret_text, ratelimit`,
    );
}

/** Counts by key in windows of `period` seconds. The platform's own counts by data centre, and less exactly. */
function rateLimiter({ name, simple }: WorkerBinding): string {
    if (!simple) throw new Error(`binding ${name}: a rate limit needs simple.limit and simple.period`);
    const module = `
import { WorkerEntrypoint } from "cloudflare:workers";
const counts = new Map();
export class Limiter extends WorkerEntrypoint {
    limit({ key }) {
        const window = key + " " + Math.floor(Date.now() / ${simple.period * 1000});
        counts.set(window, (counts.get(window) ?? 0) + 1);
        return { success: counts.get(window) <= ${simple.limit} };
    }
}
export default {};
`;
    return `(name = ${text(name)}, worker = ${plainWorker(module, [])})`;
}

/** The real thing's way: names from DNS, private addresses included, because that is where a rehearsal's hosts are. */
function network(trustedCa: string): string {
    const tls = `(trustBrowserCas = true, trustedCertificates = [${text(trustedCa)}])`;
    return `(name = "${OUTBOUND}", network = (allow = ["public", "private", "local"], tlsOptions = ${tls}))`;
}

/** One service a host, each with its TLS server name, behind a Worker that picks the one that a URL names. */
function routed({ names, address }: NonNullable<WorkerPlace["hosts"]>, trustedCa: string): string[] {
    const tls = `(trustedCertificates = [${text(trustedCa)}])`;
    const external = names.map(
        (host) =>
            `(name = ${text(host)}, external = (address = ${text(address)}, ` +
            `https = (options = (), tlsOptions = ${tls}, certificateHost = ${text(host)})))`,
    );
    const [first = ""] = names;
    const router = `
export default {
    fetch: (request, env) => (env[new URL(request.url).hostname] ?? env[${JSON.stringify(first)}]).fetch(request),
};
`;
    const bindings = names.map((host) => `(name = ${text(host)}, service = ${text(host)})`);
    return [...external, `(name = "${OUTBOUND}", worker = ${plainWorker(router, bindings)})`];
}

/** Any date from which entry points can be called by other Workers will do. */
function plainWorker(module: string, bindings: readonly string[]): string {
    return fields({
        modules: `[(name = "main", esModule = ${text(module)})]`,
        compatibilityDate: '"2025-09-01"',
        bindings: `[${bindings.join(", ")}]`,
    });
}

function fields(values: Readonly<Record<string, string>>): string {
    return `(${Object.entries(values)
        .map(([name, value]) => `${name} = ${value}`)
        .join(", ")})`;
}

/** A Cap'n Proto string; its escapes are those of C: https://capnproto.org/language.html. */
function text(value: string): string {
    const escapes: Readonly<Record<string, string>> = {
        "\\": "\\\\",
        '"': '\\"',
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
    };
    return `"${value.replace(/[\\"\n\r\t]/g, (character) => escapes[character] ?? character)}"`;
}
