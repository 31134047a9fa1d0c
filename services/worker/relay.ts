/** The relay: admits, finds the one upstream that a request is for, fetches with a token of its own, hands back. */
import type { Refusal } from "../registry/errors";
import { type ParsedPath, parsePath, type RegistryRequest } from "../registry/names";
import { isRedirect, MAX_HOPS, redirectTarget } from "../registry/redirects";
import { NoToken, TokenSource } from "../registry/tokens";
import { DEFAULT_UPSTREAM } from "../registry/upstreams";
import { KeyRing } from "./admission";
import {
    baseAnswer,
    keptHeaders,
    keyWanted,
    nothingHere,
    passBack,
    Refused,
    refusalAnswer,
    tooMany,
    unavailable,
} from "./answers";
import { logLine } from "./log";
import { Outbound } from "./outbound";
import type { Settings } from "./settings";

/** Keeps work going after the answer has been given: https://developers.cloudflare.com/workers/runtime-apis/context/. */
export type WaitUntil = (work: Promise<unknown>) => void;

/** Headers of the caller that an upstream gets. */
const PASSED_UP = ["accept", "range", "if-none-match"];
/** Parameters of the query that an upstream gets. */
const QUERY_PASSED_UP = ["n", "last", "artifactType"];

/** One relay, with its tokens: it serves all requests of an isolate. */
export class Relay {
    private readonly keys: KeyRing;
    private readonly outbound: Outbound;
    private readonly tokens: TokenSource;

    constructor(private readonly settings: Settings) {
        this.keys = new KeyRing(settings.keys);
        this.outbound = new Outbound(settings.userAgent);
        this.tokens = new TokenSource({
            fetch: (url, headers) => this.outbound.fetchWhole(url, headers),
            accounts: settings.hubAccount && { [DEFAULT_UPSTREAM]: settings.hubAccount },
        });
    }

    /** Answers one request and writes its line into the log. Never rejects on what a caller or an upstream does. */
    async answer(request: Request, waitUntil: WaitUntil): Promise<Response> {
        const started = Date.now();
        const { pathname, searchParams } = new URL(request.url);
        const path = parsePath(pathname, searchParams.get("ns") ?? undefined, this.settings.upstreams);
        const key = await this.keys.idOf(request.headers);
        const response = await this.serve(request, pathname, path, key, waitUntil);
        console.log(logLine({ started, key, path, request, response }));
        return response;
    }

    private async serve(
        request: Request,
        pathname: string,
        path: ParsedPath,
        key: string | undefined,
        waitUntil: WaitUntil,
    ): Promise<Response> {
        if (pathname !== "/v2" && !pathname.startsWith("/v2/")) return nothingHere();
        try {
            if (key === undefined) await this.admitStranger(request);
            if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed(request.method);
            if ("refusal" in path) throw new Refused(path.refusal);
            return "base" in path ? baseAnswer() : await this.pull(path.request, request, waitUntil);
        } catch (error) {
            const { refusal, headers } = refusedBy(error);
            return refusalAnswer(refusal, headers);
        }
    }

    /** @throws Refused, unless the relay is open to all and this address has not asked too often. */
    private async admitStranger(request: Request): Promise<void> {
        const { isPublic, hostname, rateLimit } = this.settings;
        if (!isPublic) throw keyWanted(hostname);
        const address = request.headers.get("cf-connecting-ip") ?? "";
        if (rateLimit && !(await rateLimit.limit({ key: address })).success) {
            throw tooMany("too many requests from your address", undefined);
        }
    }

    private async pull(wanted: RegistryRequest, request: Request, waitUntil: WaitUntil): Promise<Response> {
        const { upstream, repository } = wanted;
        const answer = await this.followRedirects(wanted, request, waitUntil);
        const { status } = answer;
        if (!isPage(answer)) {
            if ([200, 206, 304].includes(status) || (status === 404 && isJson(answer)))
                return passBack(upstream, answer);
        }
        await answer.body?.cancel();
        throw refusedAnswer(answer, `${upstream.name}/${repository}`, wanted);
    }

    private async followRedirects(wanted: RegistryRequest, request: Request, waitUntil: WaitUntil): Promise<Response> {
        const { method } = request;
        const headers = passedUp(request);
        let url = upstreamUrl(wanted, request);
        let answer = await this.askRegistry(wanted, url, method, headers, waitUntil);
        for (let hop = 1; isRedirect(answer.status); hop++) {
            await answer.body?.cancel();
            if (hop > MAX_HOPS) throw unavailable(502, `${wanted.upstream.name} redirects more than ${MAX_HOPS} times`);
            const target = redirectTarget(wanted.upstream, url, answer.headers.get("location"));
            if (!(target instanceof URL)) throw new Refused(target);
            url = target.href;
            answer = await this.outbound.fetch(url, method, headers);
        }
        return answer;
    }

