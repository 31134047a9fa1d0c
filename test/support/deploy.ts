/** Runs a program, or a part of one, on Pulumi's mocks: what it makes, with nothing made. */
import { gunzipSync } from "node:zlib";
import * as pulumi from "@pulumi/pulumi";
import type { ReadResourceRequest, RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks";
import { getMonitor } from "@pulumi/pulumi/runtime/settings";
import { onRegistration } from "./registrations";

/** A resource that the program asked for. Secret inputs are envelopes: `isSecret` and `reveal` tell and open them. */
export interface Resource {
    readonly type: string;
    readonly name: string;
    readonly custom: boolean;
    readonly inputs: Record<string, any>;
    readonly provider?: string;
    /** Options, from the request to the engine. */
    readonly parent: string;
    readonly deleteBeforeReplace: boolean;
    readonly ignoreChanges: readonly string[];
    readonly dependencies: readonly string[];
    /** URNs of the resources whose outputs its inputs are made of. */
    readonly propertyDependencies: ReadonlySet<string>;
}

/** Outputs of resources by type, in place of what a provider computes: plain values, or a function of the inputs. */
export type Outputs = Record<string, (inputs: Record<string, any>, name: string) => Record<string, unknown>>;

/** What to run with. */
export interface DeployOptions {
    readonly config?: Record<string, unknown>;
    /** Keys of `config` that are encrypted. */
    readonly secretKeys?: readonly string[];
    readonly outputs?: Outputs;
    /** Provider functions by token. A function that is not here is an error. */
    readonly functions?: Record<string, (inputs: any) => Record<string, unknown>>;
    /** What references to other stacks read, by name of the stack. One that is not here does not exist. */
    readonly stacks?: Readonly<Record<string, OtherStack>>;
    readonly preview?: boolean;
}

/** Another stack, as a reference reads it. */
export interface OtherStack {
    /** Opened. */
    readonly outputs: Readonly<Record<string, unknown>>;
    /** Which of them are secret. */
    readonly secretOutputs: Readonly<Record<string, boolean>>;
}

/** What came of it. */
export interface Deployed {
    readonly resources: readonly Resource[];
    /** Outputs of the program, secrets opened. */
    readonly outputs: Record<string, any>;
}

export const PROJECT = "dockermirror";
const SECRET_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270";
const STACK_REFERENCE = "pulumi:pulumi:StackReference";

/** Runs `program` under fresh mocks. Rejects with the program's own error, also one thrown in an `apply`. */
export async function deploy(program: () => object | Promise<object>, options: DeployOptions = {}): Promise<Deployed> {
    const { outputs = {}, functions = {}, stacks = {} } = options;
    const resources: Resource[] = [];
    const requests = new Map<string, Omit<Resource, "type" | "name" | "custom" | "inputs" | "provider">>();
    const newResource = async ({ type, name, inputs, custom = false, provider }: pulumi.runtime.MockResourceArgs) => {
        const request = requests.get(`${type} ${name}`);
        if (!request) throw new Error(`${name} was registered past the monitor`);
        resources.push({ type, name, custom, inputs, provider, ...request });
        if (type === STACK_REFERENCE) return { id: inputs.name, state: readStack(stacks, inputs.name) };
        // In a preview nothing has an id yet: what waits for one is unknown.
        return {
            id: custom && !options.preview ? `${name}-id` : undefined,
            state: { ...inputs, ...outputs[type]?.(inputs, name) },
        };
    };
    const call = async ({ token, inputs }: pulumi.runtime.MockCallArgs) => {
        const answer = functions[token];
        try {
            if (!answer) throw new Error(`the test does not answer the function ${token}`);
            return answer(inputs);
        } catch (error) {
            // Pulumi takes of it only what gRPC calls details.
            throw Object.assign(error as Error, { details: (error as Error).message });
        }
    };
    await pulumi.runtime.setMocks({ newResource, call }, PROJECT, "test", options.preview ?? false);
    const entries = Object.entries(options.config ?? {});
    const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
    pulumi.runtime.setAllConfig(
        Object.fromEntries(entries.map(([key, value]) => [`${PROJECT}:${key}`, text(value)])),
        (options.secretKeys ?? []).map((key) => `${PROJECT}:${key}`),
    );
    onRegistration((request) =>
        requests.set(`${request.getType()} ${request.getName()}`, {
            parent: request.getParent(),
            deleteBeforeReplace: request.getDeletebeforereplace(),
            ignoreChanges: request.getIgnorechangesList(),
            dependencies: request.getDependenciesList(),
            propertyDependencies: propertyDependencies(request),
        }),
    );
    onRead((request) =>
        requests.set(`${request.getType()} ${request.getName()}`, {
            parent: request.getParent(),
            deleteBeforeReplace: false,
            ignoreChanges: [],
            dependencies: request.getDependenciesList(),
            propertyDependencies: new Set(),
        }),
    );
    return rejectionsAreErrors(async () => {
        const exported = await settle(await program());
        await pulumi.runtime.disconnect();
        return { resources, outputs: exported };
    });
}

function propertyDependencies(request: RegisterResourceRequest): Set<string> {
    const byProperty = [...request.getPropertydependenciesMap().entries()];
    return new Set(byProperty.flatMap(([, dependencies]) => dependencies.getUrnsList()));
}

/** Like `onRegistration`, for what is read and not made. */
function onRead(note: (request: ReadResourceRequest) => void): void {
    const monitor: unknown = getMonitor();
    if (!(monitor instanceof MockMonitor)) throw new Error("Pulumi's mock monitor is not in place");
    const read = monitor.readResource.bind(monitor);
    monitor.readResource = async (request: ReadResourceRequest, callback: Parameters<typeof read>[1]) => {
        note(request);
        await read(request, callback);
    };
}

/** As the engine does: pulumi/pulumi, pkg/resource/deploy/builtins.go, readStackReference. */
function readStack(stacks: NonNullable<DeployOptions["stacks"]>, name: string): Record<string, unknown> {
    const stack = stacks[name];
    if (!stack) throw new Error(`unknown stack "${name}"`);
    const { outputs, secretOutputs } = stack;
    // A JSON round trip, as state is: what is undefined is not there.
    const entries = Object.entries(JSON.parse(JSON.stringify(outputs))).map(([key, value]) => [
        key,
        secretOutputs[key] ? { [SECRET_KEY]: SECRET_MARK, value } : value,
    ]);
    return {
        name,
        outputs: Object.fromEntries(entries),
        secretOutputNames: Object.keys(outputs).filter((key) => secretOutputs[key]),
    };
}

/** The one resource of a type (and of a name that has `part` in it). Throws when there are none or more. */
export function only({ resources }: Deployed, type: string, part = ""): Resource {
    const found = resources.filter((resource) => resource.type === type && resource.name.includes(part));
    if (found.length === 1) return found[0]!;
    const names = found.map(({ name }) => name).join(", ") || "none";
    throw new Error(`expected one ${type} with "${part}" in its name, got ${names}`);
}

/** True for the envelope of a secret. */
export function isSecret(value: unknown): boolean {
    return typeof value === "object" && value !== null && SECRET_KEY in value;
}

/** The value with every secret envelope in it opened. */
export function reveal(value: any): any {
    if (Array.isArray(value)) return value.map(reveal);
    if (typeof value !== "object" || value === null) return value;
    if (isSecret(value)) return reveal(value.value);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, reveal(inner)]));
}

