import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { child, type Transform } from "./transform";

const HOURS_A_YEAR = 8760;
/** Longest common name: RFC 5280, appendix A.1, `ub-common-name`. */
const COMMON_NAME_MAX = 64;

/** A certificate of the user's own. */
export interface OwnCertificate {
    /** PEM: the server's certificate, then the intermediates. */
    readonly certificate: pulumi.Input<string>;
    /** PEM: its key. Secret. */
    readonly key: pulumi.Input<string>;
}

/** A server's certificate: of a private CA that the stack makes, or one of the user's own. */
export type TlsArgs = "privateCa" | OwnCertificate;

/** A certificate that is there, with the private CA that clients must trust, if any. */
export interface ServerCertificate extends OwnCertificate {
    /** PEM of the private CA; absent where clients trust the certificate anyway. */
    readonly ca?: pulumi.Output<string>;
}

/** A certificate authority that was made before, such as the one of a backup. */
export interface Authority {
    /** PEM of its certificate. */
    readonly certificate: pulumi.Input<string>;
    /** PEM of its key. Secret. */
    readonly key: pulumi.Input<string>;
}

/** Arguments of {@link PrivateCa}. */
export interface PrivateCaArgs {
    /** The one host name that the certificate is for. */
    readonly hostname: string;
    /** Who signs the certificate. @default an authority that is made here */
    readonly authority?: Authority;
    readonly transform?: {
        readonly authority?: Transform<tls.SelfSignedCertArgs>;
        readonly leaf?: Transform<tls.LocallySignedCertArgs>;
    };
}

/**
 * A certificate authority for one server, and the server's certificate. EC P-256. The authority lasts 10 years; the
 * certificate 5, renewed by the first `pulumi up` in its last year: a forgotten one must not stop an office.
 */
export class PrivateCa extends pulumi.ComponentResource {
    /** PEM of the authority: what a client must trust. */
    readonly ca: pulumi.Output<string>;
    /** PEM of the server's certificate. */
    readonly certificate: pulumi.Output<string>;
    /** PEM of the server's key. Secret. */
    readonly key: pulumi.Output<string>;
    /** The resources underneath. */
    readonly nodes: { readonly authority?: tls.SelfSignedCert; readonly leaf: tls.LocallySignedCert };

    constructor(name: string, args: PrivateCaArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:index:PrivateCa", name, {}, opts);
        const own = { parent: this };
        const privateKey = (suffix: string) =>
            new tls.PrivateKey(`${name}-${suffix}`, { algorithm: "ECDSA", ecdsaCurve: "P256" }, own).privateKeyPem;

        const caPrivateKeyPem = args.authority?.key ?? privateKey("authority-key");
        const authority = args.authority ? undefined : makeAuthority(name, args, caPrivateKeyPem, own);
        const caCertPem = args.authority?.certificate ?? authority?.certPem ?? "";
        const key = privateKey("key");
        const request = new tls.CertRequest(
            `${name}-request`,
            {
                privateKeyPem: key,
                subject: { commonName: args.hostname.slice(0, COMMON_NAME_MAX) },
                dnsNames: [args.hostname],
            },
            own,
        );
        const leaf = new tls.LocallySignedCert(
            ...child(
                args.transform?.leaf,
                `${name}-leaf`,
                {
                    caCertPem,
                    caPrivateKeyPem,
                    certRequestPem: request.certRequestPem,
                    allowedUses: ["digital_signature", "server_auth"],
                    validityPeriodHours: 5 * HOURS_A_YEAR,
                    earlyRenewalHours: HOURS_A_YEAR,
                },
                own,
            ),
        );

        this.nodes = { authority, leaf };
        this.ca = pulumi.output(caCertPem);
        this.certificate = leaf.certPem;
        this.key = pulumi.secret(key);
        this.registerOutputs({ ca: this.ca, certificate: this.certificate });
    }
}

function makeAuthority(
    name: string,
    { hostname, transform }: PrivateCaArgs,
    privateKeyPem: pulumi.Input<string>,
    own: pulumi.CustomResourceOptions,
): tls.SelfSignedCert {
    return new tls.SelfSignedCert(
        ...child(
            transform?.authority,
            `${name}-authority`,
            {
                privateKeyPem,
                subject: { commonName: `dockermirror ${hostname}`.slice(0, COMMON_NAME_MAX) },
                isCaCertificate: true,
                allowedUses: ["cert_signing", "crl_signing"],
                validityPeriodHours: 10 * HOURS_A_YEAR,
            },
            own,
        ),
    );
}
