/** One question over HTTP, with an answer or a reason that a person understands. */
import { fetch } from "undici";
import { say } from "../language/say";
import { type Check, Failure } from "./finding";
import type { Surroundings } from "./surroundings";

/** What is asked. */
export interface Question {
    readonly url: string;
    /** @default "GET" */
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    /** True: the answer's status is enough, its body stays where it is. */
    readonly statusOnly?: boolean;
}

/** What came back, whatever the status. Redirects are followed. */
export interface Answer {
    readonly status: number;
    readonly text: string;
    /** A header by its name. */
    readonly header: (name: string) => string | null;
}

/** No answer came: a fault of the way there, whatever was asked. */
export class NoAnswer extends Failure {}

/** @throws NoAnswer that says in words why no answer came. */
export async function ask({ dispatcher, seconds }: Surroundings, question: Question): Promise<Answer> {
    const { url, method, headers, body, statusOnly } = question;
    const signal = AbortSignal.timeout(seconds * 1000);
    try {
        const answer = await fetch(url, {
            method,
            headers: { "User-Agent": "dockermirror", ...headers },
            body,
            dispatcher,
            signal,
        });
        const { status } = answer;
        const header = (name: string) => answer.headers.get(name);
        if (!statusOnly) return { status, header, text: await answer.text() };
        await answer.body?.cancel();
        return { status, header, text: "" };
    } catch (error) {
        throw new NoAnswer(reason(error, seconds));
    }
}

/** Says that there is a proxy: whatever cannot be reached may be its doing. */
export function proxyChecks({ env }: Surroundings): Check[] {
    const proxy = env.https_proxy ?? env.HTTPS_PROXY;
    if (!proxy) return [];
    return [
        { what: say("proxy"), where: new URL(proxy).host, ask: async () => say("HTTPS goes through it (HTTPS_PROXY)") },
    ];
}

const REASONS: Readonly<Record<string, string>> = {
    ENOTFOUND: say("its name is not found"),
    EAI_AGAIN: say("the resolver does not answer"),
    ECONNREFUSED: say("the connection is refused"),
    ECONNRESET: say("the connection is cut"),
    UND_ERR_SOCKET: say("the connection is cut"),
    EHOSTUNREACH: say("there is no way to its address"),
    ENETUNREACH: say("there is no way to its address"),
    ERR_TLS_CERT_ALTNAME_INVALID: say("it shows another host's certificate: something answers in its place"),
};

/** Why a connection did not come about. */
export function reason(error: unknown, seconds: number): string {
    const { name, message, code = "", cause } = error as NodeJS.ErrnoException;
    if (["TimeoutError", "AbortError"].includes(name) || ["UND_ERR_CONNECT_TIMEOUT", "ETIMEDOUT"].includes(code)) {
        return say("no answer within {seconds} s", { seconds });
    }
    const known = REASONS[code];
    if (known) return known;
    if (/CERT|SIGNED|ISSUER|VERIFY/.test(code))
        return say("its certificate is not trusted ({code}): something answers in its place", { code });
    return cause instanceof Error ? reason(cause, seconds) : message;
}
