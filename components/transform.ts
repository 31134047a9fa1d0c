/** The escape hatch of every component: `transform` in, `nodes` out. */
import type { CustomResourceOptions } from "@pulumi/pulumi";

/** Either fields that replace the component's own, or a function that edits arguments and options in place. */
export type Transform<Args> = Partial<Args> | ((args: Args, opts: CustomResourceOptions) => void);

/** The constructor arguments of a child resource after the user's transform: `new X(...child(t, name, args, opts))`. */
export function child<Args extends object>(
    transform: Transform<Args> | undefined,
    name: string,
    args: Args,
    opts: CustomResourceOptions,
): [string, Args, CustomResourceOptions] {
    const own = { args: { ...args }, opts: { ...opts } };
    if (typeof transform === "function") transform(own.args, own.opts);
    else Object.assign(own.args, transform);
    return [name, own.args, own.opts];
}
