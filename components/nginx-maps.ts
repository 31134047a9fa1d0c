/** The closed table, keys and names as lines of nginx `map`s: what the relay's and the front's templates leave open. */
import { createHash } from "node:crypto";
import { type Account, type PrivateAccount, repositoryPattern } from "../services/registry/accounts";
import { COLON, DIGEST, NAME, NAME_MAX, OTHER_DIGEST, TAG } from "../services/registry/names";
import { BAD_QUERIES, LAST, N, NEXT_PAGE, NS, TYPES } from "../services/registry/query";
import { DEFAULT_UPSTREAM, hostPattern, type Upstream } from "../services/registry/upstreams";
import type { View } from "../templates/render";

/** Holes of `templates/nginx/names.conf`. */
export function namesView(upstreams: readonly Upstream[]): View {
    return {
        name: NAME,
        tag: TAG,
        digest: DIGEST,
        tooLongName: `[^?]{${NAME_MAX + 1},}`,
        colon: COLON,
        otherDigest: OTHER_DIGEST,
        badQueries: BAD_QUERIES.map((pattern) => `    "~${pattern}"  badquery;`).join("\n"),
        ns: NS,
        pageSize: N,
        last: LAST,
        nextPage: NEXT_PAGE,
        types: TYPES,
        registryNames: upstreams.flatMap(registryNames).map(exact).join("|"),
        upstreams: lines(upstreams, (upstream) => [`"~${nsAndPrefix(upstream)}"`, upstream.name]),
        officialNamespaces: lines(upstreams, ({ name, officialNamespace }) =>
            officialNamespace === undefined
                ? undefined
                : [
                      `"~^${exact(name)}/(?<of_${identifier(name)}>[^/]+)$"`,
                      `${officialNamespace}/$of_${identifier(name)}`,
                  ],
        ),
        defaultUpstream: exact(DEFAULT_UPSTREAM),
    };
}

/** Holes of `templates/nginx/relay/table.conf`. */
export function tableView(upstreams: readonly Upstream[]): View {
    return {
        registryHosts: lines(upstreams, ({ name, registry }) => [name, registry]),
        tokenRealms: lines(upstreams, ({ name, tokenService }) => tokenService && [name, tokenService.realm]),
        tokenServices: lines(upstreams, ({ name, tokenService }) => tokenService && [name, tokenService.service]),
        redirectHosts: upstreams.flatMap(redirectLines).join("\n"),
    };
}

/** Lines of a map from the SHA-256 of a key to its id: nginx then needs no key, and compares no secret. */
export function keyLines(keys: Readonly<Record<string, string>>): string {
    return Object.entries(keys)
        .map(([id, key]) => `    ${createHash("sha256").update(key).digest("hex")}  "${id}";`)
        .join("\n");
}

/**
 * Holes of `templates/nginx/relay/account.conf`: regular expressions of `<upstream>/<repository>`, the first that matches
 * counts. nginx takes no word of more than 4 KB (src/core/ngx_conf_file.c, NGX_CONF_BUFFER), and so no token of more
 * than 3,000 characters.
 *
 * @param hubAccount For all repositories on Docker Hub that are public.
 */
export function accountsView(hubAccount: Account | undefined, privateAccounts: readonly PrivateAccount[]): View {
    const listed = privateAccounts.map((account) => {
        const repositories = account.repositories.map(repositoryPattern).join("|");
        return { account, pattern: `"~^${exact(account.upstream)}/(?:${repositories})$"` };
    });
    const hub = hubAccount ? [{ account: hubAccount, pattern: `"~^${exact(DEFAULT_UPSTREAM)}/"` }] : [];
    return {
        privateRepositories: listed.map(({ pattern }) => `    ${pattern}  yes;`).join("\n"),
        accounts: [...listed, ...hub]
            .map(({ account, pattern }) => `    ${pattern}  "${authorization(account)}";`)
            .join("\n"),
    };
}

/** https://www.rfc-editor.org/rfc/rfc7617 */
function authorization({ username, token }: Account): string {
    return `Basic ${Buffer.from(`${username}:${token}`).toString("base64")}`;
}

/** `?ns=` and prefix (`"=<ns> <prefix>"`) that stand for one upstream; they may not differ. */
function nsAndPrefix(upstream: Upstream): string {
    const prefix = `(?:${registryNames(upstream).map(exact).join("|")})`;
    const ns = `=(?i:${prefix})(?:${COLON}443)?`;
    return upstream.name === DEFAULT_UPSTREAM ? `^(?:${ns})? ${prefix}?$` : `^(?:${ns} ${prefix}?| ${prefix})$`;
}

function registryNames({ name, aliases = [] }: Upstream): string[] {
    return [name, ...aliases];
}

function lines(upstreams: readonly Upstream[], line: (upstream: Upstream) => [string, string] | undefined): string {
    return upstreams
        .map(line)
        .filter((pair) => pair !== undefined)
        .map(([pattern, value]) => `    ${pattern}  ${value};`)
        .join("\n");
}

function exact(name: string): string {
    return name.replaceAll(".", "\\.");
}

/** One line a host: nginx takes no word of more than 4 KB, and a stack's settings may add hosts. */
function redirectLines({ name, registry, redirectHosts }: Upstream): string[] {
    return [registry, ...redirectHosts.map(({ host }) => host)].map(
        (host) => `    "~^${exact(name)} ${hostPattern(host)}$"  yes;`,
    );
}

/** A name as part of a PCRE group's name. */
function identifier(name: string): string {
    return name.replace(/[^a-z0-9]/g, "_");
}
