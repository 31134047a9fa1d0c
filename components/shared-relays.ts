import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { Endpoint, RelayList, RelayOffer } from "./relay-endpoint";
import { currentKey, keyNames } from "./relay-keys";

/** What a name in logs and metrics may have: services/uplink/config.ts. */
const NAME_MAX = 32;

/** A relay that the settings know by its host name. */
export interface LiteralRelay extends RelayOffer {
    /** Address to connect to in place of what DNS says. */
    readonly address?: pulumi.Input<string>;
}

/** Relays of another stack of this program: its outputs `relays` and `relayKeys`. */
export interface RelayReference {
    /** A stack of this project (`acme-tokyo`), or one in full (`organization/dockermirror/acme-tokyo`). */
    readonly stack: string;
    /** The one of this name: `nginx`, `worker`. @default all of them, in the stack's own order */
    readonly relay?: string;
    /** Which of the stack's keys, by its name. @default its only one */
    readonly key?: string;
}

/** Arguments of {@link SharedRelays}. */
export interface SharedRelaysArgs {
    /** In the order in which they are to be asked. */
    readonly relays: readonly (LiteralRelay | RelayReference)[];
    /** What the literal ones are shown. Secret. */
    readonly relayKey?: pulumi.Input<string>;
}

/**
 * Relays that were made elsewhere, for an on-prem site that pulls through them. To refer to a stack is to read all of
 * its keys: who may not see them all, another company for one, gets literals and a key of its own.
 *
 * What the other stack lacks is an error of a deployment that names what it has. In a preview it is a warning, and the
 * relays are unknown, because one change may be to both stacks: so do references of Pulumi's Go SDK
 * (https://github.com/pulumi/pulumi/pull/9855). A stack that does not exist at all is Pulumi's own error, "unknown stack".
 */
export class SharedRelays extends pulumi.ComponentResource {
    /** In their order. Those of another stack are called `<stack>-<relay>`. Secret, for the keys in them. */
    readonly endpoints: pulumi.Output<Endpoint[]>;
    /** The resources underneath. */
    readonly nodes: { readonly stacks: Readonly<Record<string, pulumi.StackReference>> };

    constructor(name: string, args: SharedRelaysArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:index:SharedRelays", name, {}, opts);
        const references = args.relays.filter((relay) => "stack" in relay);
        const stacks = Object.fromEntries(
            [...new Set(references.map(({ stack }) => stack))].map((stack) => [
                stack,
                new pulumi.StackReference(`${name}-${stack}`, { name: stack }, { parent: this }),
            ]),
        );

        const lists = args.relays.map((relay, index) => {
            if (!("stack" in relay)) return pulumi.output([{ ...relay, key: pulumi.secret(args.relayKey ?? "") }]);
            const reference = stacks[relay.stack];
            const keys = pulumi.secret(reference?.getOutput("relayKeys"));
            return pulumi
                .all([reference?.getOutput("relays"), keys])
                .apply((outputs) => orUnknown(this, () => endpointsOf(relay, `relays[${index}]`, outputs)));
        });

        this.nodes = { stacks };
        this.endpoints = pulumi.output(lists).apply((found) => withNamesThatDiffer(found.flat()));
        this.registerOutputs({});
    }
}

/** The endpoints of {@link SharedRelays}; where there are none, nothing is made. */
export function sharedEndpoints(name: string, args: SharedRelaysArgs): RelayList {
    return args.relays.length === 0 ? [] : [new SharedRelays(name, args).endpoints];
}

/** What `work` returns; in a preview a warning and nothing that is known when it throws. */
function orUnknown<T>(component: pulumi.Resource, work: () => T): T {
    try {
        return work();
    } catch (error) {
        if (!pulumi.runtime.isDryRun() || !pulumi.RunError.isInstance(error)) throw error;
        pulumi.log.warn(error.message, component);
        return pulumi.unknown as T;
    }
}

/**
 * The relays that are referred to, from outputs of their stack that may be anything.
 *
 * @param at The reference's own place in the settings, for errors: `relays[0]`.
 * @param outputs `relays` and `relayKeys`.
 * @throws pulumi.RunError that names the field, and what the other stack has.
 */
export function endpointsOf(wanted: RelayReference, at: string, [relays, keys]: readonly unknown[]): Endpoint[] {
    const { stack } = wanted;
    const refuse = (field: keyof RelayReference, problem: string) => {
        throw new pulumi.RunError(`dockermirror:${at}.${field}  ${problem}`);
    };
    if (!Array.isArray(relays) || relays.length === 0 || !relays.every(isOffer)) {
        const todo = `run up there first (pulumi up --stack ${stack}), or name a stack that has edge or overseas`;
        return refuse("stack", `${stack} has no relays among its outputs: ${todo}`);
    }
    const chosen = relays.filter(({ name }) => wanted.relay === undefined || name === wanted.relay);
    if (chosen.length === 0) {
        const offered = relays.map(({ name }) => name).join(", ");
        return refuse("relay", `must be a relay of ${stack} (${offered}), got "${wanted.relay}"`);
    }
    if (!areKeys(keys)) {
        // The engine hands over {} for what it cannot decrypt: errorCatchingSecretsProvider in pulumi/pulumi, pkg/backend.
        const todo = "this stack needs the passphrase, or the right to the KMS key, of that one";
        return refuse("stack", `the keys of ${stack} cannot be read: ${todo}`);
    }
    const names = keyNames(keys);
    const [only, ...more] = names;
    if (wanted.key === undefined && more.length > 0) {
        return refuse("key", `must be said, because ${stack} has more than one: ${names.join(", ")}`);
    }
    const key = currentKey(keys, wanted.key ?? only ?? "");
    if (key === undefined) {
        const todo = `add it to dockermirror:keys of ${stack}, and run up there first`;
        return refuse("key", `must be a key of ${stack} (${names.join(", ")}), got "${wanted.key}": ${todo}`);
    }
    return chosen.map(({ name, hostname, ca }) => ({ name: relayName(stack, name), hostname, ca, key }));
}

function isOffer(value: unknown): value is pulumi.Unwrap<RelayOffer> {
    if (typeof value !== "object" || value === null) return false;
    const { name, hostname, ca } = value as Record<string, unknown>;
    // The host name becomes a part of a path on the on-prem host.
    const isHostname = typeof hostname === "string" && /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(hostname);
    return isHostname && typeof name === "string" && (ca === undefined || typeof ca === "string");
}

function areKeys(value: unknown): value is Record<string, string> {
    const keys = typeof value === "object" && value !== null ? Object.values(value) : [];
    return keys.length > 0 && keys.every((key) => typeof key === "string");
}

/** Pulumi's names for stacks allow more than ours. The start of one that is too long is replaced by its digest. */
function relayName(stack: string, relay: string): string {
    const full = `${stack.slice(stack.lastIndexOf("/") + 1)}-${relay}`;
    const name = full.toLowerCase().replace(/[^a-z0-9-]/g, "-");
    if (/^[a-z0-9]/.test(name) && name.length <= NAME_MAX) return name;
    const digest = createHash("sha256").update(full).digest("hex").slice(0, 6);
    return `${digest}-${name.slice(-(NAME_MAX - digest.length - 1))}`;
}

function withNamesThatDiffer(relays: Endpoint[]): Endpoint[] {
    const names = relays.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice === undefined) return relays;
    throw new pulumi.RunError(
        `dockermirror:relays  must have names that differ in logs and metrics, got "${twice}" twice: give one of the two as a literal, with a name and a host name`,
    );
}
