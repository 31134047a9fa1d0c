import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { fill, readTemplate, render } from "../../templates/render";
import { deploy } from "../support/deploy";

describe("fill", () => {
    it("puts every value into its holes, numbers in decimal", () => {
        assert.equal(fill("{{ host }}:{{ port }} {{ host }}", { host: "a", port: 5000 }), "a:5000 a");
    });

    it("takes values as they are: nothing in them is a hole or a pattern", () => {
        assert.equal(fill("[{{ value }}]", { value: "$& $1 {{ other }}" }), "[$& $1 {{ other }}]");
    });

    it("leaves other braces alone, such as nginx' and the shell's", () => {
        const text = "map $a $b { x y; } {single} { { } }";
        assert.equal(fill(text, {}), text);
    });

    const refused: Record<string, [string, Record<string, string>, string]> = {
        "a hole without a value": ["{{ host }}", {}, "hole {{ host }} has no value"],
        "a value without a hole": ["", { host: "a" }, "value host has no hole"],
        "a hole that is not well formed": ["{{host}}", {}, '"{{host}}" is not a hole'],
        "a hole with logic": ["{{ #if tls }}", {}, '"{{ #if tls }}" is not a hole'],
        "a hole that is never closed": ["{{ host", {}, '"{{ host" is not a hole'],
        "the name of something that every object has": ["{{ constructor }}", {}, "hole {{ constructor }} has no value"],
    };
    for (const [what, [text, view, problem]] of Object.entries(refused)) {
        it(`refuses ${what}`, () => {
            assert.throws(
                () => fill(text, view, "templates/a.conf"),
                (error: Error) => {
                    assert.ok(error.message.startsWith("templates/a.conf: "), error.message);
                    assert.ok(error.message.includes(problem), error.message);
                    return true;
                },
            );
        });
    }

    it("tells all that is wrong at once", () => {
        const problems = ["hole {{ a }} has no value", "hole {{ b }} has no value", "value c has no hole"];
        assert.throws(() => fill("{{ a }} {{ b }}", { c: "1" }, "x"), new Error(`x: ${problems.join("; ")}`));
    });
});

describe("render", () => {
    /** The text that a resource gets, and whether it is secret. */
    async function rendered(remoteUrl: pulumi.Input<string>): Promise<{ text: string; secret: boolean }> {
        let secret = false;
        const { outputs } = await deploy(async () => {
            const text = render("registry/config-3.yml", { remoteUrl });
            secret = await pulumi.isSecret(text);
            return { text };
        });
        return { text: outputs.text, secret };
    }

    it("fills a file of this folder, with values that are known later", async () => {
        const { text, secret } = await rendered(pulumi.output("http://uplink:5000"));
        assert.equal(text, readTemplate("registry/config-3.yml").replace("{{ remoteUrl }}", "http://uplink:5000"));
        assert.equal(secret, false);
    });

    it("makes a secret text of a secret value", async () => {
        assert.equal((await rendered(pulumi.secret("http://uplink:5000"))).secret, true);
    });

    it("names the file whose holes do not fit", async () => {
        const program = () => ({ text: render("registry/config-3.yml", { remoteURL: "x" }) });
        await assert.rejects(deploy(program), /templates\/registry\/config-3\.yml: .*remoteUrl.*remoteURL/);
    });
});
