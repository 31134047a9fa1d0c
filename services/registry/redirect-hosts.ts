/** Redirect hosts that a stack adds to the closed table: an upstream's content moves sooner than a release comes. */
import type { Upstream } from "./upstreams";

/** Hosts or globs by the upstream's name, as `redirectHosts` of the settings has them. */
export type RedirectHosts = Readonly<Record<string, readonly string[]>>;

/** Upstreams that may redirect to `added` too. Names that are not among `upstreams` are left out. */
export function withRedirectHosts(upstreams: readonly Upstream[], added: RedirectHosts): Upstream[] {
    return upstreams.map((upstream) => ({
        ...upstream,
        redirectHosts: [...upstream.redirectHosts, ...(added[upstream.name] ?? []).map((host) => ({ host }))],
    }));
}

/**
 * Domains below which anybody can have a host of a name of their own. A bucket of one name is the vendor's alone; a glob
 * over such names, or the domain itself, is everybody's.
 */
const SHARED_DOMAINS = [
    "akamaihd.net",
    "akamaized.net",
    "aliyuncs.com",
    "amazonaws.com",
    "amazonaws.com.cn",
    "appspot.com",
    "azurecr.io",
    "azureedge.net",
    "azurefd.net",
    "b-cdn.net",
    "backblazeb2.com",
    "bcebos.com",
    "cdn77.org",
    "cloudapp.net",
    "cloudflarestorage.com",
    "cloudfront.net",
    "core.windows.net",
    "digitaloceanspaces.com",
    "edgekey.net",
    "edgesuite.net",
    "fastly.net",
    "fastlylb.net",
    "github.io",
    "githubusercontent.com",
    "gitlab.io",
    "googleapis.com",
    "googleusercontent.com",
    "herokuapp.com",
    "linodeobjects.com",
    "myhuaweicloud.com",
    "myqcloud.com",
    "netlify.app",
    "oraclecloud.com",
    "pages.dev",
    "pkg.dev",
    "qiniucs.com",
    "r2.dev",
    "run.app",
    "scw.cloud",
    "trafficmanager.net",
    "vercel.app",
    "volces.com",
    "vultrobjects.com",
    "wasabisys.com",
    "windows.net",
    "workers.dev",
    "your-objectstorage.com",
];

/** Hosts that take the bucket of any customer in the path. */
const SHARED_HOST =
    /^(?:s3(?:[.-][a-z0-9*.-]+)?\.amazonaws\.com(?:\.cn)?|storage(?:[.-][a-z0-9*.-]+)?\.googleapis\.com|storage\.cloud\.google\.com|[a-z0-9*-]+-docker\.pkg\.dev|(?:www\.)?(?:github|gitlab)\.com|(?:raw|objects|gist)\.githubusercontent\.com)$/;

/** Such as `co.uk` and `com.cn`: below them names are for sale. */
const PUBLIC_SUFFIX = /^(?:[a-z0-9-]+|(?:ac|co|com|edu|gov|net|ne|or|org)\.[a-z]{2})$/;

const LABEL = /^[a-z0-9*](?:[a-z0-9*-]{0,61}[a-z0-9*])?$/;

/** What is wrong with an entry; `undefined` when it can be used. */
export function redirectHostProblem(entry: string): string | undefined {
    const host = "must be a host name in lower case such as cdn.example.com, or a glob such as *.cdn.example.com";
    if (/:\/\//.test(entry)) return `${host}, without a scheme`;
    if (entry.includes("/") || entry.includes("?")) return `${host}, without a path`;
    if (entry.includes("@")) return `${host}, without a user`;
    if (/:\d*$/.test(entry)) return `${host}, without a port: redirects are followed to port 443 only`;
    if (/[A-Z]/.test(entry)) return host;
    if (/^[0-9.]+$/.test(entry) || entry.includes(":")) return `${host}, not an address`;
    const labels = entry.split(".");
    if (entry.length > 253 || labels.length < 2 || !labels.every((label) => LABEL.test(label))) return host;
    if (labels.some((label) => label.split("*").length > 2)) return `${host}, with one * in a label at most`;
    if (!/^[a-z][a-z0-9-]*$/.test(labels.at(-1) ?? "")) return host;
    return globProblem(entry, labels);
}

function globProblem(entry: string, labels: readonly string[]): string | undefined {
    const shared = SHARED_DOMAINS.find((domain) => entry === domain || entry.endsWith(`.${domain}`));
    const why = "a registry, or whoever gets hold of one, could then send the relays to anybody's content";
    if (entry === shared || SHARED_HOST.test(entry)) {
        return `must not be a host that all customers of a cloud share: ${why}; name the vendor's own host or bucket`;
    }
    const lastStar = labels.findLastIndex((label) => label.includes("*"));
    if (lastStar < 0) return undefined;
    if (shared !== undefined && labels[0]?.includes("*")) {
        return `must not leave open whose host below ${shared} it is, where anybody can have one: ${why}; name the vendor's own host or bucket, with * for its region alone (bucket.s3.*.amazonaws.com)`;
    }
    const fixed = labels.slice(lastStar + 1).join(".");
    if (fixed === "" || PUBLIC_SUFFIX.test(fixed)) {
        return `must end in a domain of the vendor's, without * in it: names below ${fixed === "" ? "*" : fixed} are for sale`;
    }
    return undefined;
}
