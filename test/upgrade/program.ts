/**
 * index.ts for test/support/pulumi.ts. The long texts that it lays on machines (bundles, confs) are their
 * SHA-256 in the state: the same text is the same there, another one is another, and a recorded state is small.
 */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

/** Inputs with such texts. */
const WITH_TEXTS = ["uploads", "content", "stdin"];
/** Characters of the longest text that stays: a certificate, a key. */
const LONGEST = 4096;

export function program(): object {
    pulumi.runtime.registerStackTransformation(({ props, opts }) => {
        const texts = Object.keys(props).filter((name) => WITH_TEXTS.includes(name) && props[name] !== undefined);
        const brief = texts.map((name) => [name, pulumi.output(props[name]).apply(briefly)]);
        return { props: { ...props, ...Object.fromEntries(brief) }, opts };
    });
    return require("../../index");
}

/** The value with the SHA-256 of each long text in it, which is not there itself. */
export function briefly(value: unknown): unknown {
    if (typeof value === "string" && value.length > LONGEST)
        return `sha256:${createHash("sha256").update(value).digest("hex")}`;
    if (Array.isArray(value)) return value.map(briefly);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, briefly(inner)]));
}
