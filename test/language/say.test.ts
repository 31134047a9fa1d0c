/**
 * The sentences of the programs in both languages: the same holes, each of them said by a program, and each known again in
 * what is printed. Whether the Chinese is good nobody but a reader can tell.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as ts from "typescript";
import { ELSEWHERE, SAID, SETTINGS } from "../../language/chinese";
import { inLanguage, languageOf, type Sentence, say, widthOf } from "../../language/say";

const ROOT = join(__dirname, "../..");
/** Names, the same in both languages. */
const NAMES = ["Pulumi CLI", "uplink"];
const ALL: Readonly<Record<string, string>> = { ...SETTINGS, ...ELSEWHERE, ...SAID };

function holes(sentence: string): string[] {
    return [...new Set([...sentence.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name))].sort();
}

function filled(sentence: string): string {
    return sentence.replace(/\{(\w+)\}/g, (_, name) => `<${name}>`);
}

/** It has words, and not those of another sentence. */
function isWhole(sentence: string): boolean {
    return /[a-z]/i.test(sentence.replace(/\{\w+\}/g, "")) && !sentence.includes("{problem}");
}

/** Files whose programs are spoken in both languages. */
const SPOKEN = [
    ...readdirSync(join(ROOT, "checks"))
        .filter((name) => name.endsWith(".ts") && !/^images?\b|^image-/.test(name))
        .map((name) => `checks/${name}`),
    "rehearsal/command-line.ts",
];

describe("The table of sentences", () => {
    it("has the same holes in both languages", () => {
        for (const [english, chinese] of Object.entries(ALL)) assert.deepEqual(holes(chinese), holes(english), english);
    });

    it("has Chinese in Chinese, and none in English", () => {
        for (const [english, chinese] of Object.entries(ALL)) {
            assert.doesNotMatch(english, /[\p{Script=Han}，。：；（）“”]/u);
            const words = chinese.replace(/\{\w+\}/g, "");
            if (!NAMES.includes(english) && /[a-z]/i.test(english.replace(/\{\w+\}/g, "")))
                assert.match(words, /\p{Script=Han}/u, english);
            // A command of its own keeps its punctuation.
            assert.doesNotMatch(words, /\p{Script=Han} ?[,;!?]|[,;!?] ?\p{Script=Han}|\p{Script=Han}:/u, english);
        }
    });

    it("has none that is said by no program", () => {
        const said = new Set(SPOKEN.flatMap((path) => sentences(path)));
        assert.deepEqual(
            Object.keys(SAID).filter((sentence) => !said.has(sentence)),
            [],
        );
    });

    // What stands around another sentence is one only with words that are known: see inLanguage below.
    for (const english of Object.keys(ALL).filter(isWhole)) {
        it(`is found again: ${english.split("\n")[0]}`, () => {
            assert.equal(inLanguage(filled(english), "zh"), filled(ALL[english] ?? ""));
            assert.equal(inLanguage(filled(english), "en"), filled(english));
        });
    }
});

/** What a file says. */
function sentences(path: string): string[] {
    const found: string[] = [];
    each(path, (node) => {
        if (!ts.isCallExpression(node) || node.expression.getText() !== "say") return;
        const visit = (argument: ts.Node): void => {
            if (ts.isStringLiteralLike(argument)) found.push(argument.text);
            else if (ts.isConditionalExpression(argument)) [argument.whenTrue, argument.whenFalse].forEach(visit);
        };
        if (node.arguments[0]) visit(node.arguments[0]);
    });
    return found;
}

