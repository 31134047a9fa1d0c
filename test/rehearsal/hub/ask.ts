/** Asks the Hub double as a stranger would who resolves the real names to its address. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import * as https from "node:https";
import { buffer } from "node:stream/consumers";

/** Where the double listens, and the CA to trust. */
export interface Address {
    readonly host: string;
    readonly port: number;
    readonly ca: string;
}

export interface Answer {
    readonly status: number;
    readonly headers: IncomingHttpHeaders;
    readonly body: Buffer;
}

export interface Question {
    readonly method?: string;
    /** `undefined` takes away one that is sent by default. */
    readonly headers?: OutgoingHttpHeaders;
    /** TLS server name, when it is not to be the URL's host. */
    readonly servername?: string;
}

/** The path and query of `url` go out byte for byte. */
export function request(address: Address, url: string, { method, headers, servername }: Question = {}) {
    const { hostname, origin } = new URL(url);
    const all = { host: hostname, "user-agent": "test", ...headers };
    return https.request({
        agent: false,
        host: address.host,
        port: address.port,
        ca: address.ca,
        servername: servername ?? hostname,
        method: method ?? "GET",
        path: url.slice(origin.length),
        headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
        ...(servername === undefined ? {} : { checkServerIdentity: () => undefined }),
    });
}

/** The whole answer. Rejects when the connection breaks, also in the middle of the body. */
export function ask(address: Address, url: string, question?: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
        request(address, url, question)
            .once("error", reject)
            .once("response", (response) => {
                buffer(response).then(
                    (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
                    reject,
                );
            })
            .end();
    });
}
