/** What no field of a stack's settings tells by itself: which ones need, exclude or contradict each other. */
import type { z } from "zod";
import type { RedirectHosts } from "../services/registry/redirect-hosts";
import { UPSTREAMS } from "../services/registry/upstreams";
import { isPrivate } from "./addresses";
import { overseasProblems } from "./overseas";
import { privateAccountsProblems, type privateTokens } from "./private-accounts";
import { redirectHostsProblems } from "./redirect-hosts";
import { relaysProblems } from "./relays";
import { DEFAULT_KEYS, type OWN_KEYS, type Plain, type SecretName } from "./schema";

/** What the rules look at. */
export interface Given {
    /** The project's name, which stands before each key. */
    readonly project: string;
    readonly plain: Plain;
    /** True when the secret is set. */
    readonly hasSecret: (name: SecretName) => boolean;
    readonly relayKeys: z.infer<typeof OWN_KEYS>;
    readonly privateTokens: z.infer<typeof privateTokens>;
}

/** The key, without the project, and what is wrong with it. */
export type Problem = readonly [key: string, problem: string];

/** Every problem that settings have with each other. */
export function crossFieldProblems(given: Given): Problem[] {
    const rules = [sites, relays, zone, hostnames, keys, access, accounts, redirects, overseasSecrets, certificates];
    return rules.flatMap((rule) => rule(given));
}

function sites({ plain: { edge, overseas, onprem, relays = [] } }: Given): Problem[] {
    const problems: Problem[] = [];
    if (!edge && !overseas && !onprem)
        problems.push(["edge", "or overseas or onprem must be set: this stack would make nothing"]);
    if (onprem && !edge && !overseas && relays.length === 0)
        problems.push(["onprem", "needs a relay: set edge or overseas, or relays with another stack that has one"]);
    if (!onprem && relays.length > 0)
        problems.push(["relays", "are what an on-prem site pulls through: set onprem, or leave them out"]);
    const open = onprem?.allowFrom.filter((range) => !isPrivate(range)) ?? [];
    if (open.length > 0 && !onprem?.allowFromPublic) {
        const how = "if it is meant, also set onprem.allowFromPublic to true";
        const what = `has public addresses (${open.join(", ")}), which Docker opens past the host's firewall`;
        problems.push(["onprem.allowFrom", `${what}: ${how}`]);
    }
    return problems;
}

function relays(given: Given): Problem[] {
    const { edge, overseas, relays = [] } = given.plain;
    const problems: Problem[] = [];
    const literal = relays.filter((relay) => !("stack" in relay));
    if (literal.length > 0 && !given.hasSecret("relayKey"))
        problems.push(["relays", `need the key that those with a hostname ask for: ${command(given, "relayKey")}`]);
    if (literal.length === 0 && given.hasSecret("relayKey"))
        problems.push(["relayKey", "is the key of relays with a hostname, which are not set"]);
    const ownNames = [...(overseas ? ["nginx"] : []), ...(edge ? ["worker"] : [])];
    return [...problems, ...relaysProblems(relays, ownNames)];
}

function zone({ plain: { zone, createZone, zoneReady, edge, overseas } }: Given): Problem[] {
    const problems: Problem[] = [];
    if (createZone && !zone) problems.push(["createZone", "needs the name of the zone to make: set zone"]);
    if (zoneReady && !createZone) {
        const why = "is about the zone of createZone, which is not set: a zone that is there needs neither";
        problems.push(["zoneReady", why]);
    }
    if (createZone && edge && createZone.accountId !== edge.accountId) {
        const must = `must be the account that the zone is made in, ${createZone.accountId}`;
        problems.push(["edge.accountId", `${must}, got "${edge.accountId}"`]);
    }
    if (edge && !zone) problems.push(["edge", "needs zone: the Worker gets a custom domain in it"]);
    for (const [key, site] of Object.entries({ edge, overseas })) {
        if (zone && site && site.hostname !== zone && !site.hostname.endsWith(`.${zone}`))
            problems.push([`${key}.hostname`, `must be ${zone} or end with .${zone}, got "${site.hostname}"`]);
    }
    const ofOverseas = overseas ? overseasProblems(overseas, zone !== undefined) : [];
    return [...problems, ...ofOverseas.map(([field, problem]): Problem => [`overseas.${field}`, problem])];
}

/** Each host name leads to one thing. */
function hostnames({ project, plain: { edge, overseas, onprem, relays = [] } }: Given): Problem[] {
    const problems: Problem[] = [];
    const named: [string, string | undefined][] = [
        ...Object.entries({ edge, overseas, onprem }).map(([key, site]): [string, string | undefined] => [
            `${key}.hostname`,
            site?.hostname,
        ]),
        ...relays.map((relay, index): [string, string | undefined] => [
            `relays[${index}].hostname`,
            "stack" in relay ? undefined : relay.hostname,
        ]),
    ];
    const taken = new Map<string, string>();
    for (const [key, name] of named) {
        if (name === undefined) continue;
        const other = taken.get(name);
        if (other) problems.push([key, `must be a host name of its own, got "${name}", which ${project}:${other} has`]);
        taken.set(name, key);
    }
    return problems;
}

