/*
 * What nginx cannot do by itself: compare keys, get pull tokens, and let nothing through but a registry's answer.
 * Lands beside nginx.conf. Written for njs 0.7.9 (Debian 12) and newer, so: no destructuring, no for-of, no classes.
 */
import crypto from "crypto";
import fs from "fs";
/* What the Worker decides alike: services/registry, by components/overseas/njs-module.ts. */
import protocol from "protocol.js";

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
    "oci-filters-applied",
    "ratelimit-limit",
    "ratelimit-remaining",
];

/* What an upstream's error body that is looked at begins with in its variable. */
const HEX = "hex:";

/* SHA-256 of the key that the caller shows, as X-Relay-Key or as the password of HTTP Basic; empty without one. */
function keyDigest(r) {
    const key = protocol.presentedKey(r.headersIn["X-Relay-Key"], r.headersIn["Authorization"], decodeBase64);
    return key ? crypto.createHash("sha256").update(key).digest("hex") : "";
}

function decodeBase64(encoded) {
    return Buffer.from(encoded, "base64").toString();
}

/* All lines of a header of the request as one: nginx' own variables have the first of them alone before nginx 1.23. */
function joined(r, name) {
    return r.rawHeadersIn
        .filter((header) => header[0].toLowerCase() === name)
        .map((header) => header[1])
        .join(", ");
}

function accept(r) {
    return joined(r, "accept");
}

function range(r) {
    return joined(r, "range");
}

/* For auth_request: 204 with $registry_authorization set, or 403 with $token_refusal set. */
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
    v.token_refusal = "";
    if (!v.token_realm) return r.return(204);

    let who = "anonymous";
    if (v.is_private) {
        // The settings open this one: nobody else is asked.
        who = "account";
    } else if (v.account_authorization) {
        // The account may see private images, the relay's callers may not: it is used only where anybody may pull.
        const verdict = await ask(r, "verdict", false);
        if (!verdict.token) return refuse(r, withoutVerdict(v, verdict.refusal));
        if (grantsPull(verdict.token, v.repository)) who = "account";
    }

    const answer = await ask(r, who, anew);
    if (!answer.token) return refuse(r, answer.refusal);
    v.registry_authorization = "Bearer " + answer.token;
    r.return(204);
}

function refuse(r, refusal) {
    r.variables.token_refusal = JSON.stringify(refusal);
    r.return(403);
}

function withoutVerdict(v, refusal) {
    if (refusal.voice !== "upstream") return refusal;
    const verdict = protocol.withoutVerdict(refusal, v.repository, Date.now());
    if (verdict.isFinal) return refusal;
    verdict.refusal.voice = "relay; reason=no-verdict";
    return verdict.refusal;
}

/* A token from what is kept or from the token service; without one, what the caller gets. */
async function ask(r, who, anew) {
    const location = "/_token/" + who;
    const account = who === "account" ? r.variables.account_authorization + " " : "";
    r.variables.token_key = who + " " + account + r.variables.token_realm + " " + r.variables.repository;
    let reply = await r.subrequest(location, anew ? "anew=1" : "");
    if (isKept(reply) && isStale(reply, who)) reply = await r.subrequest(location, "anew=1");
    const answer = protocol.readTokenAnswer(reply.responseText);
    if (reply.status === 200 && answer) return { token: answer.token };
    return { refusal: tokenRefusal(r.variables, reply, who) };
}

/* js_header_filter of a token: nginx unpacks it under this name. */
function tokenHead(r) {
    if (protocol.isGzip(r.headersOut["Content-Encoding"])) r.headersOut["Content-Encoding"] = "gzip";
}

function tokenRefusal(v, reply, who) {
    const said = saidBy(reply, reply.status);
    if (!isKept(reply) && !isAnswered(reply.variables)) {
        return unreachable(said.status, "the token service of " + v.upstream);
    }
    const encoding = protocol.plainValue(reply.headersOut["Content-Encoding"]);
    const refusal =
        said.status === 200 && encoding
            ? protocol.unreadableToken(v.upstream, encoding)
            : protocol.refusalOfTokenService(said, v.upstream, Date.now());
    refusal.voice = "upstream";
    if (who !== "account" || !protocol.isAccountRefused(said)) return refusal;
    return {
        voice: "relay; reason=account",
        status: 502,
        code: "UNAVAILABLE",
        message: refusal.message + " to the relay's account",
    };
}

