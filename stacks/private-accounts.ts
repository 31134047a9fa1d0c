/** Accounts that open private repositories, and their tokens. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { type PrivateAccount, privateAccountProblems } from "../services/registry/accounts";
import type { Right } from "./right";

/** Of a Worker's variable, 5 KB of whichever kind: https://developers.cloudflare.com/workers/platform/limits/#environment-variables. */
const WORKER_VARIABLE_BYTES = 5000;

/** The shape of `privateAccounts`; what a name at a registry may be, `services/registry/accounts.ts` knows. */
export const privateAccounts = z
    .array(z.strictObject({ upstream: z.string(), username: z.string(), repositories: z.array(z.string()) }))
    .min(1);

/** The shape of `privateTokens`. nginx takes no word of more than 4 KB, and so no longer token: components/nginx-maps.ts. */
export const privateTokens = z.record(z.string(), z.string().regex(/^[!-~]{1,3000}$/));

/** An account with its token. */
export type PrivateAccountSettings = Omit<PrivateAccount, "token"> & { readonly token: pulumi.Output<string> };

/** What an account's token is called in `privateTokens`. */
export function tokenName({ upstream, username }: Pick<PrivateAccount, "upstream" | "username">): string {
    return `${upstream}/${username}`;
}

/** The rest of the settings that private accounts have to do with. */
export interface PrivateAccountsContext {
    /** Names of the upstreams that are relayed. */
    readonly upstreams: readonly string[];
    /** The stack has a relay of its own. */
    readonly hasRelay: boolean;
    /** One of them is a Worker. */
    readonly hasWorker: boolean;
}

/**
 * What no field tells by itself: which key, and what is wrong with it; no token is repeated.
 *
 * @param tokens Undefined where they cannot be used, which has been said.
 */
export function privateAccountsProblems(
    accounts: Right<z.infer<typeof privateAccounts>>,
    tokens: z.infer<typeof privateTokens> | undefined,
    { upstreams, hasRelay, hasWorker }: PrivateAccountsContext,
): [string, string][] {
    const problems: [string, string][] = [];
    if (accounts.length > 0 && !hasRelay)
        problems.push(["privateAccounts", "are what relays pull with: set them where edge or overseas is"]);
    const names = accounts.map((account) => (isWhole(account) ? tokenName(account) : undefined));
    for (const [index, account] of accounts.entries()) {
        if (!isWhole(account)) continue;
        const at = `privateAccounts[${index}]`;
        const name = tokenName(account);
        problems.push(...privateAccountProblems(account).map((problem): [string, string] => [at, problem]));
        if (!upstreams.includes(account.upstream))
            problems.push([`${at}.upstream`, `must be one of ${upstreams.join(", ")}, got "${account.upstream}"`]);
        if (tokens && tokens[name] === undefined)
            problems.push([at, `needs its token: privateTokens has no "${name}"`]);
        if (names.indexOf(name) !== index) problems.push([at, `must have an account once, got "${name}" twice`]);
    }
    const all = accounts.filter(isWhole);
    if (!tokens || all.length < accounts.length) return problems;
    for (const name of Object.keys(tokens).filter((token) => !names.includes(token)))
        problems.push(["privateTokens", `has a token of "${name}", which is not in privateAccounts`]);
    const bytes = JSON.stringify(all.map((account) => ({ ...account, token: tokens[tokenName(account)] }))).length;
    if (hasWorker && bytes > WORKER_VARIABLE_BYTES) {
        const todo = "list fewer repositories (acme/* is one), or use shorter tokens";
        problems.push([
            "privateAccounts",
            `must fit into ${WORKER_VARIABLE_BYTES} bytes at Cloudflare, got ${bytes}: ${todo}`,
        ]);
    }
    return problems;
}

function isWhole(account: Right<z.infer<typeof privateAccounts>>[number]): account is Omit<PrivateAccount, "token"> {
    return (
        account?.upstream !== undefined &&
        account.username !== undefined &&
        (account.repositories?.every((each) => each !== undefined) ?? false)
    );
}
