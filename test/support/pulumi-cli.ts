/**
 * The program as a pipeline has checked it out, run by Pulumi's own command line over providers that the test serves.
 * In a checkout of its own, because Pulumi writes into stack files.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation";
import { findPulumi, type PulumiRoot } from "../../rehearsal/pulumi";
import { attempt, type Ran } from "../../rehearsal/run";
import type { StackConfig } from "../../rehearsal/stack-file";
import { debugProviders, type Served, serve } from "../../rehearsal/stand-ins/server";
import type { Provider } from "../../rehearsal/stand-ins/stand-in";
import { Workspace } from "../../rehearsal/workspace";
import { writtenState } from "./checkpoint";
import { projectCopy } from "./project-copy";

/** How a program ended, and all that it printed. */
export interface Printed {
    readonly code: number;
    readonly text: string;
}

/** Inputs of a step with pulumi/actions. */
export type ActionInputs = Readonly<Record<string, unknown>>;

/** The checkout, with a state of its own. */
export class PulumiCli {
    /** All that has been printed. */
    readonly printed: string[] = [];
    private readonly workspace: Workspace;

    private constructor(
        readonly folder: string,
        private readonly pulumi: PulumiRoot,
        private readonly servers: readonly Served[],
    ) {
        this.workspace = new Workspace(folder, pulumi);
    }

    static async open(providers: readonly Provider[]): Promise<PulumiCli> {
        const pulumi = await findPulumi();
        if (!pulumi)
            throw new Error("there is no Pulumi on this machine yet: node --require tsx/cjs rehearsal/setup.ts");
        return new PulumiCli(projectCopy(), pulumi, await Promise.all(providers.map(serve)));
    }

    close(): void {
        for (const server of this.servers) server.stop();
        rmSync(this.folder, { recursive: true });
    }

    /** Gives a stack these settings; it is made where it is not there. */
    async configure(stack: string, stackConfig: StackConfig): Promise<void> {
        const { code } = await this.bash(`pulumi stack select --create ${stack}`);
        if (code !== 0) throw new Error(this.printed.at(-1));
        await this.workspace.configure(stack, stackConfig);
    }

    /** Lines of a job's script, as a pipeline runs them. */
    async bash(script: string, env: Readonly<Record<string, string>> = {}): Promise<Printed> {
        const options = { cwd: this.folder, env: { ...process.env, ...this.env, ...env } };
        return this.note(await attempt("bash", ["-e", "-c", script], options));
    }

    /** Starts lines of a script and kills them, with Pulumi and the program, once `when` resolves and what was made before is written. */
    async kill(script: string, stack: string, when: Promise<unknown>): Promise<void> {
        const env = { ...process.env, ...this.env };
        const child = spawn("bash", ["-c", script], { cwd: this.folder, env, detached: true, stdio: "ignore" });
        const closed = once(child, "close").then(() => {
            throw new Error("it ended before it was killed");
        });
        await Promise.race([when.then(() => writtenState(this.workspace, stack)), closed]);
        closed.catch(() => {});
        process.kill(-(child.pid ?? 0), "SIGKILL");
        await closed.catch(() => {});
    }

    /**
     * What pulumi/actions 7.0.0 does with these inputs: it drives the same command line by the Automation API.
     * https://github.com/pulumi/actions/blob/v7.0.0/src/main.ts, and config.ts beside it
     */
    async action(inputs: ActionInputs, env: Readonly<Record<string, string>> = {}): Promise<Printed> {
        const unknown = Object.keys(inputs).filter((name) => !(name in OPTIONS) && !OTHERS.includes(name));
        if (unknown.length > 0) throw new Error(`the test does not know what these inputs do: ${unknown.join(", ")}`);
        const options = Object.fromEntries(
            Object.entries(OPTIONS).map(([input, option]) => [option, inputs[input] ?? false]),
        );
        let text = "";
        const onOutput = (part: string) => {
            text += part;
        };
        try {
            const stack = await LocalWorkspace.selectStack(
                { stackName: String(inputs["stack-name"]), workDir: this.folder },
                { pulumiCommand: await PulumiCommand.get(this.pulumi), envVars: { ...this.env, ...env } },
            );
            if (inputs.command === "up") await stack.up({ ...options, onOutput });
            else if (inputs.command === "preview") onOutput((await stack.preview(options)).stdout);
            else throw new Error(`the test does not know the command "${inputs.command}"`);
            return this.note({ code: 0, stdout: text, stderr: "" });
        } catch (error) {
            // The action prints it, and the job fails.
            return this.note({ code: 1, stdout: text, stderr: String(error) });
        }
    }

    /** The state as it is, secrets encrypted. */
    async state(stack: string): Promise<string> {
        return this.workspace.run(["stack", "export", "--stack", stack]);
    }

    private get env(): Record<string, string> {
        const { PATH, ...workspace } = this.workspace.env;
        const bin = this.pulumi.root === undefined ? "" : `${join(this.pulumi.root, "bin")}:`;
        return {
            ...workspace,
            PATH: `${bin}${PATH}`,
            PULUMI_DEBUG_PROVIDERS: debugProviders(this.servers),
            // `tsc` checks the types: once more in each of these runs would cost 12 s of processor and 700 MB.
            PULUMI_NODEJS_TRANSPILE_ONLY: "true",
        };
    }

    private note({ code, stdout, stderr }: Ran): Printed {
        const text = `${stdout}\n${stderr}`;
        this.printed.push(text);
        return { code, text };
    }
}

/** Inputs that are options of the command, and their names there. */
const OPTIONS: Readonly<Record<string, string>> = {
    diff: "diff",
    refresh: "refresh",
    "expect-no-changes": "expectNoChanges",
    "suppress-outputs": "suppressOutputs",
};
/** Inputs that decide what is run, or what is done with what it has printed. */
const OTHERS = ["command", "stack-name", "pulumi-version", "comment-on-pr"];