    /** Asks the registry with a token, and once more with a fresh one when it does not take the one that was kept. */
    private async askRegistry(
        { upstream, repository }: RegistryRequest,
        url: string,
        method: string,
        headers: Readonly<Record<string, string>>,
        waitUntil: WaitUntil,
    ): Promise<Response> {
        const pullToken = () => {
            const token = this.tokens.pullToken(upstream, repository);
            // Other requests wait for the same token: it must arrive even if this caller leaves.
            waitUntil(token.catch(() => undefined));
            return token;
        };
        const ask = (token: string | undefined) =>
            this.outbound.fetch(
                url,
                method,
                token === undefined ? headers : { ...headers, authorization: `Bearer ${token}` },
            );
        const token = await pullToken();
        const answer = await ask(token);
        if (answer.status !== 401 || token === undefined) return answer;
        await answer.body?.cancel();
        this.tokens.forget(upstream, repository, token);
        return ask(await pullToken());
    }
}

function upstreamUrl({ upstream, repository, kind, reference }: RegistryRequest, request: Request): string {
    const url = new URL(`https://${upstream.registry}/v2/${repository}/${kind}/${reference}`);
    const { searchParams } = new URL(request.url);
    for (const name of QUERY_PASSED_UP) {
        const value = searchParams.get(name);
        if (value !== null) url.searchParams.set(name, value);
    }
    return url.href;
}

function passedUp({ headers }: Request): Record<string, string> {
    return Object.fromEntries(
        PASSED_UP.map((name) => [name, headers.get(name) ?? ""]).filter(([, value]) => value !== ""),
    );
}

function isPage({ headers }: Response): boolean {
    return /^text\/html\b/i.test(headers.get("content-type") ?? "");
}

function isJson({ headers }: Response): boolean {
    return /^application\/([a-z.-]+\+)?json\b/i.test(headers.get("content-type") ?? "");
}

/** What the caller is told instead of an answer that is not handed back. */
function refusedAnswer(answer: Response, name: string, { upstream, kind }: RegistryRequest): Refused {
    const { status } = answer;
    if (isPage(answer)) return unavailable(502, `${upstream.name} answered ${status} with a page in place of ${kind}`);
    if (status === 404) {
        const code = {
            manifests: "MANIFEST_UNKNOWN",
            blobs: "BLOB_UNKNOWN",
            tags: "NAME_UNKNOWN",
            referrers: "NAME_UNKNOWN",
        } as const;
        return new Refused({ status, code: code[kind], message: `${name} has no such ${kind}` });
    }
    // Registries do not tell strangers whether a repository is private or not there; the Hub says 401, Google 403.
    if (status === 401 || (status === 403 && isJson(answer))) return notPublic(name);
    if (status === 416) {
        return new Refused(
            { status, code: "UNSUPPORTED", message: "the range begins behind the end" },
            keptHeaders(answer, ["content-range"]),
        );
    }
    if (status === 429)
        return tooMany(`${upstream.name} has had too many requests from this relay`, answer.headers.get("retry-after"));
    return unavailable(502, `${upstream.name} answered ${status}`);
}

function notPublic(name: string): Refused {
    return new Refused({ status: 404, code: "NAME_UNKNOWN", message: `${name} does not exist or is not public` });
}

function methodNotAllowed(method: string): Refused {
    const message = `this relay only serves pulls: ${method} is not possible, GET and HEAD are`;
    return new Refused({ status: 405, code: "UNSUPPORTED", message }, { allow: "GET, HEAD" });
}

/** The refusal in an error; an error that is none is a fault of ours and goes on. */
function refusedBy(error: unknown): { readonly refusal: Refusal; readonly headers: Readonly<Record<string, string>> } {
    if (error instanceof Refused) return error;
    if (!(error instanceof NoToken)) throw error;
    const { reason, message, answer } = error;
    const { status, retryAfter } = answer;
    if (reason === "no-verdict") {
        const wait: Record<string, string> = retryAfter === undefined ? {} : { "retry-after": retryAfter };
        return new Refused({ status: 503, code: "UNAVAILABLE", message }, wait);
    }
    if (reason === "refused") return new Refused({ status: 404, code: "NAME_UNKNOWN", message });
    return status === 429 ? tooMany(message, retryAfter) : unavailable(502, message);
}
