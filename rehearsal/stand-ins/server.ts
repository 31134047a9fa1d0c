/**
 * Pulumi's provider protocol (https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto) over stand-ins.
 * Pulumi's engine is led to these servers by PULUMI_DEBUG_PROVIDERS.
 */
import { randomBytes } from "node:crypto";
import * as grpc from "@grpc/grpc-js";
import * as plugin from "@pulumi/pulumi/proto/plugin_pb";
import * as service from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as proto from "@pulumi/pulumi/proto/provider_pb";
import * as status from "@pulumi/pulumi/proto/status_pb";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { type JavaScriptValue, Struct } from "google-protobuf/google/protobuf/struct_pb";
import { type Refusal, refusals, SHAPES } from "./shapes";
import { HalfMade, type Made, type Properties, type Provider, type Remembered, type StandIn } from "./stand-in";
import { differences, hasSecret, hasUnknown, opened, sealed, secretNames, UNKNOWN } from "./values";

/** A provider that listens on this machine. */
export interface Served {
    readonly package: string;
    readonly port: number;
    stop(): void;
}

type Handler<Request, Response> = (request: Request, peer: string) => Promise<Response>;

/** Where Pulumi's bridge notes which inputs it has filled in: pulumi-terraform-bridge, pkg/tfbridge/schema.go. */
const DEFAULTS = "__defaults";

