/**
 * The documentation: its tables are those of the program, its links lead somewhere, and both languages have the same
 * pages with the same headings. It does not read what the words say, and asks no address of the world.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { parse } from "yaml";
import type { Step } from "../rehearsal/proof/step";
import { proofTable } from "../rehearsal/table";
import { MEANINGS } from "../stacks/meanings";
import { settingsFields, withTables } from "../stacks/settings-table";
import { OUTPUTS, runProgram } from "./support/program";

const ROOT = join(__dirname, "..");
const DOCS = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
const CHINESE = readdirSync(join(ROOT, "docs/zh-CN"));
const PAGES = ["README.md", "README.zh-CN.md", ...DOCS.map(english), ...CHINESE.map(chinese)];

function english(name: string): string {
    return join("docs", name);
}

function chinese(name: string): string {
    return join("docs/zh-CN", name);
}

function read(page: string): string {
    return readFileSync(join(ROOT, page), "utf8");
}

/** A page without what stands in code, where nothing is a heading or a link. */
function prose(page: string): string {
    return read(page)
        .replace(/^ *```.*?^ *```$/gms, "")
        .replace(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()#]/g, ""));
}

function headings(page: string): { readonly level: number; readonly text: string }[] {
    return [...prose(page).matchAll(/^(#+) (.+)$/gm)].map(([, marks = "", text = ""]) => ({
        level: marks.length,
        text,
    }));
}

/** As GitHub makes them: https://docs.github.com/en/get-started/writing-on-github, "Section links". */
function anchors(page: string): string[] {
    return headings(page).map(({ text }) =>
        text
            .toLowerCase()
            .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
            .replaceAll(" ", "-"),
    );
}

function links(page: string): string[] {
    return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
}

describe("The documentation", () => {
    for (const [page, language] of [
        ["docs/settings.md", "en"],
        ["docs/zh-CN/settings.md", "zh"],
    ] as const) {
        it(`has the tables of the schema in ${page}; npm run docs writes them`, () => {
            assert.equal(read(page), withTables(read(page), language));
        });
    }

    it("has a meaning for every setting in both languages", () => {
        for (const [path, { en, zh, otherwise }] of Object.entries(MEANINGS)) {
            assert.ok(en.length > 0 && /^[^\p{Script=Han}]+$/u.test(en), `English of ${path}: ${en}`);
            assert.match(zh, /\p{Script=Han}|`/u, `Chinese of ${path}`);
            if (otherwise) assert.ok(otherwise.en.length > 0 && otherwise.zh.length > 0, path);
        }
    });

    it("knows every setting that the example with all of them has", () => {
        const known = new Set(settingsFields().map(({ path }) => path));
        const { config } = parse(read("stacks/Pulumi.example.yaml"));
        for (const [key, value] of Object.entries(config)) {
            for (const path of pathsOf(key.replace("dockermirror:", ""), value)) assert.ok(known.has(path), path);
        }
    });

    it("refuses a page without a marker", () => {
        assert.throws(() => withTables("# Settings\n", "en"), /must have the lines <!-- settings table -->/);
    });

    it("has every page in both languages", () => {
        assert.deepEqual(CHINESE.toSorted(), DOCS.toSorted());
    });

    for (const [one, other] of [
        ["README.md", "README.zh-CN.md"],
        ...DOCS.map((name) => [english(name), chinese(name)]),
    ] as const) {
        it(`has the same headings in ${one} and ${other}`, () => {
            const levels = (page: string) => headings(page).map(({ level }) => level);
            assert.deepEqual(levels(other ?? ""), levels(one ?? ""));
        });
    }

    for (const page of PAGES) {
        it(`has no link in ${page} that leads nowhere`, () => {
            for (const target of links(page).filter((link) => !/^(https?|mailto):/.test(link))) {
                const [path = "", anchor] = decodeURIComponent(target).split("#");
                const file = path === "" ? page : relative(ROOT, join(ROOT, dirname(page), path));
                assert.ok(existsSync(join(ROOT, file)), `${target}: no such file`);
                if (anchor === undefined) continue;
                assert.ok(statSync(join(ROOT, file)).isFile(), `${target}: a folder has no anchors`);
                assert.ok(anchors(file).includes(anchor), `${target}: ${file} has ${anchors(file).join(", ")}`);
            }
        });
    }

    it("has no page that no other leads to", () => {
        const led = new Set(
            PAGES.flatMap((page) =>
                links(page).map((link) => relative(ROOT, join(ROOT, dirname(page), link.split("#")[0] ?? ""))),
            ),
        );
        for (const page of PAGES) assert.ok(led.has(page), `${basename(page)} is linked from nowhere`);
    });

    it("names only files and npm scripts that there are", () => {
        const { scripts } = JSON.parse(read("package.json"));
        for (const page of PAGES) {
            for (const [, script = ""] of read(page).matchAll(/npm run ([a-z-]+)/g))
                assert.ok(scripts[script], `${page}: npm run ${script}`);
            for (const [, example = ""] of read(page).matchAll(/(?<![\w-])(example-[a-z-]+)\b/g))
                assert.ok(existsSync(join(ROOT, `stacks/Pulumi.${example}.yaml`)), `${page}: ${example}`);
        }
    });

    it("imports what the program makes, by its type and name", async () => {
        const edge = { accountId: "0123456789abcdef0123456789abcdef", hostname: "hub.example.com" };
        const made = { hostname: "vm.example.com", region: "ap-northeast-1", sshFrom: ["203.0.113.7/32"], ipv6: true };
        const zone = { zone: "example.com", createZone: { accountId: edge.accountId }, zoneReady: true };
        const names = new Set<string>();
        for (const overseas of [
            { kind: "ec2", subnetId: "subnet-01234567", ...made },
            { kind: "lightsail", ...made },
        ]) {
            const options = { config: { ...zone, edge, overseas }, outputs: OUTPUTS };
            const { resources } = await runProgram(options);
            for (const { type, name } of resources) names.add(`${type} ${name}`);
        }
        for (const page of ["docs/import.md", "docs/zh-CN/import.md"]) {
            const rows = read(page)
                .split("\n")
                .filter((line) => line.startsWith("| ") && /, `|，`/.test(line));
            let type = "";
            const told = rows.flatMap((row) => {
                const [, cell = ""] = row.slice(2).split(" | ");
                type = /[\w-]+:[\w/]+:\w+/.exec(cell)?.[0] ?? type;
                const name = /[,，] ?`([\w-]+)`$/.exec(cell)?.[1];
                return name === undefined ? [] : [`${type} ${name}`];
            });
            assert.equal(told.length, 11, page);
            for (const resource of told) assert.ok(names.has(resource), `${page}: ${resource}`);
        }
    });

    it("shows the proof in the form in which a start prints it", () => {
        const shown = proofOf("docs/rehearsal.md");
        const steps = stepsOf(shown);
        assert.ok(steps.length > 30, `${steps.length} steps`);
        assert.deepEqual(shown, proofTable(steps));
        assert.deepEqual(proofOf("docs/zh-CN/rehearsal.md"), shown);
    });

    it("has a part of that proof in the README", () => {
        const [shown, part] = [proofOf("docs/rehearsal.md"), proofOf("README.md")];
        assert.equal(part[0], shown[0]);
        assert.ok(part.length > 10);
        const whole = stepsOf(shown).map(({ note: _, ...step }) => step);
        for (const step of stepsOf(part))
            assert.deepEqual(
                whole.find(({ name }) => name === step.name),
                step,
            );
        assert.deepEqual(proofOf("README.zh-CN.md"), part);
    });

    for (const page of ["README.zh-CN.md", ...CHINESE.map(chinese)]) {
        it(`has full-width punctuation between Chinese words in ${page}`, () => {
            const text = prose(page)
                .replace(/`[^`\n]*`/g, "x")
                .replace(/\]\([^)]*\)/g, "]");
            const found = text.match(/.{0,20}(\p{Script=Han} ?[,;:!?()]|[,;!?()] ?\p{Script=Han}).{0,20}/gu);
            assert.deepEqual(found ?? [], []);
        });

        it(`has one Chinese word for one thing in ${page}`, () => {
            for (const word of NOT_OUR_WORDS) assert.ok(!prose(page).includes(word), word);
        });
    }

    it("keeps the README a front door", () => {
        // The list of changes, its last section, grows with each release.
        for (const [page, changes] of Object.entries({
            "README.md": "\n## Changes\n",
            "README.zh-CN.md": "\n## 变更记录\n",
        })) {
            const [door = "", ...lists] = read(page).split(changes);
            assert.equal(lists.length, 1, page);
            assert.ok(door.split("\n").length < 400, page);
            assert.ok(read(page).split("\n").length < 450, page);
        }
    });
});

