/** Why a request is refused, and how that is said: an OCI error whose message tells what to do. */
import type { Refusal } from "../registry/errors";
import { isJson, isPage } from "../registry/media";
import type { RegistryRequest } from "../registry/names";
import { NoToken } from "../registry/tokens";

/** Seconds to wait after a 429 of an upstream that does not say how long. */
const RETRY_AFTER_SECONDS = "60";

/** What is not there, by what was asked for. */
const UNKNOWN = {
    manifests: "MANIFEST_UNKNOWN",
    blobs: "BLOB_UNKNOWN",
    tags: "NAME_UNKNOWN",
    referrers: "NAME_UNKNOWN",
} as const;

/** Ends what the relay is doing for a request. */
export class Refused extends Error {
    constructor(
        readonly refusal: Refusal,
        readonly headers: Readonly<Record<string, string>> = {},
    ) {
        super(refusal.message);
        this.name = "Refused";
    }
}

/** A caller without a key. Basic, so that `docker login` asks for it. */
export function keyWanted(hostname: string): Refused {
    const message = `a key of this relay is needed: docker login ${hostname} (any user name, the key as password)`;
    return new Refused(
        { status: 401, code: "UNAUTHORIZED", message },
        { "www-authenticate": `Basic realm="${hostname}"`, "docker-distribution-api-version": "registry/2.0" },
    );
}

export function methodNotAllowed(method: string): Refused {
    const message = `this relay only serves pulls: ${method} is not possible, GET and HEAD are`;
    return new Refused({ status: 405, code: "UNSUPPORTED", message }, { allow: "GET, HEAD" });
}

/** Too many requests, of this relay's caller or of the relay at an upstream. */
export function tooMany(message: string, retryAfter: string | null | undefined): Refused {
    return new Refused(
        { status: 429, code: "TOOMANYREQUESTS", message },
        { "retry-after": retryAfter ?? RETRY_AFTER_SECONDS },
    );
}

/** Something stands between the relay and the upstream. */
export function unavailable(status: 502 | 503 | 504, message: string): Refused {
    return new Refused({ status, code: "UNAVAILABLE", message });
}

/** What the caller is told in place of an upstream's answer that is not handed back. */
export function refusedUpstream(answer: Response, { upstream, repository, kind }: RegistryRequest): Refused {
    const { status, headers } = answer;
    const name = `${upstream.name}/${repository}`;
    if (isPage(answer)) return unavailable(502, `${upstream.name} answered ${status} with a page in place of ${kind}`);
    if (status === 404) return new Refused({ status, code: UNKNOWN[kind], message: `not found: ${kind} of ${name}` });
    // Registries do not tell strangers whether a repository is private or not there: the Hub says 401, Google 403.
    if (status === 401 || (status === 403 && isJson(answer))) return notPublic(name);
    if (status === 416) {
        const size = headers.get("content-range");
        const message = "the range begins behind the end";
        return new Refused({ status, code: "UNSUPPORTED", message }, size === null ? {} : { "content-range": size });
    }
    if (status === 429) {
        return tooMany(`${upstream.name} has had too many requests from this relay`, headers.get("retry-after"));
    }
    return unavailable(502, `${upstream.name} answered ${status}`);
}

/** The refusal that an error stands for; an error that stands for none is a fault of ours and is thrown again. */
export function refusedBy(error: unknown): Refused {
    if (error instanceof Refused) return error;
    if (!(error instanceof NoToken)) throw error;
    const { reason, message, answer } = error;
    if (reason === "refused") return new Refused({ status: 404, code: "NAME_UNKNOWN", message });
    if (reason === "no-verdict") {
        const headers = { "retry-after": answer.retryAfter ?? RETRY_AFTER_SECONDS };
        return new Refused({ status: 503, code: "UNAVAILABLE", message }, headers);
    }
    return answer.status === 429 ? tooMany(message, answer.retryAfter) : unavailable(502, message);
}

function notPublic(name: string): Refused {
    return new Refused({ status: 404, code: "NAME_UNKNOWN", message: `${name} does not exist or is not public` });
}
