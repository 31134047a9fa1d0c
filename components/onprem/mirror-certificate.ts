/** The certificate that the mirror shows its clients. */
import * as pulumi from "@pulumi/pulumi";
import { type Authority, PrivateCa, type ServerCertificate, type TlsArgs } from "../private-ca";

/** The mirror's certificate: one of the user's own, of a private CA that the stack makes, or of one that was made before. */
export type MirrorTlsArgs = TlsArgs | { readonly authority: Authority };

/**
 * Arguments of a mirror with its certificate.
 *
 * A private CA is a root of the stack and depends on nothing: whatever is taken out of the state with all that depends on
 * it, such as the Docker host that an office leaves, clients trust the same CA afterwards. Up to 0.3.0 it was a part of
 * the front, from where the alias takes it.
 */
export function withTls<T extends { readonly hostname: string; readonly tls: MirrorTlsArgs }>(
    args: T,
): Omit<T, "tls"> & { readonly tls: ServerCertificate } {
    const { hostname, tls } = args;
    if (typeof tls === "object" && "certificate" in tls) return { ...args, tls };
    const authority = tls === "privateCa" ? undefined : tls.authority;
    const front = ["dockermirror:onprem:OnpremSite", "dockermirror:onprem:Front"].join("$");
    const parent = `urn:pulumi:${pulumi.getStack()}::${pulumi.getProject()}::${front}::onprem-front`;
    return { ...args, tls: new PrivateCa("onprem-front-ca", { hostname, authority }, { aliases: [{ parent }] }) };
}
