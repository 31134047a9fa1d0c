/** How the project is laid out: names, layers, and that nothing lies about unused. Reads the sources, runs none. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import * as ts from "typescript";
import { parse as parseYaml } from "yaml";

const ROOT = join(__dirname, "..");
const FOLDERS = [
    "components",
    "services",
    "stacks",
    "templates",
    "checks",
    "new-stack",
    "plan",
    "docs",
    "language",
    "rehearsal",
    "bench",
    "test",
];

/** What each layer may import, by the start of its path: of the project, and of packages and Node. First match counts. */
const MAY_IMPORT: Readonly<Record<string, { readonly project: RegExp; readonly packages: RegExp }>> = {
    "index.ts": { project: /^(components|stacks)\//, packages: /^@pulumi\// },
    "stacks/": {
        project: /^(stacks\/|services\/registry\/)/,
        // A setting may name a file, which is read as a part of the settings.
        packages: /^(@pulumi\/pulumi|zod|fastest-levenshtein|node:(crypto|fs|net|path|url|util))$/,
    },
    "components/": {
        project: /^(components\/|services\/registry\/|templates\/render\.ts$|package\.json$)/,
        packages: /^(@pulumi\/\w+|esbuild|node:(crypto|fs|path|zlib))$/,
    },
    "templates/": { project: /^$/, packages: /^(@pulumi\/pulumi|node:(fs|path))$/ },
    "services/registry/": { project: /^services\/registry\//, packages: /^$/ },
    "services/worker/": { project: /^services\/(registry|worker)\//, packages: /^$/ },
    // Node's and undici's only: shared by the uplink and the checks.
    "services/connection/": { project: /^services\/connection\//, packages: /^(undici|node:[\w/]+)$/ },
    "services/canary/": { project: /^services\/(registry|canary)\//, packages: /^node:[\w/]+$/ },
    "services/gate/": { project: /^services\/gate\//, packages: /^node:[\w/]+$/ },
    "services/uplink/": {
        project: /^(services\/(registry|connection|uplink)\/|package\.json$)/,
        packages: /^(undici|prom-client|zod|node:[\w/]+)$/,
    },
    // It also tells which plugins the program needs, runs programs, reads a stack's file, as the rehearsal does, and another
    // stack's relays, as the program does.
    "language/": { project: /^(language\/|stacks\/meanings\.ts$)/, packages: /^$/ },
    "checks/": {
        project:
            /^(checks\/|language\/|stacks\/|services\/connection\/|components\/(shell|shared-relays)\.ts$|rehearsal\/(run|stack-file|usable|command-line)\.ts$|package\.json$)/,
        packages: /^(@pulumi\/pulumi|@aws-sdk\/credential-provider-node|aws4fetch|tar-stream|undici|node:[\w/]+)$/,
    },
    // It asks what the settings ask for, by their own rules, and looks with the checks before it writes.
    "new-stack/": {
        project:
            /^(new-stack\/|checks\/|stacks\/(settings|known-names)\.ts$|rehearsal\/(command-line|stack-file)\.ts$|services\/registry\/upstreams\.ts$)/,
        packages: /^(@pulumi\/pulumi|yaml|node:[\w/]+)$/,
    },
    "rehearsal/": { project: /^(?!test\/|bench\/)/, packages: /./ },
    "docs/": { project: /^(stacks\/settings-table|rehearsal\/command-line)\.ts$/, packages: /^node:(fs|path)$/ },
    "plan/": { project: /^(plan\/|rehearsal\/command-line\.ts$)/, packages: /^$/ },
    "bench/": { project: /./, packages: /./ },
    "test/": { project: /./, packages: /./ },
};

/** Whatever decides what a stack is made of is handed to these, by index.ts. */
const HANDED_EVERYTHING = ["components/", "stacks/", "templates/", "services/registry/", "services/worker/"];

interface Source {
    /** From the root, with slashes. */
    readonly path: string;
    readonly tree: ts.SourceFile;
}

function files(folder: string): string[] {
    return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

function parse(path: string): Source {
    const text = readFileSync(join(ROOT, path), "utf8");
    return { path, tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
}

const sources = ["index.ts", ...FOLDERS.flatMap(files).filter((path) => path.endsWith(".ts"))].map(parse);

const below = (...folders: string[]) => sources.filter(({ path }) => folders.some((folder) => path.startsWith(folder)));

/** Every node of a file for which `is` holds. */
function nodes<T extends ts.Node>({ tree }: Source, is: (node: ts.Node) => node is T): T[] {
    const found: T[] = [];
    const visit = (node: ts.Node): void => {
        if (is(node)) found.push(node);
        ts.forEachChild(node, visit);
    };
    visit(tree);
    return found;
}

/** Strings of a file that no hole is in. */
const strings = (source: Source) => nodes(source, ts.isStringLiteralLike).map((node) => node.text);

/** What a file imports: paths from the root for files of the project, names for the rest. */
function imports({ path, tree }: Source): { readonly project: string[]; readonly packages: string[] } {
    const names = ts.preProcessFile(tree.text, true, true).importedFiles.map(({ fileName }) => fileName);
    const project = names
        .filter((name) => name.startsWith("."))
        .map((name) => join(dirname(path), name))
        .map((name) => (/\.\w+$/.test(name) ? name : `${name}.ts`));
    return { project, packages: names.filter((name) => !name.startsWith(".")) };
}

const isComponent = (node: ts.ClassDeclaration) =>
    (node.heritageClauses ?? []).some((clause) =>
        clause.types.some((type) => /ComponentResource$/.test(type.getText())),
    );

const isExported = (node: ts.Node) =>
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword);

const pascal = (kebab: string) => kebab.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());

describe("The project", () => {
    const components = below("components/").filter((source) => nodes(source, ts.isClassDeclaration).some(isComponent));

    it("has components at home, at the edge and overseas", () => {
        const folders = new Set(components.map(({ path }) => dirname(path)));
        assert.deepEqual([...folders].sort(), [
            "components",
            "components/edge",
            "components/onprem",
            "components/overseas",
        ]);
    });

    for (const source of components) {
        const name = pascal(basename(source.path, ".ts"));
        it(`has ${name}, ${name}Args and its token in ${source.path}`, () => {
            const classes = nodes(source, ts.isClassDeclaration).filter(isComponent);
            assert.deepEqual(
                classes.map((each) => each.name?.text),
                [name],
            );
            assert.ok(classes.every(isExported), `${name} is not exported`);
            const types = [...nodes(source, ts.isInterfaceDeclaration), ...nodes(source, ts.isTypeAliasDeclaration)];
            const args = types.filter((each) => each.name.text === `${name}Args`);
            assert.ok(args.length === 1 && args.every(isExported), `no exported ${name}Args`);
            const parameters = nodes(source, ts.isConstructorDeclaration).map(({ parameters: all }) =>
                all.map((parameter) => parameter.type?.getText()),
            );
            assert.deepEqual(parameters, [["string", `${name}Args`, "pulumi.ComponentResourceOptions"]]);
            const folder = dirname(source.path).slice("components/".length) || "index";
            const tokens = strings(source).filter((text) => text.startsWith("dockermirror:"));
            assert.deepEqual(tokens, [`dockermirror:${folder}:${name}`]);
        });
    }

    it("says what every component, its arguments and its outputs are", () => {
        for (const source of components) {
            const exported = [...nodes(source, ts.isClassDeclaration), ...nodes(source, ts.isInterfaceDeclaration)];
            for (const node of exported.filter(isExported)) {
                assert.ok(ts.getJSDocCommentsAndTags(node).length > 0, `${source.path}: ${node.name?.text}`);
            }
        }
    });

    it("has an index.ts of under 40 lines", () => {
        const lines = readFileSync(join(ROOT, "index.ts"), "utf8").trimEnd().split("\n");
        assert.ok(lines.length < 40, `${lines.length} lines`);
    });

    it("is loaded by Pulumi without a check of its types, and otherwise as it is checked", () => {
        const { runtime } = parseYaml(readFileSync(join(ROOT, "Pulumi.yaml"), "utf8"));
        const options = (file: string) => {
            const { config, error } = ts.readConfigFile(join(ROOT, file), ts.sys.readFile);
            assert.equal(error, undefined, file);
            return config.compilerOptions;
        };
        // As sdk/nodejs/cmd/run/run.ts reads it: "extends" is not followed.
        const { noCheck, ...loaded } = options(runtime.options.tsconfig);
        assert.equal(noCheck, true);
        const checked = options("tsconfig.json");
        for (const name of ["target", "module", "moduleResolution", "strict"])
            assert.equal(loaded[name], checked[name], name);
    });

    it("imports in one direction: index.ts knows settings and components, and neither knows the other", () => {
        const wrong: string[] = [];
        for (const source of sources) {
            const layer = Object.keys(MAY_IMPORT).find((start) => source.path.startsWith(start));
            assert.ok(layer, `${source.path} is in no layer`);
            const { project, packages } = imports(source);
            const may = MAY_IMPORT[layer]!;
            const refused = [
                ...project.filter((name) => !may.project.test(name)),
                ...packages.filter((name) => !may.packages.test(name)),
            ];
            wrong.push(...refused.map((name) => `${source.path} imports ${name}`));
        }
        assert.deepEqual(wrong, []);
    });

    it("reads the configuration and the environment in index.ts alone", () => {
        const reading = below(...HANDED_EVERYTHING).flatMap((source) => [
            ...nodes(source, ts.isIdentifier)
                .filter(({ text }) => text === "process" || text === "globalThis")
                .map(({ text }) => `${source.path}: ${text}`),
            ...nodes(source, ts.isNewExpression)
                .filter(({ expression }) => /\bConfig$/.test(expression.getText()))
                .map((node) => `${source.path}: ${node.getText()}`),
        ]);
        assert.deepEqual(reading, []);
        const [index] = below("index.ts");
        assert.deepEqual(
            nodes(index!, ts.isNewExpression)
                .map((node) => node.getText())
                .filter((text) => text.includes("Config")),
            ["new pulumi.Config()"],
        );
    });

    it("keeps no state in a module, but for the tokens of a Worker's isolate", () => {
        const stateless = below("components/", "stacks/", "templates/", "services/").filter(
            ({ path }) => path !== "services/worker/worker.ts",
        );
        const state = stateless.flatMap(({ path, tree }) =>
            tree.statements
                .filter(ts.isVariableStatement)
                .filter(({ declarationList }) => (declarationList.flags & ts.NodeFlags.Const) === 0)
                .map((statement) => `${path}: ${statement.getText()}`),
        );
        assert.deepEqual(state, []);
    });

    it("makes no resource inside an apply", () => {
        const inside = below("components/", "index.ts").flatMap((source) =>
            nodes(source, ts.isCallExpression)
                .filter(({ expression }) => /\.apply$/.test(expression.getText()))
                .flatMap((call) =>
                    call.arguments.flatMap((argument) =>
                        nodes({ ...source, tree: argument as never }, ts.isNewExpression),
                    ),
                )
                .map((node) => node.expression.getText())
                .filter((made) => !/^(pulumi\.RunError|Error|URL|Map|Set)$/.test(made))
                .map((made) => `${source.path}: new ${made}`),
        );
        assert.deepEqual(inside, []);
    });

    it("uses every template", () => {
        const used = new Set(below("components/").flatMap(strings));
        const templates = files("templates").map((path) => path.slice("templates/".length));
        assert.ok(templates.includes("render.ts"));
        assert.deepEqual(
            templates.filter((path) => path !== "render.ts" && !used.has(path)),
            [],
        );
    });

    it("has templates without logic, and render.ts as the only code about them", () => {
        const templates = files("templates");
        assert.deepEqual(
            templates.filter((path) => path.endsWith(".ts")),
            ["templates/render.ts"],
        );
        for (const path of templates.filter((each) => !each.endsWith(".ts"))) {
            const text = readFileSync(join(ROOT, path), "utf8");
            const marks = text.match(/\{\{(?! [a-zA-Z][a-zA-Z0-9]* \}\})[^\n]*|\{%[^\n]*|<%[^\n]*/g) ?? [];
            assert.deepEqual(marks, [], path);
        }
    });

    it("has file names in kebab case, and no barrel", () => {
        const odd = FOLDERS.filter((folder) => folder !== "templates")
            .flatMap(files)
            .filter((path) => !/^[a-z0-9.-]+$/.test(basename(path)) && !path.startsWith("stacks/Pulumi."));
        assert.deepEqual(odd, []);
        const barrels = sources.filter(
            (source) =>
                (basename(source.path) === "index.ts" && source.path !== "index.ts") ||
                nodes(source, ts.isExportDeclaration).some(({ moduleSpecifier }) => moduleSpecifier !== undefined),
        );
        assert.deepEqual(
            barrels.map(({ path }) => path),
            [],
        );
    });

    it("is licensed by its contributors under the Apache License 2.0", () => {
        const license = readFileSync(join(ROOT, "LICENSE"), "utf8");
        assert.match(license, /^\s+Apache License\n\s+Version 2\.0, January 2004\n/);
        assert.match(license, /^ {3}END OF TERMS AND CONDITIONS$/m);
        assert.match(license, /^ {3}Copyright 2026 dockermirror contributors$/m);
    });
});
