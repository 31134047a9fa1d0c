/** The files that make a client machine use the mirror, ready to lay down. */
import { fill, readTemplate } from "../../templates/render";

/** The mirror as a client sees it. */
export interface Mirror {
    /** `https://mirror.acme.lan`, with the port when it is not 443. */
    readonly url: string;
    /** PEM of the private CA; absent where clients trust the certificate anyway. */
    readonly ca?: string;
}

/**
 * Text by path on the client.
 *
 * - `/etc/docker/daemon.json`: pulls of Docker Hub images go to the mirror first (merge it with what is there).
 * - `/etc/docker/certs.d/<mirror>/ca.crt`: see {@link trustFiles}.
 */
export function clientFiles({ url, ca }: Mirror): Record<string, string> {
    const daemon = fill(readTemplate("clients/daemon.json"), { mirrorUrl: url }, "clients/daemon.json");
    return { "/etc/docker/daemon.json": daemon, ...trustFiles(new URL(url).host, ca) };
}

/**
 * What makes dockerd trust a host with a private CA: `/etc/docker/certs.d/<host>/ca.crt`, read at each pull, without a
 * restart. https://docs.docker.com/engine/security/certificates/
 *
 * @param host With its port when that is not 443.
 */
export function trustFiles(host: string, ca: string | undefined): Record<string, string> {
    return ca === undefined ? {} : { [`/etc/docker/certs.d/${host}/ca.crt`]: ca };
}
