/**
 * `pulumi up` and `pulumi destroy` of the rehearsal, each as a process of its own: a program that failed leaves Pulumi's
 * runtime unusable.
 *
 *     node up.ts <request file>      the request and the answer are JSON files in the rehearsal's private folder
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
    destroy,
    type Machinery,
    type Properties,
    type Rehearsal,
    type StackOutputs,
    type State,
    up,
    type Wanted,
} from "./engine";
import { endWith, REHEARSAL_LOCK } from "./lock";
import { attempt } from "./run";
import { changed, type StackConfig, type StackNames, stackNames } from "./stack-file";
import { awsStandIns } from "./stand-ins/aws";
import { cloudflareStandIn } from "./stand-ins/cloudflare";
import { commandStandIns } from "./stand-ins/command";
import { dockerStandIns } from "./stand-ins/docker";
import { randomStandIns } from "./stand-ins/random";
import { tlsStandIns } from "./stand-ins/tls";
import { RUN, Topology, type TopologyImages } from "./topology";

const PROJECT = "dockermirror";
const PRIVATE = { mode: 0o600 };
const NONSENSE = "this is no configuration;\n";
/** What Pulumi's runtime puts before an error thrown in an apply, once for each output that hangs on it. */
const PULUMI_WRAPPING = /^(error serializing property "[^"]*": )+/;

/** What a run of the program needs to know. */
export interface UpRequest {
    readonly stack: string;
    readonly stackConfig: StackConfig;
    readonly images: TopologyImages;
    /** Puts a line that no program takes into a file, as a user's edit of a template may do. */
    readonly broken?: BrokenFile;
}

/** One of the files that a resource lays: a container with its uploads, or apply.sh with the release that it reads. */
export interface BrokenFile {
    /** Part of the resource's name, such as `front` or `nginx-apply`. */
    readonly resource: string;
    /** The file's path there, such as `/etc/nginx/nginx.conf` or `server.conf`. */
    readonly file: string;
}

/** The program of a rehearsed stack: brought up, again with other settings, and destroyed, each in a process of its own. */
export class Program {
    private made: Properties | undefined;

