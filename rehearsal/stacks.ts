/** Which stacks a rehearsal is of: the one that is asked for, after those whose relays it takes. */
import { basename } from "node:path";
import { currentKey, keyNames } from "../components/relay-keys";
import {
    allStacks,
    type RelaySettings,
    readStack,
    relaysOnly,
    type StackConfig,
    stackNames,
    withRelays,
    changed as withSettings,
} from "./stack-file";

/** A stack with its settings. */
export interface NamedStack {
    readonly name: string;
    readonly stackConfig: StackConfig;
}

/** A relay as the stack that has made it offers it. */
export interface OfferedRelay {
    readonly hostname: string;
    readonly address: string;
    /** Absent where its certificate is publicly trusted. */
    readonly ca?: string;
    /** Keys by key id. */
    readonly keys: Readonly<Record<string, string>>;
}

/** The stacks of a rehearsal. */
export interface RehearsedStacks {
    readonly asked: NamedStack;
    /** Those whose relays it takes, in the order in which it names them; they are brought up before it. */
    readonly others: readonly NamedStack[];
}

/**
 * The stack that is asked for, and those whose relays it takes; of these only the relays are rehearsed. A relay that is
 * known by its host name alone is that of the stack with this host name.
 *
 * @param secrets As for `readStack`. @param leftOut Told what of the stacks is not rehearsed.
 * @throws Error when a stack is not there, has no relay to offer, or refers back to one that refers to it.
 */
export function readStacks(
    asked: string,
    secrets: Readonly<Record<string, string>>,
    leftOut: (what: string) => void,
): RehearsedStacks {
    refuseCircles(asked);
    const stack = readStack(asked, secrets);
    const makers = relaySettings(stack).map((relay) => makerOf(asked, relay, leftOut));
    const others = [...new Set(makers)]
        .filter((name) => name !== undefined)
        .map((name) => ({ name, stackConfig: relaysFor(asked, name, readStack(name, secrets), leftOut) }));
    return { asked: { name: asked, stackConfig: withoutUnknown(asked, stack, makers, leftOut) }, others };
}

/** True when a stack refers to another by its name, and so reads its keys from there. */
export function refersTo(stack: StackConfig, other: string): boolean {
    return references(stack).includes(other);
}

/**
 * The stack with those of its relays that it knows by host name as they are in this rehearsal, and with their key.
 *
 * @param changed Told about each setting that is another one.
 */
export function withOffers(
    stack: StackConfig,
    offers: readonly OfferedRelay[],
    changed: (what: string) => void,
): StackConfig {
    let relayKey: string | undefined;
    const relays = relaySettings(stack).map((relay, index) => {
        const offer = "hostname" in relay ? offers.find(({ hostname }) => hostname === relay.hostname) : undefined;
        if (!offer || "stack" in relay) return relay;
        const here = { ...relay, address: relay.address && offer.address, ca: offer.ca };
        for (const field of ["address", "ca"] as const)
            if (relay[field] !== here[field]) changed(`relays[${index}].${field}`);
        relayKey ??= newestKey(offer.keys);
        return here;
    });
    if (relayKey === undefined) return stack;
    changed("relayKey");
    return withSettings(stack, { relays, relayKey });
}

/** The key that whoever runs the relays would give away: the current one of the first name. */
export function newestKey(keys: Readonly<Record<string, string>>): string {
    const [name = ""] = keyNames(keys);
    return currentKey(keys, name) ?? "";
}

/** The stack that makes a relay of another one; `undefined` where none of those that there are does. */
function makerOf(asked: string, relay: RelaySettings, leftOut: (what: string) => void): string | undefined {
    if ("stack" in relay) return basename(relay.stack);
    const makers = allStacks().filter((name) => {
        if (name === asked) return false;
        try {
            const { edge, overseas } = stackNames(readStack(name, {}));
            return [edge, overseas].some((site) => site?.hostname === relay.hostname);
        } catch (error) {
            // Another company's file must not stop this one's rehearsal.
            leftOut(`the stack ${name}, whose file was looked into for ${relay.hostname}: ${(error as Error).message}`);
            return false;
        }
    });
    if (makers.length <= 1) return makers[0];
    const all = makers.join(" and ");
    throw new Error(
        `the relay ${relay.hostname} of ${asked} is in more than one stack (${all}), and the rehearsal finds the stack by ` +
            "the host name: give each its own",
    );
}

/** A stack as far as another one needs it. */
function relaysFor(asked: string, name: string, stack: StackConfig, leftOut: (what: string) => void): StackConfig {
    const { edge, overseas, onprem } = stackNames(stack);
    if (!edge && !overseas) {
        const todo = "name a stack that has edge or overseas";
        throw new Error(`the stack ${asked} takes relays from ${name}, which has none: ${todo}`);
    }
    if (onprem) leftOut(`onprem of ${name}`);
    return relaysOnly(stack);
}

/** The stack that is asked for, without relays that nobody makes here. */
function withoutUnknown(
    asked: string,
    stack: StackConfig,
    makers: readonly (string | undefined)[],
    leftOut: (what: string) => void,
): StackConfig {
    const relays = relaySettings(stack);
    const known = relays.filter((_, index) => makers[index] !== undefined);
    const unknown = relays.flatMap((relay) => ("stack" in relay || known.includes(relay) ? [] : [relay.hostname]));
    if (unknown.length === 0) return stack;
    const { edge, overseas } = stackNames(stack);
    if (known.length === 0 && !edge && !overseas) {
        const todo = "rehearse it where the stack is that does, or add a site";
        throw new Error(`no stack in stacks/ makes the relays of ${asked} (${unknown.join(", ")}): ${todo}`);
    }
    for (const hostname of unknown) leftOut(`the relay ${hostname} of ${asked}, which no stack in stacks/ makes`);
    return withRelays(stack, known);
}

/** What refers to itself cannot be brought up from nothing. */
function refuseCircles(stack: string, before: readonly string[] = []): void {
    const path = [...before, stack];
    if (before.includes(stack)) {
        const circle = path.slice(before.indexOf(stack)).join(" → ");
        throw new Error(`stacks that take relays from each other cannot be brought up: ${circle}`);
    }
    for (const other of references(referred(stack, before.at(-1)))) refuseCircles(other, path);
}

/** A stack that another one refers to. */
function referred(stack: string, from: string | undefined): StackConfig {
    try {
        return readStack(stack, {});
    } catch (error) {
        if (from === undefined) throw error;
        throw new Error(`the relays of ${from}: ${(error as Error).message}`, { cause: error });
    }
}

/** Names of the stacks that a stack refers to: by the name alone, or in full as `organization/project/stack`. */
function references(stack: StackConfig): string[] {
    const names = relaySettings(stack).flatMap((relay) => ("stack" in relay ? [basename(relay.stack)] : []));
    return [...new Set(names)];
}

function relaySettings(stack: StackConfig): readonly RelaySettings[] {
    return stackNames(stack).relays ?? [];
}
