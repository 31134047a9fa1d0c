/** Relays and the mirror as clients see them: their TLS, and what they answer. */
import { request } from "node:https";
import type { Socket } from "node:net";
import { rootCertificates, type TLSSocket } from "node:tls";
import { say } from "../language/say";
import { anyAddressConnector } from "../services/connection/connector";
import { pinnedLookup } from "../services/connection/lookup";
import { reason } from "./ask";
import { type Check, once, Remark } from "./finding";
import { connectTimes } from "./surroundings";

const DAY_MS = 24 * 3600 * 1000;
/** Renewed when a third of its life is left: with a quarter left, something is wrong. Long-lived ones have this long. */
const ENOUGH_DAYS = 30;

/** Something that answers over TLS under a name. */
export interface Place {
    readonly url: string;
    /** PEM of a private CA to trust beside the public ones. */
    readonly ca?: string;
    /** Address to connect to in place of what DNS says. */
    readonly address?: string;
    /** Within which an answer must have come. */
    readonly seconds: number;
}

/** A relay, and what it must say. */
export interface RelayPlace extends Place {
    /** @default known to another stack alone: what it says to strangers is not asked */
    readonly access?: "keys" | "public";
    /** A key that it must take; none to try in a stack that has no keys. */
    readonly key?: string;
    /** What to do when it does not take the key. */
    readonly keyTodo: string;
}

interface Shown {
    readonly status: number;
    readonly headers: NodeJS.Dict<string | string[]>;
    readonly from: Date;
    readonly until: Date;
}

/** A relay from outside: its certificate, and `/v2/` for a stranger and for who has a key. */
export function relayCheck({ access, key, keyTodo, ...place }: RelayPlace): Check {
    const { host } = new URL(place.url);
    const stranger = once(() => show(place, "/v2/"));
    const withKey: Check = {
        what: say("relay: with a key"),
        where: host,
        todo: keyTodo,
        ask: async () => {
            const { status } = await show(place, "/v2/", { "X-Relay-Key": key });
            if (status === 200) return say("is let in");
            throw new Error(say("/v2/ answers {status} in place of 200", { status }));
        },
    };
    const withoutKey: Check = {
        what: say("relay: without a key"),
        where: host,
        ask: async () => {
            const { status, headers } = await stranger();
            if (access === "public") {
                if (status === 200) return say("is let in, as the settings say");
                throw new Error(say("/v2/ answers {status} in place of 200", { status }));
            }
            if (status !== 401) throw new Error(say("/v2/ answers {status} in place of 401", { status }));
            const asked = `Basic realm="${new URL(place.url).hostname}"`;
            if (headers["www-authenticate"] === asked) return say("is refused");
            throw new Error(
                say("is refused by something that is not the relay: it asks {asked}", {
                    asked: String(headers["www-authenticate"]),
                }),
            );
        },
    };
    return {
        what: say("relay: TLS"),
        where: host,
        ask: async () => certificateNote(await stranger()),
        next: [
            ...(access === undefined ? [] : [withoutKey]),
            ...(access !== "public" && key !== undefined ? [withKey] : []),
        ],
    };
}

/** The mirror as a client of the office sees it; from elsewhere its name may not be known. */
export function mirrorCheck(place: Place): Check {
    const { host } = new URL(place.url);
    const health = once(() => show(place, "/healthz"));
    return {
        what: say("mirror: TLS"),
        where: host,
        todo: say("docker ps on the Docker host; the name must lead there in your own DNS"),
        ask: async () => certificateNote(await health()),
        next: [
            {
                what: say("mirror: health"),
                where: host,
                ask: async () => {
                    const { status } = await health();
                    if (status === 200) return say("answers");
                    throw new Error(say("/healthz answers {status} in place of 200", { status }));
                },
            },
        ],
    };
}

/**
 * How long a certificate lasts.
 *
 * @throws Remark when it should have been renewed by now.
 */
export function certificateNote({ from, until }: Pick<Shown, "from" | "until">, now = Date.now()): string {
    const left = (until.getTime() - now) / DAY_MS;
    const life = (until.getTime() - from.getTime()) / DAY_MS;
    const note = say("{days} days left, until {date}", {
        days: Math.floor(left),
        date: until.toISOString().slice(0, 10),
    });
    if (left > Math.min(life / 4, ENOUGH_DAYS)) return note;
    const todo = say(
        "see the rows of the machine for the last renewal; without ACME: pulumi up, or a new certificate of your own",
    );
    throw new Remark("failed", note, todo);
}

function show({ url, ca, address, seconds }: Place, path: string, headers: NodeJS.Dict<string> = {}): Promise<Shown> {
    const { host, hostname, port, protocol } = new URL(url);
    const connect = anyAddressConnector({
        times: connectTimes(seconds),
        ...(address === undefined ? {} : { lookup: pinnedLookup(address) }),
        tls: { maxCachedSessions: 0, ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) },
    });
    return new Promise((resolve, reject) => {
        const asked = request(new URL(path, url), {
            headers: { "User-Agent": "dockermirror", Host: host, ...headers },
            createConnection: (_, done) => {
                connect({ host, hostname, port, protocol }, (error, socket) => {
                    // The types have one function for both, which wants a socket beside an error.
                    done(error, socket as Socket);
                });
                return undefined;
            },
            signal: AbortSignal.timeout(seconds * 1000),
        });
        asked.on("error", (error) => reject(new Error(reason(error, seconds))));
        asked.on("response", (answer) => {
            const { valid_from, valid_to } = (answer.socket as TLSSocket).getPeerCertificate();
            answer.resume();
            resolve({
                status: answer.statusCode ?? 0,
                headers: answer.headers,
                from: new Date(valid_from),
                until: new Date(valid_to),
            });
        });
        asked.end();
    });
}
