/** The files that make a client machine use the mirror, ready to lay down. */
import type { Upstream } from "../../services/registry/upstreams";
import { fill, readTemplate } from "../../templates/render";

/** The mirror as a client sees it. */
export interface Mirror {
    /** `https://mirror.acme.lan`, with the port when it is not 443. */
    readonly url: string;
    /** PEM of the private CA; absent where clients trust the certificate anyway. */
    readonly ca?: string;
    /** What it mirrors. */
    readonly upstreams: readonly Upstream[];
}

/**
 * Text by path on the client. Together they are right for every Docker Engine:
 *
 * - `/etc/docker/daemon.json`: for the old image store (overlay2): pulls of Docker Hub images go to the mirror first
 *   (merge it with what is there).
 * - `/etc/docker/certs.d/<mirror>/ca.crt`: see {@link trustFiles}.
 * - `/etc/docker/certs.d/<upstream>/hosts.toml`: for the containerd image store, the default since Docker Engine 29: pulls
 *   of every upstream go to the mirror first. There it takes the place of `registry-mirrors`, for which that engine reads
 *   no CA of the mirror (moby, daemon/hosts.go: mergeLegacyConfig leaves a list of two hosts as it is). The other image
 *   store does not read it.
 */
export function clientFiles({ url, ca, upstreams }: Mirror): Record<string, string> {
    const { host } = new URL(url);
    const daemon = fill(readTemplate("clients/daemon.json"), { mirrorUrl: url }, "clients/daemon.json");
    const hosts = upstreams.map(({ name, registry }) => [
        `/etc/docker/certs.d/${name}/hosts.toml`,
        fill(
            readTemplate("clients/hosts.toml"),
            {
                upstream: name,
                server: `https://${registry}`,
                mirrorUrl: url,
                ca: ca === undefined ? "" : `\n    ca = "${caFile(host)}"`,
            },
            "clients/hosts.toml",
        ),
    ]);
    return { "/etc/docker/daemon.json": daemon, ...trustFiles(host, ca), ...Object.fromEntries(hosts) };
}

/**
 * What makes dockerd trust a host with a private CA: `/etc/docker/certs.d/<host>/ca.crt`, read at each pull, without a
 * restart. https://docs.docker.com/engine/security/certificates/
 *
 * @param host With its port when that is not 443.
 */
export function trustFiles(host: string, ca: string | undefined): Record<string, string> {
    return ca === undefined ? {} : { [caFile(host)]: ca };
}

function caFile(host: string): string {
    return `/etc/docker/certs.d/${host}/ca.crt`;
}
