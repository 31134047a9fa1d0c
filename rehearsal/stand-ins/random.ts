/** @pulumi/random: real randomness. */
import { randomInt } from "node:crypto";
import type { StandIn } from "../engine";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const CLASSES = {
    lower: LETTERS,
    upper: LETTERS.toUpperCase(),
    number: "0123456789",
    numeric: "0123456789",
    special: "!@#$%&*()-_=+[]{}<>:?",
};

const password: StandIn = {
    create: async ({ inputs }) => {
        const allowed = Object.entries(CLASSES)
            .filter(([name]) => inputs[name] !== false)
            .map(([, characters]) => characters)
            .join("");
        const result = Array.from({ length: inputs.length }, () => allowed[randomInt(allowed.length)]).join("");
        return { id: "none", outputs: { result, bcryptHash: "" } };
    },
};

/** Stand-ins for the resource types that the program uses. */
export const randomStandIns: Record<string, StandIn> = { "random:index/randomPassword:RandomPassword": password };
