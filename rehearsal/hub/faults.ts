/** What can be made to go wrong at the Hub double, as plain data that also travels as JSON. */
import type { Role } from "./upstream-hosts";

/** Which requests a fault befalls: all given fields must agree. */
export interface FaultMatch {
    readonly role?: Role;
    readonly host?: string;
    /** Source of a regular expression for the path with its query. */
    readonly path?: string;
    readonly method?: string;
    /** Only that many requests, then the fault is over. @default all of them */
    readonly times?: number;
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1 */
export type Encoding = "gzip" | "x-gzip" | "deflate" | "br";

/** What happens instead of, or to, the right answer. */
export type FaultAction =
    /** Another answer. */
    | {
          readonly kind: "status";
          readonly status: number;
          /** A list is as many lines. */
          readonly headers?: Readonly<Record<string, string | readonly string[]>>;
          readonly body?: string;
          /** The body goes out so, with the header that says it, whatever was accepted. @default as it is */
          readonly encoding?: Encoding;
          /** Without `Content-Length`: in chunks, or ended by the connection. @default with it */
          readonly length?: "chunked" | "close";
      }
    /** The connection stays open and nothing is ever sent. */
    | { readonly kind: "hang" }
    /** The connection is closed before a byte is sent. */
    | { readonly kind: "close" }
    /** The right answer, the connection is closed after so many body bytes. */
    | { readonly kind: "cut"; readonly afterBytes: number }
    /** The right answer, but after so many body bytes nothing more comes and the connection stays open. */
    | { readonly kind: "stall"; readonly afterBytes: number }
    /** The right headers and length, one bit of the body wrong. */
    | { readonly kind: "wrong-bytes" }
    /** A redirect to a URL of the test's choice. */
    | { readonly kind: "redirect"; readonly location: string; readonly status?: number }
    /** The right answer, so encoded, whatever was accepted. */
    | { readonly kind: "encode"; readonly encoding: Encoding }
    /** The right answer without `Content-Length`. */
    | { readonly kind: "no-length"; readonly by: "chunked" | "close" }
    /** The right answer, slowly. */
    | { readonly kind: "throttle"; readonly bytesPerSecond: number }
    /** The right answer to the same request without its `Range` header. */
    | { readonly kind: "ignore-range" };

/** One thing that goes wrong. The first fault in the list that matches a request is the one that happens to it. */
export interface Fault {
    readonly match: FaultMatch;
    readonly action: FaultAction;
}

/** Faults with the count of how often each has happened. */
export class Faults {
    private readonly happened = new WeakMap<Fault, number>();

    /** @param list Read at each request: whoever holds it may change it at any time. */
    constructor(private readonly list: readonly Fault[]) {}

    /** The fault that befalls a request, counted as happened. */
    take(request: { role: Role; host: string; path: string; method: string }): FaultAction | undefined {
        const fault = this.list.find(({ match }, i) => {
            const done = this.happened.get(this.list[i] as Fault) ?? 0;
            return (
                (match.role ?? request.role) === request.role &&
                (match.host ?? request.host) === request.host &&
                (match.method ?? request.method) === request.method &&
                (match.path === undefined || new RegExp(match.path).test(request.path)) &&
                done < (match.times ?? Number.POSITIVE_INFINITY)
            );
        });
        if (!fault) return undefined;
        this.happened.set(fault, (this.happened.get(fault) ?? 0) + 1);
        return fault.action;
    }
}
