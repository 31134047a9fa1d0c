import assert from "node:assert/strict";
import { NoToken, TokenSource, type TokenSourceOptions } from "../../../services/registry/tokens";
import { selectUpstreams } from "../../../services/registry/upstreams";

const [DOCKER, GHCR, K8S] = selectUpstreams(["docker.io", "ghcr.io", "registry.k8s.io"]) as [any, any, any];
const ACCOUNT = { username: "acme", token: "dckr_pat_sentinel" };
const BASIC = `Basic ${Buffer.from("acme:dckr_pat_sentinel").toString("base64")}`;

interface Asked {
    readonly url: URL;
    readonly authorization: string | undefined;
}

/** A token source in front of a token service of the test's own; its clock stands still until the test moves it. */
class Bench {
    readonly asked: Asked[] = [];
    now = 1_000_000;
    answer: (asked: Asked) => Response = ({ url }) => this.token(url, ["pull"]);
    readonly source: TokenSource;

    constructor(accounts?: TokenSourceOptions["accounts"], privateAccounts?: TokenSourceOptions["privateAccounts"]) {
        this.source = new TokenSource({
            fetch: async (href, { authorization }) => {
                const asked = { url: new URL(href), authorization };
                this.asked.push(asked);
                return this.answer(asked);
            },
            accounts,
            privateAccounts,
            now: () => this.now,
        });
    }

    /** The answer of a service that grants `actions` on the scope's repository. Each token is another one. */
    token(url: URL, actions: string[], fields: object = { expires_in: 300 }): Response {
        const [, name] = (url.searchParams.get("scope") ?? "").split(":");
        const claims = { access: [{ type: "repository", name, actions }], jti: this.asked.length };
        const payload = Buffer.from(JSON.stringify(claims)).toString("base64url");
        return Response.json({ token: `head.${payload}.signature`, ...fields });
    }

    passSeconds(seconds: number): void {
        this.now += seconds * 1000;
    }
}

const throttled = () => Response.json({}, { status: 429, headers: { "retry-after": "30" } });

