/** What no field of a stack's settings tells by itself: which ones need, exclude or contradict each other. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { z } from "zod";
import type { RedirectHosts } from "../services/registry/redirect-hosts";
import { UPSTREAMS } from "../services/registry/upstreams";
import { isPrivate } from "./addresses";
import { overseasProblems } from "./overseas";
import { privateAccountsProblems, type privateTokens } from "./private-accounts";
import { redirectHostsProblems } from "./redirect-hosts";
import { relaysProblems } from "./relays";
import type { Right } from "./right";
import { DEFAULT_KEYS, type OWN_KEYS, type Plain, type SecretName } from "./schema";

/** What the rules look at. */
export interface Given {
    /** The project's name, which stands before each key. */
    readonly project: string;
    /** Without what is not right by itself, which has been said. */
    readonly plain: Right<Plain>;
    /** True when the setting has a value, right or not: by key and fields, `overseas.certificate`. */
    readonly isSet: (path: string) => boolean;
    /** True when the secret is set. */
    readonly hasSecret: (name: SecretName) => boolean;
    /** The private key of `onprem.ca`. */
    readonly onpremCaKey?: string;
    /** Undefined where they cannot be used. */
    readonly relayKeys?: z.infer<typeof OWN_KEYS>;
    /** Undefined where they cannot be used. */
    readonly privateTokens?: z.infer<typeof privateTokens>;
}

/** The key, without the project, and what is wrong with it. */
export type Problem = readonly [key: string, problem: string];

/** Every problem that settings have with each other. */
export function crossFieldProblems(given: Given): Problem[] {
    const rules = [
        ...[sites, relays, zone, hostnames, keys, access, accounts],
        ...[redirects, overseasSecrets, certificates, authority, repeated, canary],
    ];
    return rules.flatMap((rule) => rule(given));
}

function sites({ plain, isSet }: Given): Problem[] {
    const { edge, overseas, onprem } = plain;
    const problems: Problem[] = [];
    if (!edge && !overseas && !onprem) {
        const why = Object.keys(plain).some(isSet)
            ? "this stack would make nothing"
            : "this stack has no settings, its file in stacks/ is empty or missing; npm run new-stack writes one";
        problems.push(["edge", `or overseas or onprem must be set: ${why}`]);
    }
    if (onprem && !edge && !overseas && !isSet("relays"))
        problems.push(["onprem", "needs a relay: set edge or overseas, or relays with another stack that has one"]);
    if (!onprem && isSet("relays"))
        problems.push(["relays", "are what an on-prem site pulls through: set onprem, or leave them out"]);
    const open = present(onprem?.allowFrom).filter((range) => !isPrivate(range));
    if (open.length > 0 && !onprem?.allowFromPublic) {
        const how = "if it is meant, also set onprem.allowFromPublic to true";
        const what = `has public addresses (${open.join(", ")}), which Docker opens past the host's firewall`;
        problems.push(["onprem.allowFrom", `${what}: ${how}`]);
    }
    return problems;
}

function canary({ plain: { onprem, upstreams }, isSet }: Given): Problem[] {
    const asked = onprem?.canary?.split("/")[0];
    const relayed: readonly string[] = isSet("upstreams") ? present(upstreams) : UPSTREAMS.map(({ name }) => name);
    if (asked === undefined || relayed.length === 0 || relayed.includes(asked)) return [];
    return [["onprem.canary", `must be an image of one of upstreams (${relayed.join(", ")}), got "${asked}"`]];
}

function relays(given: Given): Problem[] {
    const { edge, overseas, relays = [] } = given.plain;
    const problems: Problem[] = [];
    const literal = relays.filter((relay) => relay && "hostname" in relay);
    if (literal.length > 0 && !given.hasSecret("relayKey"))
        problems.push(["relays", `need the key that those with a hostname ask for: ${command(given, "relayKey")}`]);
    if (literal.length === 0 && !relays.includes(undefined) && given.hasSecret("relayKey"))
        problems.push(["relayKey", "is the key of relays with a hostname, which are not set"]);
    const ownNames = [...(overseas ? ["nginx"] : []), ...(edge ? ["worker"] : [])];
    return [...problems, ...relaysProblems(relays, ownNames)];
}

