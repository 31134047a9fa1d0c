/** Docker Hub's pull limit. https://docs.docker.com/docker-hub/usage/pulls/ */

const WINDOW_SECONDS = 21_600;

/** Counts manifest GETs in windows of six hours, by address or account. */
export class PullCounts {
    private readonly windows = new Map<string, { readonly ends: number; pulls: number }>();

    constructor(
        private readonly limit: { readonly anonymous: number; readonly account: number },
        private readonly now: () => number,
    ) {}

    /** Counts one pull. False when the limit is used up; then it is not counted. */
    take(source: string, account: string): boolean {
        const window = this.window(source, account);
        if (window.pulls >= this.limitOf(account)) return false;
        window.pulls += 1;
        return true;
    }

    /** The headers that tell a caller about it. */
    headers(source: string, account: string): Readonly<Record<string, string>> {
        const limit = this.limitOf(account);
        return {
            "ratelimit-limit": `${limit};w=${WINDOW_SECONDS}`,
            "ratelimit-remaining": `${limit - this.window(source, account).pulls};w=${WINDOW_SECONDS}`,
            "docker-ratelimit-source": account || source,
        };
    }

    /** Starts all windows anew. */
    clear(): void {
        this.windows.clear();
    }

    private limitOf(account: string): number {
        return account ? this.limit.account : this.limit.anonymous;
    }

    private window(source: string, account: string): { readonly ends: number; pulls: number } {
        const key = account ? `account ${account}` : `address ${source}`;
        const open = this.windows.get(key);
        if (open && open.ends > this.now()) return open;
        const fresh = { ends: this.now() + WINDOW_SECONDS * 1000, pulls: 0 };
        this.windows.set(key, fresh);
        return fresh;
    }
}
