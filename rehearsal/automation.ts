/**
 * Pulumi's own engine, by its Automation API, with stand-ins as its providers. One operation a process: Node's module cache
 * registers nothing when a program runs a second time, so that a second `up` in one process would delete everything.
 */
import {
    type EngineEvent,
    type ImportResource,
    LocalWorkspace,
    type OpType,
    PulumiCommand,
    type Stack,
    type StepEventMetadata,
} from "@pulumi/pulumi/automation";
import { isGrpcError } from "@pulumi/pulumi/errors";
import type { PulumiRoot } from "./pulumi";
import type { StackConfig } from "./stack-file";
import type { Properties } from "./stand-ins/stand-in";
import { PROJECT, Workspace } from "./workspace";

/** In which Pulumi must have come to its end once it was interrupted: what is under way is waited for. */
const END_SECONDS = 120;

/** What is operated on, and with what. */
export interface Job {
    readonly stack: string;
    readonly stackConfig: StackConfig;
    readonly pulumi: PulumiRoot;
    /** Of the workspace with the state. */
    readonly folder: string;
    /** Where the providers are served: a value for PULUMI_DEBUG_PROVIDERS. */
    readonly debugProviders: string;
    /** Makes resources; what it returns are the stack's outputs. */
    readonly program: () => Properties;
    /** One line for each resource as it is made, changed or removed, and for each warning. */
    readonly tell: (line: string) => void;
}

/** What is done with it. */
export type Operation =
    | { readonly kind: "refresh" | "destroy" | "export" | "cancel" }
    /** `replace`: resources that are replaced although nothing has changed, by URN or `**name`. */
    | { readonly kind: "up"; readonly replace?: readonly string[] }
    /** `importFile` is written: what would be made, in the form in which an import takes it. */
    | { readonly kind: "preview"; readonly importFile?: string }
    | ({ readonly kind: "import" } & ImportList);

/** What is there already, as `pulumi import --file` takes it. */
export interface ImportList {
    readonly resources: readonly ImportResource[];
    /** URNs by the names that `resources` call parents and providers by. */
    readonly nameTable?: Readonly<Record<string, string>>;
}

/** A resource that an operation has changed, or would change. */
export interface Change {
    readonly op: OpType;
    readonly type: string;
    readonly name: string;
    /** Inputs that differ. */
    readonly differs: readonly string[];
    /** Those of them that force a replacement. */
    readonly replaces: readonly string[];
}

/** What an operation has to say at its end. */
export interface Answer {
    readonly outputs: Properties;
    /** In the order in which they were made; what stays as it is is left out. */
    readonly changes: readonly Change[];
    /** After `export`: the state, in which secrets are encrypted. */
    readonly state?: Properties;
}

/**
 * Does it with the stack, which is made where it is not there.
 *
 * @throws Error with the program's first error that nothing caught, or with all that Pulumi called an error.
 */
export async function operate(job: Job, operation: Operation): Promise<Answer> {
    const failure = new Failure();
    const report = new Report(job.tell);
    try {
        const workspace = new Workspace(job.folder, job.pulumi);
        const stack = await openStack(job, workspace, failure);
        const options = { onEvent: (event: EngineEvent) => report.take(event), signal: failure.signal };
        const ended = await Promise.race([work(stack, workspace, operation, options), failure.afterGrace()]);
        return { outputs: {}, ...ended, changes: report.changes };
    } catch (error) {
        throw failure.error ?? report.error ?? error;
    }
}

async function openStack(job: Job, workspace: Workspace, failure: Failure): Promise<Stack> {
    const program = async () => {
        try {
            return job.program();
        } catch (error) {
            failure.note(error);
            throw error;
        }
    };
    const stack = await LocalWorkspace.createOrSelectStack(
        { stackName: job.stack, projectName: PROJECT, program },
        {
            workDir: workspace.workDir,
            pulumiCommand: await PulumiCommand.get(job.pulumi),
            envVars: { ...workspace.env, PULUMI_DEBUG_PROVIDERS: job.debugProviders },
        },
    );
    await workspace.configure(job.stack, job.stackConfig);
    return stack;
}

interface Options {
    readonly onEvent: (event: EngineEvent) => void;
    readonly signal: AbortSignal;
}

async function work(
    stack: Stack,
    workspace: Workspace,
    operation: Operation,
    options: Options,
): Promise<Partial<Answer>> {
    switch (operation.kind) {
        case "up": {
            const { outputs } = await stack.up({ ...options, replace: [...(operation.replace ?? [])] });
            return { outputs: Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value])) };
        }
        case "preview":
            await stack.preview({ ...options, importFile: operation.importFile });
            return {};
        case "refresh":
            await stack.refresh(options);
            return {};
        case "destroy":
            await stack.destroy(options);
            return {};
        case "import":
            await stack.import({
                resources: [...operation.resources],
                nameTable: { ...operation.nameTable },
                protect: false,
                generateCode: false,
            });
            return {};
        case "export":
            // The Automation API's own exportStack opens the secrets.
            return { state: JSON.parse(await workspace.run(["stack", "export", "--stack", stack.name])).deployment };
        case "cancel":
            await stack.cancel();
            return {};
    }
}

