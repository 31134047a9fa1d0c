/**
 * Cloudflare: whether its API can be reached, and what the token may do there.
 *
 * Sources: https://developers.cloudflare.com/api/resources/user/subresources/tokens/methods/verify/,
 * https://developers.cloudflare.com/api/resources/zones/methods/list/ (`status`, `permissions`, `name_servers`).
 */

import { say } from "../language/say";
import { ask } from "./ask";
import { type Check, once, Remark } from "./finding";
import type { Surroundings } from "./surroundings";

/** What of a stack is at Cloudflare. */
export interface CloudflareUse {
    /** @default no token: only whether the API answers */
    readonly token?: string;
    /** Where the token was found. @default CLOUDFLARE_API_TOKEN */
    readonly tokenFrom?: string;
    /** Name of the zone that is looked up. */
    readonly zone?: string;
    /** Account of a zone that the stack is to make. */
    readonly createIn?: string;
    /** Host names that get a DNS record: the right to edit DNS is needed. */
    readonly records: readonly string[];
    /** Account of the Worker relay. */
    readonly workersIn?: string;
    /** The token that the machine overseas proves its name with (DNS-01). */
    readonly dnsToken?: string;
}

interface Zone {
    readonly id: string;
    readonly status: string;
    readonly name_servers?: readonly string[];
    readonly permissions?: readonly string[];
    readonly account?: { readonly id?: string };
}

interface Reply<T> {
    readonly success: boolean;
    readonly errors?: readonly { readonly code: number; readonly message: string }[];
    readonly result: T | null;
}

const EDIT_DNS = "#dns_records:edit";
const RIGHTS = say("give the token Zone · Zone · Read and Zone · DNS · Edit for this zone (README, Keys and tokens)");

/** The API, then the token, then what the stack needs of it. */
export function cloudflareCheck(where: Surroundings, use: CloudflareUse): Check {
    const { host } = new URL(where.services.cloudflare);
    return {
        what: say("Cloudflare's API"),
        where: host,
        todo: say("set HTTPS_PROXY, or run Pulumi from CI overseas (README)"),
        ask: async () => {
            const { status } = await ask(where, { url: `${where.services.cloudflare}/ips`, statusOnly: true });
            return say("answers {status}", { status });
        },
        next: [tokenCheck(where, use), ...dnsTokenChecks(where, use)],
    };
}

function tokenCheck(where: Surroundings, use: CloudflareUse): Check {
    const { token = "", tokenFrom = "CLOUDFLARE_API_TOKEN", zone, createIn, workersIn, records } = use;
    const found = once(() => findZone(where, token, zone ?? ""));
    const checks: Check[] = [];
    if (zone !== undefined && createIn !== undefined) checks.push(newZoneCheck(found, zone));
    if (zone !== undefined && createIn === undefined) {
        const rights = records.map((name) => recordCheck(where, token, found, name));
        checks.push({ ...zoneCheck(found, zone), next: rights });
    }
    if (workersIn !== undefined) checks.push(workersCheck(where, token, workersIn));
    return {
        what: say("Cloudflare token"),
        where: tokenFrom,
        todo: say("make one at dash.cloudflare.com, My Profile, API Tokens (README, Keys and tokens)"),
        ask: async () => {
            if (token) return verified(where, token, [workersIn, createIn]);
            throw new Remark(
                checks.length > 0 ? "failed" : "skipped",
                say("there is none"),
                say("set CLOUDFLARE_API_TOKEN, or pulumi config set --secret cloudflare:apiToken"),
            );
        },
        next: checks,
    };
}

/** @param accounts Where it is asked next: a token that an account owns is unknown at the user's address. */
async function verified(
    where: Surroundings,
    token: string,
    accounts: readonly (string | undefined)[],
): Promise<string> {
    // The provider's own rule (cloudflare/terraform-provider-cloudflare, internal/provider.go).
    if (!/^[0-9A-Za-z_-]{40,80}$/.test(token)) {
        throw new Error(
            say("is no API token: it must be 40 to 80 of A-Z, a-z, 0-9, - and _, got {length} characters", {
                length: token.length,
            }),
        );
    }
    const paths = ["/user", ...new Set(accounts.filter((id) => id !== undefined).map((id) => `/accounts/${id}`))];
    let refusal: string | undefined;
    for (const path of paths) {
        const reply = await call<{ status: string; expires_on?: string }>(where, token, `${path}/tokens/verify`);
        const { status, expires_on } = reply.result ?? {};
        if (status === "active")
            return expires_on ? say("is active until {expires_on}", { expires_on }) : say("is active");
        refusal ??= status ? say("is {status}", { status }) : say("is refused: {said}", { said: told(reply) });
    }
    // An account's own token whose account nobody has named.
    const { success } = await call<unknown>(where, token, "/zones?per_page=1");
    if (success) return say("is taken, an account's own");
    throw new Error(refusal);
}

