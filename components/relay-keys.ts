import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { OfficeKeys } from "./relay-endpoint";
import { child, type Transform } from "./transform";

/** Long enough that guessing is hopeless, and only characters that need no quoting anywhere. */
const KEY_LENGTH = 48;

/** Arguments of {@link RelayKeys}. */
export interface RelayKeysArgs {
    /** One key an office; `generation` counts up from 1 with each rotation. */
    readonly keys: readonly { readonly name: string; readonly generation: number }[];
    /** Keys of the user's own, by key id (`acme.2`). @default every key is made here */
    readonly own?: pulumi.Input<Readonly<Record<string, string>>>;
    readonly transform?: { readonly key?: Transform<random.RandomPasswordArgs> };
}

/**
 * The keys that the relays ask for. A key id is `<name>.<generation>`; of each name the current generation and the one
 * before are valid, so that a rotation is one number in the settings and nobody is locked out meanwhile.
 */
export class RelayKeys extends pulumi.ComponentResource {
    /** Value by key id: all that are valid now. Secret. */
    readonly values: Readonly<Record<string, pulumi.Output<string>>>;
    /** By name, what an office shows the relays. Secret. */
    readonly offices: Readonly<Record<string, OfficeKeys>>;
    /** The resources underneath, by key id. */
    readonly nodes: { readonly keys: Readonly<Record<string, random.RandomPassword>> };

    constructor(name: string, args: RelayKeysArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:index:RelayKeys", name, {}, opts);
        const own = { parent: this };
        const ids = args.keys.flatMap(validIds);

        const keys = Object.fromEntries(
            ids.map((id) => [
                id,
                new random.RandomPassword(
                    ...child(args.transform?.key, `${name}-${id}`, { length: KEY_LENGTH, special: false }, own),
                ),
            ]),
        );

        // Without waiting for the one that is made, when there is one of the user's own.
        const brought = pulumi.secret(args.own ?? {});
        const chosen = (id: string, { result }: random.RandomPassword): pulumi.Output<string> =>
            brought.apply((values) => (values[id] === undefined ? result : pulumi.output(values[id])));
        this.nodes = { keys };
        this.values = Object.fromEntries(Object.entries(keys).map(([id, key]) => [id, chosen(id, key)]));
        const value = (id = "") => this.values[id] ?? pulumi.secret("");
        this.offices = Object.fromEntries(
            args.keys.map((key) => {
                const valid = validIds(key);
                return [key.name, { key: value(valid.at(-1)), pullKey: value(valid[0]) }];
            }),
        );
        this.registerOutputs({});
    }
}

/**
 * The current key of a name among `values` by key id: the one of the highest generation. An office of another stack knows
 * no more of the relays' keys than this, so that it takes a new one by an `up` of its own.
 */
export function currentKey(values: Readonly<Record<string, string>>, name: string): string | undefined {
    const generations = Object.keys(values)
        .filter((id) => nameOf(id) === name)
        .map((id) => Number(id.slice(name.length + 1)));
    return generations.length === 0 ? undefined : values[keyId({ name, generation: Math.max(...generations) })];
}

/** The names among key ids, each once. */
export function keyNames(values: Readonly<Record<string, string>>): string[] {
    return [...new Set(Object.keys(values).map(nameOf))];
}

function nameOf(id: string): string {
    return id.slice(0, id.lastIndexOf("."));
}

function keyId({ name, generation }: { readonly name: string; readonly generation: number }): string {
    return `${name}.${generation}`;
}

/** The oldest first. */
function validIds(key: { readonly name: string; readonly generation: number }): string[] {
    return [key.generation - 1, key.generation]
        .filter((generation) => generation >= 1)
        .map((generation) => keyId({ name: key.name, generation }));
}
