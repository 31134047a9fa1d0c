/** The files of one release of the relay Nginx: pure, from checked values to text. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { version } from "../../package.json";
import type { Account, PrivateAccount } from "../../services/registry/accounts";
import { EMPTY_INDEX, OCI_INDEX } from "../../services/registry/media";
import { BAD_QUERY_MESSAGE, otherDigestMessage } from "../../services/registry/names";
import { aboutPage, REQUESTS_PER_MINUTE, ROBOTS } from "../../services/registry/public-access";
import { type RedirectHosts, withRedirectHosts } from "../../services/registry/redirect-hosts";
import { ownAnswerValue, type RelayReason, UPSTREAM_ANSWER } from "../../services/registry/relay-answer";
import type { Upstream } from "../../services/registry/upstreams";
import { fill, readTemplate, type View } from "../../templates/render";
import { accountsView, keyLines, namesView, tableView } from "../nginx-maps";
import { quote } from "../shell";
import { njsModule } from "./njs-module";

/** What the relay's files are made from. */
export interface RelayFilesArgs {
    /** The relay's own host name. */
    readonly hostname: string;
    /** Port that it listens on. @default 443 */
    readonly port?: number;
    /** Port of HTTP-01: the ACME server asks 80, which is for tests to change. @default 80 */
    readonly challengePort?: number;
    /** Whether it listens on IPv6 too. @default false */
    readonly ipv6?: boolean;
    /** Upstreams that it relays. */
    readonly upstreams: readonly Upstream[];
    /** Hosts that they may redirect to beside those of the table. @default none */
    readonly redirectHosts?: RedirectHosts;
    /** Valid keys by id (`acme.2`), the newest last. */
    readonly keys: Readonly<Record<string, string>>;
    /** Docker Hub account that its token requests are made with. */
    readonly hubAccount?: Account;
    /** Accounts for private repositories, which every caller with a key can then pull. @default none */
    readonly privateAccounts?: readonly PrivateAccount[];
    /** Who may pull: callers with a key, or everybody within a limit an address. @default "keys" */
    readonly access?: "keys" | "public";
    /** With public access, what the page at `/` tells to complain to: visible ASCII without quotes, `\` and `$`. @default nobody */
    readonly abuseContact?: string;
    /** Of an address without a key. @default REQUESTS_PER_MINUTE */
    readonly publicLimit?: { readonly requestsPerMinute: number };
    /** Where its certificate comes from. */
    readonly tls: LaidCertificate | { readonly acme: AcmeClient };
    /** Where things are on the machine. @default MACHINE */
    readonly machine?: Machine;
}

/** Whose voice the answers are that server.conf has a location for; absent: the upstream's. */
const OWN_ANSWERS: Readonly<Record<string, RelayReason | undefined>> = {
    "/": "base",
    "/robots.txt": "base",
    "/_answer/base": "base",
    "/_answer/unauthorized": "key",
    "/_answer/method-not-allowed": "method",
    "/_answer/not-found": "table",
    "/_answer/not-a-pull": "table",
    "/_answer/bad-query": "table",
    "/_answer/other-digest": "table",
    "/_answer/bad-request": "table",
    "/_answer/too-long": "table",
    "/_answer/unknown-coding": "table",
    "/_answer/unknown-version": "table",
    "/_answer/unknown-upstream": "table",
    "/_answer/failed": "fault",
    "/_answer/no-redirect": undefined,
    "/_answer/too-many-redirects": undefined,
};

/** A certificate that is a part of the release. */
export interface LaidCertificate {
    /** PEM: the relay's certificate, then the intermediates. */
    readonly certificate: string;
    /** PEM: the key of the certificate. */
    readonly key: string;
    /** PEM of the private CA that signed the certificate; absent where the certificate is publicly trusted. */
    readonly ca?: string;
}

/** A certificate that the machine gets from an ACME server, and renews: templates/vm/renew.sh. */
export interface AcmeClient {
    /** URL of the server's directory. */
    readonly server: string;
    /** Contact of the account. @default hostmaster@ the host name (RFC 2142, 7): lego 4.9 registers nobody without one (cmd/setup.go, `getEmail`) */
    readonly email?: string;
    /** The zone at Cloudflare and a token that may edit it: then by DNS-01. @default by HTTP-01 */
    readonly dns?: { readonly zoneId: string; readonly token: string };
}

