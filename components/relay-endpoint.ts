/** A relay as it crosses from the stack that has it to the uplink of an office. */
import * as pulumi from "@pulumi/pulumi";

/** A relay as its stack offers it: all that an office needs of it but a key, of which each office has its own. */
export interface RelayOffer {
    /** Short name for logs and metrics: `nginx`, `worker`, or the settings' own. */
    readonly name: string;
    /** Host name: TLS server name and Host header. */
    readonly hostname: pulumi.Input<string>;
    /** PEM of the private CA that signed the relay's certificate; absent where the certificate is publicly trusted. */
    readonly ca?: pulumi.Input<string | undefined>;
}

/** A relay as the on-prem site sees it. */
export interface RelayEndpoint extends RelayOffer {
    /** What this site shows it. */
    readonly key: pulumi.Input<string>;
    /**
     * What the on-prem host's Docker shows it when it pulls the site's own images: the oldest key that is valid, which the
     * preview of a rotation knows. @default `key`
     */
    readonly pullKey?: pulumi.Input<string>;
    /** Address to connect to in place of what DNS says. */
    readonly address?: pulumi.Input<string | undefined>;
}

/** What a relay's component knows of it. */
type OwnRelay = Omit<RelayOffer, "name">;

/** What this stack's own relays are to others, by name, in the order in which they are to be asked. */
export function relayOffers(relays: Readonly<Record<string, OwnRelay | undefined>>): RelayOffer[] {
    return Object.entries(relays).flatMap(([name, relay]) =>
        relay === undefined ? [] : [{ name, hostname: relay.hostname, ca: relay.ca }],
    );
}

/** The keys of an office at the relays of its own stack. */
export interface OfficeKeys {
    readonly key: pulumi.Input<string>;
    readonly pullKey: pulumi.Input<string>;
}

/** Relays as an office sees them that has the same keys for all. */
export function withKeys(relays: readonly RelayOffer[], keys: OfficeKeys = { key: "", pullKey: "" }): RelayEndpoint[] {
    return relays.map((relay) => ({ ...relay, ...keys }));
}

/**
 * Relays in the order in which they are asked: each by itself, or several that only another stack knows. Not one output
 * of them all: a key that is not made yet would make host names and CAs unknown, too, and a preview of its rotation would
 * show changes that are none.
 */
export type RelayList = readonly (RelayEndpoint | pulumi.Output<readonly Endpoint[]>)[];

/** One list of them, for what needs the keys. Secret. */
export function endpoints(relays: RelayList): pulumi.Output<Endpoint[]> {
    return pulumi.secret(pulumi.output([...relays]).apply((all) => all.flat() as Endpoint[]));
}

/**
 * The relays without their keys: what is made of it is no secret, and is known in a preview whatever the keys are.
 *
 * @throws pulumi.RunError, when it is known, that there is none.
 */
export function withoutKeys(relays: RelayList): pulumi.Output<Keyless[]> {
    const known = relays.map((relay) =>
        pulumi.Output.isInstance<readonly Endpoint[]>(relay)
            ? pulumi.unsecret(relay).apply((list) => list.map(keyless))
            : pulumi.output([keyless(relay)]),
    );
    return pulumi.output(known).apply((all) => {
        const list = all.flat() as Keyless[];
        if (list.length === 0) throw new pulumi.RunError("an on-prem site needs at least one relay, got none");
        return list;
    });
}

function keyless<T extends object>(relay: T & { readonly key: unknown; readonly pullKey?: unknown }) {
    const { key: _, pullKey: __, ...rest } = relay;
    return rest;
}

/** A relay whose values are there. */
export type Endpoint = pulumi.Unwrap<RelayEndpoint>;
/** The same without the keys. */
export type Keyless = Omit<Endpoint, "key" | "pullKey">;
