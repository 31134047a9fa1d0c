/**
 * What `pulumi import` asks of the project's language before it begins: that there is a host for it. Pulumi's own host,
 * pulumi-language-nodejs, comes with its download, and is not among the Go modules. Programs are run by the Automation API.
 */
import * as grpc from "@grpc/grpc-js";
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import * as language from "@pulumi/pulumi/proto/language_pb";
import * as plugin from "@pulumi/pulumi/proto/plugin_pb";
import type { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { dependencies } from "../package.json";

const server = new grpc.Server();
server.addService(LanguageRuntimeService as grpc.ServiceDefinition, {
    handshake: ((_, callback) =>
        callback(null, new language.LanguageHandshakeResponse())) satisfies grpc.handleUnaryCall<
        language.LanguageHandshakeRequest,
        language.LanguageHandshakeResponse
    >,
    getPluginInfo: ((_, callback) => {
        const info = new plugin.PluginInfo();
        info.setVersion(dependencies["@pulumi/pulumi"]);
        callback(null, info);
    }) satisfies grpc.handleUnaryCall<Empty, plugin.PluginInfo>,
    // The providers are attached: nothing is to be downloaded.
    getRequiredPackages: ((_, callback) =>
        callback(null, new language.GetRequiredPackagesResponse())) satisfies grpc.handleUnaryCall<
        language.GetRequiredPackagesRequest,
        language.GetRequiredPackagesResponse
    >,
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    // By this line Pulumi finds it.
    console.log(port);
});
