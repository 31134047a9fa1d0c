import { createHash } from "node:crypto";
import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import { version } from "../../package.json";
import { checkPrivateAccounts, type PrivateAccount } from "../../services/registry/accounts";
import { REQUESTS_PER_MINUTE } from "../../services/registry/public-access";
import type { RedirectHosts } from "../../services/registry/redirect-hosts";
import type { Upstream } from "../../services/registry/upstreams";
import { builtFile } from "../built-file";
import { RelayGate } from "../relay-gate";
import { child, type Transform } from "../transform";
import { workerBundle } from "./worker-bundle";

/**
 * The runtime's behaviour that the Worker is written for and tested with. From 2025-09-01 on, fetch drops Authorization
 * when a redirect leaves the host: https://developers.cloudflare.com/workers/configuration/compatibility-flags/.
 */
export const COMPATIBILITY_DATE = "2026-09-01";
const MAIN_MODULE = "worker.js";
const SCRIPT_NAME_MAX = 63;
/** 5 KB of whichever kind: https://developers.cloudflare.com/workers/platform/limits/#environment-variables. */
const VARIABLE_BYTES = 5000;

/** Any number that no other rate limit of the account has. */
const RATE_LIMIT_NAMESPACE = "20375";

/** Arguments of {@link WorkerRelay}. */
export interface WorkerRelayArgs {
    /** Cloudflare account, 32 hex digits. */
    readonly accountId: pulumi.Input<string>;
    /** Host name in the zone, such as `hub.example.com`. Cloudflare makes its DNS record and certificate. */
    readonly hostname: pulumi.Input<string>;
    readonly zone: { readonly id: pulumi.Input<string>; readonly nameServers: pulumi.Input<string[]> };
    /** Valid keys by id, such as `acme.2`. Cloudflare takes about 75 of those that RelayKeys makes. */
    readonly keys: Readonly<Record<string, pulumi.Input<string>>>;
    /** The Hub account to pull public images with: the Hub throttles Workers that have none. @default anonymous */
    readonly hubAccount?: { readonly username: pulumi.Input<string>; readonly token: pulumi.Input<string> };
    /**
     * Accounts for private repositories, which every caller with a key can then pull. Cloudflare takes 5 KB for all of
     * them together: https://developers.cloudflare.com/workers/platform/limits/. @default none
     */
    readonly privateAccounts?: readonly (Omit<PrivateAccount, "token"> & { readonly token: pulumi.Input<string> })[];
    readonly upstreams: readonly Upstream[];
    /** Hosts that they may redirect to beside those of the table; 5 KB as above. @default none */
    readonly redirectHosts?: RedirectHosts;
    /** `public` lets callers without a key in. @default "keys" */
    readonly access?: "keys" | "public";
    /** With public access: the `mailto:` or `https:` URL that the page at `/` names for complaints. @default nobody */
    readonly abuseContact?: string;
    /** With public access: of an address without a key, counted at each of Cloudflare's locations. @default 300 */
    readonly publicLimit?: { readonly requestsPerMinute: number };
    readonly transform?: {
        readonly script?: Transform<cloudflare.WorkersScriptArgs>;
        readonly subdomain?: Transform<cloudflare.WorkersScriptSubdomainArgs>;
        readonly domain?: Transform<cloudflare.WorkersCustomDomainArgs>;
    };
}

/**
 * The relay that needs no machine: a Cloudflare Worker on a host name of the zone. The free plan serves 100,000
 * requests a day, about 1,200 cold pulls of 600 MB (`npm run plan`): https://developers.cloudflare.com/workers/platform/limits/.
 */
export class WorkerRelay extends pulumi.ComponentResource {
    readonly hostname: pulumi.Output<string>;
    /** Where the uplink and people pull from. */
    readonly url: pulumi.Output<string>;
    /** Another one when the Worker's code or settings changed. */
    readonly changes: pulumi.Output<string>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: {
        readonly script: cloudflare.WorkersScript;
        readonly subdomain: cloudflare.WorkersScriptSubdomain;
        readonly domain: cloudflare.WorkersCustomDomain;
        readonly gate: RelayGate;
    };

