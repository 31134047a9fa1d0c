/**
 * The GitLab pipeline: its own script run for each event, and the child pipeline that comes of it read. It does not prove
 * that GitLab accepts them.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { dependencies } from "../../package.json";
import { Repository, STACK_FILES, stackFile } from "../support/repository";

const ROOT = join(__dirname, "..", "..");

interface Rule {
    readonly if?: string;
    readonly when?: string;
    readonly variables?: Record<string, string>;
}

interface Job {
    readonly extends?: string;
    readonly stage?: string;
    readonly image?: string;
    readonly tags?: string[];
    readonly timeout?: string;
    readonly environment?: { readonly name: string; readonly action?: string };
    readonly resource_group?: string;
    readonly rules?: Rule[];
    readonly script?: string[];
    readonly before_script?: string[];
    readonly trigger?: { readonly include: { readonly artifact: string; readonly job: string }[] };
    readonly id_tokens?: Record<string, unknown>;
}

interface Pipeline {
    readonly stages: string[];
    readonly workflow: { readonly rules: Rule[] };
    readonly jobs: Readonly<Record<string, Job>>;
}

function read(path: string): Pipeline {
    const { stages, workflow, ...jobs } = parse(readFileSync(path, "utf8"));
    return { stages, workflow, jobs };
}
const pipeline = read(join(ROOT, "ci/gitlab/pipeline.yml"));
const common = read(join(ROOT, "ci/gitlab/stacks.yml")).jobs[".pulumi"]!;

const REAL = Object.keys(STACK_FILES).filter((stack) => !/^(example|local)/.test(stack));
const OFFICES = ["acme-shanghai", "acme-tokyo_2"];
const DEFAULT_BRANCH = '$CI_COMMIT_REF_PROTECTED == "true" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH';

describe("The GitLab pipeline", () => {
    let repository: Repository;

    beforeEach(() => {
        repository = new Repository();
    });
    afterEach(() => repository.remove());

    /** Runs the job that makes the child pipeline, and reads that. */
    function child(variables: Record<string, string>): Pipeline {
        repository.bash((pipeline.jobs.select?.script ?? []).join("\n"), variables);
        return read(join(repository.folder, "child.yml"));
    }
    /** The jobs of stacks, by name. */
    const stackJobs = (made: Pipeline) => Object.entries(made.jobs).filter(([, job]) => job.extends === ".pulumi");
    const names = (made: Pipeline) => stackJobs(made).map(([name]) => name);

    it("previews merge requests, deploys the default branch, and looks for drift by schedule", () => {
        assert.deepEqual(
            pipeline.workflow.rules.map(({ if: condition, variables }) => [condition, variables?.MODE]),
            [
                ['$CI_PIPELINE_SOURCE == "merge_request_event"', "preview"],
                ['$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH', "deploy"],
                ['$CI_PIPELINE_SOURCE == "web" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH', "deploy"],
                ['$CI_PIPELINE_SOURCE == "schedule" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH', "drift"],
            ],
        );
    });

    it("checks before anything else, as .ci/run does everywhere, in a job that a fork may have", () => {
        assert.deepEqual(pipeline.stages, ["check", "select", "run"]);
        assert.deepEqual(pipeline.jobs.check?.script, [".ci/run"]);
        assert.equal(pipeline.jobs.check?.environment, undefined);
        assert.equal(pipeline.jobs.check?.id_tokens, undefined);
    });

    it("has no job with variables of ours for a fork's merge request", () => {
        for (const name of ["select", "run"]) {
            assert.deepEqual(
                pipeline.jobs[name]?.rules?.[0],
                {
                    if: "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID != $CI_PROJECT_ID",
                    when: "never",
                },
                name,
            );
        }
    });

    it("runs what it made", () => {
        assert.deepEqual(pipeline.jobs.run?.trigger?.include, [{ artifact: "child.yml", job: "select" }]);
    });

    for (const [mode, tag] of [
        ["preview", () => "hosted"],
        ["deploy", (stack: string) => (stack === "acme-edge" ? "hosted" : stack)],
        ["drift", (stack: string) => (stack === "acme-edge" ? "hosted" : stack)],
    ] as const) {
        it(`has a ${mode} of every stack when the program changes, each on a runner that can do it`, () => {
            repository.change("index.ts");
            repository.commit();
            const made = child({ MODE: mode, SINCE: repository.base });
            assert.deepEqual(
                names(made),
                REAL.map((stack) => `${mode} ${stack}`),
            );
            for (const [index, [, job]] of stackJobs(made).entries()) {
                const stack = REAL[index]!;
                assert.deepEqual(job.tags, [tag(stack)]);
                assert.ok(job.script?.some((line) => line.includes(`--stack "${stack}"`)));
                assert.ok(job.timeout);
            }
            assert.doesNotMatch(JSON.stringify(made), /\{\{ \w/);
        });
    }

    it("previews the stacks that a merge request changes", () => {
        repository.change(stackFile("acme-relays"));
        repository.commit();
        assert.deepEqual(names(child({ MODE: "preview", SINCE: repository.base })), ["preview acme-relays"]);
    });

    it("deploys the stack that somebody names", () => {
        assert.deepEqual(names(child({ MODE: "deploy", STACK: "acme-shanghai" })), ["deploy acme-shanghai"]);
    });

    it("makes a pipeline that GitLab can run when no stack has anything new", () => {
        const made = child({ MODE: "preview", SINCE: repository.base });
        assert.deepEqual(names(made), []);
        assert.deepEqual(made.jobs.selected?.rules, [{ when: "always" }]);
    });

    it("deploys relays first, one at a time, by hand, into an environment of the stack's name", () => {
        const made = child({ MODE: "deploy" });
        assert.deepEqual(made.stages, ["relays", "offices"]);
        for (const [index, [, job]] of stackJobs(made).entries()) {
            const stack = REAL[index]!;
            assert.equal(job.stage, OFFICES.includes(stack) ? "offices" : "relays");
            assert.deepEqual(job.environment, { name: stack });
            assert.equal(job.resource_group, `deploy ${stack}`);
            assert.equal(job.rules?.[0]?.when, "manual");
        }
    });

    it("has the protected variables of a stack's environment on the protected default branch only", () => {
        for (const mode of ["preview", "deploy", "drift"]) {
            for (const [name, { environment, rules }] of stackJobs(child({ MODE: mode }))) {
                const scoped = environment?.name.startsWith("preview/") ? "preview" : "stack";
                assert.equal(scoped, mode === "deploy" ? "stack" : "preview", name);
                assert.equal(rules?.length, 1, name);
                assert.equal(rules?.[0]?.if, mode === "preview" ? "$CI_MERGE_REQUEST_IID" : DEFAULT_BRANCH, name);
                if (mode !== "deploy") assert.equal(environment?.action, "access", name);
            }
        }
    });

    it("changes stacks in deploys alone, and prints no outputs", () => {
        const commands = ["preview", "deploy", "drift"].map((mode) =>
            stackJobs(child({ MODE: mode, STACK: "acme-edge" }))[0]?.[1].script?.at(-1),
        );
        assert.deepEqual(
            commands.map((command) => /^pulumi (\w+)/.exec(command ?? "")?.[1]),
            ["preview", "up", "preview"],
        );
        assert.match(commands[1] ?? "", /--suppress-outputs/);
        assert.match(commands[2] ?? "", /--refresh --expect-no-changes/);
    });

    it("runs the Pulumi of the program's own SDK", () => {
        assert.equal(common.image, `pulumi/pulumi-nodejs-22:${dependencies["@pulumi/pulumi"]}`);
    });

    it("keeps the token for AWS from other users of the runner, where there is a role to take", () => {
        const [script = ""] = common.before_script ?? [];
        const env = { CI_PROJECT_DIR: repository.folder, AWS_ID_TOKEN: "the token" };
        const told = "printenv AWS_WEB_IDENTITY_TOKEN_FILE || echo none";
        assert.equal(repository.bash(`${script}\n${told}`, env), "none\n");
        const path = repository.bash(`${script}\n${told}`, { ...env, AWS_ROLE_ARN: "arn:aws:iam::1:role/a" }).trim();
        assert.equal(
            repository.bash(`stat -c %a "${path}"; cat "${path}"; rm -r "$(dirname "${path}")"`),
            "600\nthe token",
        );
    });
});
