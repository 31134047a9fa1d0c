/**
 * The rehearsal's engine: Pulumi's own mock hook, with stand-ins that really make what the program asks for. It remembers
 * what it made, so that running the program again changes only what differs, as `pulumi up` does.
 */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks";
import { getMonitor } from "@pulumi/pulumi/runtime/settings";

/** Properties of a resource, secrets unwrapped. */
// biome-ignore lint/suspicious/noExplicitAny: what Pulumi hands to a mock has no better type.
export type Properties = Record<string, any>;

/** A resource that the program wants. */
export interface Wanted {
    readonly type: string;
    readonly name: string;
    readonly inputs: Properties;
    /** Inputs of the explicit provider, when there is one. */
    readonly provider?: Properties;
}

/** A resource that was made. */
export interface Made {
    readonly id: string;
    /** Outputs besides the inputs. */
    readonly outputs: Properties;
}

/** Makes the resources of one type in place of its provider. */
export interface StandIn {
    create(wanted: Wanted): Promise<Made>;
    /** In place of create when the resource exists with other inputs. Default: replacement. */
    update?(wanted: Wanted, old: Remembered): Promise<Made>;
    /** Inputs that `update` cannot change: the resource is replaced when one of them differs. */
    readonly replaceOn?: readonly string[];
    /** For replacement, and for what the program no longer wants. */
    remove?(old: Remembered): Promise<void>;
}

/** What the engine knows of a resource that exists. */
export interface Remembered extends Wanted, Made {
    /** It stays where it is when the stack no longer wants it. */
    readonly retainOnDelete: boolean;
}

/**
 * By type and name, each after what it depends on; what was replaced and is not removed yet has a key of its own.
 * JSON, so that the next run of the program can read it. Holds secrets: mode 0600.
 */
export type State = Record<string, Remembered>;

/** What resources are made and removed with. */
export interface Machinery {
    readonly standIns: Readonly<Record<string, StandIn>>;
    readonly state: State;
    /** One line for each resource as it is made or removed. */
    readonly tell: (line: string) => void;
}

/** What the engine asks and tells. */
export interface Rehearsal extends Machinery {
    readonly project: string;
    readonly stack: string;
    readonly config: Record<string, string>;
    readonly secretKeys: string[];
    /** Provider functions, by token. */
    readonly functions: Readonly<Record<string, (inputs: Properties) => Promise<Properties>>>;
    /** What a StackReference reads, by the name that the program gives. @default there is no other stack */
    readonly stackOutputs?: (stack: string) => StackOutputs | undefined;
    /** What a user's edit of a template would change: sees the inputs of each resource before the stand-in does. */
    readonly edit?: (wanted: Wanted) => void;
}

/** The outputs of a stack, as its own run leaves them and other stacks read them. */
export interface StackOutputs {
    /** Secrets opened: mode 0600. */
    readonly outputs: Properties;
    /** Those that are secret, or have a secret in them. */
    readonly secretOutputNames: readonly string[];
}

type MonitorCallback = Parameters<MockMonitor["registerResource"]>[1];

const STACK_REFERENCE = "pulumi:pulumi:StackReference";
const SECRET_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270";

/**
 * Runs the program once; when it has ended well, removes what was replaced and what it no longer wants, the last made
 * first. Returns the stack's outputs; throws the program's own error or a stand-in's.
 */
