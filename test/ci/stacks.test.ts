/** Which stacks a pipeline is for, on a repository of its own. */
import assert from "node:assert/strict";
import { cpSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Repository, stackFile } from "../support/repository";

const ROOT = join(__dirname, "..", "..");

const LINES = {
    "acme-edge": "acme-edge relays hosted",
    "acme-relays": "acme-relays relays acme-relays",
    "acme-shanghai": "acme-shanghai offices acme-shanghai",
    "acme-tokyo_2": "acme-tokyo_2 offices acme-tokyo_2",
};
const ALL = Object.keys(LINES);

describe(".ci/stacks", () => {
    let repository: Repository;

    beforeEach(() => {
        repository = new Repository();
    });
    afterEach(() => repository.remove());

    const lines = (args = "") => repository.bash(`.ci/stacks ${args}`).split("\n").filter(Boolean);
    const names = (args: string) => lines(args).map((line) => line.split(" ")[0]);

    it("knows every stack but the examples and the rehearsal's, with its site and its runner", () => {
        assert.deepEqual(lines(), Object.values(LINES));
    });

    it("finds the machines in stack files as this repository has them", () => {
        for (const file of readdirSync(join(ROOT, "stacks")).filter((name) => /^Pulumi\.(example|local)/.test(name))) {
            cpSync(
                join(ROOT, "stacks", file),
                join(repository.folder, "stacks", file.replace("Pulumi.", "Pulumi.as-")),
            );
        }
        const found = lines().filter((line) => line.startsWith("as-"));
        assert.ok(found.includes("as-example offices as-example"));
        assert.ok(found.includes("as-example-tokyo relays as-example-tokyo"));
        assert.ok(found.includes("as-example-shanghai offices as-example-shanghai"));
        assert.ok(found.includes("as-local offices as-local"));
    });

    it("has nothing to tell where there is no stack", () => {
        for (const stack of ALL) rmSync(join(repository.folder, stackFile(stack)));
        assert.deepEqual(lines(), []);
        assert.equal(repository.bash(".ci/stacks --github"), "relays=[]\noffices=[]\nall=[]\n");
    });

    it("writes matrices for GitHub: a stack with a machine on a runner of one's own", () => {
        const own = (stack: string) => ({ stack, runner: ["self-hosted", stack] });
        const relays = [{ stack: "acme-edge", runner: "ubuntu-24.04" }, own("acme-relays")];
        const offices = [own("acme-shanghai"), own("acme-tokyo_2")];
        const output = repository.bash(".ci/stacks --github").trimEnd().split("\n");
        assert.deepEqual(
            output.map((line) => [line.split("=")[0], JSON.parse(line.slice(line.indexOf("=") + 1))]),
            [
                ["relays", relays],
                ["offices", offices],
                ["all", [...relays, ...offices]],
            ],
        );
    });

    it("takes the one that is asked for, and refuses one that is not there, with those that are", () => {
        assert.deepEqual(lines("--only acme-relays"), [LINES["acme-relays"]]);
        for (const stack of ["acme", "example", "local", "acme.relays"]) {
            assert.throws(
                () => lines(`--only ${stack}`),
                new RegExp(`no stack "${stack}".*There are: ${ALL.join(" ")}`, "s"),
            );
        }
    });

    const changes: Record<string, [string[], string[]]> = {
        "a stack's file": [[stackFile("acme-shanghai")], ["acme-shanghai"]],
        "two stacks' files": [["acme-relays", "acme-tokyo_2"].map(stackFile), ["acme-relays", "acme-tokyo_2"]],
        "a new stack's file": [[stackFile("acme-berlin")], ["acme-berlin"]],
        "a stack's file and the documentation": [[stackFile("acme-tokyo_2"), "README.md"], ["acme-tokyo_2"]],
        "index.ts": [["index.ts"], ALL],
        "the settings": [["stacks/settings.ts"], ALL],
        "a component and a stack's file": [["components/a.ts", stackFile("acme-shanghai")], ALL],
        "a template": [["templates/nginx/a.conf"], ALL],
        "a service": [["services/worker/worker.ts"], ALL],
        "the dependencies": [["package-lock.json"], ALL],
        "a folder that nobody thought of": [["new/a.md"], ALL],
        "documentation, tests and workflows": [
            ["README.md", "docs/a.md", "test/a.test.ts", ".github/workflows/a.yml", "ci/gitlab/a.yml", ".ci/run"],
            [],
        ],
        "the rehearsal": [["rehearsal/main.ts", stackFile("local")], []],
        "the numbers of an office, what checks it and what begins it": [
            ["plan/prices.ts", "checks/doctor.ts", "new-stack/main.ts"],
            [],
        ],
        "the example": [[stackFile("example")], []],
        "another example": [[stackFile("example-one-vps")], []],
    };
    for (const [what, [paths, stacks]] of Object.entries(changes)) {
        const told = stacks === ALL ? "every stack" : stacks.join(" and ") || "nothing";
        it(`tells ${told} for a change of ${what}`, () => {
            for (const path of paths) repository.change(path);
            repository.commit();
            assert.deepEqual(names(repository.base), stacks);
        });
    }

    it("tells the offices that take a changed stack's relays, however they are written, and no others", () => {
        const office = (relays: string) => `config:\n  dockermirror:relays:${relays}\n  dockermirror:onprem: {}\n`;
        const offices = {
            "b-block": "\n    - stack: acme-relays\n      key: b",
            "b-flow": " [{ key: b, stack: 'acme-relays' }, { stack: acme-edge }]",
            "b-full": "\n    - { stack: organization/dockermirror/acme-relays, key: b }",
            "b-json": '\n    - {"stack":"acme-relays"}',
            "c-comment": "\n    # - { stack: acme-relays }",
            "c-other": "\n    - { stack: acme-relays-2 }\n    - { name: stack, hostname: acme-relays.example.com }",
        };
        for (const [stack, relays] of Object.entries(offices)) repository.write(stackFile(stack), office(relays));
        const before = repository.commit();
        repository.change(stackFile("acme-relays"));
        repository.commit();
        assert.deepEqual(names(before), ["acme-relays", "b-block", "b-flow", "b-full", "b-json"]);
    });

    it("tells nothing for a stack's file that goes", () => {
        rmSync(join(repository.folder, stackFile("acme-shanghai")));
        repository.commit();
        assert.deepEqual(names(repository.base), []);
    });

    it("tells the stacks that are left when the program changes as well", () => {
        rmSync(join(repository.folder, stackFile("acme-shanghai")));
        repository.change("index.ts");
        repository.commit();
        assert.deepEqual(
            names(repository.base),
            ALL.filter((stack) => stack !== "acme-shanghai"),
        );
    });

    it("looks at what the branch changes, not at what the main branch did since", () => {
        repository.change(stackFile("acme-shanghai"));
        repository.commit();
        repository.git("checkout", "--quiet", "main");
        repository.change("index.ts");
        const main = repository.commit();
        repository.git("checkout", "--quiet", "branch");
        assert.deepEqual(names(main), ["acme-shanghai"]);
    });

    it("takes every stack when the commit is not here, as after a forced push or for a new branch", () => {
        assert.deepEqual(names("0000000000000000000000000000000000000000"), ALL);
    });

    it("can be run", () => {
        assert.equal(statSync(join(ROOT, ".ci", "stacks")).mode & 0o111, 0o111);
    });
});
