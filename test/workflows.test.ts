/**
 * The GitHub workflows: what they may, what they start, and which stacks a pull request previews (by running that step).
 * It does not prove that GitHub accepts them, nor that the pinned commits are what their comments say.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { dependencies, engines } from "../package.json";

const ROOT = join(__dirname, "..");
const FOLDER = join(ROOT, ".github/workflows");
const SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository";

interface Step {
    readonly id?: string;
    readonly uses?: string;
    readonly run?: string;
    readonly with?: Record<string, unknown>;
}

interface Job {
    readonly if?: string;
    readonly needs?: string | string[];
    readonly permissions?: Record<string, string>;
    readonly "timeout-minutes"?: number;
    readonly strategy?: { readonly matrix: Record<string, unknown> };
    readonly container?: { readonly image: string };
    readonly steps: Step[];
}

interface Workflow {
    readonly on: Record<string, unknown>;
    readonly permissions?: Record<string, string>;
    readonly jobs: Record<string, Job>;
}

const names = readdirSync(FOLDER).sort();
const text = (name: string) => readFileSync(join(FOLDER, name), "utf8");
const workflow = (name: string): Workflow => parse(text(name));
const steps = ({ jobs }: Workflow) => Object.values(jobs).flatMap((job) => job.steps);

/** True when the job, or one that it needs, runs for branches of the repository only. */
function isForOwnBranches({ jobs }: Workflow, { if: condition = "", needs = [] }: Job): boolean {
    // A job with one of these runs also where what it needs was left out.
    if (/\b(always|cancelled|failure)\(/.test(condition)) return false;
    return (
        condition.split(" && ").includes(SAME_REPOSITORY) ||
        [needs].flat().some((name) => isForOwnBranches({ jobs } as Workflow, jobs[name]!))
    );
}

describe("The GitHub workflows", () => {
    it("are check and preview", () => {
        assert.deepEqual(names, ["check.yml", "preview.yml"]);
    });

    for (const name of names) {
        describe(name, () => {
            it("may by default read the repository at most", () => {
                const { permissions } = workflow(name);
                assert.ok(permissions, "no permissions: then GitHub's default counts, which may be everything");
                for (const [what, right] of Object.entries(permissions)) {
                    assert.deepEqual([what, right], ["contents", "read"]);
                }
            });

            it("writes comments on pull requests and nothing else", () => {
                const { jobs } = workflow(name);
                const written = Object.values(jobs).flatMap(({ permissions = {} }) =>
                    Object.keys(permissions).filter((what) => permissions[what] === "write"),
                );
                assert.deepEqual(written, name === "preview.yml" ? ["pull-requests"] : []);
            });

            it("pins every action to a commit, and says its version", () => {
                const lines = text(name)
                    .split("\n")
                    .filter((line) => /^\s*(- )?uses:/.test(line));
                assert.equal(lines.length, steps(workflow(name)).filter(({ uses }) => uses).length);
                assert.notEqual(lines.length, 0);
                for (const line of lines) assert.match(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
            });

            it("has one commit an action, the same in both files", () => {
                const used = names.flatMap((each) => steps(workflow(each))).map(({ uses }) => uses);
                const byAction = new Map(used.flatMap((uses) => (uses ? [[uses.split("@")[0]!, uses]] : [])));
                for (const { uses } of steps(workflow(name))) {
                    if (uses) assert.equal(uses, byAction.get(uses.split("@")[0]!));
                }
            });

            it("leaves no token in the checked out repository", () => {
                const checkouts = steps(workflow(name)).filter(({ uses }) => uses?.startsWith("actions/checkout@"));
                assert.notEqual(checkouts.length, 0);
                for (const checkout of checkouts) assert.equal(checkout.with?.["persist-credentials"], false);
            });

            it("never runs a pull request's code with the rights of the main branch", () => {
                const triggers = Object.keys(workflow(name).on);
                assert.deepEqual(
                    triggers.filter((trigger) => !["push", "pull_request"].includes(trigger)),
                    [],
                );
            });

            it("has no secret in a job that runs for forks", () => {
                const found = workflow(name);
                const open = Object.entries(found.jobs).filter(([, job]) => !isForOwnBranches(found, job));
                for (const [job, what] of open) assert.doesNotMatch(JSON.stringify(what), /\bsecrets\b/, job);
                assert.doesNotMatch(JSON.stringify({ ...found, jobs: {} }), /\bsecrets\b/);
            });

            it("puts nothing of an event into a script's text", () => {
                for (const { run = "" } of steps(workflow(name))) assert.doesNotMatch(run, /\$\{\{/);
            });

            it("ends by itself", () => {
                for (const job of Object.values(workflow(name).jobs)) assert.ok((job["timeout-minutes"] ?? 360) <= 60);
            });
        });
    }
});

describe("check.yml", () => {
    const { on, jobs } = workflow("check.yml");

    it("runs .ci/run for pull requests and for what is on the main branch", () => {
        assert.deepEqual(on, { push: { branches: ["main"] }, pull_request: null });
        assert.ok(steps({ on, jobs }).some(({ run }) => run === ".ci/run"));
    });

    it("runs on Debian, on the oldest Node that works and on the one of the uplink's image", () => {
        const { strategy, container } = jobs.check!;
        const oldest = Number(/^>=(\d+)$/.exec(engines.node)?.[1]);
        const source = readFileSync(join(ROOT, "components/onprem/onprem-images.ts"), "utf8");
        const [, uplink] = /"node:(\d+)-/.exec(source) ?? [];
        assert.deepEqual(strategy?.matrix.node, [oldest, Number(uplink)]);
        assert.match(container?.image ?? "", /^node:\$\{\{ matrix\.node \}\}-bookworm$/);
    });
});

describe("preview.yml", () => {
    const { jobs } = workflow("preview.yml");
    let repository: string;
    let base: string;

    beforeEach(() => {
        repository = mkdtempSync(join(tmpdir(), "dockermirror-preview-"));
        git("init", "--quiet", "--initial-branch", "main");
        for (const stack of ["example", "example-one-vps", "local", "acme-shanghai", "acme-tokyo_2"])
            write(stackFile(stack));
        for (const file of ["index.ts", "stacks/settings.ts", "README.md", "test/a.test.ts"]) write(file);
        base = commit();
        git("checkout", "--quiet", "-b", "branch");
    });
    afterEach(() => rmSync(repository, { recursive: true, force: true }));

    const stackFile = (stack: string) => `stacks/Pulumi.${stack}.yaml`;

    function git(...args: string[]): string {
        const author = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
        return execFileSync("git", [...author, ...args], { cwd: repository, encoding: "utf8" }).trim();
    }

    function write(path: string, content = "first\n"): void {
        mkdirSync(dirname(join(repository, path)), { recursive: true });
        writeFileSync(join(repository, path), content);
    }

    function commit(): string {
        git("add", "--all");
        git("commit", "--quiet", "--message", "change");
        return git("rev-parse", "HEAD");
    }

    /** The stacks that the step selects, as the next job's matrix gets them. */
    function selected(): string[] {
        const { run = "" } = jobs.stacks!.steps.find(({ id }) => id === "select") ?? {};
        const output = join(repository, ".git", "output");
        writeFileSync(output, "");
        // As GitHub runs a step that names no shell.
        execFileSync("bash", ["-e", "-c", run], {
            cwd: repository,
            env: { PATH: process.env.PATH, BASE: base, GITHUB_OUTPUT: output },
            stdio: ["ignore", "inherit", "inherit"],
        });
        const [, stacks] = /^stacks=(.*)\n$/.exec(readFileSync(output, "utf8")) ?? [];
        return JSON.parse(stacks ?? "");
    }

    function afterChanging(...paths: string[]): string[] {
        for (const path of paths) write(path, "changed\n");
        commit();
        return selected();
    }

    const ALL = ["acme-shanghai", "acme-tokyo_2"];
    const changes: Record<string, [string[], string[]]> = {
        "a stack's file": [[stackFile("acme-shanghai")], ["acme-shanghai"]],
        "two stacks' files": [ALL.map(stackFile), ALL],
        "a new stack's file": [[stackFile("acme-berlin")], ["acme-berlin"]],
        "a stack's file and the documentation": [[stackFile("acme-tokyo_2"), "README.md"], ["acme-tokyo_2"]],
        "index.ts": [["index.ts"], ALL],
        "the settings": [["stacks/settings.ts"], ALL],
        "a component and a stack's file": [["components/a.ts", stackFile("acme-shanghai")], ALL],
        "a template": [["templates/nginx/a.conf"], ALL],
        "a service": [["services/worker/worker.ts"], ALL],
        "the dependencies": [["package-lock.json"], ALL],
        "a folder that nobody thought of": [["new/a.md"], ALL],
        "documentation, tests and workflows": [["README.md", "test/a.test.ts", ".github/workflows/a.yml"], []],
        "the rehearsal": [["rehearsal/main.ts", stackFile("local")], []],
        "the example": [[stackFile("example")], []],
        "another example": [[stackFile("example-one-vps")], []],
    };
    for (const [what, [paths, stacks]] of Object.entries(changes)) {
        it(`previews ${stacks.length > 0 ? stacks.join(" and ") : "nothing"} for a change of ${what}`, () => {
            assert.deepEqual(afterChanging(...paths), stacks);
        });
    }

    it("previews nothing for a stack's file that goes", () => {
        rmSync(join(repository, stackFile("acme-shanghai")));
        commit();
        assert.deepEqual(selected(), []);
    });

    it("previews the stacks that are left when the program changes as well", () => {
        rmSync(join(repository, stackFile("acme-shanghai")));
        assert.deepEqual(afterChanging("index.ts"), ["acme-tokyo_2"]);
    });

    it("looks at what the branch changes, not at what the main branch did since", () => {
        write(stackFile("acme-shanghai"), "changed\n");
        commit();
        git("checkout", "--quiet", "main");
        write("index.ts", "changed on main\n");
        base = commit();
        git("checkout", "--quiet", "branch");
        assert.deepEqual(selected(), ["acme-shanghai"]);
    });

    it("previews each of them, and nothing where there is none", () => {
        const { strategy, needs, if: condition, steps: all } = jobs.preview!;
        assert.match(String(strategy?.matrix.stack), /^\$\{\{ fromJSON\(needs\.stacks\.outputs\.stacks\) \}\}$/);
        assert.deepEqual([needs, condition], ["stacks", "needs.stacks.outputs.stacks != '[]'"]);
        const preview = all.find(({ uses }) => uses?.startsWith("pulumi/actions@"))?.with;
        assert.equal(preview?.command, "preview");
        assert.match(String(preview?.["stack-name"]), /^\$\{\{ matrix\.stack \}\}$/);
    });

    it("uses the Pulumi of the program's own SDK", () => {
        const preview = jobs.preview!.steps.find(({ uses }) => uses?.startsWith("pulumi/actions@"))?.with;
        assert.equal(preview?.["pulumi-version"], dependencies["@pulumi/pulumi"]);
    });
});
