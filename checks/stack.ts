/** A stack's settings for the checks, and which checks they ask for. */
import { basename } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { say } from "../language/say";
import { hasStack, readStack, type StackConfig } from "../rehearsal/stack-file";
import { problemsOf } from "../rehearsal/usable";
import { readSettings, type Settings } from "../stacks/settings";
import { proxyChecks } from "./ask";
import { ec2Check, identityCheck, lightsailCheck } from "./aws";
import { cloudflareCheck } from "./cloudflare";
import { dockerCheck } from "./docker-host";
import { downloadChecks } from "./downloads";
import type { Check, Finding } from "./finding";
import { machineCheck, sshFromCheck } from "./hosts";
import { hubCheck } from "./hub";
import { pulumi as pulumiSays } from "./pulumi-cli";
import type { Surroundings } from "./surroundings";

const PROJECT = "dockermirror";
const CLOUDFLARE_TOKEN = "cloudflare:apiToken";

/** A stack as the checks see it. */
export interface Stack {
    readonly settings: Settings;
    /** A secret that could be read, by its key with the project's name or the provider's (`cloudflare:apiToken`). */
    readonly secret: (key: string) => string | undefined;
    /** True when the key is set, readable or not. */
    readonly isSet: (key: string) => boolean;
}

/** A stack that can be read, or not; what was found on the way. */
export interface StackRead {
    readonly stack?: Stack;
    readonly findings: Finding[];
}

/**
 * The stack's configuration by `pulumi config`, which can read secrets, or else from its file, without them.
 *
 * @param name As Pulumi calls it, `organization/project/` before it or not.
 */
export async function readStackSettings(where: Surroundings, name: string): Promise<StackRead> {
    const file = basename(name);
    const row = { what: say("settings"), where: `stacks/Pulumi.${file}.yaml` };
    const told: Finding[] = [];
    let config: StackConfig;
    let readable = true;
    try {
        config = await decrypted(where, name);
    } catch (error) {
        // A name without a stack ends the program; a file that is no YAML leaves the rest to be looked at.
        try {
            config = readStack(file, {});
        } catch (broken) {
            if (!hasStack(file)) throw broken;
            return { findings: [{ ...row, state: "failed", note: (broken as Error).message }] };
        }
        readable = config.secretKeys.length === 0;
        if (!readable) {
            told.push({
                what: say("secrets"),
                where: row.where,
                state: "skipped",
                note: say("cannot be read: {said}", {
                    said: (error as Error).message.split("\n").slice(0, 2).join(" "),
                }),
                todo: say(
                    "log in to the stack's backend, and set PULUMI_CONFIG_PASSPHRASE_FILE where it has a passphrase",
                ),
            });
        }
    }
    const { secretKeys } = config;
    const problems = problemsOf(config);
    if (problems.length > 0) return { findings: problems.map((note) => ({ ...row, state: "failed", note })) };
    const settings = readSettings(new pulumi.Config(PROJECT));
    const secret = (key: string) => (readable || !secretKeys.includes(key) ? config.config[key] : undefined);
    const isSet = (key: string) => config.config[key] !== undefined;
    return { stack: { settings, secret, isSet }, findings: [{ ...row, state: "ok", note: say("are right") }, ...told] };
}

async function decrypted(where: Surroundings, name: string): Promise<StackConfig> {
    const text = await pulumiSays(where, ["config", "--show-secrets", "--json", "--stack", name]);
    const entries = Object.entries(JSON.parse(text) as Record<string, { value?: string; secret: boolean }>);
    return {
        config: Object.fromEntries(entries.map(([key, { value = "" }]) => [key, value])),
        secretKeys: entries.flatMap(([key, { secret }]) => (secret ? [key] : [])),
    };
}

/** Everything that can be known before `pulumi up` makes anything; without a stack, what every stack needs. */
export function preflightChecks(where: Surroundings, stack: Stack | undefined): Check[] {
    return [
        ...proxyChecks(where),
        ...downloadChecks(where),
        ...(stack ? stackChecks(where, stack) : anyStackChecks(where)),
    ];
}

function anyStackChecks(where: Surroundings): Check[] {
    const { CLOUDFLARE_API_TOKEN: token } = where.env;
    const clouds = [cloudflareCheck(where, { token, records: [] }), identityCheck(where, [])];
    // A stack may have nothing there.
    return clouds.map((check) => ({ ...check, isAdvice: true }));
}

/** What this stack needs: what its tokens may do, and the machines that are there. */
export function stackChecks(where: Surroundings, { settings, secret, isSet }: Stack): Check[] {
    const { zone, createZone, edge, overseas, onprem, hubAccount } = settings;
    const machine = overseas?.machine;
    const checks: Check[] = [];
    const zoneName = zone ?? createZone?.name;
    if (zoneName !== undefined || edge) {
        const sites = [edge?.hostname, overseas?.hostname];
        // The provider takes the variable only where the configuration has none (pulumi-cloudflare, apiToken).
        const configured = secret(CLOUDFLARE_TOKEN);
        const use = {
            token: configured ?? where.env.CLOUDFLARE_API_TOKEN,
            tokenFrom: configured === undefined ? undefined : CLOUDFLARE_TOKEN,
            zone: zoneName,
            createIn: createZone?.ready === false ? createZone.accountId : undefined,
            records: sites.filter((hostname) => hostname !== undefined),
            workersIn: edge?.accountId,
            dnsToken: secret(`${PROJECT}:acmeDnsToken`),
        };
        checks.push(cloudflareCheck(where, use));
    }
    if (machine?.kind === "ec2") checks.push(ec2Check(where, machine));
    if (machine?.kind === "lightsail") checks.push(lightsailCheck(where, machine));
    if (machine?.kind === "host") {
        const key = `${PROJECT}:sshPrivateKey`;
        const target = { ...machine.connection, privateKey: secret(key) };
        checks.push(machineCheck(where, target, isSet(key) && target.privateKey === undefined));
    } else if (machine) checks.push(sshFromCheck(where, machine.sshFrom));
    if (onprem) checks.push(dockerCheck(where, onprem.docker));
    if (hubAccount) checks.push(hubCheck(where, hubAccount.username, secret(`${PROJECT}:hubToken`)));
    return checks;
}
