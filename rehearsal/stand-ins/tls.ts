/** @pulumi/tls: real keys and certificates, by Node and the openssl command line. */
import { createHash, generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withTemporaryFolder } from "../../checks/temporary-folder";
import { run } from "../run";
import type { Made, Properties, Provider, Remembered, StandIn } from "./stand-in";

const CURVES: Record<string, string> = { P256: "prime256v1", P384: "secp384r1", P521: "secp521r1" };
const USAGES: Record<string, string> = {
    cert_signing: "keyCertSign",
    crl_signing: "cRLSign",
    digital_signature: "digitalSignature",
    key_encipherment: "keyEncipherment",
};
const EXTENDED_USAGES: Record<string, string> = { server_auth: "serverAuth", client_auth: "clientAuth" };
const HOURS_A_DAY = 24;
const MILLISECONDS_AN_HOUR = 3_600_000;

/**
 * Every other input has a RequiresReplace: https://github.com/hashicorp/terraform-provider-tls, internal/provider,
 * resource_*.go.
 */
const IN_PLACE = ["earlyRenewalHours"];
/** Nothing but what the state has is there to be looked at. */
const read: StandIn["read"] = async () => ({});

const privateKey: StandIn = {
    read,
    create: async ({ inputs }) => {
        const { algorithm, ecdsaCurve = "P224", rsaBits = 2048 } = inputs;
        if (algorithm === "ED25519") return ed25519Key();
        if (algorithm !== "RSA" && algorithm !== "ECDSA") throw new Error(`the stand-in makes no ${algorithm} keys`);
        const publicKeyEncoding = { type: "spki", format: "pem" } as const;
        const { privateKey: privateKeyPem, publicKey: publicKeyPem } =
            algorithm === "RSA"
                ? generateKeyPairSync("rsa", {
                      modulusLength: rsaBits,
                      publicKeyEncoding,
                      privateKeyEncoding: { type: "pkcs1", format: "pem" },
                  })
                : generateKeyPairSync("ec", {
                      namedCurve: curve(ecdsaCurve),
                      publicKeyEncoding,
                      privateKeyEncoding: { type: "sec1", format: "pem" },
                  });
        const forSsh = algorithm === "RSA" ? await opensshKeys(privateKeyPem) : {};
        return { id: fingerprint(publicKeyPem), outputs: { privateKeyPem, publicKeyPem, ...forSsh } };
    },
};

const certRequest: StandIn = {
    read,
    create: async ({ inputs }) =>
        withFolder(async (folder) => {
            await request(folder, inputs);
            return { id: "request", outputs: { certRequestPem: readFileSync(join(folder, "request.pem"), "utf8") } };
        }),
};

const selfSignedCert: StandIn = {
    inPlace: IN_PLACE,
    outdated,
    read,
    create: async ({ inputs }) =>
        withFolder(async (folder) => {
            await request(folder, inputs);
            return sign(folder, inputs, ["-signkey", "key.pem"]);
        }),
};

const locallySignedCert: StandIn = {
    inPlace: IN_PLACE,
    outdated,
    read,
    create: async ({ inputs }) =>
        withFolder(async (folder) => {
            writeFileSync(join(folder, "request.pem"), inputs.certRequestPem);
            writeFileSync(join(folder, "ca.pem"), inputs.caCertPem);
            writeFileSync(join(folder, "ca-key.pem"), inputs.caPrivateKeyPem, { mode: 0o600 });
            return sign(folder, inputs, [
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca-key.pem",
                "-set_serial",
                `0x00${randomBytes(15).toString("hex")}`,
            ]);
        }),
};

/** The provider. */
export const tlsProvider: Provider = {
    package: "tls",
    standIns: {
        "tls:index/privateKey:PrivateKey": privateKey,
        "tls:index/certRequest:CertRequest": certRequest,
        "tls:index/selfSignedCert:SelfSignedCert": selfSignedCert,
        "tls:index/locallySignedCert:LocallySignedCert": locallySignedCert,
    },
};

/** A certificate is made again in the hours before its end that earlyRenewalHours says: internal/provider/common_cert.go. */
function outdated({ inputs, outputs }: Remembered): string[] {
    const renewal = Date.parse(outputs.validityEndTime) - (inputs.earlyRenewalHours ?? 0) * MILLISECONDS_AN_HOUR;
    return renewal <= Date.now() ? ["readyForRenewal"] : [];
}

/** Both halves in OpenSSH's own format, with the line's end that the provider puts there. */
function opensshKeys(privateKeyPem: string): Promise<Properties> {
    return withFolder(async (folder) => {
        const file = join(folder, "key");
        writeFileSync(file, privateKeyPem, { mode: 0o600 });
        const publicKeyOpenssh = await run("ssh-keygen", ["-y", "-f", file]);
        await run("ssh-keygen", ["-q", "-p", "-N", "", "-f", file]);
        return { publicKeyOpenssh, privateKeyOpenssh: readFileSync(file, "utf8") };
    });
}

/** The same for the one type that ssh-keygen cannot read as PEM. */
function ed25519Key(): Made {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const { d: seed = "", x: point = "" } = privateKey.export({ format: "jwk" });
    const secretBytes = Buffer.from(seed, "base64url");
    const publicBytes = Buffer.from(point, "base64url");
    const publicKeyPem = publicKey.export({ type: "spki", format: "pem" }).toString();
    const line = Buffer.concat([sshString("ssh-ed25519"), sshString(publicBytes)]);
    return {
        id: fingerprint(publicKeyPem),
        outputs: {
            privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
            publicKeyPem,
            privateKeyOpenssh: opensshKey(line, Buffer.concat([secretBytes, publicBytes])),
            publicKeyOpenssh: `ssh-ed25519 ${line.toString("base64")}\n`,
        },
    };
}