function unreachable(status, what) {
    const timeout = status === 504;
    return {
        voice: "relay; reason=unreachable",
        status: timeout ? 504 : 502,
        code: "UNAVAILABLE",
        message: what + (timeout ? " has not answered in time" : " cannot be reached"),
    };
}

function saidBy(reply, status) {
    return {
        status: status,
        contentType: protocol.firstType(protocol.plainValue(reply.variables.upstream_http_content_type)),
        retryAfter: protocol.plainValue(reply.headersOut["Retry-After"]),
    };
}

function isKept(reply) {
    return reply.status === 200 && reply.variables.upstream_cache_status === "HIT";
}

/* True when what is kept is no token or one that is about to end. A verdict is kept for what it says, not for use. */
function isStale(reply, who) {
    const answer = protocol.readTokenAnswer(reply.responseText);
    if (!answer) return true;
    if (who === "verdict") return false;
    const age = (Date.now() - receivedAt(reply.variables)) / 1000;
    // An age below zero: the clock was set back. NaN: it is no longer kept.
    return !(age > -5 && age < answer.seconds);
}

/*
 * When what is kept came, by this machine's own clock, in milliseconds since 1970: issued_at and Date are by another's.
 * https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_cache_path says where it lies, with levels=1:2.
 */
function receivedAt(v) {
    const name = crypto.createHash("md5").update(v.token_key).digest("hex");
    try {
        return fs.statSync([v.token_cache, name.slice(-1), name.slice(-3, -1), name].join("/")).mtimeMs;
    } catch (e) {
        return NaN;
    }
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

/* js_content of a hop: where the redirect leads, or why it is not followed. */
function follow(r) {
    const v = r.variables;
    const place = protocol.readLocation(protocol.plainValue(v.upstream_http_location), v.hop_url);
    v.redirect_host = place.host || "";
    // By error_page, which makes nginx forget the status that an earlier one has set.
    if (!place.url || !v.may_follow) return r.return(418);
    v.hop_url = place.url;
    r.internalRedirect(v.followed);
}

/*
 * js_header_filter of a hop: content without what is none of the client's business, or what the caller gets for
 * anything else: an upstream's no, nginx' own page where no upstream answered, and where auth_request found no token.
 */
function answer(r) {
    const v = r.variables;
    const said = saidBy(r, lastOf(v.upstream_status));
    const encoding = protocol.plainValue(r.headersOut["Content-Encoding"]);
    for (let name in r.headersOut) {
        if (PASSED.indexOf(name.toLowerCase()) < 0 || isWithoutUse(r.headersOut[name])) delete r.headersOut[name];
    }
    const tag = r.headersOut["ETag"];
    if (tag) r.headersOut["ETag"] = protocol.firstTag(tag);
    if (said.contentType) r.headersOut["Content-Type"] = said.contentType;
    if (v.token_refusal) return replace(r, JSON.parse(v.token_refusal));
    if (!isAnswered(v)) return replace(r, ownFailure(r, v));

    if (v.by_range) {
        const size = protocol.sizeByRange(said, r.headersOut["Content-Range"], encoding);
        const isTrusted = !protocol.readSaidDigest(r.headersOut["Docker-Content-Digest"]).contradiction;
        if (isTrusted && (size !== "" || said.status === 206)) return answerSize(r, size);
    }
    if (protocol.isContent(said)) return answerContent(r, said, encoding);
    const range = r.headersOut["Content-Range"];
    const refusal = protocol.refusalOfRegistry(said, v.upstream, v.repository, v.kind, Date.now());
    refusal.voice = "upstream";
    replace(r, refusal);
    if (said.status === 416 && range) r.headersOut["Content-Range"] = range;
    if (r.method === "GET" && !encoding && protocol.mayHaveErrorBody(said)) {
        // Which of the two bodies it is, and so its length, is known at its end.
        v.error_body = HEX;
        delete r.headersOut["Content-Length"];
    }
}

/* Empty, or with bytes that nobody could read. Lines of one name are a list. */
function isWithoutUse(value) {
    return protocol.plainValue(Array.isArray(value) ? value.join(", ") : value) === "";
}

function answerContent(r, said, encoding) {
    const v = r.variables;
    const digest = r.headersOut["Docker-Content-Digest"];
    const refusal = protocol.refusalOfContent(said, v.upstream, digest, encoding);
    if (refusal) {
        refusal.voice = "upstream";
        return replace(r, refusal);
    }
    passDigest(r);
    if (protocol.isGzip(encoding)) {
        // nginx unpacks it under this name.
        r.headersOut["Content-Encoding"] = "gzip";
        delete r.headersOut["ETag"];
    } else {
        delete r.headersOut["Content-Encoding"];
    }
    const link = ownLink(v, r.headersOut["Link"]);
    if (link) r.headersOut["Link"] = link;
    else delete r.headersOut["Link"];
    v.answer_voice = "upstream";
    setStatus(r, said.status);
}

function passDigest(r) {
    const digest = protocol.readSaidDigest(r.headersOut["Docker-Content-Digest"]).digest;
    if (digest) r.headersOut["Docker-Content-Digest"] = digest;
    else delete r.headersOut["Docker-Content-Digest"];
}

/* To a HEAD of a blob, whose first byte was asked for. */
function answerSize(r, size) {
    passDigest(r);
    delete r.headersOut["Content-Encoding"];
    delete r.headersOut["Content-Range"];
    delete r.headersOut["Content-Length"];
    if (size !== "") r.headersOut["Content-Length"] = size;
    r.variables.answer_voice = "upstream";
    setStatus(r, 200);
}

/* No upstream answered: nginx could not reach it, or refused the request itself. */
function ownFailure(r, v) {
    if (r.status === 429) {
        const refusal = protocol.tooManyFromAddress(Date.now());
        refusal.voice = "relay; reason=limit";
        return refusal;
    }
    if (r.status === 502 || r.status === 504) return unreachable(r.status, v.upstream);
    return {
        voice: "relay; reason=fault",
        status: 500,
        code: "UNAVAILABLE",
        message: "this relay failed; its log says how",
    };
}

/* Whether the last server that was asked sent a head. nginx puts its own 502 and 504 into $upstream_status too. */
function isAnswered(v) {
    return !isNaN(lastOf(v.upstream_status)) && !isNaN(lastOf(v.upstream_header_time));
}

/* Of the last server that was asked: "502, 200 : 307". */
function lastOf(list) {
    return parseFloat((list || "").split(/[ ,:]+/).pop());
}

function replace(r, refusal) {
    const body = JSON.stringify({ errors: [{ code: refusal.code, message: refusal.message }] });
    r.variables.replaced_body = body;
    r.variables.answer_voice = refusal.voice;
    for (let name in r.headersOut) delete r.headersOut[name];
    r.headersOut["Content-Type"] = "application/json";
    r.headersOut["Content-Length"] = String(Buffer.from(body).length);
    if (refusal.retryAfter) r.headersOut["Retry-After"] = String(refusal.retryAfter);
    setStatus(r, refusal.status);
}

function setStatus(r, status) {
    r.status = status;
    r.variables.sent_status = String(status);
}

/* The next page of a list, on this relay. */
function ownLink(v, link) {
    const path = "/v2/" + v.canonical_prefix + v.repository + "/" + v.kind + "/" + v.reference;
    return protocol.nextLink(String(link || ""), path);
}

/* js_body_filter of a hop: looks at the first piece only, unless the body may be replaced. */
function body(r, data, flags) {
    const v = r.variables;
    const own = v.replaced_body;
    if (!own) {
        r.sendBuffer(data, flags);
        r.done();
        return;
    }
    // As hex, because a piece may end within a character.
    const isWanted = v.error_body && v.error_body.length <= HEX.length + 2 * protocol.ERROR_BODY_MAX;
    if (isWanted) v.error_body += data.toString("hex");
    if (!flags.last) return;
    const theirs = Buffer.from((v.error_body || HEX).slice(HEX.length), "hex");
    const isTheirs = theirs.length <= protocol.ERROR_BODY_MAX && protocol.isErrorBody(theirs.toString());
    r.sendBuffer(isTheirs ? theirs : own, flags);
}

function ownAnswer(r) {
    delete r.headersOut["WWW-Authenticate"];
}

export default { keyDigest, accept, range, grant, grantAnew, tokenHead, follow, answer, body, ownAnswer };
