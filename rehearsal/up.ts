/** Rehearsed stacks: what Pulumi does with them, each operation in a process of its own (operation.ts). */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Answer, Change, ImportList, Operation } from "./automation";
import { answerFiles, type BrokenFile, type Request } from "./operation";
import { attempt } from "./run";
import { changed, type StackConfig, type StackNames, stackNames } from "./stack-file";
import type { Properties } from "./stand-ins/stand-in";
import { RUN } from "./topology";

/** The program of a rehearsed stack. */
export class Program {
    private made: Properties | undefined;

    constructor(
        private request: Request,
        private readonly tell: (line: string) => void,
    ) {}

    /** The stack's name. */
    get stack(): string {
        return this.request.stack;
    }

    /** The stack's settings, as they are now. */
    get stackConfig(): StackConfig {
        return this.request.stackConfig;
    }

    /** What the machines of the stack are called. */
    get names(): StackNames {
        return stackNames(this.request.stackConfig);
    }

    /** Of the last `up`. */
    get outputs(): Properties {
        if (this.made === undefined) throw new Error(`the stack ${this.stack} is not up`);
        return this.made;
    }

    /**
     * `pulumi up`, with these settings from now on: by key without the project, merged into the stack's.
     *
     * @throws Error with what the program or Pulumi said when it failed; the settings are then the old ones.
     */
    async up(settings: Readonly<Record<string, unknown>> = {}): Promise<Properties> {
        const request = this.with(settings);
        const { outputs } = await inProcess({ kind: "up" }, request, this.tell);
        this.request = request;
        this.made = outputs;
        return outputs;
    }

    /** `pulumi up` as it is, with `--replace` of these. Returns what that made, changed or removed. */
    async again(replace: readonly string[] = []): Promise<readonly Change[]> {
        const { changes } = await inProcess({ kind: "up", replace }, this.request, this.tell);
        return changes;
    }

    /** `pulumi preview` with these settings. Returns what an `up` would make, change or remove. */
    async preview(settings: Readonly<Record<string, unknown>> = {}): Promise<readonly Change[]> {
        const { changes } = await inProcess({ kind: "preview" }, this.with(settings), () => {});
        return changes;
    }

    /** `pulumi refresh`. Returns what is no longer as the state has it. */
    async refresh(): Promise<readonly Change[]> {
        const { changes } = await inProcess({ kind: "refresh" }, this.request, this.tell);
        return changes;
    }

    /** `pulumi import` of what is there. */
    async import(list: ImportList): Promise<void> {
        await inProcess({ kind: "import", ...list }, this.request, this.tell);
    }

    /** `pulumi stack export`: the state, in which secrets are encrypted. */
    async export(): Promise<Properties> {
        const { state } = await inProcess({ kind: "export" }, this.request, () => {});
        return state ?? {};
    }

    /** `pulumi cancel`: after an operation that was killed. */
    async cancel(): Promise<void> {
        await inProcess({ kind: "cancel" }, this.request, this.tell);
    }

    /** Has another VM take the place of the one that the program made. */
    replaceMachine(): Promise<Properties> {
        const { generation = 1 } = this.names.overseas ?? {};
        return this.up({ overseas: { generation: generation + 1 } });
    }

    /** Runs the program with a broken file. Returns the message with which that was refused; throws when it was not. */
    async refusal(broken: BrokenFile): Promise<string> {
        const applied = await inProcess({ kind: "up" }, { ...this.request, broken }, () => {}).catch(
            (error: Error) => error,
        );
        if (applied instanceof Error) return applied.message;
        throw new Error(`a broken ${broken.file} was applied without an error`);
    }

    /** `pulumi destroy`. Returns the names of the resources that stay where they are, which Pulumi then forgets. */
    async destroy(): Promise<string[]> {
        const { resources = [] } = await this.export();
        await inProcess({ kind: "destroy" }, this.request, this.tell);
        const { resources: left = [] } = await this.export();
        const nameOf = ({ urn }: Properties): string => urn.slice(urn.lastIndexOf("::") + 2);
        return [...resources.filter(({ retainOnDelete }: Properties) => retainOnDelete), ...left].map(nameOf);
    }

    private with(settings: Readonly<Record<string, unknown>>): Request {
        return { ...this.request, stackConfig: changed(this.request.stackConfig, settings) };
    }
}

async function inProcess(operation: Operation, request: Request, tell: (line: string) => void): Promise<Answer> {
    const folder = join(RUN, "stacks", request.stack);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const requestFile = join(folder, "request.json");
    const { answer, error } = answerFiles(requestFile);
    writeFileSync(requestFile, JSON.stringify({ operation, request }), { mode: 0o600 });
    for (const file of [answer, error]) rmSync(file, { force: true });
    const script = join(__dirname, "operation.ts");
    const { code, stderr } = await attempt(process.execPath, ["--require", "tsx/cjs", script, requestFile], {
        onLine: tell,
        cwd: join(__dirname, ".."),
    });
    if (existsSync(error)) throw new Error(readFileSync(error, "utf8"));
    if (code !== 0)
        throw new Error(`pulumi ${operation.kind} of ${request.stack} ended with ${code}:\n${stderr.trim()}`);
    return JSON.parse(readFileSync(answer, "utf8"));
}
