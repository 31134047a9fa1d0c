/** Whether the stacks whose relays a new stack takes, and its key there, are in this checkout's files. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { parse } from "yaml";
import type { Finding } from "../checks/finding";
import { nearest } from "../stacks/known-names";
import { type Draft, stackFile } from "./draft";

/** Relays of another stack, as the settings name them. */
interface Reference {
    readonly stack?: string;
    readonly key?: string;
}

/** The names of the relays that are stacks, each once. */
export function references({ relays = [] }: Draft): { readonly stack: string; readonly key?: string }[] {
    const all = (relays as readonly Reference[]).flatMap(({ stack, key }) =>
        stack === undefined ? [] : [{ stack, key }],
    );
    return all.filter(({ stack }, index) => all.findIndex((each) => each.stack === stack) === index);
}

/** A row for each stack. What is missing is a warning: a stack may lie in another checkout, and a key come later. */
export function referenceFindings(folder: string, draft: Draft): Finding[] {
    return references(draft).map((reference) => {
        const row = { what: "stack of the relays", where: reference.stack };
        const keys = keysOf(folder, reference.stack);
        const warning = (note: string, todo: string): Finding => ({ ...row, state: "warning", note, todo });
        if (keys === undefined) {
            const meant = nearest(basename(reference.stack), stacksIn(folder));
            const note = `there is no ${fileName(reference.stack)} here${meant === undefined ? "" : `; did you mean "${meant}"?`}`;
            return warning(
                note,
                "right where it lies in another checkout and in the same backend; else correct dockermirror:relays",
            );
        }
        const names = keys.join(", ");
        if (reference.key === undefined) {
            if (keys.length === 1) return { ...row, state: "ok", note: `is there; its one key is ${names}` };
            return warning(
                `is there, with the keys ${names}, and none of them is named`,
                "name one: dockermirror:relays[].key",
            );
        }
        if (keys.includes(reference.key))
            return { ...row, state: "ok", note: `is there, with the key ${reference.key}` };
        return warning(`is there and has no key ${reference.key}; it has ${names}`, "add it there first, see below");
    });
}

/** True when a stack is here and has the key. */
export function hasKey(folder: string, { stack = "", key = "" }: Reference): boolean {
    return keysOf(folder, stack)?.includes(key) ?? false;
}

/** Names of a stack's keys; nothing where it has no file here that can be read. */
function keysOf(folder: string, stack: string): string[] | undefined {
    const file = stackFile(folder, basename(stack));
    if (!existsSync(file)) return undefined;
    try {
        const { config = {} } = (parse(readFileSync(file, "utf8")) ?? {}) as { config?: Record<string, unknown> };
        const keys = config["dockermirror:keys"] ?? config.keys;
        if (!Array.isArray(keys) || keys.length === 0) return ["default"];
        return keys.map((key: { readonly name?: string }) => String(key?.name));
    } catch {
        return undefined;
    }
}

function stacksIn(folder: string): string[] {
    return readdirSync(folder).flatMap((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1] ?? []);
}

function fileName(stack: string): string {
    return `stacks/Pulumi.${basename(stack)}.yaml`;
}
