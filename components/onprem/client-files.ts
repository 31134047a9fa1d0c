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
 * - `/etc/docker/certs.d/<mirror>/ca.crt`: makes dockerd trust the mirror; read without a restart.
 */
export function clientFiles({ url, ca }: Mirror): Record<string, string> {
    const { host } = new URL(url);
    return {
        "/etc/docker/daemon.json": fill(readTemplate("clients/daemon.json"), { mirrorUrl: url }, "clients/daemon.json"),
        ...(ca === undefined ? {} : { [`/etc/docker/certs.d/${host}/ca.crt`]: ca }),
    };
}
