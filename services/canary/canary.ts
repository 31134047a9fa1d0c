/**
 * Asks for one small public image as a client does, through the front, and says which hop fails when it cannot be had.
 * Runs on the on-prem host within the front's network. It asks by HEAD, which Docker Hub does not count as a pull
 * (https://docs.docker.com/docker-hub/usage/pulls/); the cache itself fetches the manifest once, when it does not have it.
 */

import { X509Certificate } from "node:crypto";
import { type IncomingHttpHeaders, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { rootCertificates, TLSSocket } from "node:tls";
import { IMAGE_TYPES } from "../registry/media";
import { readRelayAnswer } from "../registry/relay-answer";

/** What is asked, and where. */
export interface Canary {
    /** The image, for messages: `docker.io/library/hello-world:latest`. */
    readonly image: string;
    /** Path of its manifest, the same at every hop. */
    readonly path: string;
    readonly front: Target;
    /** URL of the uplink. */
    readonly uplink: string;
    readonly relays: readonly (Target & { readonly name: string; readonly key: string })[];
}

/** A host that speaks TLS. */
export interface Target {
    /** Host name: TLS server name and Host header. */
    readonly hostname: string;
    /** Where to connect. @default what DNS says of the host name */
    readonly address?: string;
    /** @default 443 */
    readonly port?: number;
    /** PEM of a CA to trust beside the public ones. */
    readonly ca?: string;
    /** PEM of the certificate that it must show, whichever CA it is from. */
    readonly certificate?: string;
}

/** How long things may take, in milliseconds. */
export interface CanaryTimes {
    /** One answer: a relay may have a token and two hops to fetch first, over a link that loses packets. */
    readonly answerMs: number;
    /** Until the front must have it: the uplink lets a relay that was away rest for a while. */
    readonly frontMs: number;
    readonly betweenMs: number;
}

export const CANARY_TIMES: CanaryTimes = { answerMs: 20_000, frontMs: 60_000, betweenMs: 2_000 };

/** What a hop said: a status, or why there is none. */
interface Answer {
    readonly status?: number;
    readonly headers: IncomingHttpHeaders;
    /** `answers 503`, or the error. */
    readonly said: string;
}

/** What was found: a line a hop, and what is wrong with the whole where something is. */
export interface Report {
    readonly lines: readonly string[];
    readonly failure?: string;
}

const ACCEPT = IMAGE_TYPES.join(", ");

/**
 * Asks the front, and each relay by itself. The cache and the uplink are only asked when the front does not have it.
 * One relay that has the image is enough, the others are named; without any, what is pulled anew would fail.
 */
export async function runCanary(canary: Canary, times: CanaryTimes = CANARY_TIMES): Promise<Report> {
    const [front, relays] = await Promise.all([
        untilServed(() => ask(url(canary.front, canary.path), canary.front, {}, times), times),
        Promise.all(
            canary.relays.map(async (relay) => ({
                name: relay.name,
                answer: await ask(url(relay, canary.path), relay, { "X-Relay-Key": relay.key }, times),
            })),
        ),
    ]);
    const lines = [
        `front ${canary.front.hostname}: ${front.said}`,
        ...relays.map(({ name, answer }) => `relay ${name}: ${saidByRelay(answer)}`),
    ];
    const serving = relays.filter(({ answer }) => answer.status === 200);
    const missing = relays.find(({ answer }) => answer.status === 404 && isUpstreams(answer));
    if (missing)
        return { lines, failure: `the upstream does not have ${canary.image}: name another image by onprem.canary` };
    if (front.status === 200) {
        if (serving.length > 0 || relays.some(({ answer }) => isUpstreams(answer))) return { lines };
        return {
            lines,
            failure: `${noRelay(relays)}. ${canary.image} came from the cache, as all that was pulled before does`,
        };
    }
    if (front.status === undefined || ![404, 429, 500, 502, 503, 504].includes(front.status))
        return { lines, failure: `the front does not serve it: docker logs dockermirror-front says why` };
    const uplink = await ask(`${canary.uplink}${canary.path}`, undefined, {}, times);
    lines.splice(1, 0, `uplink: ${uplink.said}`);
    if (uplink.status === 200)
        return { lines, failure: "the cache does not serve it: docker logs dockermirror-cache says why" };
    if (serving.length > 0)
        return {
            lines,
            failure: "the uplink does not serve what a relay has: docker logs dockermirror-uplink says why",
        };
    if (relays.some(({ answer }) => isUpstreams(answer)))
        return { lines, failure: "the upstream refuses it through every relay that answers: try again later" };
    return { lines, failure: noRelay(relays) };
}

function noRelay(relays: readonly { readonly name: string }[]): string {
    return `no relay serves it (${relays.map(({ name }) => name).join(", ")}): npm run doctor says more`;
}

/** The answer is the upstream's, so the relay did its part. */
function isUpstreams({ status, headers }: Answer): boolean {
    return status !== undefined && readRelayAnswer([headers["x-relay-answer"]].flat()[0])?.from === "upstream";
}

function saidByRelay(answer: Answer): string {
    const { status, headers, said } = answer;
    if (status === 401) return `${said}: it does not know this stack's key`;
    if (status === undefined || status === 200) return said;
    if (isUpstreams(answer)) return `${said}, which is the upstream's own`;
    const reason = readRelayAnswer([headers["x-relay-answer"]].flat()[0]);
    return reason?.from === "relay" && reason.reason ? `${said} (${reason.reason})` : said;
}

async function untilServed(askOnce: () => Promise<Answer>, { frontMs, betweenMs }: CanaryTimes): Promise<Answer> {
    const end = performance.now() + frontMs;
    for (;;) {
        const answer = await askOnce();
        // What rests will answer again; a front that is not there, or refuses, will not.
        if ((answer.status ?? 0) < 500 || performance.now() + betweenMs > end) return answer;
        await new Promise((resolve) => setTimeout(resolve, betweenMs));
    }
}

function url({ hostname, port }: Target, path: string): string {
    return `https://${hostname}${port === undefined ? "" : `:${port}`}${path}`;
}

function ask(
    where: string,
    target: Target | undefined,
    headers: Readonly<Record<string, string>>,
    { answerMs }: CanaryTimes,
): Promise<Answer> {
    return new Promise((resolve) => {
        const fails = (error: Error & { code?: string }) =>
            resolve({ headers: {}, said: `cannot be reached: ${error.message || error.code}` });
        const { hostname, protocol, port, pathname } = new URL(where);
        const { address = hostname, ca, certificate } = target ?? {};
        const asked = (protocol === "https:" ? tlsRequest : plainRequest)({
            method: "HEAD",
            host: address,
            servername: hostname,
            port,
            path: pathname,
            headers: { Host: hostname, Accept: ACCEPT, "User-Agent": "dockermirror", ...headers },
            ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
            rejectUnauthorized: certificate === undefined,
            agent: false,
        });
        const timer = setTimeout(() => asked.destroy(new Error(`no answer within ${answerMs / 1000} s`)), answerMs);
        asked.on("close", () => clearTimeout(timer));
        asked.on("error", fails);
        asked.on("response", (answer) => {
            answer.resume();
            const { statusCode = 0, socket } = answer;
            if (certificate !== undefined && !shows(socket, certificate, hostname))
                return fails(new Error(`it does not show the certificate of ${hostname} that it was given`));
            return resolve({ status: statusCode, headers: answer.headers, said: `answers ${statusCode}` });
        });
        asked.end();
    });
}

function shows(socket: unknown, certificate: string, hostname: string): boolean {
    const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    const given = new X509Certificate(certificate);
    return shown?.fingerprint256 === given.fingerprint256 && given.checkHost(hostname) !== undefined;
}
