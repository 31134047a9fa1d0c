/** Certificates for the rehearsal and the tests, made by the openssl command line (Debian package `openssl`). */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A private key and the certificate made for it, both PEM text. */
export interface KeyPair {
    readonly key: string;
    readonly cert: string;
}

/** A certificate authority: what signs, and the certificate that others are told to trust. */
export type Ca = KeyPair;

const CA_DAYS = "3650";
const LEAF_DAYS = 397;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Longest common name: RFC 5280, appendix A.1, `ub-common-name`. */
const COMMON_NAME_MAX = 64;

/**
 * A certificate authority of its own: EC P-256, self-signed, ten years.
 *
 * @throws Error when openssl is missing or refuses; its own message is part of it.
 */
export function makeCa(commonName: string): Ca {
    return inPrivateFolder((folder) => {
        writeFileSync(
            join(folder, "ca.conf"),
            [
                "[req]",
                "distinguished_name = name",
                "x509_extensions = ca",
                "prompt = no",
                "[name]",
                `CN = ${commonName}`,
                "[ca]",
                "basicConstraints = critical, CA:TRUE",
                "keyUsage = critical, keyCertSign, cRLSign",
                "subjectKeyIdentifier = hash",
                "",
            ].join("\n"),
        );
        openssl(folder, ["req", "-x509", "-config", "ca.conf", "-days", CA_DAYS, ...NEW_KEY, "-out", "cert.pem"]);
        return readPair(folder);
    });
}

/** From when to when a certificate is valid, to the second. */
export interface Life {
    readonly from: Date;
    readonly to: Date;
}

/**
 * A server certificate of `ca` for all of `hosts` (DNS names, wildcards or IP addresses).
 *
 * @param life 397 days from now where it is not given.
 * @throws Error when `hosts` is empty, or openssl is missing or refuses.
 */
export function issue(ca: Ca, hosts: readonly string[], life: Life = fromNow(LEAF_DAYS)): KeyPair {
    const [first] = hosts;
    if (first === undefined) throw new Error("a certificate needs at least one host name, got none");
    const names = hosts.map((host) => `${isIP(host) ? "IP" : "DNS"}:${host}`).join(", ");
    return inPrivateFolder((folder) => {
        writeFileSync(join(folder, "ca.pem"), ca.cert);
        writeFileSync(join(folder, "ca-key.pem"), ca.key, { mode: 0o600 });
        writeFileSync(
            join(folder, "leaf.conf"),
            [
                "[req]",
                "distinguished_name = name",
                "prompt = no",
                "[name]",
                `CN = ${first.slice(0, COMMON_NAME_MAX)}`,
                // `openssl x509 -req` cannot tell from when a certificate is valid before OpenSSL 3.4; Debian 12 has 3.0.
                "[signing]",
                "database = index.txt",
                "new_certs_dir = .",
                "rand_serial = yes",
                "default_md = sha256",
                "policy = names",
                "[names]",
                "commonName = supplied",
                "[leaf]",
                "basicConstraints = critical, CA:FALSE",
                "keyUsage = critical, digitalSignature",
                "extendedKeyUsage = serverAuth",
                "subjectKeyIdentifier = hash",
                "authorityKeyIdentifier = keyid",
                `subjectAltName = ${names}`,
                "",
            ].join("\n"),
        );
        openssl(folder, ["req", "-new", "-config", "leaf.conf", ...NEW_KEY, "-out", "leaf.csr"]);
        writeFileSync(join(folder, "index.txt"), "");
        openssl(folder, [
            ...["ca", "-batch", "-notext", "-config", "leaf.conf", "-name", "signing", "-extensions", "leaf"],
            ...["-in", "leaf.csr", "-cert", "ca.pem", "-keyfile", "ca-key.pem"],
            ...["-startdate", asn1Time(life.from), "-enddate", asn1Time(life.to), "-out", "cert.pem"],
        ]);
        return readPair(folder);
    });
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"];

function fromNow(days: number): Life {
    const now = Date.now();
    return { from: new Date(now), to: new Date(now + days * DAY_MS) };
}

/** `20261124001500Z`: RFC 5280, 4.1.2.5.2. */
function asn1Time(time: Date): string {
    return `${time.toISOString().slice(0, "2026-11-24T00:15:00".length).replace(/[-T:]/g, "")}Z`;
}

function readPair(folder: string): KeyPair {
    return { key: readFileSync(join(folder, "key.pem"), "utf8"), cert: readFileSync(join(folder, "cert.pem"), "utf8") };
}

/** Keys are on disk only while openssl needs them, in a folder that nobody else may enter. */
function inPrivateFolder<T>(work: (folder: string) => T): T {
    const folder = mkdtempSync(join(tmpdir(), "dockermirror-pki-"));
    try {
        return work(folder);
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

function openssl(cwd: string, args: readonly string[]): void {
    try {
        execFileSync("openssl", args, { cwd, stdio: ["ignore", "ignore", "pipe"] });
    } catch (error) {
        const { code, stderr } = error as { code?: string; stderr?: Buffer };
        const reason = code === "ENOENT" ? "openssl is not installed (Debian: apt-get install openssl)" : stderr;
        throw new Error(`openssl ${args[0]} failed: ${String(reason).trim()}`, { cause: error });
    }
}
