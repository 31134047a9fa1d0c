/** The token services of the Hub double. https://distribution.github.io/distribution/spec/auth/token/ */
import { DEFAULT_UPSTREAM, type Upstream } from "../../services/registry/upstreams";
import { type Answer, json } from "./answer";
import type { HubRequest, Setup } from "./setup";
import { type Access, makeToken } from "./tokens";
import { mannersOf } from "./upstream-hosts";

const SCOPE = /^repository:([a-z0-9._/-]+):([a-z,*]+)$/;

/** Answers `GET <realm>?service=…&scope=…`. */
export function tokenAnswer(setup: Setup, request: HubRequest): Answer {
    const { upstream, pathname, method, rawQuery, headers } = request;
    const service = upstream.tokenService;
    if (service === undefined || pathname !== new URL(service.realm).pathname) {
        return json(404, { details: "not found" });
    }
    if (method !== "GET") return json(405, { details: "method not allowed" });
    const query = new URLSearchParams(rawQuery);
    if (query.get("service") !== service.service) return json(400, { details: "unknown service" });
    const account = accountOf(setup, upstream, headers.authorization);
    if (account === undefined) return json(401, { details: "incorrect username or password" });

    const { token: form, tellsExpiry, unknownRepository } = mannersOf(upstream);
    // Several scopes come as several parameters or in one with spaces between.
    const scopes = query.getAll("scope").flatMap((value) => value.split(" "));
    const access = scopes.flatMap((scope) => accessTo(setup, upstream, scope, account));
    if (unknownRepository === "403" && access.length < scopes.length) {
        const errors = [{ code: "DENIED", message: "requested access to the resource is denied" }];
        return json(403, { errors });
    }
    const now = setup.now();
    const grant = { service: service.service, subject: account, access };
    const token = makeToken(setup.secret, form, grant, now, setup.tokenSeconds);
    const expiry = { expires_in: setup.tokenSeconds, issued_at: new Date(now).toISOString() };
    const answer = tellsExpiry ? { token, access_token: token, ...expiry } : { token };
    return json(200, answer, {
        "cache-control": "private, no-store",
        "set-cookie": "session=double; Secure; HttpOnly",
    });
}

/** The user that an `Authorization` header proves at an upstream, empty for none, `undefined` for a wrong one. */
function accountOf(setup: Setup, upstream: Upstream, authorization: string | undefined): string | undefined {
    if (authorization === undefined) return "";
    const [, encoded = ""] = /^Basic (.+)$/i.exec(authorization) ?? [];
    const credentials = Buffer.from(encoded, "base64").toString("utf8");
    const known = Object.entries(setup.accounts).map(([name, token]) => [userAt(upstream, name), token]);
    return known.find(([user, token]) => user !== undefined && `${user}:${token}` === credentials)?.[0];
}

/** The user name of an account, when it is one of this upstream. */
function userAt({ name }: Upstream, account: string): string | undefined {
    const [upstream, user] = account.includes("/") ? account.split("/") : [DEFAULT_UPSTREAM, account];
    return upstream === name ? user : undefined;
}

/** Nobody may push here, so of any wish only the pull right is ever granted. */
function accessTo(setup: Setup, upstream: Upstream, scope: string, account: string): Access[] {
    const [, repository, actions = ""] = SCOPE.exec(scope) ?? [];
    if (repository === undefined || !actions.split(",").includes("pull")) return [];
    const name = `${upstream.name}/${repository}`;
    const isThere = setup.store.tags(name) !== undefined;
    if (!isThere && mannersOf(upstream).unknownRepository !== "token all the same") return [];
    if (setup.privateRepositories.includes(name) && account === "") return [];
    return [{ type: "repository", name: repository, actions: ["pull"] }];
}