function zone({ plain: { zone, createZone, zoneReady, edge, overseas }, isSet }: Given): Problem[] {
    const problems: Problem[] = [];
    if (createZone && !isSet("zone")) problems.push(["createZone", "needs the name of the zone to make: set zone"]);
    if (zoneReady && !createZone) {
        const why = "is about the zone of createZone, which is not set: a zone that is there needs neither";
        problems.push(["zoneReady", why]);
    }
    if (createZone?.accountId && edge?.accountId && createZone.accountId !== edge.accountId) {
        const must = `must be the account that the zone is made in, ${createZone.accountId}`;
        problems.push(["edge.accountId", `${must}, got "${edge.accountId}"`]);
    }
    if (edge && !isSet("zone")) problems.push(["edge", "needs zone: the Worker gets a custom domain in it"]);
    for (const [key, site] of Object.entries({ edge, overseas })) {
        const name = site?.hostname;
        if (zone && name && name !== zone && !name.endsWith(`.${zone}`))
            problems.push([`${key}.hostname`, `must be ${zone} or end with .${zone}, got "${name}"`]);
    }
    const ofOverseas = overseas ? overseasProblems(overseas, isSet) : [];
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
            relay && "hostname" in relay ? relay.hostname : undefined,
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
    const { project, plain, isSet, relayKeys = {} } = given;
    const { onprem, hub, access } = plain;
    const problems = duplicates(present(plain.keys).flatMap(({ name }) => name ?? [])).map(
        (repeated): Problem => ["keys", `must have one entry a name, got "${repeated}" twice`],
    );
    if (onprem && !hasRelay(plain)) {
        const dead = {
            keys: isSet("keys"),
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
    const keys = isSet("keys") ? wholeKeys(plain.keys) : DEFAULT_KEYS;
    if (!hasRelay(plain) || !keys) return problems;
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

function access({ plain: { access }, isSet }: Given): Problem[] {
    const problems: Problem[] = [];
    if (access === "public" && !isSet("abuseContact")) {
        const why = "because who runs a service for everybody must be reachable";
        problems.push(["access", `public needs abuseContact, ${why}: set it to such as mailto:abuse@example.org`]);
    }
    const isWrong = isSet("access") && access === undefined;
    for (const key of ["abuseContact", "publicLimit"].filter(isSet)) {
        if (access !== "public" && !isWrong) problems.push([key, "is for access: public, which is not set"]);
    }
    return problems;
}

function accounts(given: Given): Problem[] {
    const { hub, edge, privateAccounts = [] } = given.plain;
    const context = { upstreams: relayed(given), hasRelay: hasRelay(given.plain), hasWorker: edge !== undefined };
    const problems: Problem[] = privateAccountsProblems(privateAccounts, given.privateTokens, context);
    if (hub && !given.hasSecret("hubToken"))
        problems.push(["hub", `needs the account's access token: ${command(given, "hubToken")}`]);
    if (!hub && given.hasSecret("hubToken")) problems.push(["hubToken", "needs the account's name: set hub.username"]);
    return problems;
}

function redirects(given: Given): Problem[] {
    const { redirectHosts = {} } = given.plain;
    const context = { upstreams: relayed(given), hasRelay: hasRelay(given.plain) };
    return redirectHostsProblems(redirectHosts as RedirectHosts, context);
}

/** Names of the upstreams that the stack relays; all that there are where its own list is not right. */
function relayed({ plain: { upstreams = [] } }: Given): readonly string[] {
    const names = present(upstreams);
    return names.length > 0 && names.length === upstreams.length ? names : UPSTREAMS.map(({ name }) => name);
}

function overseasSecrets(given: Given): Problem[] {
    const { overseas } = given.plain;
    const problems: Problem[] = [];
    const dns01 = overseas?.acmeChallenge === "dns-01";
    const isWrong = given.isSet("overseas.acmeChallenge") && overseas?.acmeChallenge === undefined;
    if (dns01 && !given.hasSecret("acmeDnsToken")) {
        const what = "dns-01 needs a Cloudflare token that may edit the DNS of the zone";
        problems.push(["overseas.acmeChallenge", `${what}: ${command(given, "acmeDnsToken")}`]);
    }
    if (!dns01 && !isWrong && given.hasSecret("acmeDnsToken"))
        problems.push(["acmeDnsToken", "is for overseas.acmeChallenge dns-01, which is not set"]);
    if (overseas?.kind && overseas.kind !== "host" && given.hasSecret("sshPrivateKey")) {
        const why = "is for overseas.kind host: a machine that is made here gets a key of its own";
        problems.push(["sshPrivateKey", why]);
    }
    return problems;
}

function certificates(given: Given): Problem[] {
    const owners = [
        ["overseas.certificate", "overseasCertificateKey"],
        ["onprem.certificate", "onpremCertificateKey"],
    ] as const;
    return owners.flatMap(([key, name]): Problem[] => {
        if (given.isSet(key) && !given.hasSecret(name))
            return [[key, `needs its private key: ${command(given, name)}`]];
        if (!given.isSet(key) && given.hasSecret(name)) return [[name, `needs its certificate: set ${key}`]];
        return [];
    });
}

/** Lists in which a second time means a mistake. */
function repeated({ plain: { onprem, overseas, upstreams, redirectHosts, privateAccounts } }: Given): Problem[] {
    const lists: [string, readonly (string | undefined)[] | undefined][] = [
        ["onprem.allowFrom", onprem?.allowFrom],
        ["overseas.sshFrom", overseas && "sshFrom" in overseas ? overseas.sshFrom : undefined],
        ["upstreams", upstreams],
        ...Object.entries(redirectHosts ?? {}).map(
            ([name, hosts]): [string, readonly (string | undefined)[] | undefined] => [
                `redirectHosts["${name}"]`,
                hosts,
            ],
        ),
        ...(privateAccounts ?? []).map((account, index): [string, readonly (string | undefined)[] | undefined] => [
            `privateAccounts[${index}].repositories`,
            account?.repositories,
        ]),
    ];
    return lists.flatMap(([key, entries]) =>
        duplicates(present(entries)).map((entry): Problem => [key, `must have each entry once, got "${entry}" twice`]),
    );
}

function authority(given: Given): Problem[] {
    const { onprem } = given.plain;
    const key = given.onpremCaKey;
    if (!given.isSet("onprem.ca")) return key === undefined ? [] : [["onpremCaKey", "needs its CA: set onprem.ca"]];
    if (given.isSet("onprem.certificate")) {
        return [["onprem.ca", "cannot be set with a certificate of your own: leave one of them out"]];
    }
    if (key === undefined) return [["onprem.ca", `needs its private key: ${command(given, "onpremCaKey")}`]];
    return onprem?.ca === undefined ? [] : authorityProblems(onprem.ca, key);
}

/** A CA that clients trust, and that can sign. The key is not repeated. */
function authorityProblems(ca: string, key: string): Problem[] {
    let certificate: X509Certificate;
    try {
        certificate = new X509Certificate(ca);
    } catch {
        return [["onprem.ca", "must be a certificate in PEM, and cannot be read as one"]];
    }
    if (!certificate.ca) {
        const what = `${certificate.subject} is a server's certificate`;
        return [["onprem.ca", `must be a certificate authority, ${what}: see onprem.certificate`]];
    }
    try {
        if (certificate.checkPrivateKey(createPrivateKey(key))) return [];
        return [["onpremCaKey", "must be the private key of onprem.ca, and is another one"]];
    } catch {
        return [["onpremCaKey", "must be a private key in PEM without a passphrase; its value is not repeated here"]];
    }
}

function hasRelay({ edge, overseas }: Right<Plain>): boolean {
    return edge !== undefined || overseas !== undefined;
}

/** The keys, where each is right. */
function wholeKeys(keys: Right<Plain["keys"]>): NonNullable<Plain["keys"]> | undefined {
    const whole = present(keys).flatMap(({ name, generation = 1 }) =>
        name === undefined ? [] : [{ name, generation }],
    );
    return whole.length > 0 && whole.length === keys?.length ? whole : undefined;
}

/** The entries of a list that are right. */
function present<Entry>(list: readonly (Entry | undefined)[] = []): Entry[] {
    return list.filter((entry) => entry !== undefined);
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
