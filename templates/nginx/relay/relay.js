/*
 * What nginx cannot do by itself: compare keys, get pull tokens, and let nothing through but a registry's answer.
 * Lands beside nginx.conf. Written for njs 0.7.9 (Debian 12) and newer, so: no destructuring, no for-of, no classes.
 */
import crypto from "crypto";

/* Seconds before its end from which on a token is not used any more. */
const MARGIN = 10;
/* Seconds that a token lives when it does not say: https://distribution.github.io/distribution/spec/auth/token/ */
const UNSTATED_LIFETIME = 60;

/* Headers of an upstream's answer that reach the client. */
const PASSED = [
    "accept-ranges",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "docker-content-digest",
    "etag",
    "link",
    "ratelimit-limit",
    "ratelimit-remaining",
    "retry-after",
];
const GOOD = [200, 206, 304, 416];

/* SHA-256 of the key that the caller shows, as X-Relay-Key or as the password of HTTP Basic; empty without one. */
function keyDigest(r) {
    const key = r.headersIn["X-Relay-Key"] || basicPassword(r.headersIn["Authorization"]);
    return key ? crypto.createHash("sha256").update(key).digest("hex") : "";
}

function basicPassword(authorization) {
    const match = /^basic +([A-Za-z0-9+\/]+=*)$/i.exec(authorization || "");
    if (!match) return "";
    const credentials = Buffer.from(match[1], "base64").toString();
    return credentials.slice(credentials.indexOf(":") + 1);
}

/* All Accept lines of the request as one. */
function accept(r) {
    return r.rawHeadersIn
        .filter((header) => header[0].toLowerCase() === "accept")
        .map((header) => header[1])
        .join(", ");
}

/* For auth_request: 204 with $registry_authorization set, or 403 with $token_failure set. */
async function grant(r) {
    await decide(r, false);
}

/* The same after the upstream refused the token that was kept. */
async function grantAnew(r) {
    await decide(r, true);
}

async function decide(r, anew) {
    const v = r.variables;
    v.registry_authorization = "";
    v.token_failure = "";
    v.token_retry_after = "";
    if (!v.token_realm) return r.return(204);

    let who = "anonymous";
    if (v.is_private) {
        // The settings open this one: nobody else is asked.
        who = "account";
    } else if (v.account_authorization) {
        // The account may see private images, the relay's callers may not: it is used only where anybody may pull.
        const verdict = await ask(r, "verdict", false);
        if (!verdict.token) return refuse(r, verdict, verdict.failure === "unknown" ? "unknown" : "no-verdict");
        if (grantsPull(verdict.token, v.repository)) who = "account";
    }

    const answer = await ask(r, who, anew);
    if (!answer.token) return refuse(r, answer, answer.failure);
    v.registry_authorization = "Bearer " + answer.token;
    r.return(204);
}

function refuse(r, answer, failure) {
    r.variables.token_failure = failure;
    r.variables.token_retry_after = answer.retryAfter;
    r.return(403);
}

/* A token from what is kept or from the token service; without one, why. */
async function ask(r, who, anew) {
    const location = "/_token/" + who;
    let reply = await r.subrequest(location, anew ? "anew=1" : "");
    if (isKept(reply) && isStale(reply, who)) reply = await r.subrequest(location, "anew=1");
    const token = tokenOf(parse(reply.responseText));
    if (reply.status === 200 && token) return { token: token };
    return { failure: failureOf(reply, who), retryAfter: reply.headersOut["Retry-After"] || "" };
}

function failureOf(reply, who) {
    if (reply.status === 429) return "throttled";
    if (reply.status === 504) return "timeout";
    // ghcr.io refuses an anonymous token for a repository that does not exist. With an account it is the account.
    const refused = reply.status === 401 || reply.status === 403;
    return refused && who !== "account" && parse(reply.responseText) ? "unknown" : "failed";
}

function isKept(reply) {
    return reply.status === 200 && reply.variables.upstream_cache_status === "HIT";
}

/* True when what is kept is no token or one that is about to end. A verdict is kept for what it says, not for use. */
function isStale(reply, who) {
    const body = parse(reply.responseText);
    if (!tokenOf(body)) return true;
    if (who === "verdict") return false;
    const issued = Date.parse(body.issued_at || reply.variables.upstream_http_date);
    const lifetime = body.expires_in || UNSTATED_LIFETIME;
    return !(Date.now() < issued + (lifetime - MARGIN) * 1000);
}

function tokenOf(body) {
    const token = body && (body.token || body.access_token);
    return typeof token === "string" && /^[!-~]+$/.test(token) ? token : "";
}

/* Whether a token's own claims allow to pull the repository: "access" of the Docker token's payload. */
function grantsPull(token, repository) {
    const claims = parse(Buffer.from(token.split(".")[1] || "", "base64url").toString());
    const access = claims && Array.isArray(claims.access) ? claims.access : [];
    return access.some(
        (entry) =>
            entry.type === "repository" &&
            entry.name === repository &&
            Array.isArray(entry.actions) &&
            entry.actions.indexOf("pull") >= 0,
    );
}

function parse(text) {
    try {
        return JSON.parse(text);
    } catch (e) {
        return undefined;
    }
}

/* js_header_filter of a hop: a registry's answer without what is none of the client's business, or a 502. */
function answer(r) {
    const v = r.variables;
    const upstreamStatus = lastStatus(v.upstream_status);
    const type = r.headersOut["Content-Type"] || "";
    for (let name in r.headersOut) {
        if (PASSED.indexOf(name.toLowerCase()) < 0) delete r.headersOut[name];
    }
    if (GOOD.indexOf(upstreamStatus) < 0 || (upstreamStatus < 300 && /^text\/html/i.test(type))) {
        return replace(r, 502, "UNAVAILABLE", v.upstream + " does not answer as a registry");
    }
    if (upstreamStatus === 416) {
        return replace(r, 416, "UNSUPPORTED", "the range is not within the blob");
    }
    const link = r.headersOut["Link"];
    if (link) {
        const own = ownLink(v, link);
        if (own) r.headersOut["Link"] = own;
        else delete r.headersOut["Link"];
    }
    setStatus(r, upstreamStatus);
}

/* The status of the last server that was asked: "502, 200 : 307". */
function lastStatus(statuses) {
    return parseInt(statuses.split(/[ ,:]+/).pop(), 10);
}

function replace(r, status, code, message) {
    const body = JSON.stringify({ errors: [{ code: code, message: message }] });
    r.variables.replaced_body = body;
    r.headersOut["Content-Type"] = "application/json";
    r.headersOut["Content-Length"] = String(body.length);
    setStatus(r, status);
}

function setStatus(r, status) {
    r.status = status;
    r.variables.sent_status = String(status);
}

/* The next page of a list, on this relay: RFC 8288. */
function ownLink(v, link) {
    const match = /^<[^>?]*(\?[^>]*)>(; *rel="?next"?)$/.exec(link);
    if (!match) return "";
    return "</v2/" + v.canonical_prefix + v.repository + "/" + v.kind + "/" + v.reference + match[1] + ">" + match[2];
}

/* js_body_filter of a hop: looks at the first piece only, unless the body is to be replaced. */
function body(r, data, flags) {
    const own = r.variables.replaced_body;
    if (!own) {
        r.sendBuffer(data, flags);
        r.done();
    } else if (flags.last) {
        r.sendBuffer(own, flags);
    }
}

function ownAnswer(r) {
    delete r.headersOut["WWW-Authenticate"];
}

export default { keyDigest, accept, grant, grantAnew, answer, body, ownAnswer };
