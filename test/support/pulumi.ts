/** A stack of Pulumi's own engine for one test: small programs, with stand-ins that the test itself serves. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import type { Answer, Change, Operation } from "../../rehearsal/automation";
import { answerFiles } from "../../rehearsal/operation";
import { findPulumi, type PulumiRoot } from "../../rehearsal/pulumi";
import { attempt } from "../../rehearsal/run";
import type { StackConfig } from "../../rehearsal/stack-file";
import { debugProviders, type Served, serve } from "../../rehearsal/stand-ins/server";
import type { Properties, Provider } from "../../rehearsal/stand-ins/stand-in";
import { Workspace } from "../../rehearsal/workspace";
import { writtenState } from "./checkpoint";

/** What the process of an operation is given. */
export interface TestRequest {
    readonly operation: Operation;
    readonly stack: string;
    readonly stackConfig: StackConfig;
    readonly pulumi: PulumiRoot;
    readonly folder: string;
    readonly debugProviders: string;
    /** A module; its function `program` makes the resources, and returns the stack's outputs. */
    readonly module: string;
    /** What the function is given. */
    readonly args: unknown;
}

/** A stack's state. */
export interface Deployment {
    readonly resources: readonly Properties[];
}

/** No settings. */
export const NO_CONFIG: StackConfig = { config: {}, secretKeys: [] };

/** Stacks with one state. Slow: each operation is a process of some seconds. */
export class TestPulumi {
    readonly folder = mkdtempSync(join(tmpdir(), "dockermirror-pulumi-"));
    /** What was told as resources were made. */
    readonly lines: string[] = [];

    private constructor(
        private readonly servers: readonly Served[],
        private readonly pulumi: PulumiRoot,
    ) {}

    static async open(providers: readonly Provider[]): Promise<TestPulumi> {
        const pulumi = await findPulumi();
        if (!pulumi)
            throw new Error("there is no Pulumi on this machine yet: node --require tsx/cjs rehearsal/setup.ts");
        return new TestPulumi(await Promise.all(providers.map(serve)), pulumi);
    }

    close(): void {
        for (const server of this.servers) server.stop();
        rmSync(this.folder, { recursive: true });
    }

    /** Where the passphrase of the secrets is. */
    get passphraseFile(): string {
        return join(this.folder, "passphrase");
    }

    /** Starts an `up` and kills it, with Pulumi and all, once `when` resolves and what was made before is written. */
    async kill(module: string, args: unknown, when: () => Promise<unknown>): Promise<void> {
        const requestFile = this.write({ kind: "up" }, module, args, "test", NO_CONFIG);
        const script = join(__dirname, "operation.ts");
        const child = spawn(process.execPath, ["--require", "tsx/cjs", script, requestFile], {
            detached: true,
            stdio: "ignore",
        });
        await when();
        await writtenState(this.workspace, "test");
        process.kill(-(child.pid ?? 0), "SIGKILL");
        await once(child, "close");
    }

    /** Operates on a stack whose program is in `module`. Rejects with the error as a user would read it. */
    async operate(
        operation: Operation,
        module: string,
        args?: unknown,
        stack = "test",
        stackConfig: StackConfig = NO_CONFIG,
    ): Promise<Answer> {
        const requestFile = this.write(operation, module, args, stack, stackConfig);
        const files = answerFiles(requestFile);
        const script = join(__dirname, "operation.ts");
        const { stderr } = await attempt(process.execPath, ["--require", "tsx/cjs", script, requestFile], {
            onLine: (line) => this.lines.push(line),
        });
        if (existsSync(files.error)) throw new Error(readFileSync(files.error, "utf8"));
        if (!existsSync(files.answer)) throw new Error(stderr);
        return JSON.parse(readFileSync(files.answer, "utf8"));
    }

    /** The state of a stack with its secrets in plain, as `pulumi stack export --show-secrets` writes it. */
    async exported(stack: string): Promise<Deployment> {
        const text = await this.workspace.run(["stack", "export", "--stack", stack, "--show-secrets"]);
        return JSON.parse(text).deployment;
    }

    /** Makes a stack that has this state, with its secrets encrypted by the passphrase that is used here. */
    async restore(stack: string, state: Deployment): Promise<void> {
        const { workspace } = this;
        await workspace.run(["stack", "init", stack]);
        const { encryptionsalt: salt } = parse(readFileSync(workspace.stackFile(stack), "utf8"));
        const deployment = { ...state, secrets_providers: { type: "passphrase", state: { salt } } };
        await workspace.run(["stack", "import", "--stack", stack], JSON.stringify({ version: 3, deployment }));
    }

    private get workspace(): Workspace {
        return new Workspace(this.folder, this.pulumi);
    }

    private write(
        operation: Operation,
        module: string,
        args: unknown,
        stack: string,
        stackConfig: StackConfig,
    ): string {
        const { folder, pulumi } = this;
        const requestFile = join(folder, "request.json");
        const served = debugProviders(this.servers);
        const request = { operation, stack, stackConfig, pulumi, folder, debugProviders: served, module, args };
        writeFileSync(requestFile, JSON.stringify(request satisfies TestRequest), { mode: 0o600 });
        for (const file of Object.values(answerFiles(requestFile))) rmSync(file, { force: true });
        return requestFile;
    }

    /** Pulumi's own program with these stacks; what it printed. */
    run(...args: readonly string[]): Promise<string> {
        return this.runWith({}, args);
    }

    /** The same with another environment. */
    runWith(env: Readonly<Record<string, string>>, args: readonly string[]): Promise<string> {
        return new Workspace(this.folder, this.pulumi).run(args, undefined, env);
    }

    /** The text of a stack's file after Pulumi has changed a setting in it, and has changed it back. */
    async rewritten(text: string): Promise<string> {
        const workspace = new Workspace(this.folder, this.pulumi);
        const stack = "rewritten";
        const file = workspace.stackFile(stack);
        if (!existsSync(file)) await workspace.run(["stack", "init", stack]);
        const salt = /^encryptionsalt: .*\n/m;
        const [own = ""] = salt.exec(readFileSync(file, "utf8")) ?? [];
        writeFileSync(file, text + own);
        await workspace.run(["config", "set", "--stack", stack, "dockermirror:zoneReady", "true"]);
        await workspace.run(["config", "rm", "--stack", stack, "dockermirror:zoneReady"]);
        return readFileSync(file, "utf8").replace(salt, "");
    }

    /** The stack's state, as text. */
    async state(module: string): Promise<{ text: string; resources: Properties[] }> {
        const { state = {} } = await this.operate({ kind: "export" }, module);
        return { text: JSON.stringify(state), resources: state.resources ?? [] };
    }
}

/** The value with its secrets opened, as {@link TestPulumi.exported} shows them: objects with their JSON. */
export function opened(value: unknown): any {
    return JSON.parse(JSON.stringify(value), (_, inner) =>
        inner?.plaintext === undefined ? inner : opened(JSON.parse(inner.plaintext)),
    );
}

/** `op name: inputs that differ → inputs that force a replacement`, of resources that are no components. */
export function summary(changes: readonly Change[]): string[] {
    return changes
        .filter(({ type }) => !type.startsWith("dockermirror:") && !type.startsWith("pulumi:"))
        .map(({ op, name, differs, replaces }) =>
            [
                `${op} ${name}`,
                ...(differs.length > 0 ? [[...differs].sort().join(",")] : []),
                ...(replaces.length > 0 ? [`→ ${[...replaces].sort().join(",")}`] : []),
            ].join(" "),
        );
}