/** Paths of strings that contain one of `needles` outside a secret envelope, as it is or within Base64. */
export function plainOccurrences(value: any, needles: string | readonly string[], path = ""): string[] {
    const isFound = (text: string) => [needles].flat().some((needle) => text.includes(needle));
    if (typeof value === "string") return readings(value).some(isFound) ? [path] : [];
    if (typeof value !== "object" || value === null || isSecret(value)) return [];
    return Object.entries(value).flatMap(([key, inner]) => plainOccurrences(inner, needles, `${path}.${key}`));
}

/** RFC 1952, 2.3.1: how a compressed file begins. */
const GZIP = 0x1f8b;

/** A text, and what is in it as Base64, compressed or not, however deep. */
function readings(text: string): string[] {
    const runs = text.match(/[A-Za-z0-9+/]{12,}={0,2}/g) ?? [];
    return [text, ...runs.flatMap((run) => readings(decoded(Buffer.from(run, "base64"))))];
}

function decoded(bytes: Buffer): string {
    if (bytes.length >= 2 && bytes.readUInt16BE() === GZIP) {
        try {
            return gunzipSync(bytes).toString("latin1");
        } catch {
            // Random bytes can begin like this, too.
        }
    }
    return bytes.toString("latin1");
}

/** An error in an `apply` is nobody's rejection but Node's own: without this a test would wait for its time-out. */
async function rejectionsAreErrors<T>(work: () => Promise<T>): Promise<T> {
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    let fail: (error: unknown) => void = () => {};
    const failed = new Promise<never>((_, reject) => {
        fail = reject;
    });
    process.on("unhandledRejection", fail);
    try {
        return await Promise.race([work(), failed]);
    } finally {
        process.removeAllListeners("unhandledRejection");
        for (const listener of listeners) process.on("unhandledRejection", listener);
    }
}

/** By `promise` and not by `apply`, which never comes where a preview does not know a value: that is undefined here. */
function settle(exported: object): Promise<Record<string, any>> {
    return (pulumi.output(exported) as unknown as { promise(): Promise<Record<string, any>> }).promise();
}
