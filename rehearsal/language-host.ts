/**
 * Runs the project's program for Pulumi's command line, as pulumi-language-nodejs does: that one comes with Pulumi's
 * download, and is not among the Go modules. Whatever Pulumi's own installation has on PATH comes before it.
 * https://github.com/pulumi/pulumi/blob/v3.248.0/sdk/nodejs/cmd/pulumi-language-nodejs/main.go
 *
 *     node language-host.ts [flags] <address of the engine>      prints the port that it serves
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import * as language from "@pulumi/pulumi/proto/language_pb";
import * as plugin from "@pulumi/pulumi/proto/plugin_pb";
import type { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { dependencies } from "../package.json";
import { endWithParent } from "./parent";

endWithParent();

const ENGINE = process.argv.at(-1) ?? "";
const RUNNER = "node_modules/@pulumi/pulumi/cmd/run";
/** With which the runner ends once it has reported the error itself: sdk/nodejs/cmd/run/index.ts. */
const REPORTED = 32;

/** Has the SDK run the program, which registers its resources with the engine. What it prints, the engine shows. */
async function runProgram(request: language.RunRequest): Promise<language.RunResponse> {
    const info = request.getInfo();
    const rootDirectory = info?.getRootDirectory() ?? request.getPwd();
    const args = [
        ...["--monitor", request.getMonitorAddress(), "--engine", ENGINE],
        ...["--organization", request.getOrganization(), "--project", request.getProject()],
        ...["--stack", request.getStack(), "--root-directory", rootDirectory],
        ...["--pwd", request.getPwd(), "--parallel", String(request.getParallel())],
        ...(request.getDryrun() ? ["--dry-run"] : []),
        info?.getEntryPoint() ?? ".",
        ...request.getArgsList(),
    ];
    const config: [string, string][] = request.getConfigMap().getEntryList();
    const child = spawn(process.execPath, [join(rootDirectory, RUNNER), ...args], {
        cwd: request.getPwd(),
        stdio: ["ignore", "inherit", "inherit"],
        env: {
            ...process.env,
            PULUMI_CONFIG: JSON.stringify(Object.fromEntries(config)),
            PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
            PULUMI_NODEJS_TYPESCRIPT: "true",
        },
    });
    const end = () => child.kill("SIGKILL");
    process.once("exit", end);
    const [code, signal] = await once(child, "exit");
    process.removeListener("exit", end);
    const response = new language.RunResponse();
    if (code === REPORTED) response.setBail(true);
    else if (code !== 0) response.setError(`Program exited with ${signal ?? `non-zero exit code: ${code}`}`);
    return response;
}

/** Answers one call of the protocol. */
function unary<Request, Response>(
    answer: (request: Request) => Response | Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
    return async ({ request }, callback) => {
        try {
            callback(null, await answer(request));
        } catch (error) {
            callback(error as Error);
        }
    };
}

const server = new grpc.Server();
server.addService(LanguageRuntimeService as grpc.ServiceDefinition, {
    handshake: unary<language.LanguageHandshakeRequest, language.LanguageHandshakeResponse>(
        () => new language.LanguageHandshakeResponse(),
    ),
    getPluginInfo: unary<Empty, plugin.PluginInfo>(() => {
        const info = new plugin.PluginInfo();
        info.setVersion(dependencies["@pulumi/pulumi"]);
        return info;
    }),
    // The providers are attached: nothing is to be downloaded.
    getRequiredPackages: unary<language.GetRequiredPackagesRequest, language.GetRequiredPackagesResponse>(
        () => new language.GetRequiredPackagesResponse(),
    ),
    run: unary(runProgram),
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    // By this line Pulumi finds it.
    console.log(port);
});