export async function up(rehearsal: Rehearsal, program: () => Promise<Properties>): Promise<StackOutputs> {
    const { state, functions } = rehearsal;
    const before = Object.values(state);
    const requests = new Map<string, RegisterResourceRequest>();
    const wantedNow = new Set<string>();

    const newResource = async (args: pulumi.runtime.MockResourceArgs) => {
        const key = `${args.type} ${args.name}`;
        if (args.custom === false) return { id: undefined, state: args.inputs };
        if (args.type === STACK_REFERENCE) return readStack(rehearsal, args.inputs.name);
        if (wantedNow.has(key)) throw new Error(`two resources are named ${args.name} (${args.type})`);
        wantedNow.add(key);
        const request = requests.get(key);
        if (!request) throw new Error(`${args.name} (${args.type}): its registration was not seen`);
        const provider = args.provider ? state[providerKey(args.provider)]?.inputs : undefined;
        const wanted: Wanted = { type: args.type, name: args.name, inputs: unwrap(args.inputs), provider };
        rehearsal.edit?.(wanted);
        keepIgnored(wanted.inputs, state[key], request.getIgnorechangesList());
        const made = await bring(rehearsal, key, wanted, request);

        const outputs = withSecrets(made.outputs, request.getAdditionalsecretoutputsList());
        return { id: made.id, state: { ...args.inputs, ...outputs } };
    };

    const call = async (args: pulumi.runtime.MockCallArgs) => {
        const answer = functions[args.token];
        if (!answer) throw told(new Error(`the rehearsal has no stand-in for the function ${args.token}`));
        return answer(unwrap(args.inputs)).catch((error: Error) => Promise.reject(told(error)));
    };

    await pulumi.runtime.setMocks({ newResource, call }, rehearsal.project, rehearsal.stack, false);
    pulumi.runtime.setAllConfig(rehearsal.config, rehearsal.secretKeys);
    onRegistration((request) => requests.set(`${request.getType()} ${request.getName()}`, request));
    const outputs = await rejectionsAreErrors(async () => {
        const exported = await program();
        const values = await settle(exported);
        await pulumi.runtime.disconnect();
        return values;
    });
    // What this run wanted is in the state anew: what is there as it was is not wanted.
    await removeAll(rehearsal, before);
    return outputs;
}

/**
 * Removes everything that a stack made, the last made first. What it may not remove (`retainOnDelete`) is forgotten.
 * Returns the names of what is left.
 */
export function destroy(machinery: Machinery): Promise<string[]> {
    return removeAll(machinery, Object.values(machinery.state));
}

/** A reference to another stack is read at each run, and nothing of it is remembered. */
function readStack({ stackOutputs }: Rehearsal, name: string): { id: string; state: Properties } {
    const found = stackOutputs?.(name);
    // As the CLI says it.
    if (!found) throw new Error(`unknown stack "${name}"`);
    const { outputs, secretOutputNames } = found;
    return { id: name, state: { name, outputs: withSecrets(outputs, secretOutputNames), secretOutputNames } };
}

const PROVIDER: StandIn = { create: async ({ name }) => ({ id: name, outputs: {} }) };

/** Makes, changes or replaces a resource, whatever it takes, and remembers it. */
async function bring(
    machinery: Machinery,
    key: string,
    wanted: Wanted,
    options: RegisterResourceRequest,
): Promise<Made> {
    const { state, standIns, tell } = machinery;
    const standIn = wanted.type.startsWith("pulumi:providers:") ? PROVIDER : standIns[wanted.type];
    if (!standIn) throw new Error(`${wanted.name}: the rehearsal has no stand-in for ${wanted.type}`);
    const started = Date.now();
    const old = state[key];
    const same = (names: readonly string[]) =>
        names.every((name) => isDeepStrictEqual(old?.inputs[name], wanted.inputs[name]));
    let made: Made;
    if (old && isDeepStrictEqual(old.inputs, wanted.inputs)) {
        made = old;
    } else if (old && standIn.update && same(standIn.replaceOn ?? [])) {
        made = await standIn.update(wanted, old);
    } else {
        if (old && options.getDeletebeforereplace()) await removeOne(machinery, key, old);
        made = await standIn.create(wanted);
        // Under a key of its own until the end: when this run fails, a later one removes it.
        if (state[key]) state[`${key} ${randomUUID()}`] = state[key];
    }
    // At the end, behind what it depends on in this run.
    delete state[key];
    state[key] = {
        ...wanted,
        id: made.id,
        outputs: made.outputs,
        retainOnDelete: options.getRetainondelete() ?? false,
    };
    if (made !== old) tell(`${old ? "changed" : "made"}  ${wanted.name}  (${wanted.type})  ${seconds(started)}`);
    return made;
}

