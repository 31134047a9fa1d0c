/** Fills the holes of the files in this folder. The only code about templates; they themselves have no logic. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";

/** What goes into the holes, by name. Numbers are written in decimal. */
export type View = Readonly<Record<string, string | number>>;

const HOLE = /\{\{ ([a-zA-Z][a-zA-Z0-9]*) \}\}/g;

/**
 * Puts the values of `view` into the `{{ holes }}` of `text`.
 *
 * @throws Error that lists every hole without a value, every value without a hole and every malformed hole.
 */
export function fill(text: string, view: View, source = "template"): string {
    const holes = new Set([...text.matchAll(HOLE)].map(([, name = ""]) => name));
    const problems = [
        ...[...holes].filter((name) => !Object.hasOwn(view, name)).map((name) => `hole {{ ${name} }} has no value`),
        ...Object.keys(view)
            .filter((name) => !holes.has(name))
            .map((name) => `value ${name} has no hole`),
        ...[...text.replace(HOLE, "").matchAll(/\{\{[^\n]{0,40}|\}\}/g)].map(([got]) => `"${got}" is not a hole`),
    ];
    if (problems.length > 0) throw new Error(`${source}: ${problems.join("; ")}`);
    return text.replace(HOLE, (_, name: string) => String(view[name]));
}

/** The text of a template, by its path below `templates/`. */
export function readTemplate(path: string): string {
    return readFileSync(join(__dirname, path), "utf8");
}

/** A template with its holes filled. A secret value makes the whole text a secret. */
export function render(
    path: string,
    view: Readonly<Record<string, pulumi.Input<string | number>>>,
): pulumi.Output<string> {
    return pulumi.output(view).apply((values) => fill(readTemplate(path), values as View, `templates/${path}`));
}
