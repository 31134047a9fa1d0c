/** The uplink's configuration file: what may stand in it, and every problem with it told at once. */
import { X509Certificate } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { isIP } from "node:net";
import { isAbsolute } from "node:path";
// As a namespace, so that the bundle carries only what is used: `{ z }` brings the error texts of fifty languages.
import * as z from "zod";
import { selectUpstreams, UPSTREAMS, type Upstream } from "../registry/upstreams";

/** One relay of ours, as the uplink reaches it. */
export interface RelayConfig {
    /** Short name for logs and metrics. */
    readonly name: string;
    /** Origin, `https://vm.example.com`: its host is the TLS server name and the Host header. */
    readonly url: string;
    /** Sent as `X-Relay-Key`. Never logged. */
    readonly key: string;
    /** Address to connect to in place of what DNS says. */
    readonly address?: string | undefined;
    /** PEM of a CA to trust beside the public ones. */
    readonly ca?: string | undefined;
}

/** A configuration that can be used. */
export interface UplinkConfig {
    /** The file that it was read from, without links in its path: tells which of several versions is used. */
    readonly source: string;
    /** TCP port; 0 takes any free one. */
    readonly port: number;
    readonly upstreams: readonly Upstream[];
    /** In the order in which they are preferred. */
    readonly relays: readonly RelayConfig[];
    readonly spool: { readonly path: string; readonly budgetBytes: number };
    /** Root of the cache's own filesystem storage, when it can be read from here. */
    readonly store?: string | undefined;
    /** Origin of the cache, which is given what it does not have. */
    readonly cache?: string | undefined;
    /** For how long one answer about a tag is shared. */
    readonly tagSeconds: number;
}

const GIB = 1024 ** 3;

/** An error that says what is allowed and what was got. Not for keys. */
function must(be: string) {
    return { error: ({ input }: { input?: unknown }) => `must be ${be}, got ${JSON.stringify(input) ?? "nothing"}` };
}

const absolutePath = z.string(must("an absolute path")).refine(isAbsolute, must("an absolute path"));

const relay = z.strictObject({
    name: z.string(must("a name")).regex(/^[a-z0-9][a-z0-9-]{0,31}$/, must("1 to 32 of a-z, 0-9 and dash")),
    // https only: the key must not cross the internet in plain.
    url: z
        .string(must("an https origin"))
        .refine((text) => isOrigin(text), must("an https origin without path, such as https://vm.example.com")),
    key: z.string("must be the relay's key").regex(/^[\x21-\x7e]{16,}$/, "must be 16 or more visible ASCII characters"),
    address: z
        .string(must("an IP address"))
        .refine((text) => isIP(text) !== 0, must("an IP address"))
        .optional(),
    ca: z.string().refine(isCertificate, "must be the certificate of a CA in PEM form").optional(),
});

const upstreamName = z
    .string()
    .refine(
        (name) => UPSTREAMS.some((upstream) => upstream.name === name),
        must(`one of ${UPSTREAMS.map((upstream) => upstream.name).join(", ")}`),
    );

const isPort = (port: number) => Number.isInteger(port) && port >= 0 && port <= 65535;

const file = z.strictObject({
    port: z.number(must("a port")).refine(isPort, must("a port, 0 to 65535")),
    upstreams: z.array(upstreamName).min(1, "must name at least one upstream"),
    relays: z
        .array(relay)
        .min(1, "must hold at least one relay")
        .refine(
            (relays) => new Set(relays.map(({ name }) => name)).size === relays.length,
            "must have names that differ: two relays have the same",
        ),
    spool: z.strictObject({
        path: absolutePath,
        budgetGiB: z.number(must("a size in GiB")).positive(must("a size in GiB above 0")),
    }),
    store: absolutePath.optional(),
    cache: z
        .string(must("an http origin"))
        .refine(isHttpOrigin, must("an http origin without path, such as http://cache:5000"))
        .optional(),
    tagSeconds: z
        .number(must("seconds"))
        .refine((seconds) => seconds >= 0 && seconds <= 3600, must("0 to 3600 seconds")),
});

/**
 * Reads the text of a configuration file.
 *
 * @param source Name of the file, for the error.
 * @throws Error that lists every problem, without the value of any key.
 */
export function parseConfig(text: string, source: string): UplinkConfig {
    const checked = file.safeParse(parseJson(text, source));
    if (!checked.success) {
        const problems = checked.error.issues.map(({ path, message }) => `  ${keyOf(path)}  ${message}`);
        throw new Error(`${source} cannot be used:\n${problems.join("\n")}`);
    }
    const { upstreams, spool, ...rest } = checked.data;
    return {
        ...rest,
        source,
        upstreams: selectUpstreams(upstreams),
        spool: { path: spool.path, budgetBytes: Math.floor(spool.budgetGiB * GIB) },
    };
}

/** Reads a configuration file. Throws as {@link parseConfig} does, and when the file cannot be read. */
export function readConfig(path: string): UplinkConfig {
    const source = realpathSync(path);
    return parseConfig(readFileSync(source, "utf8"), source);
}

/**
 * What cannot change while the uplink runs.
 *
 * @throws Error that names every such setting that differs.
 */
export function checkSameSite(running: UplinkConfig, next: UplinkConfig): void {
    const differing = [
        ...(running.port === next.port ? [] : ["port"]),
        ...(running.spool.path === next.spool.path ? [] : ["spool.path"]),
        ...(running.store === next.store ? [] : ["store"]),
        ...(running.cache === next.cache ? [] : ["cache"]),
    ];
    if (differing.length === 0) return;
    throw new Error(`${next.source} cannot be taken over without a restart: it changes ${differing.join(", ")}`);
}

/** JSON.parse quotes the text around the mistake, which may be a key: only the position is told. */
function parseJson(text: string, source: string): unknown {
    try {
        return JSON.parse(text);
    } catch (error) {
        const position = / at position \d+/.exec(String(error))?.[0] ?? "";
        throw new Error(`${source} cannot be used:\n  it is not JSON${position}`);
    }
}

/** `relays[0].url`, or the whole file. */
function keyOf(path: readonly PropertyKey[]): string {
    const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
    return text.replace(/^\./, "") || "(file)";
}

function isOrigin(text: string, protocol = "https:"): boolean {
    if (!URL.canParse(text)) return false;
    const url = new URL(text);
    return url.protocol === protocol && `${url.origin}/` === url.href;
}

/** On the private network, where there is no TLS. */
function isHttpOrigin(text: string): boolean {
    return isOrigin(text, "http:");
}

function isCertificate(text: string): boolean {
    try {
        return new X509Certificate(text).ca;
    } catch {
        return false;
    }
}
