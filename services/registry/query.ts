/**
 * The query of a request, read as it came: a name or number that is written in an unusual way is refused, not decoded, so
 * that all who read it on its way read the same. Patterns are of whole request-targets, for PCRE and JavaScript alike:
 * nginx' maps are made from them (components/nginx-maps.ts).
 */

/** Everything before a parameter. */
const BEFORE = "^[^?]*\\?(?:[^&]*&)*";
const BEFORE_FIRST = "^[^?]*\\?(?:[^&]*&)*?";
/** A value without control characters, raw or encoded. */
const VALUE = "(?:[A-Za-z0-9._~:/+*;=,!()@?-]|%(?:[2-6][0-9A-Fa-f]|7[0-9A-Ea-e])){0,255}";
/**
 * Of a page of Quay up to 3.11, a Fernet token: https://github.com/quay/quay/blob/v3.11.0/endpoints/v2/__init__.py,
 * `paginate`. Since 3.12 Quay's lists of tags have `last` as all others; which release quay.io runs is not said.
 */
const PAGE_VALUE = "(?![^&]*%(?!3[Dd]|7[Ee]))[A-Za-z0-9._~=%-]{0,2047}";
const END = "(?:&|$)";

/** What no query of the pull API is like. */
export const BAD_QUERIES: readonly string[] = [
    // A name that is encoded would be read by some and overlooked by others: `n%73=` is `ns=`.
    `${BEFORE}(?![A-Za-z0-9._~-]*(?:[=&]|$))`,
    // "Pulling manifests", "Listing Tags" of the OCI distribution spec; a registry may answer -1 by anything.
    `${BEFORE}n(?:=(?![0-9]{1,9}${END})|${END})`,
    `${BEFORE}ns${END}`,
    `${BEFORE}(?:last|artifactType)=(?!${VALUE}${END})`,
    `${BEFORE}next_page=(?!${PAGE_VALUE}${END})`,
    // The first counts for some, the last for others.
    `${BEFORE_FIRST}(?<twice>ns|n|last|next_page)(?:=[^&]*)?&(?:[^&]*&)*\\k<twice>(?:[=&]|$)`,
];

/** Value of `?ns=`, which containerd sends to a mirror. */
export const NS = `${BEFORE_FIRST}ns=(?<the_ns>[^&]*)`;
/** Page size and last entry of a list, as one parameter. */
export const N = `${BEFORE_FIRST}(?<the_n>n=[0-9]+)${END}`;
export const LAST = `${BEFORE_FIRST}(?<the_last>last=[^&]+)`;
/** Instead of the last entry, at a Quay up to 3.11. */
export const NEXT_PAGE = `${BEFORE_FIRST}(?<the_page>next_page=[^&]+)`;
/** containerd may name several types, side by side. Where they stand apart none goes on: a longer list is right as well. */
export const TYPES =
    "^[^?]*\\?(?:(?!artifactType=)[^&]*&)*(?<the_types>artifactType=[^&]+(?:&artifactType=[^&]+)*)(?:&(?!artifactType=)[^&]*)*$";

/** True for a request-target that is refused for its query. */
export function hasBadQuery(target: string): boolean {
    return target.includes("?") && BAD_QUERIES.some((pattern) => new RegExp(pattern).test(target));
}

/** `undefined` when absent. */
export function nsOf(target: string): string | undefined {
    return new RegExp(NS).exec(target)?.groups?.the_ns;
}

/** The query that goes up, byte for byte and with its `?`; empty for none. Of the query only what the pull API knows. */
export function pullQuery(target: string): string {
    const parts = [N, LAST, NEXT_PAGE, TYPES].flatMap((pattern) =>
        Object.values(new RegExp(pattern).exec(target)?.groups ?? {}),
    );
    return parts.length === 0 ? "" : `?${parts.join("&")}`;
}
