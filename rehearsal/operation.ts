/**
 * One operation of Pulumi on a rehearsed stack, as a process.
 *
 *     node operation.ts <request file>      the request and the answer are JSON files in the rehearsal's private folder
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import * as pulumi from "@pulumi/pulumi";
import { withTemporaryFolder } from "../checks/temporary-folder";
import { fileLines } from "../components/onprem/file-lines";
import { type Answer, type Operation, operate } from "./automation";
import { endWith, REHEARSAL_LOCK } from "./lock";
import { endWithParent } from "./parent";
import type { PulumiRoot } from "./pulumi";
import type { StackConfig } from "./stack-file";
import { awsProvider } from "./stand-ins/aws";
import { cloudflareProvider } from "./stand-ins/cloudflare";
import { commandProvider } from "./stand-ins/command";
import { dockerProvider } from "./stand-ins/docker";
import { randomProvider } from "./stand-ins/random";
import { debugProviders, serve } from "./stand-ins/server";
import { tlsProvider } from "./stand-ins/tls";
import { RUN, Topology, type TopologyImages } from "./topology";

const NONSENSE = "this is no configuration;\n";

/** One of the files that a resource brings somewhere, on its standard input. */
export interface BrokenFile {
    /** Part of the resource's name, such as `front` or `nginx-apply`. */
    readonly resource: string;
    /** The file's path there, such as `front/server.conf`. */
    readonly file: string;
}

/** The stack that is worked on. */
export interface Request {
    readonly stack: string;
    readonly stackConfig: StackConfig;
    readonly images: TopologyImages;
    readonly pulumi: PulumiRoot;
    /** Puts a line that no program takes into a file, as a user's edit of a template may do. */
    readonly broken?: BrokenFile;
}

/** What one process does. */
interface Asked {
    readonly request: Request;
    readonly operation: Operation;
}

/** Where the answer to a request is written, or the error. */
export function answerFiles(requestFile: string) {
    return { answer: `${requestFile}.answer`, error: `${requestFile}.error` };
}

/** Answers the request of a file in this process: nothing else can be done in it afterwards. */
export async function answerRequest<T>(requestFile: string, answer: (request: T) => Promise<Answer>): Promise<never> {
    endWithParent();
    const files = answerFiles(requestFile);
    const write = (file: string, text: string) => writeFileSync(file, text, { mode: 0o600 });
    try {
        write(files.answer, JSON.stringify(await answer(JSON.parse(readFileSync(requestFile, "utf8")))));
        // Whatever Pulumi's runtime still waits for.
        return process.exit(0);
    } catch (error) {
        const { message } = error as Error;
        write(files.error, message);
        return process.exit(1);
    }
}

async function answer(asked: Asked): Promise<Answer> {
    await endWith(REHEARSAL_LOCK);
    return await withTemporaryFolder("ssh", (folder) => answerWith(asked, folder));
}

/** @param sshFolder For the connections that a provider keeps. */
async function answerWith({ request, operation }: Asked, sshFolder: string): Promise<Answer> {
    const { stack, stackConfig, images, broken } = request;
    const topology = Topology.attach(images);
    const tell = (line: string) => console.log(line);
    const providers = [
        randomProvider,
        tlsProvider,
        commandProvider(topology.env),
        dockerProvider(topology.sharedSshEnv(sshFolder), tell),
        cloudflareProvider(topology, stack),
        awsProvider(topology.cloud(stack)),
    ];
    const program = () => {
        if (broken) pulumi.runtime.registerStackTransformation(breaking(broken));
        return require("../index");
    };
    const folder = join(RUN, "pulumi");
    // They end with this process.
    const served = debugProviders(await Promise.all(providers.map(serve)));
    const job = { stack, stackConfig, pulumi: request.pulumi, folder, debugProviders: served, program, tell };
    return operate(job, operation);
}

/** Breaks a file in what a resource is made from: where it is tried and where it is used alike. */
export function breaking(broken: BrokenFile): pulumi.ResourceTransformation {
    return ({ name, props, opts }) => {
        if (!name.includes(broken.resource)) return undefined;
        const { stdin } = props as { stdin?: pulumi.Input<string> };
        const edited =
            stdin === undefined
                ? {}
                : {
                      stdin: pulumi
                          .output(stdin)
                          .apply((text) => (isPacked(text) ? brokenRelease(text) : brokenFiles(text))),
                      triggers: [NONSENSE],
                  };
        return { props: { ...props, ...edited }, opts };
    };

    /** A release is one run of Base64; the files of a container are lines with their paths. */
    function isPacked(stdin: string): boolean {
        return !stdin.includes(" ");
    }

    /** Lines of a container's files, as templates/onprem/read-files.sh reads them. */
    function brokenFiles(stdin: string): string {
        return stdin.replace(/^(\S+) (\S+)$/gm, (line, path, content) =>
            path === broken.file
                ? fileLines({ [path]: NONSENSE + gunzipSync(Buffer.from(content, "base64")) }).trimEnd()
                : line,
        );
    }

    /** Lines of a release, as templates/vm/apply.sh reads them, packed as components/overseas/relay-files.ts does. */
    function brokenRelease(stdin: string): string {
        const lines = gunzipSync(Buffer.from(stdin, "base64")).toString();
        return gzipSync(brokenLines(lines)).toString("base64");
    }

    function brokenLines(lines: string): string {
        return lines.replace(/^(\d+) (\S+) (\S*)$/gm, (line, mode, path, base64) =>
            path === broken.file
                ? `${mode} ${path} ${Buffer.from(NONSENSE + Buffer.from(base64, "base64")).toString("base64")}`
                : line,
        );
    }
}

if (require.main === module) answerRequest(process.argv[2] ?? "", answer);
