/** Runs a piece of the program under Pulumi's mocks and shows what it would make. It does not prove that a provider accepts it. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";

/** A resource as the program asked for it. Secret inputs are still in their envelopes. */
export interface Resource {
    readonly type: string;
    readonly name: string;
    /** False for components. */
    readonly custom: boolean;
    readonly inputs: Record<string, any>;
}

export interface Deployed<T> {
    readonly result: T;
    /** In the order in which they were asked for. */
    readonly resources: readonly Resource[];
}

/** How a secret travels: pulumi/pulumi, sdk/go/common/resource/sig.go. */
const SECRET_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270";

/**
 * Runs `program` under mocks of its own. Outputs of a resource are its inputs. Rejects with the first error, also with
 * one inside of an `apply`, which would otherwise hang and spoil the next test.
 */
export async function deploy<T>(program: () => T | Promise<T>): Promise<Deployed<T>> {
    const resources: Resource[] = [];
    await pulumi.runtime.setMocks(
        {
            newResource: ({ type, name, custom, inputs }) => {
                resources.push({ type, name, custom: custom !== false, inputs });
                return { id: `${name}-id`, state: inputs };
            },
            call: ({ token }) => {
                throw new Error(`the provider function ${token} is not mocked`);
            },
        },
        "dockermirror",
        "test",
        false,
    );
    let onRejection: (reason: unknown) => void = () => {};
    const rejected = new Promise<never>((_, reject) => {
        onRejection = reject;
    });
    process.on("unhandledRejection", onRejection);
    try {
        const done = (async () => {
            const result = await program();
            await pulumi.runtime.disconnect();
            return { result, resources };
        })();
        return await Promise.race([done, rejected]);
    } finally {
        process.off("unhandledRejection", onRejection);
    }
}

/** The one resource of a type. */
export function only({ resources }: Pick<Deployed<unknown>, "resources">, type: string): Resource {
    const found = resources.filter((resource) => resource.type === type);
    assert.equal(found.length, 1, `resources of type ${type} among ${resources.map((resource) => resource.type)}`);
    return found[0]!;
}

/** The value of an output. */
export function value<T>(output: pulumi.Output<T>): Promise<T> {
    return new Promise((resolve) => output.apply(resolve));
}

export function isSecret(input: unknown): boolean {
    return (input as Record<string, unknown> | null)?.[SECRET_KEY] === SECRET_MARK;
}

/** Inputs without the envelopes of secrets, or with `replacement` in place of each secret. */
export function unwrap(input: any, replacement?: unknown): any {
    if (Array.isArray(input)) return input.map((item) => unwrap(item, replacement));
    if (typeof input !== "object" || input === null) return input;
    if (isSecret(input)) return replacement ?? unwrap(input.value);
    return Object.fromEntries(Object.entries(input).map(([key, item]) => [key, unwrap(item, replacement)]));
}
