/**
 * The rehearsal's engine: Pulumi's own mock hook, with stand-ins that really make what the program asks for. It remembers
 * what it made, so that running the program again changes only what differs, as `pulumi up` does.
 */
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
    /** For replacement, and for what the program no longer wants. */
    remove?(old: Remembered): Promise<void>;
}

/** What the engine knows of a resource that exists. */
export interface Remembered extends Wanted, Made {
    readonly deleteBeforeReplace: boolean;
}

/** By type and name; JSON, so that the next run of the program can read it. Holds secrets: mode 0600. */
export type State = Record<string, Remembered>;

/** What the engine asks and tells. */
export interface Rehearsal {
    readonly project: string;
    readonly stack: string;
    readonly config: Record<string, string>;
    readonly secretKeys: string[];
    readonly standIns: Readonly<Record<string, StandIn>>;
    /** Provider functions, by token. */
    readonly functions: Readonly<Record<string, (inputs: Properties) => Promise<Properties>>>;
    readonly state: State;
    /** One line for each resource as it is made. */
    readonly tell: (line: string) => void;
    /** What a user's edit of a template would change: sees the inputs of each resource before the stand-in does. */
    readonly edit?: (wanted: Wanted) => void;
}

type MonitorCallback = Parameters<MockMonitor["registerResource"]>[1];

const SECRET_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270";

/** Runs the program once. Returns the stack's outputs; throws the program's own error or a stand-in's. */
export async function up(rehearsal: Rehearsal, program: () => Promise<Properties>): Promise<Properties> {
    const { state, tell, standIns, functions } = rehearsal;
    const requests = new Map<string, { deleteBeforeReplace: boolean; secretOutputs: string[] }>();
    const wantedNow = new Set<string>();

    const newResource = async (args: pulumi.runtime.MockResourceArgs) => {
        const key = `${args.type} ${args.name}`;
        if (args.custom === false) return { id: undefined, state: args.inputs };
        if (wantedNow.has(key)) throw new Error(`two resources are named ${args.name} (${args.type})`);
        wantedNow.add(key);
        const request = requests.get(key) ?? { deleteBeforeReplace: false, secretOutputs: [] };
        const provider = args.provider ? state[providerKey(args.provider)]?.inputs : undefined;
        const wanted: Wanted = { type: args.type, name: args.name, inputs: unwrap(args.inputs), provider };
        rehearsal.edit?.(wanted);
        const standIn = args.type.startsWith("pulumi:providers:") ? PROVIDER : standIns[args.type];
        if (!standIn) throw new Error(`${args.name}: the rehearsal has no stand-in for ${args.type}`);

        const started = Date.now();
        const old = state[key];
        const made =
            old && isDeepStrictEqual(old.inputs, wanted.inputs) ? old : await change(standIn, wanted, old, request);
        if (made !== old) {
            state[key] = { ...wanted, ...made, deleteBeforeReplace: request.deleteBeforeReplace };
            tell(`${old ? "changed" : "made"}  ${wanted.name}  (${wanted.type})  ${seconds(started)}`);
        }
        const outputs = Object.entries(made.outputs).map(([name, value]) => [
            name,
            request.secretOutputs.includes(name) ? { [SECRET_KEY]: SECRET_MARK, value } : value,
        ]);
        return { id: made.id, state: { ...args.inputs, ...Object.fromEntries(outputs) } };
    };

    const call = async (args: pulumi.runtime.MockCallArgs) => {
        const answer = functions[args.token];
        if (!answer) throw told(new Error(`the rehearsal has no stand-in for the function ${args.token}`));
        return answer(unwrap(args.inputs)).catch((error: Error) => Promise.reject(told(error)));
    };

    await pulumi.runtime.setMocks({ newResource, call }, rehearsal.project, rehearsal.stack, false);
    pulumi.runtime.setAllConfig(rehearsal.config, rehearsal.secretKeys);
    onRegistration((request) =>
        requests.set(`${request.getType()} ${request.getName()}`, {
            deleteBeforeReplace: request.getDeletebeforereplace(),
            secretOutputs: request.getAdditionalsecretoutputsList(),
        }),
    );
    const outputs = await rejectionsAreErrors(async () => {
        const exported = await program();
        const values = await settle(exported);
        await pulumi.runtime.disconnect();
        return values;
    });
    for (const [key, old] of Object.entries(state)) {
        if (wantedNow.has(key)) continue;
        await standIns[old.type]?.remove?.(old);
        delete state[key];
        tell(`removed  ${old.name}  (${old.type})`);
    }
    return outputs;
}

const PROVIDER: StandIn = { create: async ({ name }) => ({ id: name, outputs: {} }) };

async function change(
    standIn: StandIn,
    wanted: Wanted,
    old: Remembered | undefined,
    { deleteBeforeReplace }: { deleteBeforeReplace: boolean },
): Promise<Made> {
    if (!old) return standIn.create(wanted);
    if (standIn.update) return standIn.update(wanted, old);
    if (deleteBeforeReplace) await standIn.remove?.(old);
    const made = await standIn.create(wanted);
    if (!deleteBeforeReplace) await standIn.remove?.(old);
    return made;
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

function settle(exported: Properties): Promise<Properties> {
    return new Promise((resolve) => pulumi.output(exported).apply(resolve));
}

/** `urn:pulumi:<stack>::<project>::<types>::<name>::<id>` → the state's key. */
function providerKey(reference: string): string {
    const [, , types = "", name = ""] = reference.split("::");
    return `${types.split("$").pop()} ${name}`;
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
