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

/** Relays as an office sees them that has the same key for all. */
export function withKey(relays: readonly RelayOffer[], key: pulumi.Input<string>): RelayEndpoint[] {
    return relays.map((relay) => ({ ...relay, key }));
}

/** One list of several, one after the other. */
export function inOrder(...lists: pulumi.Input<readonly RelayEndpoint[]>[]): pulumi.Output<Endpoint[]> {
    return pulumi.output(lists).apply((all) => all.flat());
}

/**
 * The relays without their keys: what is made of it is no secret, and can be read in a preview.
 *
 * @throws pulumi.RunError, when it is known, that there is none.
 */
export function withoutKeys(relays: pulumi.Input<readonly RelayEndpoint[]>): pulumi.Output<Keyless[]> {
    const known = pulumi.output(relays).apply((list) => {
        if (list.length === 0) throw new pulumi.RunError("an on-prem site needs at least one relay, got none");
        return list.map(({ key: _, ...rest }): Keyless => rest);
    });
    return pulumi.unsecret(known);
}

/** A relay whose values are there. */
export type Endpoint = pulumi.Unwrap<RelayEndpoint>;
/** The same without the key. */
export type Keyless = Omit<Endpoint, "key">;
