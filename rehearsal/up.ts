/**
 * `pulumi up` of the rehearsal, as a process of its own: a program that failed leaves Pulumi's runtime unusable.
 *
 *     node up.ts <request file>      the request and the answer are JSON files in the rehearsal's private folder
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Properties, type State, up, type Wanted } from "./engine";
import { attempt } from "./run";
import type { StackConfig } from "./stack-file";
import { cloudflareStandIn } from "./stand-ins/cloudflare";
import { commandStandIns } from "./stand-ins/command";
import { dockerStandIns } from "./stand-ins/docker";
import { randomStandIns } from "./stand-ins/random";
import { tlsStandIns } from "./stand-ins/tls";
import { RUN, Topology, type TopologyImages } from "./topology";

const PROJECT = "dockermirror";
const STATE_FILE = join(RUN, "state.json");
const REQUEST_FILE = join(RUN, "request.json");
const OUTPUTS_FILE = join(RUN, "outputs.json");
const ERROR_FILE = join(RUN, "error.txt");
const PRIVATE = { mode: 0o600 };
/** What Pulumi's runtime puts before an error thrown in an apply, once for each output that hangs on it. */
const PULUMI_WRAPPING = /^(error serializing property "[^"]*": )+/;

/** What a run of the program needs to know. */
export interface UpRequest {
    readonly stack: string;
    readonly stackConfig: StackConfig;
    readonly images: TopologyImages;
    /** Puts a line that no program takes into the file of this container's uploads that has this path. */
    readonly breakUpload?: { readonly container: string; readonly file: string };
}

/** Runs the program in a process of its own. Returns the stack's outputs; throws with what it said when it failed. */
export async function upInProcess(request: UpRequest, tell: (line: string) => void): Promise<Properties> {
    writeFileSync(REQUEST_FILE, JSON.stringify(request), PRIVATE);
    rmSync(ERROR_FILE, { force: true });
    const { code, stderr } = await attempt(process.execPath, ["--require", "tsx/cjs", __filename, REQUEST_FILE], {
        onLine: tell,
        cwd: join(__dirname, ".."),
    });
    if (existsSync(ERROR_FILE)) throw new Error(readFileSync(ERROR_FILE, "utf8"));
    if (code !== 0) throw new Error(`the program ended with ${code}:\n${stderr.trim()}`);
    return JSON.parse(readFileSync(OUTPUTS_FILE, "utf8"));
}

async function main(requestFile: string): Promise<void> {
    const { stack, stackConfig, images, breakUpload } = JSON.parse(readFileSync(requestFile, "utf8")) as UpRequest;
    const topology = Topology.attach(images);
    const tell = (line: string) => console.log(line);
    const state: State = existsSync(STATE_FILE) ? JSON.parse(readFileSync(STATE_FILE, "utf8")) : {};
    const cloudflare = cloudflareStandIn(topology);
    const rehearsal = {
        project: PROJECT,
        stack,
        ...stackConfig,
        state,
        tell,
        standIns: {
            ...randomStandIns,
            ...tlsStandIns,
            ...commandStandIns(topology.env),
            ...dockerStandIns(topology.env, tell),
            ...cloudflare.standIns,
        },
        functions: cloudflare.functions,
        edit: breakUpload && ((wanted: Wanted) => breakText(wanted, breakUpload)),
    };
    try {
        const outputs = await up(rehearsal, async () => require("../index"));
        writeFileSync(OUTPUTS_FILE, JSON.stringify(outputs), PRIVATE);
    } finally {
        writeFileSync(STATE_FILE, JSON.stringify(state), PRIVATE);
    }
}

/** As a user's edit of a template would: in the trial container and in the real one alike. */
function breakText({ type, name, inputs }: Wanted, { container, file }: NonNullable<UpRequest["breakUpload"]>): void {
    if (type !== "docker:index/container:Container" || !name.includes(container)) return;
    for (const upload of inputs.uploads ?? [])
        if (upload.file === file) upload.content = `this is no configuration;\n${upload.content}`;
}

if (require.main === module) {
    main(process.argv[2] ?? "").then(
        // Whatever Pulumi's runtime still waits for: the outputs are written.
        () => process.exit(0),
        (error: Error) => {
            writeFileSync(ERROR_FILE, error.message.replace(PULUMI_WRAPPING, ""), PRIVATE);
            process.exit(1);
        },
    );
}