/** Paths on the relay's machine that are not the release's own. */
export interface Machine {
    /** nginx' own folder. */
    readonly nginx: string;
    /** Releases and certificates, for root alone. */
    readonly home: string;
    /** What the ACME client keeps, and the challenges that it answers. */
    readonly state: string;
    /** Folder of the text files that Prometheus' node exporter reads. */
    readonly metrics: string;
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
    nginx: "/etc/nginx",
    home: "/etc/dockermirror",
    state: "/var/lib/dockermirror",
    metrics: "/var/lib/prometheus/node-exporter",
    modules: "/etc/nginx/modules-enabled/*.conf",
    pid: "/run/nginx.pid",
    errorLog: "/var/log/nginx/dockermirror.errors",
    accessLog: "/var/log/nginx/dockermirror.json",
    tokenCache: "/var/cache/dockermirror-tokens",
    caBundle: "/etc/ssl/certs/ca-certificates.crt",
};

/** One file of a release. */
export interface ReleaseFile {
    /** Octal: `0600` for what is secret, `0755` for what others than a shell run, `0644` for the rest. */
    readonly mode: "0600" | "0644" | "0755";
    /** Path within the release. */
    readonly path: string;
    readonly content: string;
}

/** All files of a release, with `release` last: its own hash over the others, which the relay shows to apply.sh. */
export function relayFiles(args: RelayFilesArgs): ReleaseFile[] {
    const { hostname, port = 443, ipv6 = false, upstreams, tls, machine = MACHINE } = args;
    const strangers = args.access === "public" ? "yes" : "no";
    const { requestsPerMinute } = args.publicLimit ?? { requestsPerMinute: REQUESTS_PER_MINUTE };
    const shared = { userAgent: `dockermirror/${version}`, caBundle: machine.caBundle };
    const files: ReleaseFile[] = [
        plain("nginx.conf", "nginx/relay/nginx.conf", {
            modules: machine.modules,
            pid: machine.pid,
            errorLog: machine.errorLog,
            challenges: "acme" in tls && !tls.acme.dns ? "    include relay/challenge.conf;" : "",
        }),
        plain("names.conf", "nginx/names.conf", namesView(upstreams)),
        plain(
            "table.conf",
            "nginx/relay/table.conf",
            tableView(withRedirectHosts(upstreams, args.redirectHosts ?? {})),
        ),
        plain("log.conf", "nginx/relay/log.conf", { accessLog: machine.accessLog }),
        plain("server.conf", "nginx/relay/server.conf", {
            hostname,
            port,
            ipv6Others: ipv6 ? `    listen [::]:${port} ssl default_server;` : "",
            ipv6: ipv6 ? `    listen [::]:${port} ssl;` : "",
            tokenCache: machine.tokenCache,
            requestsPerMinute,
            publicPages: strangers === "yes" ? "    include relay/public.conf;" : "",
            upstreamList: upstreams.map(({ name }) => name).join(", "),
            badQueryMessage: BAD_QUERY_MESSAGE,
            otherDigestMessage: otherDigestMessage("$other_algorithm"),
            ownAnswers: ownAnswerLines(),
            indexType: OCI_INDEX,
            emptyIndex: EMPTY_INDEX,
        }),
        plain("tls.conf", "nginx/relay/tls.conf", {
            certificateFolder: "acme" in tls ? certificateFolder(args, machine) : "relay",
        }),
        plain("upstream.conf", "nginx/relay/upstream.conf", shared),
        plain("follow.conf", "nginx/relay/follow.conf", {}),
        plain("token.conf", "nginx/relay/token.conf", shared),
        plain("relay.js", "nginx/relay/relay.js", {}),
        { mode: "0644", path: "protocol.js", content: njsModule() },
        secret("keys.conf", "nginx/relay/keys.conf", {
            keys: keyLines(args.keys),
            strangers,
            requestsPerMinute,
        }),
        secret("account.conf", "nginx/relay/account.conf", accountsView(args.hubAccount, args.privateAccounts ?? [])),
        ...(strangers === "yes" ? [publicPages(args)] : []),
        plain("logrotate", "vm/logrotate", { accessLog: machine.accessLog, errorLog: machine.errorLog }),
        plain("logrotate-timer.conf", "vm/logrotate-timer.conf", {}),
        plain("nginx-restart.conf", "vm/nginx-restart.conf", {}),
        plain("doctor.sh", "vm/doctor.sh", {}),
        plain("machine.sh", "vm/machine.sh", {
            hostname: quote(hostname),
            port,
            nginx: quote(machine.nginx),
            home: quote(machine.home),
            state: quote(machine.state),
            certificateFolder: quote(certificateFolder(args, machine)),
            accessLog: quote(machine.accessLog),
        }),
        ...("acme" in tls ? acmeFiles(args, tls.acme, machine) : certificateFiles(tls)),
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

/**
 * What the machine is sent: the script that reads the lines, then the lines. Packed, because Pulumi keeps it twice in each
 * state, and prints all of a command that fails: so the script is no part of the command.
 */
export function packedRelease(script: string, files: readonly ReleaseFile[]): string {
    const text = `${Buffer.from(script).toString("base64")}\n${releaseLines(files)}`;
    return gzipSync(text, { level: 9 }).toString("base64");
}

/** A shell command that takes a packed release: runs its script, with the lines as standard input. */
export const UNPACK = 'base64 -d | gzip -d | { read -r script && sh -c "$(printf %s "$script" | base64 -d)"; }';

/** One line a file, `<path> <12 digits of its SHA-256>`: by these a preview names the files that change. */
export function fileHashes(files: readonly ReleaseFile[]): string[] {
    return files
        .filter(({ path }) => !DERIVED.includes(path))
        .map(({ path, mode, content }) => {
            const hash = createHash("sha256").update(`${mode} ${content}`).digest("hex");
            return `${path} ${hash.slice(0, 12)}`;
        });
}

/** Files made of all others. */
const DERIVED = ["release", "release.conf"];

/** Hash of a release: what makes the machine be filled again. */
export function releaseHash(files: readonly ReleaseFile[]): string {
    return createHash("sha256").update(releaseLines(files)).digest("hex").slice(0, 32);
}

/** How apply.sh asks the new release: curl's own configuration files, so that no key is in an argument list. */
function askFiles({ hostname, keys, tls }: RelayFilesArgs, port: number): ReleaseFile[] {
    const ask = [`url = "https://${hostname}:${port}/v2/"`, `resolve = "${hostname}:${port}:127.0.0.1"`, ...trust(tls)];
    const newest = Object.values(keys).at(-1);
    return [
        { mode: "0644", path: "ask.curl", content: `${ask.join("\n")}\n` },
        { mode: "0600", path: "key.curl", content: newest === undefined ? "" : `header = "X-Relay-Key: ${newest}"\n` },
    ];
}

/** With ACME nobody is trusted: the first answers are those of the placeholder. The gate asks as clients will. */
function trust(tls: RelayFilesArgs["tls"]): string[] {
    if ("acme" in tls) return ["insecure"];
    return tls.ca === undefined ? [] : [`cacert = "ca.pem"`];
}

function certificateFiles({ certificate, key, ca }: LaidCertificate): ReleaseFile[] {
    return [
        { mode: "0644", path: "certificate.pem", content: certificate },
        { mode: "0600", path: "key.pem", content: key },
        ...(ca === undefined ? [] : [{ mode: "0644", path: "ca.pem", content: ca } as const]),
    ];
}

function acmeFiles(args: RelayFilesArgs, acme: AcmeClient, machine: Machine): ReleaseFile[] {
    const { hostname, challengePort = 80, ipv6 = false } = args;
    const ports = {
        port: challengePort,
        ipv6Others: ipv6 ? `    listen [::]:${challengePort} default_server;` : "",
        ipv6: ipv6 ? `    listen [::]:${challengePort};` : "",
    };
    return [
        plain("renew.sh", "vm/renew.sh", {}),
        plain("acme.sh", "vm/acme.sh", {
            server: quote(acme.server),
            email: quote(acme.email ?? `hostmaster@${hostname}`),
            challenge: quote(acme.dns ? "dns-01" : "http-01"),
            metrics: quote(machine.metrics),
        }),
        plain("dockermirror-renew.service", "vm/dockermirror-renew.service", { nginx: machine.nginx }),
        plain("dockermirror-renew.timer", "vm/dockermirror-renew.timer", {}),
        ...(acme.dns
            ? dnsFiles(acme.dns)
            : [
                  plain("challenge.conf", "nginx/relay/challenge.conf", {
                      hostname,
                      ...ports,
                      challenges: `${machine.state}/challenges`,
                  }),
              ]),
    ];
}

function dnsFiles({ zoneId, token }: NonNullable<AcmeClient["dns"]>): ReleaseFile[] {
    return [
        { ...plain("cloudflare-dns.sh", "vm/cloudflare-dns.sh", {}), mode: "0755" },
        plain("dns.sh", "vm/dns.sh", { zoneId: quote(zoneId) }),
        { mode: "0600", path: "dns-token", content: token },
    ];
}

function publicPages({ hostname, upstreams, abuseContact }: RelayFilesArgs): ReleaseFile {
    const about = aboutPage(hostname, upstreams, abuseContact);
    return plain("public.conf", "nginx/relay/public.conf", { robots: ROBOTS, about });
}

function ownAnswerLines(): string {
    return Object.entries(OWN_ANSWERS)
        .map(([uri, reason]) => `    ${uri}  "${reason === undefined ? UPSTREAM_ANSWER : ownAnswerValue(reason)}";`)
        .join("\n");
}

function certificateFolder({ tls }: RelayFilesArgs, machine: Machine): string {
    return "acme" in tls ? `${machine.home}/certificate` : `${machine.nginx}/relay`;
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
