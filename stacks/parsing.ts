/** How the schemas are parsed. */

/** The text of an issue for which a schema has none of its own: `stacks/problem-text.ts` writes one. */
export const GENERAL = "";

/** With these a schema is parsed, so that every issue has the value, and the parser's own words are left out. */
export const PARSING = { reportInput: true, error: () => GENERAL } as const;