function keys(given: Given): Problem[] {
    const { project, plain, relayKeys } = given;
    const { onprem, hub, access, keys = DEFAULT_KEYS } = plain;
    const problems = duplicates(keys.map(({ name }) => name)).map(
        (repeated): Problem => ["keys", `must have one entry a name, got "${repeated}" twice`],
    );
    if (onprem && !hasRelay(plain)) {
        const dead = {
            keys: plain.keys !== undefined,
            hub: hub !== undefined,
            access: access === "public",
            relayKeys: given.hasSecret("relayKeys"),
        };
        for (const [key, isSet] of Object.entries(dead)) {
            const why = "is for relays of this stack, which has none: set it where edge or overseas is";
            if (isSet) problems.push([key, why]);
        }
        if (onprem.key) problems.push(["onprem.key", "is for relays of this stack, which has none: set key in relays"]);
    }
    if (!hasRelay(plain)) return problems;
    for (const id of Object.keys(relayKeys).filter((each) => !isKeyId(each, keys))) {
        const known = keys.map(({ name, generation }) => `${name}.${generation}`).join(", ");
        problems.push(["relayKeys", `has "${id}", which ${project}:keys does not (${known}, and lower numbers)`]);
    }
    if (onprem?.key && !keys.some(({ name }) => name === onprem.key)) {
        const names = keys.map(({ name }) => name).join(", ");
        problems.push(["onprem.key", `must be the name of one of ${project}:keys (${names}), got "${onprem.key}"`]);
    }
    return problems;
}

function access({ plain: { access, abuseContact, publicLimit } }: Given): Problem[] {
    const problems: Problem[] = [];
    if (access === "public" && !abuseContact) {
        const why = "because who runs a service for everybody must be reachable";
        problems.push(["access", `public needs abuseContact, ${why}: set it to such as mailto:abuse@example.org`]);
    }
    for (const [key, value] of Object.entries({ abuseContact, publicLimit })) {
        if (value !== undefined && access !== "public") problems.push([key, "is for access: public, which is not set"]);
    }
    return problems;
}

function accounts(given: Given): Problem[] {
    const { hub, edge, privateAccounts = [], upstreams = UPSTREAMS.map(({ name }) => name) } = given.plain;
    const context = { upstreams, hasRelay: hasRelay(given.plain), hasWorker: edge !== undefined };
    const problems: Problem[] = privateAccountsProblems(privateAccounts, given.privateTokens, context);
    if (hub && !given.hasSecret("hubToken"))
        problems.push(["hub", `needs the account's access token: ${command(given, "hubToken")}`]);
    if (!hub && given.hasSecret("hubToken")) problems.push(["hubToken", "needs the account's name: set hub.username"]);
    return problems;
}

function redirects({ plain }: Given): Problem[] {
    const { redirectHosts = {}, upstreams = UPSTREAMS.map(({ name }) => name) } = plain;
    return redirectHostsProblems(redirectHosts as RedirectHosts, { upstreams, hasRelay: hasRelay(plain) });
}

function overseasSecrets(given: Given): Problem[] {
    const { overseas } = given.plain;
    const problems: Problem[] = [];
    const dns01 = overseas?.acmeChallenge === "dns-01";
    if (dns01 && !given.hasSecret("acmeDnsToken")) {
        const what = "dns-01 needs a Cloudflare token that may edit the DNS of the zone";
        problems.push(["overseas.acmeChallenge", `${what}: ${command(given, "acmeDnsToken")}`]);
    }
    if (!dns01 && given.hasSecret("acmeDnsToken"))
        problems.push(["acmeDnsToken", "is for overseas.acmeChallenge dns-01, which is not set"]);
    if (overseas && overseas.kind !== "host" && given.hasSecret("sshPrivateKey")) {
        const why = "is for overseas.kind host: a machine that is made here gets a key of its own";
        problems.push(["sshPrivateKey", why]);
    }
    return problems;
}

function certificates(given: Given): Problem[] {
    const { overseas, onprem } = given.plain;
    const owners = [
        ["overseas", overseas, "overseasCertificateKey"],
        ["onprem", onprem, "onpremCertificateKey"],
    ] as const;
    return owners.flatMap(([key, site, name]): Problem[] => {
        if (site?.certificate && !given.hasSecret(name))
            return [[`${key}.certificate`, `needs its private key: ${command(given, name)}`]];
        if (!site?.certificate && given.hasSecret(name))
            return [[name, `needs its certificate: set ${key}.certificate`]];
        return [];
    });
}

function hasRelay({ edge, overseas }: Plain): boolean {
    return edge !== undefined || overseas !== undefined;
}

/** True for a key id of a name among `keys`, of its current generation or one before. */
function isKeyId(id: string, keys: NonNullable<Plain["keys"]>): boolean {
    return keys.some(
        ({ name, generation }) => id.startsWith(`${name}.`) && Number(id.slice(name.length + 1)) <= generation,
    );
}

function command({ project }: Given, secret: SecretName): string {
    return `pulumi config set --secret ${project}:${secret}`;
}

function duplicates(names: string[]): string[] {
    return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
