/** Public keys of SSH servers, as `/etc/ssh/ssh_host_*_key.pub` has them. */

/** How many strings a key's blob has (RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4), its name included. */
const PARTS: Readonly<Record<string, number>> = {
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
};
const ED25519_BYTES = 32;

/** What is wrong with a line such as `ssh-ed25519 AAAAC3Nz… root@vm`, or undefined. */
export function publicKeyProblem(line: string): string | undefined {
    const [type = "", blob = "", ...comment] = line.trim().split(/\s+/);
    const must = "must be a line of /etc/ssh/ssh_host_*_key.pub";
    if (line.includes("PRIVATE KEY")) return `${must}, not a private key`;
    if (!(type in PARTS)) return `${must}, which starts with one of ${Object.keys(PARTS).join(", ")}`;
    if (line.trim().includes("\n")) return `${must}, one of them`;
    if (line.includes("\n") || comment.some((word) => /[^!-~]/.test(word))) return `${must}, and nothing else`;
    const parts = /^[A-Za-z0-9+/]+={0,2}$/.test(blob) ? stringsOf(Buffer.from(blob, "base64")) : undefined;
    const [name, key] = parts ?? [];
    const isWhole =
        parts?.length === PARTS[type] &&
        name?.toString() === type &&
        (type !== "ssh-ed25519" || key?.length === ED25519_BYTES);
    return isWhole ? undefined : `${must} in full: behind ${type} there is no whole key of that kind`;
}

/** What the blob consists of, each with its length before it (RFC 4251 section 5); undefined where it ends too early. */
function stringsOf(blob: Buffer): Buffer[] | undefined {
    const parts: Buffer[] = [];
    for (let at = 0; at < blob.length; ) {
        if (at + 4 > blob.length) return undefined;
        const end = at + 4 + blob.readUInt32BE(at);
        if (end > blob.length) return undefined;
        parts.push(blob.subarray(at + 4, end));
        at = end;
    }
    return parts;
}