    constructor(name: string, args: WorkerRelayArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:edge:WorkerRelay", name, {}, opts);
        const own = { parent: this };
        const { accountId, zone, transform } = args;
        const bundle = workerBundle();
        const program = builtFile(MAIN_MODULE, bundle);

        const script = new cloudflare.WorkersScript(
            ...child(
                transform?.script,
                `${name}-script`,
                {
                    accountId,
                    scriptName: pulumi.output(args.hostname).apply(scriptName),
                    contentFile: program.path,
                    contentSha256: program.sha256,
                    mainModule: MAIN_MODULE,
                    compatibilityDate: COMPATIBILITY_DATE,
                    bindings: bindings(args),
                    observability: OBSERVABILITY,
                },
                own,
            ),
        );
        // workers.dev is a second door that nobody asked for, and is not reachable from mainland China anyway.
        const subdomain = new cloudflare.WorkersScriptSubdomain(
            ...child(
                transform?.subdomain,
                `${name}-subdomain`,
                { accountId, scriptName: script.scriptName, enabled: false, previewsEnabled: false },
                own,
            ),
        );
        const domain = new cloudflare.WorkersCustomDomain(
            ...child(
                transform?.domain,
                `${name}-domain`,
                { accountId, zoneId: zone.id, hostname: args.hostname, service: script.scriptName },
                // Any change replaces it, and a host name can lead to one Worker only.
                { ...own, deleteBeforeReplace: true },
            ),
        );

        // Not the domain's own output: what depends on that is deleted when another host name replaces the domain.
        this.hostname = pulumi.output(args.hostname);
        this.url = pulumi.interpolate`https://${this.hostname}`;
        const gate = new RelayGate(
            `${name}-gate`,
            {
                hostname: args.hostname,
                nameServers: zone.nameServers,
                access: args.access ?? "keys",
                triggers: [domain.id],
            },
            own,
        );
        this.changes = pulumi.unsecret(pulumi.output([bundle, bindings(args)]).apply(hashOf));
        this.nodes = { script, subdomain, domain, gate };
        this.registerOutputs({ hostname: this.hostname, url: this.url });
    }
}

/**
 * Said in full, because the provider sees a difference at every preview in what is left to Cloudflare's defaults:
 * https://github.com/cloudflare/terraform-provider-cloudflare/issues/7326. The Worker writes its own line for each
 * request; the platform's invocation logs would repeat it with the caller's headers.
 */
const OBSERVABILITY = {
    enabled: true,
    headSamplingRate: 1,
    logs: { enabled: true, headSamplingRate: 1, invocationLogs: false, persist: true },
    traces: { enabled: false, headSamplingRate: 1, persist: true },
};

/** What `services/worker/settings.ts` reads. Throws when a private account cannot be used. */
function bindings(args: WorkerRelayArgs): pulumi.Input<cloudflare.types.input.WorkersScriptBinding>[] {
    const { hubAccount, privateAccounts = [], upstreams, redirectHosts = {}, access = "keys", abuseContact } = args;
    checkPrivateAccounts(privateAccounts);
    const plain = (name: string, text: pulumi.Input<string>) => ({ type: "plain_text", name, text });
    const secret = (name: string, text: pulumi.Input<string>) => ({
        type: "secret_text",
        name,
        text: pulumi.secret(text),
    });
    return [
        secret("KEYS", pulumi.jsonStringify(args.keys).apply(fitting)),
        ...(hubAccount ? [secret("HUB_TOKEN", hubAccount.token), plain("HUB_USERNAME", hubAccount.username)] : []),
        ...(privateAccounts.length > 0 ? [secret("PRIVATE_ACCOUNTS", pulumi.jsonStringify(privateAccounts))] : []),
        plain("UPSTREAMS", JSON.stringify(upstreams.map((upstream) => upstream.name))),
        ...(Object.keys(redirectHosts).length > 0 ? [plain("REDIRECT_HOSTS", JSON.stringify(redirectHosts))] : []),
        plain("HOSTNAME", args.hostname),
        plain("ACCESS", access),
        plain("VERSION", version),
        ...(access === "public" ? [rateLimit(args)] : []),
        ...(abuseContact === undefined ? [] : [plain("ABUSE_CONTACT", abuseContact)]),
    ];
}

function hashOf(all: unknown): string {
    return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 32);
}

/** The text of the keys, which is one variable. */
function fitting(keys: string): string {
    if (keys.length <= VARIABLE_BYTES) return keys;
    throw new pulumi.RunError(
        `dockermirror:keys  must fit into ${VARIABLE_BYTES} bytes at Cloudflare, got ${keys.length}: give some of them relays of their own, in another stack`,
    );
}

/** Cloudflare counts over 10 or 60 s: https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/. */
function rateLimit({ publicLimit }: WorkerRelayArgs): cloudflare.types.input.WorkersScriptBinding {
    return {
        type: "ratelimit",
        name: "RATE_LIMIT",
        namespaceId: RATE_LIMIT_NAMESPACE,
        simple: { limit: publicLimit?.requestsPerMinute ?? REQUESTS_PER_MINUTE, period: 60 },
    };
}

/** Cloudflare allows 63 characters of a-z, 0-9 and dashes. The end of a longer name is replaced by its digest. */
function scriptName(hostname: string): string {
    const full = `dockermirror-${hostname.replaceAll(".", "-")}`;
    if (full.length <= SCRIPT_NAME_MAX) return full;
    const digest = createHash("sha256").update(hostname).digest("hex").slice(0, 8);
    return `${full.slice(0, SCRIPT_NAME_MAX - digest.length - 1)}-${digest}`;
}