    constructor(
        private request: UpRequest,
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

    /** Of the last run. */
    get outputs(): Properties {
        if (this.made === undefined) throw new Error(`the stack ${this.stack} is not up`);
        return this.made;
    }

    /**
     * Runs the program, with these settings from now on: by key without the project, merged into the stack's.
     *
     * @throws Error with what it said when it failed; the settings are then the old ones.
     */
    async up(settings: Readonly<Record<string, unknown>> = {}): Promise<Properties> {
        const request = { ...this.request, stackConfig: changed(this.request.stackConfig, settings) };
        const { outputs } = await inProcess<StackOutputs>("up", request, this.tell);
        this.request = request;
        this.made = outputs;
        return outputs;
    }

    /** Runs the program again as it is. Returns what that made, changed or removed, a line each. */
    async again(): Promise<string[]> {
        const lines: string[] = [];
        await inProcess("up", this.request, (line) => lines.push(line));
        return lines.filter((line) => /^(made|changed|removed) /.test(line));
    }

    /** Has another VM take the place of the one that the program made. */
    replaceMachine(): Promise<Properties> {
        const { generation = 1 } = this.names.overseas ?? {};
        return this.up({ overseas: { generation: generation + 1 } });
    }

    /** Runs the program with a broken file. Returns the message with which that was refused; throws when it was not. */
    async refusal(broken: BrokenFile): Promise<string> {
        const applied = await inProcess("up", { ...this.request, broken }, () => {}).catch((error: Error) => error);
        if (applied instanceof Error) return applied.message;
        throw new Error(`a broken ${broken.file} was applied without an error`);
    }

    /** Destroys the stack. Returns the names of the resources that are left. */
    destroy(): Promise<string[]> {
        return inProcess("destroy", this.request, this.tell);
    }
}

const OPERATIONS = { up: bringUp, destroy: tearDown };

/** What a stack has in the rehearsal's private folder: what its runs are told and tell, and what is kept between them. */
function filesOf(stack: string) {
    const folder = join(RUN, "stacks", stack);
    mkdirSync(folder, { recursive: true });
    return {
        request: join(folder, "request.json"),
        answer: join(folder, "answer.json"),
        error: join(folder, "error.txt"),
        state: join(folder, "state.json"),
        outputs: join(folder, "outputs.json"),
    };
}

async function inProcess<T>(
    operation: keyof typeof OPERATIONS,
    request: UpRequest,
    tell: (line: string) => void,
): Promise<T> {
    const files = filesOf(request.stack);
    writeFileSync(files.request, JSON.stringify({ operation, request }), PRIVATE);
    rmSync(files.error, { force: true });
    const { code, stderr } = await attempt(process.execPath, ["--require", "tsx/cjs", __filename, files.request], {
        onLine: tell,
        cwd: join(__dirname, ".."),
    });
    if (existsSync(files.error)) throw new Error(readFileSync(files.error, "utf8"));
    if (code !== 0) throw new Error(`the program ended with ${code}:\n${stderr.trim()}`);
    return JSON.parse(readFileSync(files.answer, "utf8"));
}

async function main(requestFile: string): Promise<void> {
    const { operation, request } = JSON.parse(readFileSync(requestFile, "utf8")) as {
        operation: keyof typeof OPERATIONS;
        request: UpRequest;
    };
    await endWith(REHEARSAL_LOCK);
    const files = filesOf(request.stack);
    const state: State = existsSync(files.state) ? JSON.parse(readFileSync(files.state, "utf8")) : {};
    try {
        writeFileSync(files.answer, JSON.stringify(await OPERATIONS[operation](request, state)), PRIVATE);
    } catch (error) {
        const { message } = error as Error;
        writeFileSync(files.error, message.replace(PULUMI_WRAPPING, ""), PRIVATE);
        throw error;
    } finally {
        writeFileSync(files.state, JSON.stringify(state), PRIVATE);
    }
}

async function bringUp(request: UpRequest, state: State): Promise<StackOutputs> {
    const { stack, stackConfig, broken } = request;
    const edit = broken && ((wanted: Wanted) => breakFile(wanted, broken));
    const rehearsal = { project: PROJECT, stack, ...stackConfig, ...machinery(request, state), stackOutputs, edit };
    const outputs = await up(rehearsal, async () => require("../index"));
    writeFileSync(filesOf(stack).outputs, JSON.stringify(outputs), PRIVATE);
    return outputs;
}

/** What another stack of this rehearsal exported when it was last brought up. */
function stackOutputs(name: string): StackOutputs | undefined {
    const file = filesOf(basename(name)).outputs;
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

function tearDown(request: UpRequest, state: State): Promise<string[]> {
    return destroy(machinery(request, state));
}

function machinery({ stack, images }: UpRequest, state: State): Machinery & Pick<Rehearsal, "functions"> {
    const topology = Topology.attach(images);
    const tell = (line: string) => console.log(line);
    const cloudflare = cloudflareStandIn(topology, stack);
    const aws = awsStandIns(topology.cloud(stack));
    return {
        state,
        tell,
        standIns: {
            ...randomStandIns,
            ...tlsStandIns,
            ...commandStandIns(topology.env),
            ...dockerStandIns(topology.env, tell),
            ...cloudflare.standIns,
            ...aws.standIns,
        },
        functions: { ...cloudflare.functions, ...aws.functions },
    };
}

/** Breaks a file in what a resource is made from: in a trial container and in the real one alike. */
export function breakFile({ name, inputs }: Wanted, { resource, file }: BrokenFile): void {
    if (!name.includes(resource)) return;
    for (const upload of inputs.uploads ?? []) if (upload.file === file) upload.content = NONSENSE + upload.content;
    if (typeof inputs.stdin !== "string") return;
    // Lines of a release, as templates/vm/apply.sh reads them.
    inputs.stdin = inputs.stdin.replace(/^(\d+) (\S+) (\S*)$/gm, (line, mode, path, base64) =>
        path === file
            ? `${mode} ${path} ${Buffer.from(NONSENSE + Buffer.from(base64, "base64")).toString("base64")}`
            : line,
    );
}

if (require.main === module) {
    main(process.argv[2] ?? "").then(
        // Whatever Pulumi's runtime still waits for: the outputs are written.
        () => process.exit(0),
        // Its message is in the file that the other process reads.
        () => process.exit(1),
    );
}