/** https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key, without a passphrase. */
function opensshKey(publicKey: Buffer, secretKey: Buffer): string {
    const check = randomBytes(4);
    const secrets = Buffer.concat([check, check, publicKey, sshString(secretKey), sshString("")]);
    const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7]).subarray(0, -secrets.length & 7);
    const text = Buffer.concat([
        ...[
            Buffer.from("openssh-key-v1\0"),
            sshString("none"),
            sshString("none"),
            sshString(""),
            Buffer.from([0, 0, 0, 1]),
        ],
        ...[sshString(publicKey), sshString(Buffer.concat([secrets, padding]))],
    ]).toString("base64");
    const lines = text.match(/.{1,70}/g) ?? [];
    return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n");
}

/** RFC 4251, section 5: four bytes of length, then the bytes. */
function sshString(bytes: string | Buffer): Buffer {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, Buffer.from(bytes)]);
}

function fingerprint(pem: string): string {
    return createHash("sha1").update(pem).digest("hex");
}

/** Lays key.pem and request.pem. */
async function request(folder: string, inputs: Properties): Promise<void> {
    writeFileSync(join(folder, "key.pem"), inputs.privateKeyPem, { mode: 0o600 });
    writeFileSync(join(folder, "request.conf"), requestConfiguration(inputs));
    const args = ["req", "-new", "-key", "key.pem", "-config", "request.conf", "-out", "request.pem"];
    await run("openssl", args, { cwd: folder });
}

async function sign(folder: string, inputs: Properties, signer: string[]): Promise<Made> {
    const usages = [inputs.allowedUses ?? []].flat() as string[];
    const known = (table: Record<string, string>) =>
        usages.map((usage) => table[usage]).filter((usage) => usage !== undefined);
    const unknown = usages.filter((usage) => !(usage in USAGES) && !(usage in EXTENDED_USAGES));
    if (unknown.length > 0) throw new Error(`the stand-in does not know the key usages ${unknown.join(", ")}`);
    const extensions = [
        `basicConstraints = critical, CA:${inputs.isCaCertificate ? "TRUE" : "FALSE"}`,
        "subjectKeyIdentifier = hash",
        ...(known(USAGES).length > 0 ? [`keyUsage = critical, ${known(USAGES).join(", ")}`] : []),
        ...(known(EXTENDED_USAGES).length > 0 ? [`extendedKeyUsage = ${known(EXTENDED_USAGES).join(", ")}`] : []),
        ...alternativeNames(await requestedNames(folder, inputs)),
    ];
    writeFileSync(join(folder, "extensions.conf"), `${extensions.join("\n")}\n`);
    const days = String(Math.ceil(inputs.validityPeriodHours / HOURS_A_DAY));
    const args = [
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-days",
        days,
        "-extfile",
        "extensions.conf",
        "-out",
        "cert.pem",
    ];
    await run("openssl", [...args, ...signer], { cwd: folder });
    const certPem = readFileSync(join(folder, "cert.pem"), "utf8");
    const { validFrom, validTo } = new X509Certificate(certPem);
    const [validityStartTime, validityEndTime] = [validFrom, validTo].map((time) => new Date(time).toISOString());
    return {
        id: fingerprint(certPem),
        outputs: { certPem, validityStartTime, validityEndTime, readyForRenewal: false },
    };
}

function requestConfiguration({ subject = {}, dnsNames, ipAddresses }: Properties): string {
    const names = alternativeNames({ dnsNames, ipAddresses });
    return [
        "[req]",
        "prompt = no",
        "distinguished_name = subject",
        ...(names.length > 0 ? ["req_extensions = extensions"] : []),
        "[subject]",
        `CN = ${subject.commonName ?? "dockermirror"}`,
        ...(subject.organization ? [`O = ${subject.organization}`] : []),
        "[extensions]",
        ...names,
        "",
    ].join("\n");
}

/** A signed request carries its names itself; a self-signed certificate has them as inputs. */
async function requestedNames(folder: string, inputs: Properties): Promise<Properties> {
    if (inputs.dnsNames || inputs.ipAddresses) return inputs;
    const text = await run("openssl", ["req", "-in", "request.pem", "-noout", "-text"], { cwd: folder });
    return {
        dnsNames: [...text.matchAll(/DNS:([^\s,]+)/g)].map(([, name]) => name),
        ipAddresses: [...text.matchAll(/IP Address:([^\s,]+)/g)].map(([, ip]) => ip),
    };
}

function alternativeNames({ dnsNames = [], ipAddresses = [] }: Properties): string[] {
    const names = [...dnsNames.map((name: string) => `DNS:${name}`), ...ipAddresses.map((ip: string) => `IP:${ip}`)];
    return names.length > 0 ? [`subjectAltName = ${names.join(", ")}`] : [];
}

function curve(name: string): string {
    const known = CURVES[name];
    if (!known) throw new Error(`the stand-in does not know the curve ${name}`);
    return known;
}

/** Keys are on disk only while openssl needs them, in a folder that nobody else may enter. */
function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
    return withTemporaryFolder("tls", work);
}
