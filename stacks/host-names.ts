/** Host names as settings have them: what is wrong with one, and what was probably meant. */
import { isIP } from "node:net";
import { domainToASCII } from "node:url";

/** RFC 1035, section 2.3.4: without the last dot, as text. */
const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;

/**
 * What is wrong with the host name, or undefined: a name of at least two labels of a-z, 0-9 and - (RFC 952, RFC 1123
 * section 2.1), in lower case, because it is compared and becomes a part of paths.
 */
export function hostnameProblem(text: string): string | undefined {
    if (isIP(text.replace(/^\[(.*)\]$/, "$1")) !== 0)
        return "must be a name, not an address: a certificate and a mirror go by a name";
    const { name, faults } = taken(text.trim());
    if (text !== text.trim()) faults.unshift("white space around it");
    const problem = nameProblem(name);
    if (problem !== undefined) return problem;
    return faults.length === 0 ? undefined : `must be a host name without ${faults.join(", ")}: write "${name}"`;
}

/** The name alone, and what stood around it or was written otherwise. */
function taken(text: string): { readonly name: string; readonly faults: string[] } {
    const faults: string[] = [];
    let name = text;
    const take = (pattern: RegExp, fault: (what: string) => string) => {
        const [found] = pattern.exec(name) ?? [];
        if (found === undefined || found === name) return;
        name = name.replace(pattern, "");
        faults.push(fault(found));
    };
    take(/^[a-z][a-z0-9+.-]*:\/\//i, (what) => `a scheme (${what})`);
    take(/[/?#].*$/, (what) => `a path (${what})`);
    take(/^.*@/, () => "a user");
    take(/:\d*$/, (what) => `a port (${what})`);
    take(/\.$/, () => "a dot at its end");
    if (/[A-Z]/.test(name)) faults.push("upper case");
    if (/[^\0-\x7f]/.test(name)) faults.push("characters outside ASCII (IDNA has a form for them)");
    return { name: ascii(name.toLowerCase()), faults };
}

/** What names of other scripts are in DNS (RFC 5891): `镜像.example.com` is `xn--o1q148n.example.com`. */
function ascii(name: string): string {
    return /^[\0-\x7f]*$/.test(name) ? name : domainToASCII(name) || name;
}

function nameProblem(name: string): string | undefined {
    const labels = name.split(".");
    const odd = [...new Set(name.replace(/[a-z0-9.-]/g, ""))].map((char) => JSON.stringify(char)).join(", ");
    if (name === "") return "must be a host name in lower case such as hub.example.com";
    if (name.startsWith("*.")) return "must be one host name, not a wildcard";
    if (odd !== "") return `must have no other characters than a-z, 0-9, - and dots, got ${odd} in it`;
    if (labels.includes("")) return "must have something before, between and behind its dots";
    if (labels.length === 1)
        return "must be a name in full, with a domain, such as hub.example.com: other machines would look for this one elsewhere";
    if (labels.some((label) => label.startsWith("-") || label.endsWith("-")))
        return "must have no label that starts or ends with -";
    if (/^\d+$/.test(labels.at(-1) ?? ""))
        return "must not end with a number alone: programs take such a name for an IPv4 address";
    const long = labels.find((label) => label.length > LONGEST_LABEL);
    if (long !== undefined) return `must have labels of at most ${LONGEST_LABEL} characters, got one of ${long.length}`;
    if (name.length > LONGEST_NAME) return `must have at most ${LONGEST_NAME} characters, got ${name.length}`;
    return undefined;
}
