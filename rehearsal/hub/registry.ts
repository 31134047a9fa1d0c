/** The registry hosts of the Hub double: who may, what is counted, and where blobs are. */
import { randomBytes } from "node:crypto";
import { type Answer, json, text } from "./answer";
import { ociError, parseRepositoryPath, type RepositoryPath, repositoryAnswer } from "./repository";
import type { HubRequest, Setup } from "./setup";
import { signUrl } from "./signed-url";
import { readToken } from "./tokens";
import { mannersOf, OWN_CDN_PATH } from "./upstream-hosts";

/** Where Artifact Registry, behind registry.k8s.io, has what registry.k8s.io serves. */
export const K8S_PREFIX = "/v2/k8s-artifacts-prod/images/";

const COOKIE = { "set-cookie": "__cf_bm=double; path=/; HttpOnly; Secure" };

/** Answers everything under `/v2/` of a registry host. */
export function registryAnswer(setup: Setup, request: HubRequest): Answer {
    const { upstream, method, pathname } = request;
    if (method !== "GET" && method !== "HEAD") return ociError(405, "UNSUPPORTED", "the operation is unsupported");
    const path = pathname === "/v2/" ? undefined : parseRepositoryPath(pathname);
    if (path === undefined && pathname !== "/v2/") return notFound();
    const { manifestHost } = mannersOf(upstream);
    if (manifestHost !== undefined && path && path.kind !== "blobs") {
        // Without the query, and with one of its own that its logs are joined by: archeio's upstreamRedirectURL.
        const there = `https://${manifestHost}${K8S_PREFIX}${pathname.slice("/v2/".length)}`;
        return redirect(307, `${there}?rid=${randomBytes(16).toString("hex")}`);
    }
    const caller = callerOf(setup, request, path);
    if ("refusal" in caller) return caller.refusal;
    if (path === undefined) return json(200, {}, { "docker-distribution-api-version": "registry/2.0", ...COOKIE });
    return contentAnswer(setup, request, path, caller.account);
}

/** Answers for one repository when the caller has the right to it. */
export function contentAnswer(setup: Setup, request: HubRequest, path: RepositoryPath, account: string): Answer {
    const { upstream, method, pathname, rawQuery, headers, source } = request;
    if (path.kind === "blobs") return blobAnswer(setup, request, path);
    if (path.kind === "referrers" && !mannersOf(upstream).listsReferrers) return notFound();
    const counted = mannersOf(upstream).countsPulls && path.kind === "manifests";
    if (counted && method === "GET" && !setup.pulls.take(source, account)) {
        const message = "You have reached your pull rate limit. https://www.docker.com/increase-rate-limit";
        return ociError(429, "TOOMANYREQUESTS", message, {}, setup.pulls.headers(source, account));
    }
    const answer = repositoryAnswer(setup.store, upstream.name, {
        ...path,
        pathname,
        query: new URLSearchParams(rawQuery),
        accept: headers.accept ?? "",
        ifNoneMatch: headers["if-none-match"],
        referrersPage: setup.referrersPage,
    });
    const limits = counted ? setup.pulls.headers(source, account) : {};
    return { ...answer, headers: { ...answer.headers, ...limits, ...COOKIE } };
}

/** Nothing that starts with a slash and is not the pull API exists here. */
export function notFound(): Answer {
    return {
        status: 404,
        headers: { "content-type": "text/plain; charset=utf-8" },
        body: text("404 page not found\n"),
    };
}

/** A redirect with the small HTML body that the real ones have. */
export function redirect(status: number, location: string): Answer {
    const body = text(`<a href="${location.replaceAll("&", "&amp;")}">Temporary Redirect</a>.\n\n`);
    return { status, headers: { location, "content-type": "text/html; charset=utf-8", ...COOKIE }, body };
}

function blobAnswer(setup: Setup, { upstream, method }: HubRequest, { name, reference }: RepositoryPath): Answer {
    const full = `${upstream.name}/${name}`;
    if (setup.store.resolve(full, reference) !== reference || setup.store.size(reference) === undefined) {
        return ociError(404, "BLOB_UNKNOWN", "blob unknown to registry", reference);
    }
    const hex = reference.slice("sha256:".length);
    const { blobHost, blobRedirect } = mannersOf(upstream);
    const isOwnCdn = blobHost === upstream.registry;
    const location = signUrl(setup.secret, {
        method,
        host: blobHost,
        path: `${isOwnCdn ? OWN_CDN_PATH : ""}/registry-v2/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`,
        edge: setup.nextEdge(),
        expires: Math.floor(setup.now() / 1000) + setup.urlSeconds,
    });
    return redirect(blobRedirect, isOwnCdn ? location.slice(`https://${blobHost}`.length) : location);
}

/**
 * Who is asking (empty: nobody in particular), or the challenge of
 * https://distribution.github.io/distribution/spec/auth/token/.
 */
function callerOf(
    setup: Setup,
    { upstream, headers }: HubRequest,
    path: RepositoryPath | undefined,
): { readonly account: string } | { readonly refusal: Answer } {
    const service = upstream.tokenService;
    if (service === undefined) return { account: "" };
    const scope = path === undefined ? "" : `,scope="repository:${path.name}:pull"`;
    const refuse = (error: string) => {
        const detail = path === undefined ? null : [{ Type: "repository", Class: "", Name: path.name, Action: "pull" }];
        const challenge = `Bearer realm="${service.realm}",service="${service.service}"${scope}${error}`;
        return {
            refusal: ociError(401, "UNAUTHORIZED", "authentication required", detail, {
                "www-authenticate": challenge,
            }),
        };
    };
    const [, token] = /^Bearer (.+)$/i.exec(headers.authorization ?? "") ?? [];
    if (token === undefined) return refuse("");
    const claims = readToken(setup.secret, mannersOf(upstream).token, token);
    if (claims === undefined || claims.aud !== service.service || claims.exp * 1000 <= setup.now()) {
        return refuse(',error="invalid_token"');
    }
    const allowed = claims.access.some(({ name, actions }) => name === path?.name && actions.includes("pull"));
    if (path !== undefined && !allowed) return refuse(',error="insufficient_scope"');
    return { account: claims.sub };
}