/** Removes those of these resources that are still in the state, the last first. Returns the names of what is left. */
async function removeAll(machinery: Machinery, resources: readonly Remembered[]): Promise<string[]> {
    const left: string[] = [];
    for (const resource of resources.toReversed()) {
        const [key] = Object.entries(machinery.state).find(([, remembered]) => remembered === resource) ?? [];
        if (key === undefined) continue;
        await removeOne(machinery, key, resource);
        if (resource.retainOnDelete) left.push(resource.name);
    }
    return left;
}

async function removeOne({ state, standIns, tell }: Machinery, key: string, resource: Remembered): Promise<void> {
    if (!resource.retainOnDelete) await standIns[resource.type]?.remove?.(resource);
    delete state[key];
    tell(`${resource.retainOnDelete ? "left" : "removed"}  ${resource.name}  (${resource.type})`);
}

/** Takes the inputs whose changes the program ignores as they were. */
function keepIgnored(inputs: Properties, old: Remembered | undefined, names: readonly string[]): void {
    if (!old) return;
    for (const name of names) {
        if (name in old.inputs) inputs[name] = old.inputs[name];
        else delete inputs[name];
    }
}

/** Pulumi takes of a function's error only what gRPC calls details. */
function told(error: Error): Error {
    return Object.assign(error, { details: error.message });
}

/**
 * Shows each resource's registration to `note` before the mock hook sees the resource: the hook is not told the options.
 * Call it after `setMocks`.
 */
export function onRegistration(note: (request: RegisterResourceRequest) => void): void {
    const monitor: unknown = getMonitor();
    if (!(monitor instanceof MockMonitor)) throw new Error("Pulumi's mock monitor is not in place");
    const register = monitor.registerResource.bind(monitor);
    monitor.registerResource = async (request: RegisterResourceRequest, callback: MonitorCallback) => {
        note(request);
        await register(request, callback);
    };
}

/** An error in an `apply` is nobody's rejection but Node's own: without this the program would wait for ever. */
async function rejectionsAreErrors<T>(work: () => Promise<T>): Promise<T> {
    let fail: (error: unknown) => void = () => {};
    const failed = new Promise<never>((_, reject) => {
        fail = reject;
    });
    process.on("unhandledRejection", fail);
    process.on("uncaughtException", fail);
    try {
        return await Promise.race([work(), failed]);
    } finally {
        process.off("unhandledRejection", fail);
        process.off("uncaughtException", fail);
    }
}

async function settle(exported: Properties): Promise<StackOutputs> {
    const outputs = await new Promise<Properties>((resolve) => pulumi.output(exported).apply(resolve));
    const secret = await Promise.all(Object.values(exported).map((value) => pulumi.isSecret(pulumi.output(value))));
    return { outputs, secretOutputNames: Object.keys(exported).filter((_, index) => secret[index]) };
}

/** `urn:pulumi:<stack>::<project>::<types>::<name>::<id>` → the state's key. */
function providerKey(reference: string): string {
    const [, , types = "", name = ""] = reference.split("::");
    return `${types.split("$").pop()} ${name}`;
}

/** Properties as Pulumi takes them from an engine: these of them in the envelope of a secret. */
function withSecrets(properties: Properties, names: readonly string[]): Properties {
    return Object.fromEntries(
        Object.entries(properties).map(([name, value]) => [
            name,
            names.includes(name) ? { [SECRET_KEY]: SECRET_MARK, value } : value,
        ]),
    );
}

function unwrap(value: unknown): Properties {
    return unwrapValue(value) as Properties;
}

function unwrapValue(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(unwrapValue);
    if (value === null || typeof value !== "object") return value;
    if (pulumi.asset.Asset.isInstance(value) || pulumi.asset.Archive.isInstance(value)) return value;
    const properties = value as Properties;
    if (properties[SECRET_KEY] === SECRET_MARK) return unwrapValue(properties.value);
    return Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, unwrapValue(inner)]));
}

function seconds(since: number): string {
    return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