describe("TokenSource", () => {
    it("asks the upstream's token service for the pull right on one repository", async () => {
        const bench = new Bench();
        await bench.source.pullToken(DOCKER, "library/node");
        const [{ url, authorization }] = bench.asked as [Asked];
        assert.equal(url.origin + url.pathname, "https://auth.docker.io/token");
        assert.deepEqual(Object.fromEntries(url.searchParams), {
            service: "registry.docker.io",
            scope: "repository:library/node:pull",
        });
        assert.equal(authorization, undefined);
    });

    it("needs no token where the upstream has no token service", async () => {
        const bench = new Bench();
        assert.equal(await bench.source.pullToken(K8S, "pause"), undefined);
        assert.equal(bench.asked.length, 0);
    });

    it("uses a token until shortly before it expires", async () => {
        const bench = new Bench();
        const first = await bench.source.pullToken(DOCKER, "library/node");
        bench.passSeconds(269);
        assert.equal(await bench.source.pullToken(DOCKER, "library/node"), first);
        bench.passSeconds(2);
        assert.notEqual(await bench.source.pullToken(DOCKER, "library/node"), first);
        assert.equal(bench.asked.length, 2);
    });

    it("takes 60 seconds for the life of a token that does not say", async () => {
        const bench = new Bench();
        bench.answer = ({ url }) => bench.token(url, ["pull"], {});
        await bench.source.pullToken(DOCKER, "library/node");
        bench.passSeconds(53);
        await bench.source.pullToken(DOCKER, "library/node");
        assert.equal(bench.asked.length, 1);
        bench.passSeconds(2);
        await bench.source.pullToken(DOCKER, "library/node");
        assert.equal(bench.asked.length, 2);
    });

    it("takes access_token for a service that has no token", async () => {
        const bench = new Bench();
        bench.answer = () => Response.json({ access_token: "opaque" });
        assert.equal(await bench.source.pullToken(GHCR, "owner/app"), "opaque");
    });

    it("keeps upstreams and repositories apart", async () => {
        const bench = new Bench();
        await bench.source.pullToken(DOCKER, "owner/app");
        await bench.source.pullToken(DOCKER, "owner/other");
        await bench.source.pullToken(GHCR, "owner/app");
        assert.equal(bench.asked.length, 3);
    });

    it("asks once for all who wait at the same time", async () => {
        const bench = new Bench();
        const all = Array.from({ length: 30 }, () => bench.source.pullToken(DOCKER, "library/node"));
        assert.equal(new Set(await Promise.all(all)).size, 1);
        assert.equal(bench.asked.length, 1);
    });

    it("does not remember a failure", async () => {
        const bench = new Bench();
        bench.answer = throttled;
        await assert.rejects(bench.source.pullToken(DOCKER, "library/node"), NoToken);
        bench.answer = ({ url }) => bench.token(url, ["pull"]);
        assert.ok(await bench.source.pullToken(DOCKER, "library/node"));
    });

    it("fetches another token when one was given up, but not when it was replaced before", async () => {
        const bench = new Bench();
        const first = (await bench.source.pullToken(DOCKER, "library/node")) ?? "";
        bench.source.forget(DOCKER, "library/node", first);
        const second = await bench.source.pullToken(DOCKER, "library/node");
        assert.notEqual(second, first);
        bench.source.forget(DOCKER, "library/node", first);
        assert.equal(await bench.source.pullToken(DOCKER, "library/node"), second);
    });

    it("holds a bounded number of tokens and gives up the oldest first", async () => {
        const bench = new Bench();
        for (let index = 0; index <= 2000; index++) await bench.source.pullToken(DOCKER, `many/app${index}`);
        await bench.source.pullToken(DOCKER, "many/app2000");
        await bench.source.pullToken(DOCKER, "many/app1");
        assert.equal(bench.asked.length, 2001);
        await bench.source.pullToken(DOCKER, "many/app0");
        assert.equal(bench.asked.length, 2002);
    });

    it("counts a token that replaced another one as the newest", async () => {
        const bench = new Bench();
        for (let index = 0; index < 2000; index++) await bench.source.pullToken(DOCKER, `many/app${index}`);
        bench.passSeconds(300);
        for (const index of [0, 2000, 0]) await bench.source.pullToken(DOCKER, `many/app${index}`);
        assert.equal(bench.asked.length, 2002);
    });

    const page = (status: number) =>
        new Response("<html>", { status, headers: { "content-type": "text/html; charset=utf-8" } });
    const failures: Record<string, [answer: () => Response, status: number, code: string]> = {
        "401": [() => Response.json({}, { status: 401 }), 404, "NAME_UNKNOWN"],
        "403": [() => Response.json({}, { status: 403 }), 404, "NAME_UNKNOWN"],
        "404": [() => new Response("no", { status: 404 }), 404, "NAME_UNKNOWN"],
        "400": [() => Response.json({}, { status: 400 }), 400, "UNSUPPORTED"],
        "405": [() => new Response("", { status: 405 }), 405, "UNSUPPORTED"],
        "429": [throttled, 429, "TOOMANYREQUESTS"],
        "451": [() => page(451), 451, "DENIED"],
        "500": [() => new Response("oops", { status: 500 }), 500, "UNAVAILABLE"],
        "503": [() => page(503), 503, "UNAVAILABLE"],
        "a redirect": [() => new Response("", { status: 302, headers: { location: "/" } }), 502, "UNAVAILABLE"],
        "a page": [() => page(200), 502, "UNAVAILABLE"],
        "a page with status 403": [() => page(403), 403, "DENIED"],
        "a page with status 401": [() => page(401), 404, "NAME_UNKNOWN"],
        "half a JSON": [
            () => new Response('{"token": "', { headers: { "content-type": "application/json" } }),
            502,
            "UNAVAILABLE",
        ],
        null: [() => Response.json(null), 502, "UNAVAILABLE"],
        "JSON without a token": [() => Response.json({ token: 5 }), 502, "UNAVAILABLE"],
        "a token with a line break": [() => Response.json({ token: "a\r\nb" }), 502, "UNAVAILABLE"],
    };
    for (const [what, [answer, status, code]] of Object.entries(failures)) {
        it(`has no token but ${status} ${code} for the caller when the service answers ${what}`, async () => {
            const bench = new Bench();
            bench.answer = answer;
            await assert.rejects(bench.source.pullToken(DOCKER, "library/node"), (error: NoToken) => {
                assert.equal(error.reason, "upstream");
                assert.deepEqual([error.refusal.status, error.refusal.code], [status, code]);
                return true;
            });
        });
    }

    it("hands on how long to wait", async () => {
        const bench = new Bench();
        bench.answer = throttled;
        await assert.rejects(bench.source.pullToken(DOCKER, "library/node"), (error: NoToken) => {
            assert.equal(error.refusal.retryAfter, 30);
            return true;
        });
    });
});

