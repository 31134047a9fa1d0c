/** The relays of other stacks that an on-prem site pulls through. */
import { isIP } from "node:net";
import { z } from "zod";
import { certificate, hostname, keyName } from "./fields";
import { PARSING } from "./parsing";
import type { Right } from "./right";

const STACK_PART = "[A-Za-z0-9_.-]{1,100}";

const literal = z.strictObject({
    name: keyName,
    hostname,
    address: z
        .string()
        .refine((text) => isIP(text) !== 0, "must be an IP address")
        .optional(),
    ca: certificate.optional(),
});

const reference = z.strictObject({
    // Of the forms that Pulumi knows (https://www.pulumi.com/docs/concepts/stacks/) not "org/stack": what it means depends
    // on the backend. A file or bucket has one organization, "organization" (pulumi/pulumi, pkg/backend/diy/store.go).
    stack: z
        .string()
        .regex(
            new RegExp(`^(?:${STACK_PART}/${STACK_PART}/)?${STACK_PART}$`),
            "must be a stack of this project such as acme-tokyo, or one in full such as organization/dockermirror/acme-tokyo",
        ),
    relay: keyName.optional(),
    key: keyName.optional(),
});

/** The shapes that one of `relays` can have. */
export const relayForms = [reference, literal] as const;

/** One of `relays`: by `stack`, or by host name. */
export const relay = z.looseObject({}).transform((entry, { issues }): RelaySettings => {
    const isLiteral = !("stack" in entry) && ("hostname" in entry || "name" in entry);
    const checked = (isLiteral ? literal : reference).safeParse(entry, PARSING);
    if (checked.success) return checked.data;
    issues.push(...(checked.error.issues as z.core.$ZodRawIssue[]));
    return z.NEVER;
});

/** A relay by its host name, or relays of a stack: all of them, or the one that is named. */
export type RelaySettings = z.infer<typeof literal> | z.infer<typeof reference>;

/**
 * What no field tells by itself: which key, and what is wrong with it.
 *
 * @param ownNames Names of this stack's own relays.
 */
export function relaysProblems(relays: Right<RelaySettings[]>, ownNames: readonly string[]): [string, string][] {
    const problems: [string, string][] = [];
    const names = [...ownNames];
    const references: Right<z.infer<typeof reference>>[] = [];
    for (const [index, entry] of relays.entries()) {
        if (!entry) continue;
        if (!("stack" in entry)) {
            if (!("name" in entry) || entry.name === undefined) continue;
            if (names.includes(entry.name))
                problems.push(["relays", `must have one entry a name, got "${entry.name}" twice`]);
            names.push(entry.name);
            continue;
        }
        const { stack, relay: name } = entry;
        if (stack === undefined) continue;
        const again = references.find(
            (other) => other.stack === stack && (!other.relay || !name || other.relay === name),
        );
        if (again) {
            const what = again.relay ?? name ?? "all";
            problems.push([`relays[${index}]`, `must have a relay once, got ${what} of "${stack}" twice`]);
        }
        references.push(entry);
    }
    return problems;
}
