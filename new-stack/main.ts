/** `npm run new-stack`: asks what a new stack is to be, and writes its file. `--help` tells the flags. */
import { join } from "node:path";
import { theWorld } from "../checks/surroundings";
import { runProgram } from "../rehearsal/command-line";
import { newStack } from "./new-stack";

runProgram(() =>
    newStack(process.argv.slice(2), {
        where: theWorld(process.env),
        folder: join(__dirname, "..", "stacks"),
        input: process.stdin,
        output: process.stdout,
    }),
);
