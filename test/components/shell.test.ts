import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { quote } from "../../components/shell";

const VALUES: Record<string, string> = {
    "plain text": "mirror.acme.lan",
    "nothing at all": "",
    spaces: "  two words ",
    quotes: `it's "quoted" '' '`,
    "what a shell would run": "$(touch /tmp/x) `id` ; rm -rf / & | > < # !",
    "what a shell would replace": "$HOME ~ * ? [a] {a,b} \\ \\n",
    "several lines": "one\ntwo\n",
    "other scripts": "镜像 ñ 🐳",
    "an option": "-rf",
};

describe("quote", () => {
    for (const [what, value] of Object.entries(VALUES)) {
        it(`makes one word of ${what}`, () => {
            const script = `set -- ${quote(value)}; printf '%s:%s' "$#" "$1"`;
            assert.equal(execFileSync("sh", ["-c", script], { encoding: "utf8" }), `1:${value}`);
        });
    }
});
