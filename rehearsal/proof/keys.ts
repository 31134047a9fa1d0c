/** What the ids of relay keys (`acme.1`) say of the setting `keys`. */

/** An entry of the setting `keys`. */
export interface KeySettings {
    readonly name: string;
    readonly generation: number;
}

/** The setting `keys` that made keys with these ids. */
export function keySettings(ids: readonly string[]): KeySettings[] {
    const newest = new Map<string, number>();
    for (const id of ids) {
        const [name = "", generation = ""] = id.split(".");
        newest.set(name, Math.max(Number(generation), newest.get(name) ?? 0));
    }
    return [...newest].map(([name, generation]) => ({ name, generation }));
}

/** The id of the current key of an entry. */
export function keyIdOf(key: KeySettings | undefined): string {
    return key ? `${key.name}.${key.generation}` : "";
}
