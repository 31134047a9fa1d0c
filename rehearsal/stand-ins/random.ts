/** @pulumi/random: real randomness. */
import { randomInt } from "node:crypto";
import type { Provider, StandIn } from "./stand-in";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const CLASSES = {
    lower: LETTERS,
    upper: LETTERS.toUpperCase(),
    number: "0123456789",
    numeric: "0123456789",
    special: "!@#$%&*()-_=+[]{}<>:?",
};

/** Every input has a RequiresReplace: https://github.com/hashicorp/terraform-provider-random, internal/provider/resource_password.go. */
const password: StandIn = {
    create: async ({ inputs }) => {
        const allowed = Object.entries(CLASSES)
            .filter(([name]) => inputs[name] !== false)
            .map(([, characters]) => characters)
            .join("");
        const result = Array.from({ length: inputs.length }, () => allowed[randomInt(allowed.length)]).join("");
        return { id: "none", outputs: { result, bcryptHash: "" } };
    },
    // There is nothing to look at but what the state has.
    read: async () => ({}),
};

/** The provider. */
export const randomProvider: Provider = {
    package: "random",
    standIns: { "random:index/randomPassword:RandomPassword": password },
};
