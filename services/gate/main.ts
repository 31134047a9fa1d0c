import { text } from "node:stream/consumers";
import { type Gate, passGate } from "./gate";

text(process.stdin)
    .then((input) => passGate(JSON.parse(input) as Gate))
    .then(
        (address) => console.log(`answers at ${address}`),
        (error: Error) => {
            console.error(error.message);
            process.exitCode = 1;
        },
    );
