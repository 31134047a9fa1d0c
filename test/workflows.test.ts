/**
 * The GitHub workflows: what they may, what they start, for which stacks, and with which secrets; read, checked by
 * actionlint, and their own scripts run. It does not prove that GitHub accepts them, nor that the pinned commits are what
 * their comments say.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { dependencies, engines } from "../package.json";
import { attempt } from "../rehearsal/run";
import { IMAGE_LIST, readImageList } from "../stacks/image-list";
import { actionlint } from "./support/actionlint";
import { Repository, STACK_FILES } from "./support/repository";

const ROOT = join(__dirname, "..");
const FOLDER = join(ROOT, ".github/workflows");
const SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository";
/** GitHub's command line: writes down what it is asked for. */
const GH = `#!/bin/sh
echo "$*" >>"$CALLS"
case $* in "pr list "*) echo "$OPEN" ;; esac
`;
/** The first build of actionlint downloads a Go toolchain where the machine's is old. */
const BUILD_MS = 300_000;

interface Step {
    readonly id?: string;
    readonly uses?: string;
    readonly if?: string;
    readonly run?: string;
    readonly with?: Record<string, unknown>;
    readonly env?: Record<string, string>;
}

interface Job {
    readonly if?: string;
    readonly needs?: string | string[];
    readonly "runs-on": string;
    readonly permissions?: Record<string, string>;
    readonly "timeout-minutes"?: number;
    readonly environment?: string;
    readonly concurrency?: Record<string, unknown>;
    readonly strategy?: { readonly matrix: Record<string, unknown> };
    readonly container?: { readonly image: string };
    readonly steps: Step[];
}

interface Workflow {
    readonly on: Record<string, any>;
    readonly permissions?: Record<string, string>;
    readonly concurrency?: Record<string, unknown>;
    readonly jobs: Record<string, Job>;
}

const names = readdirSync(FOLDER).sort();
const text = (name: string) => readFileSync(join(FOLDER, name), "utf8");
const workflow = (name: string): Workflow => parse(text(name));
const steps = ({ jobs }: Workflow) => Object.values(jobs).flatMap((job) => job.steps);
const expression = (inner: string) => `\${{ ${inner} }}`;
/** The step of a job that uses an action. */
const using = ({ steps: all }: Job, action: string) => all.find(({ uses }) => uses?.startsWith(`${action}@`));
const pulumi = (job: Job) => using(job, "pulumi/actions");
const comments = (job: Job) => pulumi(job)?.with?.["comment-on-pr"] === true;
const opensPullRequest = ({ steps: all }: Job) => all.some(({ run }) => run?.includes("gh pr create"));