function each(path: string, visit: (node: ts.Node) => void): void {
    const text = readFileSync(join(ROOT, path), "utf8");
    const walk = (node: ts.Node): void => {
        visit(node);
        ts.forEachChild(node, walk);
    };
    walk(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
}

describe("A program in both languages", () => {
    it("says no sentence past the table", () => {
        const past: string[] = [];
        for (const path of SPOKEN) {
            each(path, (node) => {
                const isFound = ts.isPropertyAssignment(node) && ["what", "todo", "note"].includes(node.name.getText());
                const isThrown =
                    ts.isNewExpression(node) && /Error|Remark|Failure|UsageShown/.test(node.expression.getText());
                const texts = isFound ? [node.initializer] : isThrown ? (node.arguments ?? []) : [];
                for (const text of texts) {
                    // States of a finding are words too; they are not shown.
                    if (!ts.isStringLiteralLike(text) && !ts.isTemplateExpression(text)) continue;
                    if (/[a-z]{2,}[ \u2019']/.test(text.getText())) past.push(`${path}: ${text.getText()}`);
                }
            });
        }
        // The command is Pulumi's; what it says follows in its own words.
        assert.deepEqual(
            past.filter((text) => !text.includes("`pulumi ${")),
            [],
        );
    });

    it("knows what doctor.sh says on a relay's machine", () => {
        const script = readFileSync(join(ROOT, "templates/vm/doctor.sh"), "utf8");
        const lines = [...script.matchAll(/^\s*say (?:ok|note|wrong) (\S+) "((?:[^"\\]|\\.)*)"/gm)];
        assert.ok(lines.length > 25, `${lines.length} lines`);
        for (const [, subject = "", text = ""] of lines) {
            // nginx is a name; what consists of a variable alone is another program's own words.
            if (subject !== "nginx") assert.match(inLanguage(subject, "zh"), /\p{Script=Han}/u, subject);
            const shown = text
                .replace("$when", "$when UTC")
                .replace(/\$\(([^()]|\([^()]*\))*\)/g, "some")
                .replace(/\$\{?\w+[^}\s:/]*\}?/g, "some");
            if (/^(some$|\$\()/.test(shown)) continue;
            assert.match(inLanguage(shown, "zh"), /\p{Script=Han}/u, shown);
        }
    });
});

describe("inLanguage", () => {
    const texts: Record<string, string> = {
        "nginx is well": "nginx 状态为 well",
        "nginx is well, worker is resting": "nginx 状态为 well，worker 状态为 resting",
        "a.example answers 502; b.example has it": "a.example 返回 502；b.example 有",
        "a.example: the connection is refused; b.example answers 404": "a.example：连接被拒绝；b.example 返回 404",
        "relay: TLS: failed": "“relay: TLS”没有通过",
        "skipped: AWS credentials: failed": "跳过：“AWS 凭证”没有通过",
        "Unknown option '--stakc'; did you mean \"--stack\"?": "没有 --stakc 这个参数；是不是“--stack”？",
        "cannot be asked: AccessDeniedException: User is not authorized":
            "无法询问：AccessDeniedException: User is not authorized",
        // Other programs' own words stay as they are, also where some of them are ours.
        "User: arn:aws:iam::1:user/a is not authorized": "User: arn:aws:iam::1:user/a is not authorized",
        "unable to get local issuer certificate": "unable to get local issuer certificate",
        "nothing of it, and nothing else": "nothing of it, and nothing else",
        "": "",
    };
    texts["relay: TLS: failed"] = "“中继：TLS”没有通过";
    for (const [english, chinese] of Object.entries(texts)) {
        it(`turns "${english}" into Chinese as far as it is known`, () =>
            assert.equal(inLanguage(english, "zh"), chinese));
        it(`leaves "${english}" in English`, () => assert.equal(inLanguage(english, "en"), english));
    }
});

describe("say", () => {
    it("is English, with its values", () => {
        assert.equal(say("login as {user}", { user: "ops" }), "login as ops");
        assert.equal(
            say("it shows none of the kind {kind}", { kind: "$&{kind}" }),
            "it shows none of the kind $&{kind}",
        );
        const sentence: Sentence = "are right";
        assert.equal(say(sentence), "are right");
    });
});

describe("languageOf", () => {
    const environments: [env: NodeJS.ProcessEnv, language: string][] = [
        [{}, "en"],
        [{ LANG: "zh_CN.UTF-8" }, "zh"],
        [{ LANG: "zh_CN" }, "zh"],
        [{ LANG: "zh-Hans" }, "zh"],
        [{ LANG: "zh_SG.UTF-8" }, "zh"],
        [{ LANG: "ZH_cn.utf8" }, "zh"],
        [{ LANG: "zh" }, "zh"],
        [{ LANG: "zha" }, "en"],
        [{ LANG: "en_US.UTF-8" }, "en"],
        [{ LANG: "C.UTF-8" }, "en"],
        [{ LC_MESSAGES: "zh_CN.UTF-8", LANG: "en_US.UTF-8" }, "zh"],
        [{ LC_ALL: "C", LC_MESSAGES: "zh_CN.UTF-8", LANG: "zh_CN.UTF-8" }, "en"],
        [{ LC_ALL: "zh_CN.UTF-8", LANG: "en_US.UTF-8" }, "zh"],
        [{ LC_ALL: "", LANG: "zh_CN.UTF-8" }, "zh"],
        [{ DOCKERMIRROR_LANG: "en", LC_ALL: "zh_CN.UTF-8" }, "en"],
        [{ DOCKERMIRROR_LANG: "zh", LANG: "C" }, "zh"],
        [{ DOCKERMIRROR_LANG: "", LANG: "zh_CN.UTF-8" }, "zh"],
    ];
    for (const [env, language] of environments) {
        it(`is ${language} for ${JSON.stringify(env)}`, () => assert.equal(languageOf(env), language));
    }
});

describe("widthOf", () => {
    it("counts columns of a terminal", () => {
        for (const [text, width] of [
            ["", 0],
            ["abc", 3],
            ["中继：TLS", 9],
            ["（a）", 5],
            ["→ é", 3],
        ] as const)
            assert.equal(widthOf(text), width, text);
    });
});
