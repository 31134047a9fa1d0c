/** The uplink's configuration file: what may stand in it, and every problem with it told at once. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { isAbsolute } from "node:path";
import { z } from "zod";
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
    /** TCP port; 0 takes any free one. */
    readonly port: number;
    readonly upstreams: readonly Upstream[];
    /** In the order in which they are preferred. */
    readonly relays: readonly RelayConfig[];
    readonly spool: { readonly path: string; readonly budgetBytes: number };
    /** Root of the cache's own filesystem storage, when it can be read from here. */
    readonly store?: string | undefined;
    /** For how long one answer about a tag is shared. */
    readonly tagSeconds: number;
}

const GIB = 1024 ** 3;

const absolutePath = z.string().refine(isAbsolute, "must be an absolute path");

const relay = z.strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be 1 to 32 lower-case letters, digits and dashes"),
    // https only: the key must not cross the internet in plain.
    url: z.string().refine(isOrigin, "must be an https origin without path, such as https://vm.example.com"),
    key: z.string().regex(/^[\x21-\x7e]{16,}$/, "must be at least 16 visible ASCII characters"),
    address: z
        .string()
        .refine((text) => isIP(text) !== 0, "must be an IP address")
        .optional(),
    ca: z.string().refine(isCertificate, "must be a certificate in PEM form").optional(),
});

const upstreamName = z.string().refine((name) => UPSTREAMS.some((upstream) => upstream.name === name), {
    error: ({ input }) =>
        `"${input}" is not in the table of upstreams: ${UPSTREAMS.map((upstream) => upstream.name).join(", ")}`,
});

const file = z.strictObject({
    port: z.int().min(0).max(65535),
    upstreams: z.array(upstreamName).min(1),
    relays: z
        .array(relay)
        .min(1)
        .refine(
            (relays) => new Set(relays.map(({ name }) => name)).size === relays.length,
            "two relays have the same name",
        ),
    spool: z.strictObject({ path: absolutePath, budgetGiB: z.number().positive() }),
    store: absolutePath.optional(),
    tagSeconds: z.number().min(0).max(3600),
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
        upstreams: selectUpstreams(upstreams),
        spool: { path: spool.path, budgetBytes: Math.floor(spool.budgetGiB * GIB) },
    };
}

/** Reads a configuration file. Throws as {@link parseConfig} does, and when the file cannot be read. */
export function readConfig(path: string): UplinkConfig {
    return parseConfig(readFileSync(path, "utf8"), path);
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

function isOrigin(text: string): boolean {
    if (!URL.canParse(text)) return false;
    const url = new URL(text);
    return url.protocol === "https:" && `${url.origin}/` === url.href;
}

function isCertificate(text: string): boolean {
    try {
        return new X509Certificate(text).ca !== undefined;
    } catch {
        return false;
    }
}
