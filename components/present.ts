/** A stack's outputs, without those that it has not: of an output that is `undefined` Pulumi warns at each run. */
export function present(outputs: object): Readonly<Record<string, unknown>> {
    return Object.fromEntries(Object.entries(outputs).filter(([, output]) => output !== undefined));
}