describe("TokenSource with an account", () => {
    const accounts = { "docker.io": ACCOUNT };

    it("asks without it first, and with it when the repository is public", async () => {
        const bench = new Bench(accounts);
        await bench.source.pullToken(DOCKER, "library/node");
        assert.deepEqual(
            bench.asked.map(({ authorization }) => authorization),
            [undefined, BASIC],
        );
    });

    it("keeps the verdict for a day and no longer", async () => {
        const bench = new Bench(accounts);
        const authorizations = async () => {
            bench.asked.length = 0;
            await bench.source.pullToken(DOCKER, "library/node");
            return bench.asked.map(({ authorization }) => authorization);
        };
        await authorizations();
        bench.passSeconds(24 * 60 * 60 - 1);
        assert.deepEqual(await authorizations(), [BASIC]);
        bench.passSeconds(24 * 60 * 60);
        assert.deepEqual(await authorizations(), [undefined, BASIC]);
    });

    for (const actions of [[], ["push"]]) {
        it(`does not use it where the anonymous token carries ${JSON.stringify(actions)}`, async () => {
            const bench = new Bench(accounts);
            bench.answer = ({ url }) => bench.token(url, actions);
            assert.ok(await bench.source.pullToken(DOCKER, "company/private"));
            assert.deepEqual(
                bench.asked.map(({ authorization }) => authorization),
                [undefined],
            );
        });
    }

    it("does not use it where the token speaks of another repository", async () => {
        const bench = new Bench(accounts);
        bench.answer = () => bench.token(new URL("https://x/?scope=repository:library/node:pull"), ["pull"]);
        await bench.source.pullToken(DOCKER, "company/private");
        assert.equal(bench.asked.length, 1);
    });

    it("does not use it where the token cannot be read", async () => {
        const bench = new Bench(accounts);
        for (const token of ["opaque", "a.b.c", "..", `x.${Buffer.from("null").toString("base64url")}.y`]) {
            bench.answer = () => Response.json({ token });
            await bench.source.pullToken(DOCKER, `company/${token.length}`);
        }
        assert.equal(bench.asked.length, 4);
    });

    it("does not use it while there is no verdict", async () => {
        for (const answer of [throttled, () => new Response("oops", { status: 500 })]) {
            const bench = new Bench(accounts);
            bench.answer = answer;
            const failure = { name: "NoToken", reason: "no-verdict" };
            await assert.rejects(bench.source.pullToken(DOCKER, "library/node"), failure);
            assert.equal(bench.asked.length, 1);
        }
    });

    it("takes a final no of the service for the verdict", async () => {
        for (const status of [400, 401, 403, 404, 405]) {
            const bench = new Bench(accounts);
            bench.answer = () => Response.json({}, { status });
            const failure = { name: "NoToken", reason: "upstream" };
            await assert.rejects(bench.source.pullToken(DOCKER, "library/node"), failure);
            assert.equal(bench.asked.length, 1);
        }
    });

    it("does not blame it for a page in place of the service's answer", async () => {
        const bench = new Bench(accounts);
        bench.answer = ({ url, authorization }) =>
            authorization
                ? new Response("<html>", { status: 403, headers: { "content-type": "text/html" } })
                : bench.token(url, ["pull"]);
        await assert.rejects(bench.source.pullToken(DOCKER, "library/node"), { reason: "upstream" });
    });

    it("says so when the service does not take it", async () => {
        const bench = new Bench(accounts);
        bench.answer = ({ url, authorization }) =>
            authorization ? Response.json({}, { status: 401 }) : bench.token(url, ["pull"]);
        await assert.rejects(bench.source.pullToken(DOCKER, "library/node"), (error: NoToken) => {
            assert.equal(error.reason, "account");
            assert.match(error.message, /account acme/);
            assert.ok(!error.message.includes(ACCOUNT.token));
            return true;
        });
    });

    it("does not show it to another upstream", async () => {
        const bench = new Bench(accounts);
        await bench.source.pullToken(GHCR, "owner/app");
        assert.deepEqual(
            bench.asked.map(({ authorization }) => authorization),
            [undefined],
        );
    });
});