async function findZone(where: Surroundings, token: string, name: string): Promise<Zone | undefined> {
    const reply = await call<Zone[]>(where, token, `/zones?name=${encodeURIComponent(name)}`);
    if (!reply.success) throw new Error(told(reply));
    return reply.result?.[0];
}

function zoneCheck(found: () => Promise<Zone | undefined>, name: string): Check {
    return {
        what: say("zone"),
        where: name,
        ask: async () => {
            const zone = await found();
            if (!zone)
                throw new Error(
                    say("the token sees no zone of this name: it must be there, and {rights}", { rights: RIGHTS }),
                );
            if (zone.status === "active") return say("is active");
            const servers = zone.name_servers?.join(", ") ?? say("the zone's name servers");
            throw new Remark(
                "failed",
                say("is {status}, not active", { status: zone.status }),
                say("set {servers} at the domain's registrar", { servers }),
            );
        },
    };
}

function newZoneCheck(found: () => Promise<Zone | undefined>, name: string): Check {
    return {
        what: say("zone to be made"),
        where: name,
        ask: async () => {
            const zone = await found();
            if (!zone) return say("is not there yet; whether the token may make it shows when it does");
            throw new Remark(
                "warning",
                say("is there already, {status}", { status: zone.status }),
                say("right when this stack made it; else leave createZone out, and it is looked up"),
            );
        },
    };
}

function recordCheck(where: Surroundings, token: string, found: () => Promise<Zone | undefined>, name: string): Check {
    return {
        what: say("right to edit DNS"),
        where: name,
        todo: RIGHTS,
        ask: async () => {
            const { id = "", permissions = [] } = (await found()) ?? {};
            const reply = await call<{ type: string; content: string }[]>(
                where,
                token,
                `/zones/${id}/dns_records?name=${encodeURIComponent(name)}`,
            );
            if (!reply.success)
                throw new Error(say("the token may not read the records: {said}", { said: told(reply) }));
            const there = (reply.result ?? []).map(({ type, content }) => `${type} ${content}`).join(", ");
            const record = there
                ? say("there is {there}, which must be this stack's own", { there })
                : say("the name is free");
            if (permissions.includes(EDIT_DNS)) return say("given; {record}", { record });
            if (permissions.length > 0)
                throw new Error(say("the token may read records and not edit them; {record}", { record }));
            return say("records can be read; whether they can be edited is not told; {record}", { record });
        },
    };
}

function workersCheck(where: Surroundings, token: string, account: string): Check {
    return {
        what: say("right to Workers"),
        where: say("account {account}", { account }),
        todo: say("give the token Account · Workers Scripts · Edit for this account"),
        ask: async () => {
            const reply = await call<unknown[]>(where, token, `/accounts/${account}/workers/scripts`);
            if (!reply.success)
                throw new Error(say("the token may not read the account's scripts: {said}", { said: told(reply) }));
            return say("scripts can be read; whether they can be edited is not told");
        },
    };
}

function dnsTokenChecks(where: Surroundings, { zone, dnsToken, records, workersIn }: CloudflareUse): Check[] {
    if (zone === undefined || dnsToken === undefined) return [];
    const found = once(() => findZone(where, dnsToken, zone));
    return [
        {
            what: say("token for DNS-01"),
            where: "dockermirror:acmeDnsToken",
            todo: say("make one with Zone · DNS · Edit and Zone · Zone · Read for this zone alone"),
            ask: () => verified(where, dnsToken, [workersIn]),
            next: [
                { ...zoneCheck(found, zone), next: records.map((name) => recordCheck(where, dnsToken, found, name)) },
            ],
        },
    ];
}

async function call<T>(where: Surroundings, token: string, path: string): Promise<Reply<T>> {
    const { status, text } = await ask(where, {
        url: `${where.services.cloudflare}${path}`,
        headers: { Authorization: `Bearer ${token}` },
    });
    try {
        return JSON.parse(text) as Reply<T>;
    } catch {
        throw new Error(
            say("answers {status} with something that is not its API's: something answers in its place", { status }),
        );
    }
}

function told<T>({ errors = [] }: Reply<T>): string {
    return errors.map(({ code, message }) => `${message} (${code})`).join("; ");
}
