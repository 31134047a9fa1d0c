/** What a relay that is open to everybody has more than one that asks for keys; the same for every kind of relay. */
import type { Upstream } from "./upstreams";

/** Requests that an address without a key may make a minute: some twenty pulls of ten layers, behind one office's NAT too. */
export const REQUESTS_PER_MINUTE = 300;

/** `/robots.txt`: nothing here is for search engines. https://www.rfc-editor.org/rfc/rfc9309 */
export const ROBOTS = "User-agent: *\nDisallow: /\n";

/**
 * `/`: who is responsible, for people who meet the relay's name in a log and for those who look for phishing sites. Plain
 * text, and no `/.well-known/security.txt` beside it: that needs a date of expiry (RFC 9116, 2.5.5), past which nobody may
 * trust a relay that runs on without an update.
 */
export function aboutPage(hostname: string, upstreams: readonly Upstream[], abuseContact: string | undefined): string {
    const names = upstreams.map(({ name }) => name).join(", ");
    return [
        `${hostname} passes on pulls of public container images from ${names}.`,
        "It is not run by these registries, keeps no images and asks for no password.",
        ...(abuseContact === undefined ? [] : [`Complaints and reports of abuse: ${abuseContact}`]),
        "",
    ].join("\n");
}