describe("TokenSource with an account for private repositories", () => {
    const PRIVATE = { username: "acme-bot", token: "ghp_sentinel" };
    const PRIVATE_BASIC = `Basic ${Buffer.from("acme-bot:ghp_sentinel").toString("base64")}`;
    const opened = [
        { ...PRIVATE, upstream: "ghcr.io", repositories: ["acme/*"] },
        { ...PRIVATE, upstream: "docker.io", repositories: ["acme/secret"] },
    ];
    const authorizations = ({ asked }: Bench) => asked.map(({ authorization }) => authorization);

    for (const [upstream, repository] of [
        [GHCR, "acme/app"],
        [DOCKER, "acme/secret"],
    ]) {
        it(`asks with it at once for ${repository} of ${upstream.name}`, async () => {
            const bench = new Bench({ "docker.io": ACCOUNT }, opened);
            assert.ok(await bench.source.pullToken(upstream, repository));
            assert.deepEqual(authorizations(bench), [PRIVATE_BASIC]);
        });
    }

    it("asks without it for what is not on the list", async () => {
        const bench = new Bench(undefined, opened);
        for (const repository of ["other/app", "acme"]) await bench.source.pullToken(GHCR, repository);
        await bench.source.pullToken(DOCKER, "acme/other");
        assert.deepEqual(authorizations(bench), [undefined, undefined, undefined]);
    });

    it("leaves the other account to its rule", async () => {
        const bench = new Bench({ "docker.io": ACCOUNT }, opened);
        await bench.source.pullToken(DOCKER, "library/node");
        assert.deepEqual(authorizations(bench), [undefined, BASIC]);
    });

    it("asks with it again when the token is used up", async () => {
        const bench = new Bench(undefined, opened);
        await bench.source.pullToken(GHCR, "acme/app");
        bench.passSeconds(300);
        await bench.source.pullToken(GHCR, "acme/app");
        assert.deepEqual(authorizations(bench), [PRIVATE_BASIC, PRIVATE_BASIC]);
    });

    it("says so when the service does not take it, and asks nobody else", async () => {
        const bench = new Bench(undefined, opened);
        bench.answer = () => Response.json({}, { status: 403 });
        await assert.rejects(bench.source.pullToken(GHCR, "acme/app"), (error: NoToken) => {
            assert.equal(error.reason, "account");
            assert.match(error.message, /account acme-bot/);
            assert.ok(!error.message.includes(PRIVATE.token));
            return true;
        });
        assert.equal(bench.asked.length, 1);
    });
});
