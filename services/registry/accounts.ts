/** Accounts at upstreams, and what a relay may use them for. Design 3.9. */
import { NAME } from "./names";
import { UPSTREAMS, type Upstream } from "./upstreams";

/** An account at an upstream: a user name and an access token that stands for the password. */
export interface Account {
    readonly username: string;
    readonly token: string;
}

/**
 * An account that opens private repositories to every caller with a key, and so to everybody who can reach an office's
 * mirror. For all other repositories it is not used.
 */
export interface PrivateAccount extends Account {
    /** Name in the closed table, such as `ghcr.io`. */
    readonly upstream: string;
    /** Whole names (`acme/app`; on Docker Hub `library/` counts), or `acme/*` for all below `acme/`, however deep. */
    readonly repositories: readonly string[];
}

const REPOSITORIES = new RegExp(`^${NAME}(?:/\\*)?$`);

/** The private account that the settings name for a repository: the first whose list has it. */
export function privateAccountFor(
    accounts: readonly PrivateAccount[],
    upstream: Upstream,
    repository: string,
): PrivateAccount | undefined {
    return accounts.find(
        (account) =>
            account.upstream === upstream.name &&
            account.repositories.some((entry) => new RegExp(`^${repositoryPattern(entry)}$`).test(repository)),
    );
}

/** A regular expression (source text without anchors, PCRE and JavaScript alike) for one entry of `repositories`. */
export function repositoryPattern(entry: string): string {
    const exact = entry.replaceAll(".", "\\.");
    return exact.endsWith("/*") ? `${exact.slice(0, -1)}.+` : exact;
}

/** What is wrong with an account, one line a problem and none of them with the token; empty when it can be used. */
export function privateAccountProblems({ upstream, username, repositories }: Omit<PrivateAccount, "token">): string[] {
    const at = UPSTREAMS.find(({ name }) => name === upstream);
    const problems: string[] = [];
    if (!at?.tokenService) {
        const known = UPSTREAMS.filter(({ tokenService }) => tokenService).map(({ name }) => name);
        problems.push(`${upstream} has no accounts that a relay can use; ${known.join(", ")} have`);
    }
    // RFC 7617: a colon ends the name.
    if (!/^[!-9;-~]+$/.test(username)) {
        problems.push(
            `the user name at ${upstream} must be visible ASCII characters without a colon, got "${username}"`,
        );
    }
    if (repositories.length === 0)
        problems.push(`the account at ${upstream} lists no repositories; without any it is useless`);
    for (const entry of repositories) {
        const inNoNamespace = at?.officialNamespace !== undefined && !entry.includes("/");
        if (!REPOSITORIES.test(entry) || inNoNamespace) {
            problems.push(
                `a private repository at ${upstream} is a whole name such as acme/app, or acme/*, got "${entry}"`,
            );
        }
    }
    return problems;
}

/** Throws with every problem of every account. */
export function checkPrivateAccounts(accounts: readonly Omit<PrivateAccount, "token">[]): void {
    const problems = accounts.flatMap(privateAccountProblems);
    if (problems.length > 0) throw new Error(`privateAccounts cannot be used: ${problems.join("; ")}`);
}
