/**
 * `Docker-Content-Digest`, of which no line can be counted on to be there once, or to be a digest. nginx' JavaScript runs this
 * too (components/overseas/njs-module.ts): no destructuring, no spreading, no for-of.
 */

/** What an answer says that its content has. */
export interface SaidDigest {
    /** By SHA-256 where one of several is; empty where it says none. */
    readonly digest: string;
    /** Digests by one algorithm that differ, so that nothing of the answer can be trusted; empty for none. */
    readonly contradiction: string;
}

/** @param header Lines of one name joined by commas, as HTTP has them. */
export function readSaidDigest(header: string | null | undefined): SaidDigest {
    const said = (header || "")
        .split(",")
        .map(normal)
        .filter((digest, index, all) => digest !== "" && all.indexOf(digest) === index);
    const algorithms = said.map(algorithmOf);
    const contradicting = said.filter((digest) => {
        const algorithm = algorithmOf(digest);
        return algorithms.indexOf(algorithm) !== algorithms.lastIndexOf(algorithm);
    });
    const usual = said.filter((digest) => algorithmOf(digest) === "sha256");
    return { digest: usual[0] || said[0] || "", contradiction: contradicting.join(", ") };
}

/** The algorithm's name; empty for no digest. */
export function algorithmOf(digest: string): string {
    return digest.slice(0, Math.max(0, digest.indexOf(":")));
}

/** OCI image spec, "Digests". Hexadecimal digits are seen in capitals too. Empty for what is no digest. */
function normal(value: string): string {
    const text = value.trim();
    const hex = /^sha(?:256:[a-f0-9]{64}|384:[a-f0-9]{96}|512:[a-f0-9]{128})$/i;
    if (hex.test(text)) return text.toLowerCase();
    return /^(?!sha(?:256|384|512):)[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/.test(text) ? text : "";
}