/** True when the job, or one that it needs, runs for branches of the repository only. */
function isForOwnBranches({ jobs }: Workflow, { if: condition = "", needs = [] }: Job): boolean {
    // A job with one of these runs also where what it needs was left out.
    if (/\b(always|cancelled|failure)\(/.test(condition)) return false;
    // What is joined by "and" on the outside: an "or" beside it would let others in.
    const parts = /^[^(|]*$/.test(condition) ? condition.split(" && ") : [];
    return (
        parts.includes(SAME_REPOSITORY) ||
        [needs].flat().some((name) => isForOwnBranches({ jobs } as Workflow, jobs[name]!))
    );
}

/** Every job that runs pulumi, by workflow and job: its command, its matrix, and from where its secrets come. */
const pulumiJobs = names.flatMap((name) =>
    Object.entries(workflow(name).jobs)
        .filter(([, job]) => pulumi(job))
        .map(([job, content]) => ({ name: `${name} ${job}`, job: content })),
);

describe("The GitHub workflows", () => {
    it("are check, deploy, drift, images and preview", () => {
        assert.deepEqual(names, ["check.yml", "deploy.yml", "drift.yml", "images.yml", "preview.yml"]);
    });

    it("are accepted by actionlint", async function () {
        this.timeout(BUILD_MS);
        // Without shellcheck, which only some machines have.
        const { stdout } = await attempt(await actionlint(), ["-shellcheck=", "-pyflakes="], { cwd: ROOT });
        assert.equal(stdout, "");
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

            it("writes comments and pull requests, and takes roles at AWS, in the jobs that do that, and nothing else", () => {
                for (const job of Object.values(workflow(name).jobs)) {
                    const { permissions = {} } = job;
                    const written = Object.keys(permissions).filter((what) => permissions[what] === "write");
                    const wanted = [
                        ...(job.steps.some(({ run }) => run?.includes("git push")) ? ["contents"] : []),
                        ...(comments(job) || opensPullRequest(job) ? ["pull-requests"] : []),
                        ...(using(job, "aws-actions/configure-aws-credentials") ? ["id-token"] : []),
                    ];
                    assert.deepEqual(written, wanted);
                }
            });

            it("pins every action to a commit, and says its version", () => {
                const lines = text(name)
                    .split("\n")
                    .filter((line) => /^\s*(- )?uses:/.test(line));
                assert.equal(lines.length, steps(workflow(name)).filter(({ uses }) => uses).length);
                assert.notEqual(lines.length, 0);
                for (const line of lines) assert.match(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
            });

            it("has one commit an action, the same in all files", () => {
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
                const allowed = ["push", "pull_request", "schedule", "workflow_dispatch"];
                assert.deepEqual(
                    triggers.filter((trigger) => !allowed.includes(trigger)),
                    [],
                );
                // Where there are secrets, a pull request has no other trigger beside it whose conditions would not fit.
                if (triggers.includes("pull_request") && text(name).includes("secrets.")) {
                    assert.deepEqual(triggers, ["pull_request"]);
                }
            });

            it("has no secret, no role and no runner of one's own in a job that runs for forks", () => {
                const found = workflow(name);
                const open = Object.entries(found.jobs).filter(
                    ([, job]) => "pull_request" in found.on && !isForOwnBranches(found, job),
                );
                for (const [job, what] of open) {
                    assert.doesNotMatch(JSON.stringify(what), /\bsecrets\b|id-token|self-hosted|matrix\.runner/, job);
                }
                assert.doesNotMatch(JSON.stringify({ ...found, jobs: {} }), /\bsecrets\b/);
            });

            it("gives secrets to the step that runs pulumi, and to none before it", () => {
                for (const step of steps(workflow(name)).filter(({ uses }) => !uses?.startsWith("pulumi/actions@"))) {
                    assert.doesNotMatch(JSON.stringify(step), /\bsecrets\b/);
                }
                for (const { steps: _, ...rest } of Object.values(workflow(name).jobs)) {
                    assert.doesNotMatch(JSON.stringify(rest), /\bsecrets\b/);
                }
            });

            it("puts nothing of an event into a script's text", () => {
                for (const { run = "" } of steps(workflow(name))) assert.doesNotMatch(run, /\$\{\{/);
            });

            it("ends by itself", () => {
                for (const job of Object.values(workflow(name).jobs)) assert.ok((job["timeout-minutes"] ?? 360) <= 90);
            });
        });
    }

    it("run the Pulumi of the program's own SDK, after the packages of the lock file and nothing of their scripts", () => {
        assert.equal(pulumiJobs.length, 4);
        for (const { name, job } of pulumiJobs) {
            assert.equal(pulumi(job)?.with?.["pulumi-version"], dependencies["@pulumi/pulumi"], name);
            const done = job.steps.map(({ uses, run = "" }) => uses?.split("@")[0] ?? run);
            const order = ["actions/checkout", "actions/setup-node", "npm ci --ignore-scripts", "pulumi/actions"];
            assert.deepEqual(
                done.filter((step) => order.includes(step)),
                order,
                name,
            );
            assert.ok(done.indexOf("aws-actions/configure-aws-credentials") < done.indexOf("pulumi/actions"), name);
            for (const run of done.filter((step) => /\bnpm\b/.test(step))) assert.match(run, /--ignore-scripts/, name);
            assert.deepEqual(pulumi(job)?.env, pulumi(pulumiJobs[0]!.job)?.env, name);
        }
    });

    it("take one role at AWS to read and another to write, where variables name them", () => {
        const roles = pulumiJobs.map(({ name, job }) => {
            const { if: condition, with: args } = using(job, "aws-actions/configure-aws-credentials")!;
            const role = /vars\.(\w+)/.exec(String(args?.["role-to-assume"]))?.[1];
            assert.equal(condition, `vars.${role} != ''`);
            return [name, role];
        });
        assert.deepEqual(roles, [
            ["deploy.yml relays", "AWS_DEPLOY_ROLE"],
            ["deploy.yml offices", "AWS_DEPLOY_ROLE"],
            ["drift.yml drift", "AWS_PREVIEW_ROLE"],
            ["preview.yml preview", "AWS_PREVIEW_ROLE"],
        ]);
    });

    it("change stacks in deploy.yml alone", () => {
        assert.deepEqual(
            pulumiJobs.map(({ name, job }) => `${name}: ${pulumi(job)?.with?.command}`),
            [
                "deploy.yml relays: up",
                "deploy.yml offices: up",
                "drift.yml drift: preview",
                "preview.yml preview: preview",
            ],
        );
    });

    describe("on a repository with stacks", () => {
        let repository: Repository;
        before(() => {
            repository = new Repository();
        });
        after(() => repository.remove());

        /** What the step that selects stacks puts out, for the environment that an event gives it. */
        function selected(name: string, env: Record<string, string>): Record<string, { stack: string }[]> {
            const { run = "", env: declared = {} } = workflow(name).jobs.stacks!.steps.find(
                ({ id }) => id === "select",
            )!;
            assert.deepEqual(Object.keys(env).sort(), Object.keys(declared).sort());
            const output = join(repository.folder, ".git", "output");
            repository.bash(`: > "$GITHUB_OUTPUT"; ${run}`, { ...env, GITHUB_OUTPUT: output });
            const lines = readFileSync(output, "utf8").trimEnd().split("\n");
            return Object.fromEntries(
                lines.map((line) => [line.split("=")[0]!, JSON.parse(line.slice(line.indexOf("=") + 1))]),
            );
        }
        const stacks = (entries: { stack: string }[] = []) => entries.map(({ stack }) => stack);
        const REAL = Object.keys(STACK_FILES).filter((stack) => !/^(example|local)/.test(stack));

        it("preview, deploy and look at every stack when the program changes", () => {
            repository.change("index.ts");
            repository.commit();
            const { base } = repository;
            assert.deepEqual(stacks(selected("preview.yml", { BASE: base }).all), REAL);
            const { relays, offices } = selected("deploy.yml", { STACK: "", BEFORE: base });
            assert.deepEqual([...stacks(relays), ...stacks(offices)], REAL);
            assert.deepEqual(stacks(selected("drift.yml", {}).all), REAL);
        });

        it("deploy the stack that somebody names", () => {
            const { relays, offices } = selected("deploy.yml", { STACK: "acme-shanghai", BEFORE: "" });
            assert.deepEqual([stacks(relays), stacks(offices)], [[], ["acme-shanghai"]]);
        });

        it("hand what was selected on to the jobs that run pulumi", () => {
            for (const { name, job } of pulumiJobs) {
                const { outputs } = workflow(name.split(" ")[0]!).jobs.stacks as unknown as {
                    outputs: Record<string, string>;
                };
                const [, list = ""] =
                    /^\$\{\{ fromJSON\(needs\.stacks\.outputs\.(\w+)\) \}\}$/.exec(
                        String(job.strategy?.matrix.include),
                    ) ?? [];
                assert.equal(outputs[list], expression(`steps.select.outputs.${list}`));
                assert.ok([job.needs].flat().includes("stacks"));
                assert.ok(job.if?.includes(`needs.stacks.outputs.${list} != '[]'`));
                assert.equal(pulumi(job)?.with?.["stack-name"], expression("matrix.stack"));
            }
        });
    });
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
        const [, uplink] = /^(\d+)-/.exec(readImageList(IMAGE_LIST).node.tag) ?? [];
        assert.deepEqual(strategy?.matrix.node, [oldest, Number(uplink)]);
        assert.match(container?.image ?? "", /^node:\$\{\{ matrix\.node \}\}-bookworm$/);
    });
});

describe("images.yml", () => {
    const { on, jobs } = workflow("images.yml");
    const { run: propose = "" } = jobs.propose!.steps.at(-1)!;
    let repository: Repository;
    let origin: string;
    before(() => {
        repository = new Repository();
        origin = join(repository.folder, ".git", "origin");
        repository.write("images.json", "{}\n");
        repository.write("bin/gh", GH);
        repository.commit();
        repository.git("init", "--quiet", "--bare", origin);
        repository.git("remote", "add", "origin", origin);
    });
    after(() => repository.remove());

    /** Runs the last step; what `gh` was asked for. `open`: how many pull requests there are. */
    const proposed = (open: number): string[] => {
        const calls = join(repository.folder, ".git", "calls");
        const path = `${join(repository.folder, "bin")}:${process.env.PATH}`;
        repository.bash(`: > "$CALLS"; chmod +x bin/gh; (${propose})`, {
            PATH: path,
            CALLS: calls,
            OPEN: String(open),
        });
        return readFileSync(calls, "utf8").trimEnd().split("\n");
    };

    it("writes the list's digests each week, and by hand, of the main branch alone", () => {
        assert.deepEqual(Object.keys(on), ["schedule", "workflow_dispatch"]);
        assert.equal(jobs.propose?.if, "github.ref == 'refs/heads/main'");
        assert.ok(steps({ on, jobs }).some(({ run }) => run === "node --require tsx/cjs checks/images.ts"));
    });

    it("proposes nothing when nothing has changed", () => {
        assert.deepEqual(proposed(0), [""]);
        assert.equal(repository.git("ls-remote", "origin"), "");
    });

    it("proposes what has changed, and nothing else, by one pull request", () => {
        repository.write("images.json", '{ "node": 1 }\n');
        repository.write("README.md", "not to be proposed\n");
        assert.deepEqual(proposed(0), [
            "auth setup-git",
            "pr list --head images --json number --jq length",
            "pr create --head images --fill",
        ]);
        const changed = repository.git("--git-dir", origin, "diff", "--name-only", "images~1", "images");
        assert.equal(changed, "images.json");
        repository.write("images.json", '{ "node": 2 }\n');
        assert.deepEqual(proposed(1), ["auth setup-git", "pr list --head images --json number --jq length"]);
        assert.equal(repository.git("--git-dir", origin, "show", "images:images.json"), '{ "node": 2 }');
    });
});

describe("preview.yml", () => {
    const { on, jobs } = workflow("preview.yml");

    it("previews on a hosted runner, which reaches no office, and comments", () => {
        assert.deepEqual(Object.keys(on), ["pull_request"]);
        assert.equal(jobs.preview?.["runs-on"], "ubuntu-24.04");
        assert.equal(pulumi(jobs.preview!)?.with?.["comment-on-pr"], true);
        assert.notEqual(pulumi(jobs.preview!)?.with?.refresh, true);
    });

    it("rehearses the same stacks for forks and for Dependabot, and for nobody else", () => {
        const { if: condition = "", container, strategy, steps: all } = jobs.rehearse!;
        const own = jobs.preview?.if?.split(" && ").slice(0, 2) ?? [];
        assert.deepEqual(own, [SAME_REPOSITORY, "github.actor != 'dependabot[bot]'"]);
        const [same, bot] = own.map((part) => part.replace(" == ", " <> ").replace(" != ", " == ").replace("<>", "!="));
        assert.ok(condition.startsWith(`(${same} || ${bot}) && `), condition);
        assert.deepEqual(strategy, jobs.preview?.strategy);
        assert.deepEqual(container, { ...workflow("check.yml").jobs.check?.container, image: "node:22-bookworm" });
        assert.equal(all.at(-1)?.run, 'npm start -- --once --stack "$STACK"');
    });
});

describe("deploy.yml", () => {
    const { on, jobs, concurrency } = workflow("deploy.yml");

    it("deploys the main branch alone, also by hand", () => {
        assert.deepEqual(on.push, { branches: ["main"] });
        assert.deepEqual(Object.keys(on), ["push", "workflow_dispatch"]);
        assert.equal(jobs.stacks?.if, "github.ref == 'refs/heads/main'");
    });

    for (const name of ["relays", "offices"]) {
        it(`deploys ${name} where their machines can be reached, each through the gate of its own environment`, () => {
            const job = jobs[name]!;
            assert.equal(job["runs-on"], expression("matrix.runner"));
            assert.equal(job.environment, expression("matrix.stack"));
            assert.equal(job.strategy?.matrix.include, expression(`fromJSON(needs.stacks.outputs.${name})`));
        });

        it(`never runs two deploys of one of the ${name} at once, and breaks none off`, () => {
            assert.deepEqual(jobs[name]?.concurrency, {
                group: `deploy-${expression("matrix.stack")}`,
                "cancel-in-progress": false,
            });
        });
    }

    it("has no group for the whole workflow: a later push would push out one that other stacks wait for", () => {
        assert.equal(concurrency, undefined);
    });

    it("deploys offices after relays, also where no relay is new, but not where one failed", () => {
        assert.equal(jobs.relays?.needs, "stacks");
        assert.deepEqual(jobs.offices?.needs, ["stacks", "relays"]);
        assert.match(jobs.offices?.if ?? "", /!failure\(\) && !cancelled\(\) && needs\.stacks\.result == 'success'/);
    });

    it("prints no outputs, for the relays' keys are among them", () => {
        for (const name of ["relays", "offices"]) {
            assert.equal(pulumi(jobs[name]!)?.with?.["suppress-outputs"], true);
        }
    });
});

describe("drift.yml", () => {
    const { on, jobs } = workflow("drift.yml");

    it("asks every night, and by hand", () => {
        assert.deepEqual(Object.keys(on), ["schedule", "workflow_dispatch"]);
        assert.match(on.schedule[0].cron, /^([1-9]|[1-5]\d) \d+ \* \* \*$/);
    });

    it("reads what is there, and fails when it is not what the main branch says", () => {
        const { command, refresh, "expect-no-changes": expectNoChanges } = pulumi(jobs.drift!)?.with ?? {};
        assert.deepEqual([command, refresh, expectNoChanges], ["preview", true, true]);
        assert.equal(jobs.stacks?.if, "github.ref == 'refs/heads/main'");
    });

    it("runs where the machines can be reached, and waits for no reviewer", () => {
        assert.equal(jobs.drift?.["runs-on"], expression("matrix.runner"));
        assert.equal(jobs.drift?.environment, undefined);
    });
});