/** Serves a provider until it is stopped. */
export async function serve(provider: Provider): Promise<Served> {
    // Pulumi's own limit is 400 MB: the text of a program in an input is larger than gRPC's 4 MB.
    const server = new grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
    server.addService(service.ResourceProviderService as grpc.ServiceDefinition, handlers(provider));
    const port = await new Promise<number>((resolve, reject) => {
        const credentials = grpc.ServerCredentials.createInsecure();
        server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    return { package: provider.package, port, stop: () => server.forceShutdown() };
}

/** The value of PULUMI_DEBUG_PROVIDERS for these servers. */
export function debugProviders(servers: readonly Served[]): string {
    return servers.map(({ package: name, port }) => `${name}:${port}`).join(",");
}

function handlers(provider: Provider): grpc.UntypedServiceImplementation {
    // The engine attaches once for each provider resource, old and new, and each connection is configured by itself.
    const configured = new Map<string, Properties>();
    const configuration = (peer: string): Properties => {
        const found = configured.get(peer);
        if (!found) throw new Error(`the provider ${provider.package} was not configured on the connection of ${peer}`);
        return found;
    };
    const standIn = (type: string): StandIn => {
        const found = provider.standIns[type];
        if (!found) throw new Error(`the rehearsal has no stand-in for ${type}`);
        return found;
    };
    const resource = (urn: string, inputs: Properties, peer: string) => {
        const [, , types = "", name = ""] = urn.split("::");
        const type = types.slice(types.lastIndexOf("$") + 1);
        return { type, name, inputs: withoutDefaults(opened(inputs)), provider: configuration(peer) };
    };
    const remembered = (id: string, urn: string, inputs: Properties, state: Properties, peer: string): Remembered => {
        return { id, ...resource(urn, inputs, peer), outputs: opened(withoutInputs(state, inputs)) };
    };

    const check = (token: string, inputs: Properties): proto.CheckResponse => {
        const response = new proto.CheckResponse();
        response.setInputs(toStruct(inputs));
        response.setFailuresList(refusals(token, withoutDefaults(opened(inputs))).map(toFailure));
        return response;
    };

    return {
        getPluginInfo: unary<Empty, plugin.PluginInfo>(async () => {
            const info = new plugin.PluginInfo();
            info.setVersion(require(`@pulumi/${provider.package}/package.json`).version);
            return info;
        }),
        attach: unary<plugin.PluginAttach, Empty>(async () => new Empty()),
        cancel: unary<Empty, Empty>(async () => new Empty()),

        checkConfig: unary<proto.CheckRequest, proto.CheckResponse>(async (request) => {
            const inputs = fromStruct(request.getNews());
            const token = `pulumi:providers:${provider.package}`;
            const response = check(token, parsedInputs(token, inputs));
            response.setInputs(toStruct(inputs));
            return response;
        }),
        diffConfig: unary<proto.DiffRequest, proto.DiffResponse>(async (request) => {
            const [before, after] = [request.getOldInputs() ?? request.getOlds(), request.getNews()].map(fromStruct);
            return difference(differences(opened(before), opened(after)), []);
        }),
        configure: unary<proto.ConfigureRequest, proto.ConfigureResponse>(async (request, peer) => {
            const token = `pulumi:providers:${provider.package}`;
            configured.set(peer, opened(parsedInputs(token, fromStruct(request.getArgs()))));
            const response = new proto.ConfigureResponse();
            response.setAcceptsecrets(true);
            response.setSupportspreview(true);
            return response;
        }),

        invoke: unary<proto.InvokeRequest, proto.InvokeResponse>(async (request, peer) => {
            const answer = provider.functions?.[request.getTok()];
            if (!answer) throw new Error(`the rehearsal has no stand-in for the function ${request.getTok()}`);
            const response = new proto.InvokeResponse();
            const found = await answer(opened(fromStruct(request.getArgs())), configuration(peer));
            response.setReturn(toStruct(found));
            return response;
        }),

        check: unary<proto.CheckRequest, proto.CheckResponse>(async (request, peer) => {
            const news = fromStruct(request.getNews());
            const { type, name } = resource(request.getUrn(), news, peer);
            const { autonamed } = standIn(type);
            const named =
                autonamed === undefined ? news : autoname(autonamed, name, news, fromStruct(request.getOlds()));
            return check(type, named);
        }),
        diff: unary<proto.DiffRequest, proto.DiffResponse>(async (request, peer) => {
            const [state, inputs, news] = [request.getOlds(), request.getOldInputs(), request.getNews()].map(
                fromStruct,
            );
            const old = remembered(request.getId(), request.getUrn(), inputs ?? {}, state ?? {}, peer);
            const { inPlace = [], autonamed, outdated } = standIn(old.type);
            const changed = differences(old.inputs, withoutDefaults(opened(news)));
            const replaces = changed.filter(
                (path) => !inPlace.some((each) => path === each || path.startsWith(`${each}.`)),
            );
            const forced = outdated?.(old) ?? [];
            // As the bridge does it (pkg/tfbridge/provider.go, nameRequiresDeleteBeforeReplace): two cannot have one name.
            const fixed = autonamed !== undefined && !isDefault(news ?? {}, autonamed) && !changed.includes(autonamed);
            return difference([...changed, ...forced], [...replaces, ...forced], fixed);
        }),

        create: unary<proto.CreateRequest, proto.CreateResponse>(async (request, peer) => {
            const inputs = fromStruct(request.getProperties());
            const wanted = resource(request.getUrn(), inputs, peer);
            const response = new proto.CreateResponse();
            if (request.getPreview()) {
                response.setProperties(toStruct({ ...unknownOutputs(wanted.type), ...inputs }));
                return response;
            }
            const stateOf = ({ outputs }: Made) => toStruct(stateFrom(standIn(wanted.type), inputs, outputs));
            const made = await standIn(wanted.type).create(wanted).catch(halfMade(stateOf));
            response.setId(made.id);
            response.setProperties(stateOf(made));
            return response;
        }),
        read: unary<proto.ReadRequest, proto.ReadResponse>(async (request, peer) => {
            const [state, inputs] = [request.getProperties(), request.getInputs()].map(fromStruct) as [
                Properties,
                Properties,
            ];
            const old = remembered(request.getId(), request.getUrn(), inputs, state, peer);
            const found = await standIn(old.type).read(old);
            const response = new proto.ReadResponse();
            if (!found) return response;
            const secrets = secretNames(inputs, state);
            response.setId(request.getId());
            response.setInputs(toStruct({ ...inputs, ...sealed(found.inputs ?? {}, secrets) }));
            response.setProperties(toStruct({ ...state, ...sealed({ ...found.inputs, ...found.outputs }, secrets) }));
            return response;
        }),
        update: unary<proto.UpdateRequest, proto.UpdateResponse>(async (request, peer) => {
            const [state, inputs, news] = [request.getOlds(), request.getOldInputs(), request.getNews()].map(
                fromStruct,
            ) as [Properties, Properties, Properties];
            const wanted = resource(request.getUrn(), news, peer);
            const old = remembered(request.getId(), request.getUrn(), inputs, state, peer);
            const { update, secretWithInputs = [] } = standIn(old.type);
            const computed = withoutInputs(state, inputs);
            const response = new proto.UpdateResponse();
            if (request.getPreview()) {
                // What a command prints is not known before it has run again; other outputs stay as they are.
                const again = Object.fromEntries(secretWithInputs.map((name) => [name, UNKNOWN]));
                response.setProperties(toStruct({ ...computed, ...news, ...again }));
                return response;
            }
            const stateOf = ({ outputs }: Made) => toStruct(stateFrom(standIn(old.type), news, outputs, state));
            const kept: Made = { id: old.id, outputs: opened(computed) };
            response.setProperties(stateOf((await update?.(wanted, old).catch(halfMade(stateOf))) ?? kept));
            return response;
        }),
        delete: unary<proto.DeleteRequest, Empty>(async (request, peer) => {
            const [state, inputs] = [request.getProperties(), request.getOldInputs()].map(fromStruct) as [
                Properties,
                Properties,
            ];
            const old = remembered(request.getId(), request.getUrn(), inputs, state, peer);
            await standIn(old.type).remove?.(old);
            return new Empty();
        }),
    };
}

function unary<Request, Response>(handler: Handler<Request, Response>): grpc.handleUnaryCall<Request, Response> {
    return (call, callback) => {
        handler(call.request, call.getPeer()).then(
            (response) => callback(null, response),
            (error: Error & { metadata?: grpc.Metadata }) =>
                // Of an error the engine prints what gRPC calls details.
                callback({ code: grpc.status.UNKNOWN, details: error.message, metadata: error.metadata }),
        );
    };
}

/** What the state has of a resource: its inputs and outputs, secret where the inputs are, or where they have been. */
function stateFrom(standIn: StandIn, inputs: Properties, outputs: Properties, before: Properties = {}): Properties {
    const secrets = secretNames(inputs, before);
    if (hasSecret(inputs)) for (const name of standIn.secretWithInputs ?? []) secrets.add(name);
    return { ...sealed(outputs, secrets), ...inputs };
}

/** Outputs of a resource that is yet to be made: those that the program did not set are not known. */
function unknownOutputs(type: string): Properties {
    return Object.fromEntries((SHAPES[type]?.outputs ?? []).map((name) => [name, UNKNOWN]));
}

/** The error of a resource that is there and must not be forgotten, in the form in which the engine looks for it. */
function halfMade(stateOf: (made: Made) => Struct): (error: Error) => never {
    return (error) => {
        if (!(error instanceof HalfMade)) throw error;
        const failed = new proto.ErrorResourceInitFailed();
        failed.setId(error.made.id);
        failed.setProperties(stateOf(error.made));
        failed.setReasonsList([error.message]);
        const detail = new Any();
        detail.pack(failed.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
        const all = new status.Status();
        all.setCode(grpc.status.UNKNOWN);
        all.setMessage(error.message);
        all.addDetails(detail);
        const metadata = new grpc.Metadata();
        metadata.add("grpc-status-details-bin", Buffer.from(all.serializeBinary()));
        throw Object.assign(error, { metadata });
    };
}

function difference(changed: readonly string[], replaces: readonly string[], fixedName = false): proto.DiffResponse {
    const response = new proto.DiffResponse();
    const { DIFF_SOME, DIFF_NONE } = proto.DiffResponse.DiffChanges;
    const names = (paths: readonly string[]) => [...new Set(paths.map((path) => path.replace(/\..*/, "")))];
    response.setChanges(changed.length > 0 ? DIFF_SOME : DIFF_NONE);
    response.setDiffsList(names(changed));
    response.setReplacesList(names(replaces));
    response.setDeletebeforereplace(fixedName && replaces.length > 0);
    return response;
}

/** The name of before where that was made here too, else a new one, as the bridge makes it. */
function autoname(property: string, name: string, news: Properties, olds: Properties): Properties {
    if (news[property] !== undefined) return { ...news, [DEFAULTS]: [] };
    const made = isDefault(olds, property) ? olds[property] : `${name}-${randomBytes(4).toString("hex").slice(0, 7)}`;
    return { ...news, [property]: made, [DEFAULTS]: [property] };
}

function isDefault(inputs: Properties, property: string): boolean {
    return inputs[DEFAULTS]?.includes(property) ?? false;
}

function withoutDefaults({ [DEFAULTS]: _, ...properties }: Properties): Properties {
    return properties;
}

function withoutInputs(state: Properties, inputs: Properties): Properties {
    return Object.fromEntries(Object.entries(state).filter(([name]) => !(name in inputs) && name !== DEFAULTS));
}

/** A provider's inputs, of which all that are not text come as JSON. */
function parsedInputs(token: string, inputs: Properties): Properties {
    const shape = SHAPES[token]?.inputs ?? {};
    const parsed = ([name, value]: [string, unknown]) => {
        const plain = opened(value);
        const isText = (shape[name] ?? shape[`${name}?`]) === "string";
        return [name, isText || typeof plain !== "string" || hasUnknown(plain) ? value : fromJson(plain)];
    };
    const own = Object.entries(inputs).filter(([name]) => name !== "version" && name !== "pluginDownloadURL");
    return Object.fromEntries(own.map(parsed as (entry: [string, unknown]) => [string, unknown]));
}

function fromJson(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return text;
    }
}

function toFailure({ property, reason }: Refusal): proto.CheckFailure {
    const failure = new proto.CheckFailure();
    failure.setProperty(property);
    failure.setReason(reason);
    return failure;
}

function toStruct(properties: Properties): Struct {
    // Through JSON: a Struct has no undefined.
    return Struct.fromJavaScript(JSON.parse(JSON.stringify(properties)) as { [key: string]: JavaScriptValue });
}

function fromStruct(struct: Struct | undefined): Properties {
    return struct?.toJavaScript() ?? {};
}