/** Other words for what stacks/meanings.ts has a word for, and phrases that no engineer writes. */
const NOT_OUR_WORDS = ["镜像服务", "镜像网站", "加速器", "谁也不信任", "小云", "开着 5 段", "端口原地"];

/** The lines of a page's table of the proof. */
function proofOf(page: string): string[] {
    const [, table] = /<!-- proof table -->\n```\n(.*?)\n```\n/s.exec(read(page)) ?? [];
    assert.ok(table, `${page} has no table of the proof`);
    return table.split("\n");
}

/** The steps that a table of the proof shows, in the places where its head has the columns. */
function stepsOf([head = "", ...lines]: readonly string[]): Step[] {
    const ends = ["link MB", "image MB", "requests", "seconds"].map((title) => head.indexOf(title) + title.length);
    const [name, relay] = [head.indexOf("step"), head.indexOf("relay")];
    const end = lines.indexOf("");
    const rows = lines.slice(0, end < 0 ? undefined : end);
    const blocks: string[][] = [];
    for (const line of rows) {
        if (/^\S/.test(line)) blocks.push([line]);
        else blocks.at(-1)?.push(line);
    }
    return blocks.map((block): Step => {
        const [first = ""] = block;
        const number = first.slice(0, name).trim().split(/ +/)[1];
        const numbers = ends.map((to, at) => {
            const text = first.slice(at === 0 ? to - 9 : (ends[at - 1] ?? 0), to).trim();
            return text === "" ? undefined : Number(text);
        });
        const [link, image, requests, seconds] = numbers;
        const by = first.slice(relay, (ends[0] ?? 0) - 9).trim();
        const note = noteOf(lines.slice(end), number ?? "");
        return {
            name: block.map((line) => line.slice(name, relay).trim()).join(" "),
            ok: first.startsWith("ok"),
            ...(by && { relay: by }),
            ...(link !== undefined && { linkBytes: Math.round(link * 1e6) }),
            ...(image !== undefined && { imageBytes: Math.round(image * 1e6) }),
            ...(requests !== undefined && { linkRequests: requests }),
            ...(seconds !== undefined && { seconds }),
            ...(note && { note }),
        };
    });
}

/** The note with a step's number, which may go on in lines that begin with spaces. */
function noteOf(lines: readonly string[], number: string): string {
    const at = lines.findIndex((line) => line.trimStart().startsWith(`${number}  `));
    if (at < 0) return "";
    const more = lines.slice(at + 1).findIndex((line) => !line.startsWith("      "));
    return lines
        .slice(at, at + 1 + more)
        .map((line) => line.slice("  12  ".length))
        .join(" ");
}

/** Paths of a value as the table writes them. */
function pathsOf(path: string, value: unknown): string[] {
    if (Array.isArray(value)) {
        const objects = value.filter((item) => typeof item === "object");
        return objects.length > 0 ? objects.flatMap((item) => pathsOf(`${path}[]`, item)) : [path];
    }
    if (typeof value !== "object" || value === null) return [path];
    return Object.entries(value).flatMap(([name, field]) => pathsOf(`${path}.${name}`, field));
}
