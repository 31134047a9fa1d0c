/** The files of one release of the relay Nginx: pure, from checked values to text. */
import { createHash } from "node:crypto";
import { version } from "../../package.json";
import { DEFAULT_UPSTREAM, type Upstream } from "../../services/registry/upstreams";
import { fill, readTemplate, type View } from "../../templates/render";
import { keyLines, namesView, tableView } from "../nginx-maps";

/** What the relay's files are made from. */
export interface RelayFilesArgs {
    /** The relay's own host name. */
    readonly hostname: string;
    /** Port that it listens on. @default 443 */
    readonly port?: number;
    /** Upstreams that it relays. */
    readonly upstreams: readonly Upstream[];
    /** Valid keys by id (`acme.2`), the newest last. */
    readonly keys: Readonly<Record<string, string>>;
    /** Docker Hub account that its token requests are made with. */
    readonly hubAccount?: { readonly username: string; readonly token: string };
    /** Who may pull: callers with a key, or everybody within a limit an address. @default "keys" */
    readonly access?: "keys" | "public";
    /** PEM: the relay's certificate, then the intermediates. */
    readonly certificate: string;
    /** PEM: the key of the certificate. */
    readonly key: string;
    /** PEM of the private CA that signed the certificate; absent where the certificate is publicly trusted. */
    readonly ca?: string;
    /** Where things are on the machine. @default MACHINE */
    readonly machine?: Machine;
}

/** Paths on the relay's machine that are not the release's own. */
export interface Machine {
    /** Pattern of the files that load nginx' modules. */
    readonly modules: string;
    readonly pid: string;
    readonly errorLog: string;
    readonly accessLog: string;
    /** Folder of the kept tokens; nginx makes it, for its own user alone. */
    readonly tokenCache: string;
    /** The CAs that upstreams' certificates are checked with. */
    readonly caBundle: string;
}

/** A Debian machine. */
export const MACHINE: Machine = {
    modules: "/etc/nginx/modules-enabled/*.conf",
    pid: "/run/nginx.pid",
    errorLog: "/var/log/nginx/error.log",
    accessLog: "/var/log/nginx/dockermirror.json",
    tokenCache: "/var/cache/dockermirror-tokens",
    caBundle: "/etc/ssl/certs/ca-certificates.crt",
};

/** One file of a release. */
export interface ReleaseFile {
    /** Octal: `0600` for what is secret, `0644` for the rest. */
    readonly mode: "0600" | "0644";
    /** Path within the release. */
    readonly path: string;
    readonly content: string;
}

/** All files of a release, with `release` last: its own hash over the others, which the relay shows to apply.sh. */
export function relayFiles(args: RelayFilesArgs): ReleaseFile[] {
    const { hostname, port = 443, upstreams, machine = MACHINE } = args;
    const strangers = args.access === "public" ? "yes" : "no";
    const shared = { userAgent: `dockermirror/${version}`, caBundle: machine.caBundle };
    const files: ReleaseFile[] = [
        plain("nginx.conf", "nginx/relay/nginx.conf", {
            modules: machine.modules,
            pid: machine.pid,
            errorLog: machine.errorLog,
        }),
        plain("names.conf", "nginx/names.conf", namesView(upstreams)),
        plain("table.conf", "nginx/relay/table.conf", tableView(upstreams)),
        plain("log.conf", "nginx/relay/log.conf", { accessLog: machine.accessLog }),
        plain("server.conf", "nginx/relay/server.conf", {
            hostname,
            port,
            tokenCache: machine.tokenCache,
            upstreamList: upstreams.map(({ name }) => name).join(", "),
        }),
        plain("tls.conf", "nginx/relay/tls.conf", {}),
        plain("upstream.conf", "nginx/relay/upstream.conf", shared),
        plain("follow.conf", "nginx/relay/follow.conf", {}),
        plain("token.conf", "nginx/relay/token.conf", shared),
        plain("relay.js", "nginx/relay/relay.js", {}),
        secret("keys.conf", "nginx/relay/keys.conf", { keys: keyLines(args.keys), strangers }),
        secret("account.conf", "nginx/relay/account.conf", { accounts: accountLine(args.hubAccount) }),
        { mode: "0644", path: "certificate.pem", content: args.certificate },
        { mode: "0600", path: "key.pem", content: args.key },
        plain("logrotate", "vm/logrotate", { accessLog: machine.accessLog }),
        ...askFiles(args, port),
    ];
    const release = releaseHash(files);
    return [
        ...files,
        plain("release.conf", "nginx/relay/release.conf", { release }),
        { mode: "0644", path: "release", content: `${release} ${strangers === "yes" ? 200 : 401}\n` },
    ];
}

/** The lines that templates/vm/apply.sh reads: `<mode> <path> <base64>`. */
export function releaseLines(files: readonly ReleaseFile[]): string {
    return files
        .map(({ mode, path, content }) => `${mode} ${path} ${Buffer.from(content).toString("base64")}\n`)
        .join("");
}

/** Hash of a release: what makes the machine be filled again. */
export function releaseHash(files: readonly ReleaseFile[]): string {
    return createHash("sha256").update(releaseLines(files)).digest("hex").slice(0, 32);
}

/** How apply.sh asks the new release: curl's own configuration files, so that no key is in an argument list. */
function askFiles({ hostname, keys, ca }: RelayFilesArgs, port: number): ReleaseFile[] {
    const trust = ca === undefined ? [] : [`cacert = "ca.pem"`];
    const ask = [`url = "https://${hostname}:${port}/v2/"`, `resolve = "${hostname}:${port}:127.0.0.1"`, ...trust];
    const newest = Object.values(keys).at(-1);
    return [
        { mode: "0644", path: "ask.curl", content: `${ask.join("\n")}\n` },
        { mode: "0600", path: "key.curl", content: newest === undefined ? "" : `header = "X-Relay-Key: ${newest}"\n` },
        ...(ca === undefined ? [] : [{ mode: "0644", path: "ca.pem", content: ca } as const]),
    ];
}

function accountLine(account: RelayFilesArgs["hubAccount"]): string {
    if (account === undefined) return "";
    const credentials = Buffer.from(`${account.username}:${account.token}`).toString("base64");
    return `    ${DEFAULT_UPSTREAM}  "Basic ${credentials}";`;
}

function plain(path: string, template: string, view: View): ReleaseFile {
    return {
        mode: "0644",
        path,
        content: fill(readTemplate(template), view, `templates/${template}`),
    };
}

function secret(path: string, template: string, view: View): ReleaseFile {
    return { ...plain(path, template, view), mode: "0600" };
}