/** What Pulumi's runtime puts before an error thrown in an apply, once for each output that hangs on it. */
const PULUMI_WRAPPING = /^(error serializing property "[^"]*": )+/;

/**
 * The program's first error that nothing catches. Pulumi's runtime only notes one that was thrown in an `apply` and goes on
 * waiting, and so would `up`, for ever: this interrupts Pulumi, which then waits for what is under way and ends.
 */
class Failure {
    private readonly controller = new AbortController();
    private first: Error | undefined;

    constructor() {
        process.on("unhandledRejection", (error) => this.note(error));
        process.on("uncaughtException", (error) => this.note(error));
    }

    get signal(): AbortSignal {
        return this.controller.signal;
    }

    get error(): Error | undefined {
        return this.first;
    }

    note(error: unknown): void {
        const first = error instanceof Error ? error : new Error(String(error));
        if (isEnd(first)) return;
        this.first ??= Object.assign(first, { message: first.message.replace(PULUMI_WRAPPING, "") });
        this.controller.abort();
    }

    /** Rejects when Pulumi has not ended although it was interrupted. */
    afterGrace(): Promise<never> {
        return new Promise((_, reject) => {
            this.signal.addEventListener("abort", () => {
                setTimeout(() => reject(this.first), END_SECONDS * 1000).unref();
            });
        });
    }
}

/**
 * What requests of the program are answered once the engine has ended for a reason of its own, which it reports itself:
 * sdk/nodejs/runtime/resource.ts.
 */
function isEnd(error: Error): boolean {
    return isGrpcError(error) || error.message.endsWith("Resource monitor is terminating");
}

/** What the engine's events say, kept for the answer and told as they come. */
class Report {
    readonly changes: Change[] = [];
    private readonly errors: string[] = [];
    private readonly ends: string[] = [];
    private readonly started = new Map<string, number>();

    constructor(private readonly tell: (line: string) => void) {}

    take({ resourcePreEvent, resOutputsEvent, diagnosticEvent }: EngineEvent): void {
        if (resourcePreEvent) this.note(resourcePreEvent.metadata);
        if (resOutputsEvent && !resOutputsEvent.planning) this.done(resOutputsEvent.metadata);
        if (diagnosticEvent) {
            const { severity, urn, message } = diagnosticEvent;
            const text = message.replace(/<\{%[^%]*%\}>/g, "").trim();
            if (severity === "error") (urn ? this.errors : this.ends).push(urn ? `${nameOf(urn)}: ${text}` : text);
            if (severity === "warning") this.tell(`warning: ${text}`);
        }
    }

    /** Of an operation that has failed: what Pulumi called an error; that it has failed only where it said no more. */
    get error(): Error | undefined {
        const said = this.errors.length > 0 ? this.errors : this.ends;
        return said.length > 0 ? new Error([...new Set(said)].join("\n")) : undefined;
    }

    private note({ op, urn, type, diffs, keys }: StepEventMetadata): void {
        this.started.set(`${op} ${urn}`, Date.now());
        if (UNCHANGED.includes(op)) return;
        this.changes.push({ op, type, name: nameOf(urn), differs: diffs ?? [], replaces: keys ?? [] });
    }

    private done(metadata: StepEventMetadata): void {
        const { op, urn, type } = metadata;
        // What a refresh has found is only known at its end.
        if (this.started.has(`refresh ${urn}`)) this.note(metadata);
        const word = WORDS[op];
        if (!word || type === STACK_TYPE) return;
        const seconds = ((Date.now() - (this.started.get(`${op} ${urn}`) ?? Date.now())) / 1000).toFixed(1);
        this.tell(`${word}  ${nameOf(urn)}  (${type})  ${seconds} s`);
    }
}

const UNCHANGED: readonly OpType[] = ["same", "read", "refresh"];
const STACK_TYPE = "pulumi:pulumi:Stack";
/** What Pulumi's steps are called in the rehearsal's own lines. */
const WORDS: Partial<Record<OpType, string>> = {
    create: "made",
    "create-replacement": "made",
    update: "changed",
    delete: "removed",
    "delete-replaced": "removed",
    import: "imported",
};

function nameOf(urn: string): string {
    return urn.slice(urn.lastIndexOf("::") + 2);
}
