/** Program for Node, given on its standard input, with what is asked before it: components/onprem/canary.ts. */
import { type Canary, runCanary } from "./canary";

const { canary } = globalThis as unknown as { readonly canary: Canary };
runCanary(canary).then(({ lines, failure }) => {
    for (const line of lines) console.log(line);
    if (failure === undefined) return;
    console.error(`the canary ${canary.image} cannot be pulled through the mirror: ${failure}`);
    process.exitCode = 1;
});
