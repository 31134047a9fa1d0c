/** index.ts for test/support/pulumi.ts. */
export function program(): object {
    return require("../../index");
}
