/**
 * Pull tokens of the upstreams' token services, fetched once a repository and kept until shortly before they expire.
 * Protocol: https://distribution.github.io/distribution/spec/auth/token/. Needs nothing but `fetch`: the Worker and
 * Node both have it.
 */

import { type Account, type PrivateAccount, privateAccountFor } from "./accounts";
import { firstType, isGzip, plainValue } from "./answer-headers";
import {
    isAccountRefused,
    refusalOfTokenService,
    type UpstreamRefusal,
    unreadableToken,
    withoutVerdict,
} from "./final-answers";
import { readTokenAnswer } from "./token-answer";
import type { Upstream } from "./upstreams";

export interface TokenSourceOptions {
    /** Sends one request; rejects when the token service cannot be reached or does not answer in time. */
    readonly fetch: (url: string, headers: Readonly<Record<string, string>>) => Promise<Response>;
    /** The account for public repositories, by name of the upstream. Without one, tokens are the anonymous caller's. */
    readonly accounts?: Readonly<Record<string, Account>>;
    /** Accounts for the private repositories that they list. @default none */
    readonly privateAccounts?: readonly PrivateAccount[];
    /** Milliseconds since 1970. @default Date.now */
    readonly now?: () => number;
}

/** The token service gave no token. */
export class NoToken extends Error {
    /**
     * @param reason `upstream`: the token service's own answer. `account`: it does not take the configured account.
     * `no-verdict`: it cannot be found out now whether the account may be used.
     * @param refusal What the caller gets.
     */
    constructor(
        readonly reason: "upstream" | "account" | "no-verdict",
        readonly refusal: UpstreamRefusal,
    ) {
        super(refusal.message);
        this.name = "NoToken";
    }
}

/** A repository that was public stays so for a day, as far as the account's use goes. */
const VERDICT_MS = 24 * 60 * 60 * 1000;
/** Tokens kept; a Hub token has about 5 KB and a Worker 128 MB. */
const KEPT_MAX = 2000;

interface Kept {
    readonly token: string;
    /** Milliseconds since 1970. */
    readonly until: number;
}

/** Fetches and keeps pull tokens. */
export class TokenSource {
    private readonly kept = new Map<string, Kept>();
    private readonly underWay = new Map<string, Promise<Kept>>();
    /** Until when a repository counts as public, in milliseconds since 1970. */
    private readonly publicUntil = new Map<string, number>();
    private readonly now: () => number;

    constructor(private readonly options: TokenSourceOptions) {
        this.now = options.now ?? Date.now;
    }

    /**
     * A token that pulls from a repository; `undefined` when the upstream needs none. However many ask at a time, the
     * token service is asked once.
     *
     * @throws NoToken, or whatever `fetch` throws.
     */
    async pullToken(upstream: Upstream, repository: string): Promise<string | undefined> {
        if (!upstream.tokenService) return undefined;
        const name = `${upstream.name}/${repository}`;
        const kept = this.kept.get(name);
        if (kept && this.now() < kept.until) return kept.token;
        const underWay = this.underWay.get(name) ?? this.renew(name, upstream, upstream.tokenService, repository);
        return (await underWay).token;
    }

    /** Gives up a token that the upstream did not take, unless it has been replaced since. */
    forget(upstream: Upstream, repository: string, token: string): void {
        const name = `${upstream.name}/${repository}`;
        if (this.kept.get(name)?.token === token) this.kept.delete(name);
    }

    private renew(name: string, upstream: Upstream, service: TokenService, repository: string): Promise<Kept> {
        const fetched = this.fetchFor(upstream, service, repository)
            .then((token) => {
                keep(this.kept, name, token);
                return token;
            })
            .finally(() => this.underWay.delete(name));
        this.underWay.set(name, fetched);
        return fetched;
    }

    private async fetchFor(upstream: Upstream, service: TokenService, repository: string): Promise<Kept> {
        const opened = privateAccountFor(this.options.privateAccounts ?? [], upstream, repository);
        if (opened) return this.fetchToken(upstream, service, repository, opened);
        const account = this.options.accounts?.[upstream.name];
        if (!account) return this.fetchToken(upstream, service, repository);
        const name = `${upstream.name}/${repository}`;
        if (this.now() >= (this.publicUntil.get(name) ?? 0)) {
            // The account may see repositories that are nobody else's business, and every caller of the relay would
            // see them through it. So the anonymous caller is asked first, and decides.
            const anonymous = await this.fetchVerdict(upstream, service, repository);
            if (!mayPull(anonymous.token, repository)) return anonymous;
            keep(this.publicUntil, name, this.now() + VERDICT_MS);
        }
        return this.fetchToken(upstream, service, repository, account);
    }

    private async fetchVerdict(upstream: Upstream, service: TokenService, repository: string): Promise<Kept> {
        try {
            return await this.fetchToken(upstream, service, repository);
        } catch (error) {
            if (!(error instanceof NoToken)) throw error;
            const { isFinal, refusal } = withoutVerdict(error.refusal, repository, this.now());
            throw isFinal ? error : new NoToken("no-verdict", refusal);
        }
    }

    private async fetchToken(
        upstream: Upstream,
        service: TokenService,
        repository: string,
        account?: Account,
    ): Promise<Kept> {
        const url = new URL(service.realm);
        url.searchParams.set("service", service.service);
        url.searchParams.set("scope", `repository:${repository}:pull`);
        const response = await this.options.fetch(url.href, account ? { authorization: basic(account) } : {});
        const header = (name: string) => plainValue(response.headers.get(name));
        const said = {
            status: response.status,
            contentType: firstType(header("content-type")),
            retryAfter: header("retry-after"),
        };
        const encoding = header("content-encoding");
        const isReadable = encoding === "" || isGzip(encoding) || /^identity$/i.test(encoding);
        const answer = said.status === 200 && isReadable ? readTokenAnswer(await response.text()) : undefined;
        if (answer === undefined) {
            if (!response.bodyUsed) await response.body?.cancel();
            if (said.status === 200 && !isReadable)
                throw new NoToken("upstream", unreadableToken(upstream.name, encoding));
            const refusal = refusalOfTokenService(said, upstream.name, this.now());
            if (account && isAccountRefused(said)) {
                const message = `${refusal.message} to the relay's account ${account.username}`;
                throw new NoToken("account", { status: 502, code: "UNAVAILABLE", message });
            }
            throw new NoToken("upstream", refusal);
        }
        return { token: answer.token, until: this.now() + answer.seconds * 1000 };
    }
}

type TokenService = NonNullable<Upstream["tokenService"]>;

/**
 * Whether a token carries the pull right for a repository, by the `access` claim of its JWT; false for what is none.
 * https://distribution.github.io/distribution/spec/auth/jwt/
 */
export function mayPull(token: string, repository: string): boolean {
    const [, payload = ""] = token.split(".");
    try {
        const text = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
        const { access } = JSON.parse(text) as { access?: { type?: string; name?: string; actions?: string[] }[] };
        return (access ?? []).some(
            ({ type, name, actions }) => type === "repository" && name === repository && actions?.includes("pull"),
        );
    } catch {
        return false;
    }
}

/** The oldest entry goes when there are too many: a Map remembers the order of insertion. */
function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
    map.delete(key);
    map.set(key, value);
    const [oldest] = map.keys();
    if (map.size > KEPT_MAX && oldest !== undefined) map.delete(oldest);
}

function basic({ username, token }: Account): string {
    return `Basic ${btoa(`${username}:${token}`)}`;
}
