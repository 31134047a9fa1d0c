/** Whether the stacks whose relays a new stack takes, and its key there, are in this checkout's files. */
import { basename } from "node:path";
import type { Finding } from "../checks/finding";
import { allStacks, hasStack, keysOf, readStack } from "../rehearsal/stack-file";
import { suggestion } from "../stacks/known-names";
import type { Draft } from "./draft";

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
        const warning = (note: string, todo: string): Finding => ({ ...row, state: "warning", note, todo });
        let keys: readonly string[] | undefined;
        try {
            keys = keysThere(folder, reference.stack);
        } catch (error) {
            return warning((error as Error).message, "correct the file: its keys are not known");
        }
        if (keys === undefined) {
            const name = basename(reference.stack);
            const note = `there is no stacks/Pulumi.${name}.yaml here${suggestion(name, allStacks(folder))}`;
            return warning(
                note,
                "right where it lies in another checkout and in the same backend; else correct dockermirror:relays",
            );
        }
        const names = keys.join(", ");
        if (reference.key === undefined) return { ...row, state: "ok", note: `is there; its one key is ${names}` };
        if (keys.includes(reference.key))
            return { ...row, state: "ok", note: `is there, with the key ${reference.key}` };
        return warning(`is there and has no key ${reference.key}; it has ${names}`, "add it there first, see below");
    });
}

/** True when a stack is here and has the key. */
export function hasKey(folder: string, { stack = "", key = "" }: Reference): boolean {
    return knownKeys(folder, stack)?.includes(key) ?? false;
}

/** Names of a stack's keys; nothing where it has no file here that can be read. */
export function knownKeys(folder: string, stack: string): readonly string[] | undefined {
    try {
        return keysThere(folder, stack);
    } catch {
        return undefined;
    }
}

/** The same. @throws Error when there is a file that cannot be read. */
function keysThere(folder: string, stack: string): readonly string[] | undefined {
    const name = basename(stack);
    return hasStack(name, folder) ? keysOf(readStack(name, {}, folder)) : undefined;
}
