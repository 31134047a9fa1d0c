/** Property values as Pulumi's wire protocol has them: secrets in envelopes, and what is not known yet as a marker. */
import type { Properties } from "./stand-in";

/** https://github.com/pulumi/pulumi, sdk/go/common/resource/sig: the key of an envelope, and what says that it is a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
/** sdk/go/common/resource/plugin/rpc.go: a value of any type that only the deployment will bring. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** The value without envelopes. */
// biome-ignore lint/suspicious/noExplicitAny: see Properties.
export function opened(value: unknown): any {
    if (Array.isArray(value)) return value.map(opened);
    if (!isObject(value)) return value;
    if (value[SIGNATURE] === SECRET) return opened(value.value);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, opened(inner)]));
}

/** True where a secret is anywhere in the value. */
export function hasSecret(value: unknown): boolean {
    if (Array.isArray(value)) return value.some(hasSecret);
    return isObject(value) && (value[SIGNATURE] === SECRET || Object.values(value).some(hasSecret));
}

/** True where something of the value is not known yet. */
export function hasUnknown(value: unknown): boolean {
    if (value === UNKNOWN) return true;
    if (Array.isArray(value)) return value.some(hasUnknown);
    return isObject(value) && Object.values(value).some(hasUnknown);
}

/** The properties with those of these names in the envelope of a secret, each as a whole, as Pulumi's bridge has it. */
export function sealed(properties: Properties, secretNames: ReadonlySet<string>): Properties {
    return Object.fromEntries(
        Object.entries(properties)
            .filter(([, value]) => value !== undefined)
            .map(([name, value]) => [name, secretNames.has(name) ? { [SIGNATURE]: SECRET, value } : value]),
    );
}

/** Names of properties with a secret in them. */
export function secretNames(...all: readonly Properties[]): Set<string> {
    return new Set(all.flatMap((properties) => Object.keys(properties).filter((name) => hasSecret(properties[name]))));
}

/**
 * Paths at which two values differ: down through objects; a list is one value, and so is what is missing on one side.
 * What is not known yet differs.
 */
export function differences(before: unknown, after: unknown, path = ""): string[] {
    if (isObject(before) && isObject(after)) {
        const names = new Set([...Object.keys(before), ...Object.keys(after)]);
        return [...names].flatMap((name) => differences(before[name], after[name], path ? `${path}.${name}` : name));
    }
    return same(before, after) ? [] : [path];
}

function same(before: unknown, after: unknown): boolean {
    if (hasUnknown(after)) return false;
    if (Array.isArray(before) && Array.isArray(after)) {
        return before.length === after.length && before.every((value, index) => same(value, after[index]));
    }
    if (isObject(before) && isObject(after)) return differences(before, after).length === 0;
    return before === after || (isNothing(before) && isNothing(after));
}

function isNothing(value: unknown): boolean {
    return value === undefined || value === null;
}

function isObject(value: unknown): value is Record<string, unknown> {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}
