import assert from "node:assert/strict";
import { privateAccountFor, privateAccountProblems, repositoryPattern } from "../../../services/registry/accounts";
import { selectUpstreams } from "../../../services/registry/upstreams";

const [DOCKER, GHCR] = selectUpstreams(["docker.io", "ghcr.io"]) as [any, any];
const TOKEN = "sEntiNelToken";

describe("A private account", () => {
    const whole = { upstream: "ghcr.io", username: "whole", token: TOKEN, repositories: ["acme/app", "acme/a.b"] };
    const below = { upstream: "ghcr.io", username: "below", token: TOKEN, repositories: ["acme/*"] };
    const at = (repository: string, upstream = GHCR) =>
        privateAccountFor([whole, below], upstream, repository)?.username;

    it("is the first that lists the repository", () => {
        assert.equal(at("acme/app"), "whole");
        assert.equal(at("acme/other"), "below");
    });

    it("opens whole names, and all below a name", () => {
        assert.equal(at("acme/a.b"), "whole");
        assert.equal(at("acme/team/app"), "below");
        for (const repository of ["acme", "acme/", "acmecorp/app", "other/acme/app", "other/app"]) {
            assert.equal(at(repository), undefined, repository);
        }
    });

    it("takes a dot for a dot", () => {
        assert.equal(privateAccountFor([whole], GHCR, "acme/axb"), undefined);
        assert.equal(repositoryPattern("a.b/*"), "a\\.b/.+");
    });

    it("is for one upstream", () => assert.equal(at("acme/app", DOCKER), undefined));

    const problems: Record<string, [account: object, said: RegExp]> = {
        "at no upstream of the table": [
            { upstream: "example.com" },
            /^example\.com has no accounts .* docker\.io, ghcr\.io/,
        ],
        "where nothing needs an account": [{ upstream: "mcr.microsoft.com" }, /^mcr\.microsoft\.com has no accounts/],
        "without a user name": [{ username: "" }, /^the user name at ghcr\.io .* got ""$/],
        "whose name has a colon": [{ username: "a:b" }, /got "a:b"$/],
        "whose name has a space": [{ username: "a b" }, /got "a b"$/],
        "without repositories": [{ repositories: [] }, /lists no repositories/],
        "for everything": [{ repositories: ["*"] }, /got "\*"$/],
        "for half a name": [{ repositories: ["acme/ap*"] }, /got "acme\/ap\*"$/],
        "for a name in upper case": [{ repositories: ["Acme/app"] }, /got "Acme\/app"$/],
        "for a name with its upstream's quotes": [{ repositories: ['acme/"; } #'] }, /got "acme\/"/],
        "for an official image by half its name": [{ upstream: "docker.io", repositories: ["node"] }, /got "node"$/],
    };
    for (const [what, [account, said]] of Object.entries(problems)) {
        it(`${what} is refused`, () => {
            const [problem, ...others] = privateAccountProblems({ ...below, ...account });
            assert.match(problem ?? "", said);
            assert.deepEqual(others, []);
        });
    }

    it("may have the user names that vendors prescribe", () => {
        for (const username of ["$oauthtoken", "_json_key", "acme+robot", "AWS"]) {
            assert.deepEqual(privateAccountProblems({ ...below, username }), []);
        }
    });

    it("is told of all at once, and never its token", () => {
        const wrong = { ...below, username: "", repositories: ["*", "Acme/app"] };
        const found = privateAccountProblems(wrong);
        assert.equal(found.length, 3);
        assert.ok(!found.join().includes(TOKEN));
    });
});
