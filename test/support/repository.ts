/** A git repository in a temporary folder, with the scripts of the real one that pipelines run in it. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const ROOT = join(__dirname, "..", "..");
/** What pipelines run or read; whatever else there is in a repository does not matter to them. */
const SCRIPTS = [".ci/stacks", "ci"];

/** Stacks by name, with what their files say. `local` and examples are there as well. */
export const STACK_FILES: Readonly<Record<string, string>> = {
    "acme-edge": "config:\n  dockermirror:zone: example.com\n  dockermirror:edge: { hostname: hub.example.com }\n",
    "acme-relays": "config:\n  dockermirror:overseas:\n    kind: host\n",
    "acme-shanghai": "config:\n    dockermirror:onprem:\n        docker: ssh://ops@10.1.0.5\n",
    "acme-tokyo_2":
        'config:\n  # dockermirror:overseas: { kind: host }\n  "dockermirror:onprem": { docker: ssh://ops@10.2.0.5 }\n',
    example: "config:\n  dockermirror:onprem: {}\n",
    "example-one-vps": "config:\n  dockermirror:overseas: {}\n",
    local: "config:\n  dockermirror:onprem: {}\n",
};

/** The path of a stack's file. */
export const stackFile = (stack: string) => `stacks/Pulumi.${stack}.yaml`;

/** The repository, with a branch of its own off `main`. {@link remove} it after the test. */
export class Repository {
    readonly folder = mkdtempSync(join(tmpdir(), "dockermirror-repository-"));
    /** Where the branch left `main`. */
    readonly base: string;

    constructor() {
        this.git("init", "--quiet", "--initial-branch", "main");
        for (const script of SCRIPTS) cpSync(join(ROOT, script), join(this.folder, script), { recursive: true });
        for (const [stack, text] of Object.entries(STACK_FILES)) this.write(stackFile(stack), text);
        for (const file of ["index.ts", "stacks/settings.ts", "README.md", "test/a.test.ts"]) this.write(file);
        this.base = this.commit();
        this.git("checkout", "--quiet", "-b", "branch");
    }

    git(...args: string[]): string {
        const author = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
        return execFileSync("git", [...author, ...args], { cwd: this.folder, encoding: "utf8" }).trim();
    }

    write(path: string, content = "first\n"): void {
        mkdirSync(dirname(join(this.folder, path)), { recursive: true });
        writeFileSync(join(this.folder, path), content);
    }

    /** Adds a line, which changes nothing of what a stack's file says. */
    change(path: string): void {
        const stack = Object.keys(STACK_FILES).find((name) => stackFile(name) === path) ?? "";
        this.write(path, `${STACK_FILES[stack] ?? ""}# changed\n`);
    }

    /** Commits everything; returns the commit. */
    commit(): string {
        this.git("add", "--all");
        this.git("commit", "--quiet", "--message", "change");
        return this.git("rev-parse", "HEAD");
    }

    /** Runs a script as a pipeline does, with nothing of this process's environment but the path. Returns its output. */
    bash(script: string, env: Readonly<Record<string, string>> = {}): string {
        return execFileSync("bash", ["-e", "-c", script], {
            cwd: this.folder,
            env: { PATH: process.env.PATH, ...env },
            encoding: "utf8",
            stdio: ["ignore", "pipe", "pipe"],
        });
    }

    remove(): void {
        rmSync(this.folder, { recursive: true, force: true });
    }
}
