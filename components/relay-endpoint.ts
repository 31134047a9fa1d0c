import type { Input } from "@pulumi/pulumi";

/** A relay as the on-prem site sees it: what crosses from the relays' components, or from the settings, to the uplink. */
export interface RelayEndpoint {
    /** Short name for logs and metrics: `nginx`, `worker`, or the settings' own. */
    readonly name: string;
    /** Host name: TLS server name and Host header. */
    readonly hostname: Input<string>;
    /** What this site shows it. */
    readonly key: Input<string>;
    /** Address to connect to in place of what DNS says. */
    readonly address?: Input<string | undefined>;
    /** PEM of the private CA that signed the relay's certificate; absent where the certificate is publicly trusted. */
    readonly ca?: Input<string | undefined>;
}
