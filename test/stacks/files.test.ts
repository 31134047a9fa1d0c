/** Files of stacks, by Pulumi's own command line: the examples, and what npm run new-stack writes. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stackYaml } from "../../new-stack/stack-yaml";
import { TestPulumi } from "../support/pulumi";

const STACKS = join(__dirname, "..", "..", "stacks");
const EXAMPLES = readdirSync(STACKS).filter((name) => name.endsWith(".yaml"));
const NEW = stackYaml("acme-shanghai", {
    zone: "example.com",
    edge: { accountId: "0123456789abcdef0123456789abcdef", hostname: "hub.example.com" },
    keys: [{ name: "shanghai" }, { name: "chengdu" }],
    hub: { username: "acme" },
});

describe("The file of a stack", function () {
    this.timeout(300_000);
    let pulumi: TestPulumi;
    before(async () => {
        pulumi = await TestPulumi.open([]);
    });
    after(() => pulumi.close());

    const texts = EXAMPLES.map((name) => [name, readFileSync(join(STACKS, name), "utf8")] as const);
    for (const [name, text] of [...texts, ["a new stack's", NEW] as const]) {
        it(`is as Pulumi writes it, which the first config set would else make of it: ${name}`, async () => {
            assert.equal(await pulumi.rewritten(text), text);
        });
    }
});
