/** Why a request is refused, and how that is said: an OCI error whose message tells what to do. */
import { firstType, plainValue, refusalOfContent } from "../registry/answer-headers";
import type { Refusal } from "../registry/errors";
import {
    ERROR_BODY_MAX,
    isErrorBody,
    mayHaveErrorBody,
    refusalOfRegistry,
    type Said,
    tooManyFromAddress,
} from "../registry/final-answers";
import type { RegistryRequest } from "../registry/names";
import type { RefusedRedirect } from "../registry/redirects";
import { ownAnswerValue, type RelayReason, UPSTREAM_ANSWER } from "../registry/relay-answer";
import { NoToken } from "../registry/tokens";
import type { Upstream } from "../registry/upstreams";

/** How long the body of an error is waited for; without it the caller gets one of ours. */
const ERROR_BODY_TIMEOUT_MS = 5_000;

/** Ends what the relay is doing for a request. */
export class Refused extends Error {
    /**
     * @param voice Value of `X-Relay-Answer`.
     * @param body The upstream's own error document, in place of one that is made from `refusal`.
     */
    constructor(
        readonly refusal: Refusal,
        readonly voice: string,
        readonly headers: Readonly<Record<string, string>> = {},
        readonly body?: string,
    ) {
        super(refusal.message);
        this.name = "Refused";
    }
}

/** The relay's own no. */
export function refusedHere(
    refusal: Refusal,
    reason: RelayReason,
    headers: Readonly<Record<string, string>> = {},
): Refused {
    return new Refused(refusal, ownAnswerValue(reason), headers);
}

/** A caller without a key. Basic, so that `docker login` asks for it. */
export function keyWanted(hostname: string): Refused {
    const message = `a key of this relay is needed: docker login ${hostname} (any user name, the key as password)`;
    return refusedHere({ status: 401, code: "UNAUTHORIZED", message }, "key", {
        "www-authenticate": `Basic realm="${hostname}"`,
    });
}

export function methodNotAllowed(method: string): Refused {
    const message = `this relay only serves pulls: ${method} is not possible, GET and HEAD are`;
    return refusedHere({ status: 405, code: "UNSUPPORTED", message }, "method", { allow: "GET, HEAD" });
}

/** Too many requests of a caller without a key. */
export function tooMany(): Refused {
    const { retryAfter, ...refusal } = tooManyFromAddress(Date.now());
    return refusedHere(refusal, "limit", waiting(retryAfter));
}

/** Something stands between the relay and the upstream. */
export function unreachable(status: 502 | 504, message: string): Refused {
    return refusedHere({ status, code: "UNAVAILABLE", message }, "unreachable");
}

/** A redirect that is not followed. Without a host it is the upstream that goes wrong, not the table. */
export function refusedRedirect({ host, ...refusal }: RefusedRedirect): Refused {
    return host === undefined
        ? new Refused(refusal, UPSTREAM_ANSWER)
        : new Refused(refusal, ownAnswerValue("redirect", host));
}

/** What the caller gets for an upstream's answer that is no content. Reads or gives up its body. */
export async function refusedUpstream(answer: Response, wanted: RegistryRequest, method: string): Promise<Refused> {
    const said = saidBy(answer);
    const size = said.status === 416 ? plainValue(answer.headers.get("content-range")) : "";
    const body = method === "GET" && mayHaveErrorBody(said) ? await readErrorBody(answer) : undefined;
    if (body === undefined) await answer.body?.cancel().catch(() => undefined);
    const { upstream, repository, kind } = wanted;
    const { retryAfter, ...refusal } = refusalOfRegistry(said, upstream.name, repository, kind, Date.now());
    return new Refused(
        refusal,
        UPSTREAM_ANSWER,
        { ...(size === "" ? {} : { "content-range": size }), ...waiting(retryAfter) },
        body,
    );
}

/** Why content is not handed on; `undefined` for what is. */
export function refusedContent(answer: Response, upstream: Upstream): Refused | undefined {
    const [digest, encoding] = ["docker-content-digest", "content-encoding"].map((name) =>
        plainValue(answer.headers.get(name)),
    );
    const refusal = refusalOfContent(saidBy(answer), upstream.name, digest, encoding);
    return refusal && new Refused(refusal, UPSTREAM_ANSWER);
}

/** The refusal that an error stands for. */
export function refusedBy(error: unknown): Refused {
    if (error instanceof Refused) return error;
    if (error instanceof NoToken) {
        const { retryAfter, ...refusal } = error.refusal;
        const voice = error.reason === "upstream" ? UPSTREAM_ANSWER : ownAnswerValue(error.reason);
        return new Refused(refusal, voice, waiting(retryAfter));
    }
    // A fault of ours, for the platform's log; the caller still gets an answer that says whose fault it is.
    console.error(error);
    return refusedHere({ status: 500, code: "UNAVAILABLE", message: "this relay failed; its log says how" }, "fault");
}

export function saidBy({ status, headers }: Response): Said {
    const [type = "", retryAfter] = ["content-type", "retry-after"].map((name) => plainValue(headers.get(name)));
    return { status, contentType: firstType(type), retryAfter };
}

function waiting(retryAfter: number | undefined): Record<string, string> {
    return retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
}

/** The body when it is an OCI error document of bounded size that comes in time. */
async function readErrorBody({ body, headers }: Response): Promise<string | undefined> {
    if (body === null || headers.has("content-encoding")) return undefined;
    const reader = body.getReader();
    const timer = setTimeout(() => reader.cancel().catch(() => undefined), ERROR_BODY_TIMEOUT_MS);
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let text = "";
    let bytes = 0;
    try {
        while (bytes <= ERROR_BODY_MAX) {
            const { value, done } = await reader.read();
            if (done) return isErrorBody(text) ? text : undefined;
            bytes += value.length;
            text += decoder.decode(value, { stream: true });
        }
        await reader.cancel();
    } catch {
        // Cut: there is an answer, if not its body.
    } finally {
        clearTimeout(timer);
        reader.releaseLock();
    }
    return undefined;
}
