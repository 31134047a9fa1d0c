/** `checks-program.js URL CA-FILE KEY` looks at a relay by the checks, and asks it as they ask services; prints JSON. */
import { readFileSync } from "node:fs";
import { relayCheck } from "../../checks/answers";
import { ask } from "../../checks/ask";
import { look } from "../../checks/finding";
import { theWorld } from "../../checks/surroundings";

async function main([url = "", ca = "", key = ""]: readonly string[]): Promise<void> {
    const where = theWorld({});
    const place = { url, ca: readFileSync(ca, "utf8"), key, keyTodo: "", seconds: where.seconds };
    const findings = await look(relayCheck(place));
    const { status } = await ask(where, { url: `${url}/v2/`, headers: { "X-Relay-Key": key } });
    console.log(JSON.stringify({ states: findings.map(({ state, note }) => [state, note]), status }));
    process.exit();
}

void main(process.argv.slice(2));
