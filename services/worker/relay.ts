/** The relay: admits, finds the one upstream that a request is for, fetches with a token of its own, hands back. */
import { privateAccountFor } from "../registry/accounts";
import { mayBeAskedByRange } from "../registry/answer-headers";
import { isContent } from "../registry/final-answers";
import { type ParsedPath, parseTarget, type RegistryRequest } from "../registry/names";
import { aboutPage, ROBOTS } from "../registry/public-access";
import { pullQuery } from "../registry/query";
import { isRedirect, MAX_HOPS, type RefusedRedirect, redirectTarget, tooManyRedirects } from "../registry/redirects";
import { TokenSource } from "../registry/tokens";
import { DEFAULT_UPSTREAM } from "../registry/upstreams";
import { KeyRing } from "./admission";
import { baseAnswer, noReferrers, nothingHere, passBack, refusalAnswer, sizeAnswer, textAnswer } from "./answers";
import { logLine } from "./log";
import { Outbound } from "./outbound";
import {
    keyWanted,
    methodNotAllowed,
    refusedBy,
    refusedContent,
    refusedHere,
    refusedRedirect,
    refusedUpstream,
    saidBy,
    tooMany,
} from "./refusals";
import type { Settings } from "./settings";
import { readTarget } from "./target";

/** Keeps work going after the answer has been given: https://developers.cloudflare.com/workers/runtime-apis/context/. */
export type WaitUntil = (work: Promise<unknown>) => void;

/** Headers of the caller that an upstream gets. */
const PASSED_UP = ["accept", "range", "if-none-match"];

/** What a registry says of itself, and that nothing on the way may compress what has a digest. */
const ON_EVERY_ANSWER = [
    ["docker-distribution-api-version", "registry/2.0"],
    ["cache-control", "no-transform"],
] as const;

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
            privateAccounts: settings.privateAccounts,
        });
    }

    /** Answers one request and writes its line into the log. */
    async answer(request: Request, waitUntil: WaitUntil): Promise<Response> {
        const started = Date.now();
        const key = await this.keys.idOf(request.headers);
        const target = readTarget(request);
        const path = typeof target === "string" ? parseTarget(target, this.settings.upstreams) : { refusal: target };
        const response =
            typeof target === "string"
                ? await this.answerTo(target, path, request, key, waitUntil)
                : refusalAnswer(refusedHere(target, "table"));
        for (const [name, value] of ON_EVERY_ANSWER) response.headers.set(name, value);
        console.log(logLine({ started, key, path, request, response }));
        return response;
    }

    private async answerTo(
        target: string,
        path: ParsedPath,
        request: Request,
        key: string | undefined,
        waitUntil: WaitUntil,
    ): Promise<Response> {
        const [pathname = ""] = target.split("?", 1);
        const isOfTheApi = pathname === "/v2" || pathname.startsWith("/v2/");
        if (!isOfTheApi) return this.outsideOfTheApi(request.method, pathname);
        try {
            if (key === undefined) await this.admitStranger(request, path);
            if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed(request.method);
            if ("refusal" in path) throw refusedHere(path.refusal, "table");
            return "base" in path ? baseAnswer() : await this.pull(path.request, target, request, waitUntil);
        } catch (error) {
            return refusalAnswer(refusedBy(error));
        }
    }

    private outsideOfTheApi(method: string, pathname: string): Response {
        const { isPublic, hostname, upstreams, abuseContact } = this.settings;
        if (!isPublic || (method !== "GET" && method !== "HEAD")) return nothingHere();
        if (pathname === "/robots.txt") return textAnswer(ROBOTS);
        return pathname === "/" ? textAnswer(aboutPage(hostname, upstreams, abuseContact)) : nothingHere();
    }

    /** Throws unless the relay is open to all, to this repository too, and this address has not asked too often. */
    private async admitStranger(request: Request, path: ParsedPath): Promise<void> {
        const { isPublic, hostname, rateLimit, privateAccounts } = this.settings;
        const isPrivate =
            "request" in path &&
            privateAccountFor(privateAccounts, path.request.upstream, path.request.repository) !== undefined;
        if (!isPublic || isPrivate) throw keyWanted(hostname);
        const address = request.headers.get("cf-connecting-ip") ?? "";
        if (rateLimit && !(await rateLimit.limit({ key: address })).success) {
            throw tooMany();
        }
    }

    private async pull(
        wanted: RegistryRequest,
        target: string,
        request: Request,
        waitUntil: WaitUntil,
    ): Promise<Response> {
        const { method } = request;
        const asked = passedUp(request);
        let answer = await this.followRedirects(wanted, target, method, asked, waitUntil);
        if (
            answer instanceof Response &&
            method === "HEAD" &&
            wanted.kind === "blobs" &&
            mayBeAskedByRange(saidBy(answer))
        ) {
            answer = await this.followRedirects(wanted, target, "GET", { ...asked, range: "bytes=0-0" }, waitUntil);
            if (answer instanceof Response) {
                await answer.body?.cancel();
                answer = new Response(null, answer);
                const sized = sizeAnswer(wanted, answer);
                if (sized) return sized;
            }
        }
        if (!(answer instanceof Response)) {
            const refused = refusedRedirect(answer);
            if (wanted.kind === "referrers" && answer.host !== undefined) return noReferrers(refused);
            throw refused;
        }
        const said = saidBy(answer);
        if (!isContent(said)) throw await refusedUpstream(answer, wanted, method);
        const refused = refusedContent(answer, wanted.upstream);
        if (refused) {
            await answer.body?.cancel();
            throw refused;
        }
        return passBack(wanted, answer);
    }

    /** The last answer, or the redirect that is not followed. */
    private async followRedirects(
        wanted: RegistryRequest,
        target: string,
        method: string,
        headers: Readonly<Record<string, string>>,
        waitUntil: WaitUntil,
    ): Promise<Response | RefusedRedirect> {
        const { upstream, repository, kind, reference } = wanted;
        let url = `https://${upstream.registry}/v2/${repository}/${kind}/${reference}${pullQuery(target)}`;
        let answer = await this.askRegistry(wanted, url, method, headers, waitUntil);
        for (let hop = 1; isRedirect(answer.status); hop++) {
            await answer.body?.cancel();
            if (hop > MAX_HOPS) return tooManyRedirects(upstream);
            const next = redirectTarget(upstream, url, answer.headers.get("location"));
            if (typeof next !== "string") return next;
            url = next;
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
            // Other requests wait for the same token, and Cloudflare ends the work for a caller who has left.
            waitUntil(token.catch(() => undefined));
            return token;
        };
        const ask = (token: string | undefined) => {
            const authorization: Record<string, string> =
                token === undefined ? {} : { authorization: `Bearer ${token}` };
            return this.outbound.fetch(url, method, { ...headers, ...authorization });
        };
        const token = await pullToken();
        const answer = await ask(token);
        if (answer.status !== 401 || token === undefined) return answer;
        await answer.body?.cancel();
        this.tokens.forget(upstream, repository, token);
        return ask(await pullToken());
    }
}

function passedUp({ headers }: Request): Record<string, string> {
    const values = PASSED_UP.map((name) => [name, headers.get(name)] as const);
    return Object.fromEntries(values.filter(([, value]) => value !== null)) as Record<string, string>;
}
