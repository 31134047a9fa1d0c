/** Uses the key on standard input until it is killed: test/checks/ssh.test.ts. */
import { readFileSync } from "node:fs";
import { withSsh } from "../../checks/ssh";

const target = { host: "192.0.2.1", port: 22, user: "ops", privateKey: readFileSync(0, "utf8") };
withSsh(target, 5, () => {
    console.log("in use");
    return new Promise(() => setInterval(() => {}, 1000));
});
